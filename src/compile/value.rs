//! Texts with a shape, parsed once: durations, percentages; and literals of any type, as expressions.

use super::{Code, report::Report};
use crate::{
    api::{opaque::Scalar, text::Span},
    clock::Micros,
    expression::{self, Layout, Place, Type},
};
use serde_json::Value;

/// A duration of a manifest, in microseconds; what is none is reported.
pub fn span(report: &mut Report, path: &str, text: &Span) -> Option<Micros> {
    let length = Some(text.micros()).filter(|length| *length > 0);
    if length.is_none() {
        let help = "write it like 90s, 15m, 36h, 14d or 1d12h".to_owned();
        report.error(
            Code::NotADuration,
            path,
            format!("'{text}' is no duration above zero"),
            help,
        );
    }
    length
}

/// `8%` as 0.08, from 0 to 1.
pub fn percent(text: &str) -> Option<f64> {
    let number: f64 = text.strip_suffix('%')?.parse().ok()?;
    (0.0..=100.0).contains(&number).then_some(number / 100.0)
}

/// A value of `with`, `set` or `attributes`: a text with ${CEL}, or a number, a boolean or a list as it is.
pub fn scalar(
    report: &mut Report,
    path: &str,
    value: &Scalar,
    place: &Place<'_>,
    layout: &mut Layout,
) -> Option<expression::Program> {
    let source = match &value.0 {
        Value::String(text) => {
            if let Some(Type::Instant) = place.wants
                && !text.contains("${")
            {
                return cel(report, path, &format!("timestamp({})", value.0), place, layout);
            }
            return text_with_cel(report, path, text, place, layout);
        }
        Value::Bool(_) | Value::Number(_) => value.0.to_string(),
        Value::Array(items)
            if items
                .iter()
                .all(|item| item.is_string() || item.is_number() || item.is_boolean()) =>
        {
            value.0.to_string()
        }
        Value::Null => {
            report.error(
                Code::NullGiven,
                path,
                "there is no null: a value is there or missing",
                "leave the name out, or quote the text".to_owned(),
            );
            return None;
        }
        Value::Array(_) | Value::Object(_) => {
            let help = "write a text, a number or a boolean; CEL stands in ${...}".to_owned();
            report.error(Code::ObjectGiven, path, "an object cannot be given here", help);
            return None;
        }
    };
    cel(report, path, &source, place, layout)
}

/// A literal with ${CEL} in it. One that is an expression itself and lacks its ${} is told: it would be taken to the letter.
pub fn text_with_cel(
    report: &mut Report,
    path: &str,
    text: &str,
    place: &Place<'_>,
    layout: &mut Layout,
) -> Option<expression::Program> {
    let bare = !text.contains("${") && is_expression(text, place, layout);
    let help = format!("CEL stands in ${{...}}: write \"${{{text}}}\"");
    match expression::compile_text(text, place, layout) {
        Ok(program) => {
            if bare {
                report.warning(
                    Code::BracesMissing,
                    path,
                    format!("this is the text '{text}' itself"),
                    help,
                );
            }
            Some(program)
        }
        Err(mistakes) if bare => {
            let message = mistakes.into_iter().next().map(|mistake| mistake.message);
            report.error(Code::UnquotedExpression, path, message.unwrap_or_default(), help);
            None
        }
        Err(mistakes) => {
            report.expression(path, text, mistakes);
            None
        }
    }
}

/// Whether the text reads something that is known where it stands.
fn is_expression(text: &str, place: &Place<'_>, layout: &Layout) -> bool {
    let place = Place {
        wants: None,
        ..place.clone()
    };
    expression::compile(text, &place, &mut layout.clone()).is_ok_and(|program| !program.reads().is_empty())
}

/// A field that is CEL as a whole; mistakes are reported.
pub fn cel(
    report: &mut Report,
    path: &str,
    source: &str,
    place: &Place<'_>,
    layout: &mut Layout,
) -> Option<expression::Program> {
    expression::compile(source, place, layout)
        .map_err(|mistakes| report.expression(path, source, mistakes))
        .ok()
}

/// Names of `with`, `set` and `attributes` that YAML made of y, n, yes, no, on, off.
pub fn is_rewritten_key(name: &str) -> bool {
    matches!(name, "true" | "false")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_are_fractions() {
        for (text, fraction) in [
            ("8%", Some(0.08)),
            ("0.5%", Some(0.005)),
            ("100%", Some(1.0)),
            ("101%", None),
            ("8", None),
            ("NaN%", None),
        ] {
            assert_eq!(percent(text), fraction, "{text}");
        }
    }
}
