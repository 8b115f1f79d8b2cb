//! An event as it came in, whatever protocol brought it. What is put aside is kept in the same form: a CloudEvent in JSON.

use super::signals;
use crate::{clock::Micros, consent::Signals, engine::state::Properties, personal::Personal};
use serde_json::{Map, Value, json};

/// Bytes of an id, of a source and of a type: they become keys and counts.
const NAME_LIMIT: usize = 1024;

/// A CloudEvent, or what a Segment call says in the words of one.
#[derive(Debug, Clone, PartialEq)]
pub struct Incoming {
    /// Unique within `source`.
    pub id: Personal<String>,
    /// By the producer's own word; with the adapter it is what the id is unique within.
    pub source: Personal<String>,
    /// The CloudEvents type, or the name of a track call.
    pub name: String,
    pub time: Option<Micros>,
    pub data: Personal<Properties>,
    /// What others say of the customer's consent.
    pub signals: Signals,
}

/// Something in a batch that is no event; the rest of the batch goes on without it.
#[derive(Debug, Clone, PartialEq)]
pub struct Broken {
    /// What is wrong, without values.
    pub detail: String,
    /// As it came.
    pub event: Personal<Value>,
}

pub type Offered = Result<Incoming, Broken>;

impl Incoming {
    /// Reads the JSON event format of CloudEvents 1.0: <https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md>.
    /// The error says what is wrong, without values.
    pub fn read(event: &Map<String, Value>) -> Result<Self, String> {
        let text = |name: &str| match event.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str())),
            Some(_) => Err(format!("the attribute {name} must be a string")),
        };
        let data = data(event, text("datacontenttype")?, text("data_base64")?)?;
        let signals = signals::of_extensions(|name| event.get(name).cloned());
        Self::of_attributes(&text, data, signals)
    }

    /// Judges the context attributes, whatever binding brought them.
    pub fn of_attributes<'a>(
        attribute: &impl Fn(&str) -> Result<Option<&'a str>, String>,
        data: Properties,
        signals: Signals,
    ) -> Result<Self, String> {
        let required = |name: &str| match attribute(name)? {
            None | Some("") => Err(format!(
                "the attribute {name} is missing; CloudEvents 1.0 requires id, source, specversion and type"
            )),
            Some(text) if text.len() > NAME_LIMIT => {
                Err(format!("the attribute {name} is longer than {NAME_LIMIT} bytes"))
            }
            Some(text) => Ok(text.to_owned()),
        };
        if required("specversion")? != "1.0" {
            return Err("the attribute specversion must be 1.0".into());
        }
        Ok(Self {
            id: required("id")?.into(),
            source: required("source")?.into(),
            name: required("type")?,
            time: match attribute("time")? {
                None => None,
                Some(text) => Some(instant(text).ok_or("the attribute time must be an RFC 3339 timestamp")?),
            },
            data: data.into(),
            signals,
        })
    }

    /// The event as a CloudEvent, with the time at which it counts: a later reading gives the same event.
    pub fn cloud_event(&self, now: Micros) -> Value {
        let mut event = json!({
            "specversion": "1.0",
            "id": self.id.expose(),
            "source": self.source.expose(),
            "type": self.name,
            "time": instant_text(self.time.unwrap_or(now)),
            "datacontenttype": "application/json",
            "data": self.data.expose(),
        });
        for (name, value) in signals::extensions(&self.signals) {
            event[name] = value;
        }
        event
    }
}

fn data(event: &Map<String, Value>, content_type: Option<&str>, base64: Option<&str>) -> Result<Properties, String> {
    if content_type.is_some_and(|of| !is_json(of)) {
        return Err("the attribute datacontenttype must be JSON, such as application/json".into());
    }
    match (event.get("data"), base64) {
        (Some(Value::Object(data)), None) => Ok(data.clone()),
        (None | Some(Value::Null), None) => Ok(Properties::new()),
        (None, Some(base64)) => {
            use base64::{Engine as _, engine::general_purpose::STANDARD};
            let bytes = STANDARD
                .decode(base64)
                .map_err(|_| "the member data_base64 is not base64")?;
            match serde_json::from_slice(&bytes) {
                Ok(Value::Object(data)) => Ok(data),
                Ok(_) | Err(_) => Err("the member data_base64 must hold a JSON object".into()),
            }
        }
        (Some(_), Some(_)) => Err("an event has data or data_base64, not both".into()),
        (Some(_), None) => Err("the member data must be a JSON object".into()),
    }
}

/// application/json, or any type with the suffix +json.
pub fn is_json(content_type: &str) -> bool {
    let essence = content_type
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    essence == "application/json" || essence == "text/json" || essence.ends_with("+json")
}

/// RFC 3339 with an offset, as microseconds.
pub fn instant(text: &str) -> Option<Micros> {
    (text.len() <= 64)
        .then(|| text.parse::<jiff::Timestamp>().ok())
        .flatten()
        .map(jiff::Timestamp::as_microsecond)
}

pub fn instant_text(at: Micros) -> String {
    let at = jiff::Timestamp::from_microsecond(at).unwrap_or(if at < 0 {
        jiff::Timestamp::MIN
    } else {
        jiff::Timestamp::MAX
    });
    at.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(event: Value) -> Result<Incoming, String> {
        Incoming::read(event.as_object().unwrap())
    }

    #[test]
    fn an_event_reads_the_same_after_it_was_put_aside() {
        let event = json!({"specversion": "1.0", "id": "1", "source": "/web", "type": "cart.updated", "time": "2026-11-24T10:00:00+02:00",
            "tcstring": "CO", "gppstring": "DB", "gpc": "1", "consentcategories": "{\"categoryPreferences\":{\"Ads\":true}}",
            "data": {"userId": "u1", "deep": {"list": [1, 2.5, null]}}});
        let read_once = read(event).unwrap();
        assert!(read_once.signals.gpc && read_once.signals.tcf.is_some() && read_once.signals.gpp.is_some());
        let categories = read_once.signals.categories.clone().unwrap();
        assert_eq!(categories.expose()["categoryPreferences"]["Ads"], true);
        assert_eq!(read_once.time, Some(1_795_507_200_000_000));
        assert_eq!(read(read_once.cloud_event(0)).unwrap(), read_once);
    }

    #[test]
    fn what_the_standard_requires_is_required_and_no_value_is_repeated() {
        for (event, says) in [
            (
                json!({"specversion": "1.0", "source": "s", "type": "t"}),
                "attribute id is missing",
            ),
            (
                json!({"specversion": "1.0", "id": "", "source": "s", "type": "t"}),
                "attribute id is missing",
            ),
            (
                json!({"specversion": "0.3", "id": "1", "source": "s", "type": "t"}),
                "specversion must be 1.0",
            ),
            (
                json!({"specversion": "1.0", "id": 7, "source": "s", "type": "t"}),
                "id must be a string",
            ),
            (
                json!({"specversion": "1.0", "id": "1", "source": "s", "type": "t", "time": "secret"}),
                "time must be an RFC 3339",
            ),
            (
                json!({"specversion": "1.0", "id": "1", "source": "s", "type": "t", "data": "secret"}),
                "data must be a JSON object",
            ),
            (
                json!({"specversion": "1.0", "id": "1", "source": "s", "type": "t", "datacontenttype": "text/xml"}),
                "must be JSON",
            ),
        ] {
            let error = read(event).unwrap_err();
            assert!(error.contains(says), "{error}");
            assert!(!error.contains("secret"));
        }
    }

    #[test]
    fn data_in_base64_is_data() {
        let event = json!({"specversion": "1.0", "id": "1", "source": "s", "type": "t", "data_base64": "eyJhIjoxfQ=="});
        assert_eq!(read(event).unwrap().data.expose()["a"], 1);
    }
}
