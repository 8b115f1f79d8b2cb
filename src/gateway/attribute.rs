//! Whether a value fits an attribute of the profile, and what it is then: the same for what events teach and for what an import brings.

use super::incoming::{instant, instant_text};
use crate::expression::{Type, Val, Value};
use serde_json::{Number, Value as Json};

/// Bytes of a text and items of a list that an attribute may hold.
const TEXT_LIMIT: usize = 16 * 1024;
const LIST_LIMIT: usize = 1_000;
/// The greatest integer that a JSON number of other programs holds exactly.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// The value as the attribute keeps it; None: it does not fit. Timestamps are kept in UTC.
pub fn of_json(ty: &Type, value: &Json) -> Option<Json> {
    match ty {
        Type::Bool => value.as_bool().map(Json::Bool),
        Type::Int => match value.as_i64() {
            Some(number) => Some(number.into()),
            None => value
                .as_f64()
                .filter(|number| number.fract() == 0.0 && number.abs() <= EXACT)
                .map(|number| (number as i64).into()),
        },
        Type::Number => value.as_f64().and_then(Number::from_f64).map(Json::Number),
        Type::Text(values) => {
            let text = value.as_str().filter(|text| text.len() <= TEXT_LIMIT)?;
            let allowed = values
                .as_ref()
                .is_none_or(|values| values.iter().any(|one| one == text));
            allowed.then(|| Json::String(text.to_owned()))
        }
        Type::Instant => value
            .as_str()
            .and_then(instant)
            .map(|at| Json::String(instant_text(at))),
        Type::List(of) => {
            let items = value.as_array().filter(|items| items.len() <= LIST_LIMIT)?;
            items
                .iter()
                .map(|item| of_json(of, item))
                .collect::<Option<Vec<_>>>()
                .map(Json::Array)
        }
        // A profile declares none of these.
        Type::Duration | Type::Object(_) | Type::Opaque => None,
    }
}

/// The value of a CSV field; a list is a JSON array, or its items with `;` between them.
pub fn of_text(ty: &Type, text: &str) -> Option<Json> {
    let text = text.trim();
    match ty {
        Type::Bool => match text.to_ascii_lowercase().as_str() {
            "true" => Some(Json::Bool(true)),
            "false" => Some(Json::Bool(false)),
            _ => None,
        },
        Type::Int => text.parse::<i64>().ok().map(Json::from),
        Type::Number => text.parse::<f64>().ok().and_then(Number::from_f64).map(Json::Number),
        Type::Text(_) | Type::Instant => of_json(ty, &Json::String(text.to_owned())),
        Type::List(of) if !text.starts_with('[') => text
            .split(';')
            .map(|item| of_text(of, item))
            .collect::<Option<Vec<_>>>()
            .map(Json::Array),
        Type::List(_) => of_json(ty, &serde_json::from_str(text).ok()?),
        Type::Duration | Type::Object(_) | Type::Opaque => None,
    }
}

/// The value that an expression gave, as the attribute keeps it.
pub fn of_val(ty: &Type, value: &Val<'_>) -> Option<Json> {
    of_json(ty, &json(value)?)
}

fn json(value: &Val<'_>) -> Option<Json> {
    Some(match value {
        Val::Bool(truth) => Json::Bool(*truth),
        Val::Int(number) => (*number).into(),
        Val::Number(number) => Json::Number(Number::from_f64(*number)?),
        Val::Text(text) => Json::String(text.to_string()),
        Val::Instant(at) => Json::String(instant_text(*at)),
        Val::List(items) => Json::Array(items.iter().map(item).collect::<Option<Vec<_>>>()?),
        Val::Duration(_) | Val::Object(_) => return None,
    })
}

fn item(value: &Value) -> Option<Json> {
    match value {
        Value::Bool(truth) => json(&Val::Bool(*truth)),
        Value::Int(number) => json(&Val::Int(*number)),
        Value::Number(number) => json(&Val::Number(*number)),
        Value::Text(text) => json(&Val::Text(text.as_ref().into())),
        Value::Instant(at) => json(&Val::Instant(*at)),
        Value::Missing | Value::Fault(_) | Value::Duration(_) | Value::List(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_value_fits_its_type_or_is_refused() {
        let tiers = Type::Text(Some(vec!["none".to_owned(), "gold".to_owned()].into()));
        for (ty, text, kept) in [
            (Type::Int, "12", Some(json!(12))),
            (Type::Int, "12.5", None),
            (Type::Number, "12.5", Some(json!(12.5))),
            (Type::Number, "NaN", None),
            (Type::Bool, "TRUE", Some(json!(true))),
            (Type::Bool, "yes", None),
            (tiers.clone(), "gold", Some(json!("gold"))),
            (tiers.clone(), "platinum", None),
            (
                Type::Instant,
                "2026-11-24T10:00:00+02:00",
                Some(json!("2026-11-24T08:00:00Z")),
            ),
            (Type::Instant, "yesterday", None),
            (Type::List(Box::new(Type::Int)), "1;2", Some(json!([1, 2]))),
            (Type::List(Box::new(Type::Int)), "[1, 2]", Some(json!([1, 2]))),
            (Type::List(Box::new(tiers)), "gold;lead", None),
        ] {
            assert_eq!(of_text(&ty, text), kept, "{ty:?} {text}");
        }
        assert_eq!(of_json(&Type::Int, &json!(3.0)), Some(json!(3)));
        assert_eq!(of_json(&Type::Int, &json!("3")), None);
    }
}
