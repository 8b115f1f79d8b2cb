//! Segment-compatible calls: <https://segment.com/docs/connections/sources/catalog/libraries/server/http-api/>. Each becomes an event in the
//! words of a CloudEvent: the name of a track call, or page, screen, identify, group, alias; its properties or traits with userId and
//! anonymousId are the data, messageId is the id.

use super::{
    incoming::{Broken, Incoming, Offered, instant},
    refusal::Refusal,
    signals,
};
use crate::{clock::Micros, engine::state::Properties};
use ring::digest;
use serde_json::{Map, Value};

/// What duplicates of Segment calls are found within, beside the adapter.
const SOURCE: &str = "segment";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    Track,
    Identify,
    Page,
    Screen,
    Group,
    Alias,
}

impl Call {
    /// By the last part of the path, or by the member `type` of a call in a batch. Single letters are what the browser SDK calls.
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "track" | "t" => Self::Track,
            "identify" | "i" => Self::Identify,
            "page" | "p" => Self::Page,
            "screen" | "s" => Self::Screen,
            "group" | "g" => Self::Group,
            "alias" | "a" => Self::Alias,
            _ => return None,
        })
    }

    /// The event that it becomes; a track call names its own.
    fn event(self) -> Option<&'static str> {
        match self {
            Self::Track => None,
            Self::Identify => Some("identify"),
            Self::Page => Some("page"),
            Self::Screen => Some("screen"),
            Self::Group => Some("group"),
            Self::Alias => Some("alias"),
        }
    }

    /// Where it keeps what it tells.
    fn body(self) -> &'static str {
        match self {
            Self::Track | Self::Page | Self::Screen => "properties",
            Self::Identify | Self::Group => "traits",
            Self::Alias => "",
        }
    }

    /// Members of the call that belong to the data.
    fn members(self) -> &'static [&'static str] {
        match self {
            Self::Track | Self::Identify => &["userId", "anonymousId"],
            Self::Page | Self::Screen => &["userId", "anonymousId", "name", "category"],
            Self::Group => &["userId", "anonymousId", "groupId"],
            Self::Alias => &["userId", "anonymousId", "previousId"],
        }
    }
}

/// Reads one call. `now` stands in for a missing messageId only: such a call cannot be recognized when it is sent again.
pub fn read(call: Call, body: &Map<String, Value>, now: Micros) -> Result<Incoming, String> {
    let text = |name: &str| match body.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.len() <= 1024 => Ok(Some(text.as_str())),
        Some(_) => Err(format!("{name} must be a string of at most 1024 bytes")),
    };
    let name = match call.event() {
        Some(name) => name.to_owned(),
        None => text("event")?
            .filter(|name| !name.is_empty())
            .ok_or("event is missing: the name of what the customer did")?
            .to_owned(),
    };
    let mut data = match body.get(call.body()) {
        Some(Value::Object(told)) => told.clone(),
        None | Some(Value::Null) => Properties::new(),
        Some(_) => return Err(format!("{} must be an object", call.body())),
    };
    for member in call.members() {
        if let Some(value) = body.get(*member).filter(|value| !value.is_null()) {
            data.insert((*member).to_owned(), value.clone());
        }
    }
    let time = match text("timestamp")?.or(text("originalTimestamp")?) {
        None => None,
        Some(stamp) => Some(instant(stamp).ok_or("timestamp must be an ISO 8601 timestamp with an offset")?),
    };
    let id = match text("messageId")?.filter(|id| !id.is_empty()) {
        Some(id) => id.to_owned(),
        None => own_id(body, now),
    };
    Ok(Incoming {
        id: id.into(),
        source: SOURCE.to_owned().into(),
        name,
        time: time.map(|time| skewless(time, body, now)),
        data: data.into(),
        signals: signals::of_context(body.get("context")),
    })
}

/// Reads the calls of a batch; a call that is malformed is kept apart.
pub fn read_batch(body: &Map<String, Value>, now: Micros) -> Result<Vec<Offered>, Refusal> {
    let Some(Value::Array(calls)) = body.get("batch") else {
        return Err(Refusal::Malformed("batch must be an array of calls".into()));
    };
    let sent_at = body.get("sentAt");
    // The context of a batch is that of each of its calls, where a call says nothing else.
    let around = signals::of_context(body.get("context"));
    let read_one = |call: &Value| {
        let broken = |detail: String| Broken {
            detail,
            event: call.clone().into(),
        };
        let members = call
            .as_object()
            .ok_or_else(|| broken("a call is a JSON object".into()))?;
        let named = members.get("type").and_then(Value::as_str).and_then(Call::named);
        let named = named.ok_or_else(|| broken("type must be track, identify, page, screen, group or alias".into()))?;
        match sent_at {
            Some(sent_at) if !members.contains_key("sentAt") => {
                let mut members = members.clone();
                members.insert("sentAt".into(), sent_at.clone());
                read(named, &members, now)
            }
            Some(_) | None => read(named, members, now),
        }
        .map(|mut incoming| {
            incoming.signals = signals::within(incoming.signals, &around);
            incoming
        })
        .map_err(broken)
    };
    Ok(calls.iter().map(read_one).collect())
}

/// The time by our clock: by Segment's rule the sender's clock is wrong by what `sentAt` differs from the reception. Differences below a
/// minute are the way here, not a wrong clock, and are left: a call sent again keeps its time, and with it the day that duplicates are
/// looked for in.
fn skewless(time: Micros, body: &Map<String, Value>, now: Micros) -> Micros {
    let sent_at = body.get("sentAt").and_then(Value::as_str).and_then(instant);
    match sent_at.map(|sent_at| now.saturating_sub(sent_at)) {
        // Only a clock that is ahead is certain to be wrong: a call may have waited on the device for days.
        Some(skew) if skew < -crate::clock::MINUTE => time.saturating_add(skew),
        Some(_) | None => time,
    }
}

fn own_id(body: &Map<String, Value>, now: Micros) -> String {
    let mut hash = digest::Context::new(&digest::SHA256);
    hash.update(&now.to_be_bytes());
    hash.update(Value::Object(body.clone()).to_string().as_bytes());
    hash.finish()
        .as_ref()
        .iter()
        .take(16)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{DAY, HOUR};
    use serde_json::json;

    const NOW: Micros = 1_795_507_200_000_000;

    fn call(call: Call, body: Value) -> Result<Incoming, String> {
        read(call, body.as_object().unwrap(), NOW)
    }

    #[test]
    fn a_track_call_is_the_event_it_names_with_its_properties_and_ids() {
        let event = call(
            Call::Track,
            json!({"event": "cart.updated", "userId": "u1", "anonymousId": null, "messageId": "m1",
                "timestamp": "2026-11-24T07:00:00.5Z", "properties": {"items": 3}, "context": {"ip": "10.0.0.1"}}),
        )
        .unwrap();
        assert_eq!(
            (event.name.as_str(), event.id.expose().as_str()),
            ("cart.updated", "m1")
        );
        assert_eq!(
            Value::Object(event.data.expose().clone()),
            json!({"items": 3, "userId": "u1"})
        );
        assert_eq!(event.time, Some(NOW - HOUR + 500_000));
    }

    #[test]
    fn an_identify_call_tells_its_traits() {
        let event = call(
            Call::Identify,
            json!({"userId": "u1", "messageId": "m1", "traits": {"email": "a@b.example"}}),
        )
        .unwrap();
        assert_eq!(event.name, "identify");
        assert_eq!(
            Value::Object(event.data.expose().clone()),
            json!({"email": "a@b.example", "userId": "u1"})
        );
    }

    #[test]
    fn a_clock_that_is_ahead_is_set_right_and_one_that_waited_is_not() {
        let at = |time: &str, sent: &str| {
            call(Call::Page, json!({"userId": "u", "timestamp": time, "sentAt": sent}))
                .unwrap()
                .time
                .unwrap()
        };
        assert_eq!(
            at("2026-11-24T09:59:00Z", "2026-11-24T10:00:00Z"),
            NOW - crate::clock::MINUTE
        );
        assert_eq!(at("2026-11-23T08:00:00Z", "2026-11-23T08:00:00Z"), NOW - DAY);
    }

    #[test]
    fn calls_without_an_id_are_each_their_own() {
        let body = json!({"event": "a", "userId": "u"});
        let id = |now| read(Call::Track, body.as_object().unwrap(), now).unwrap().id;
        assert_ne!(id(NOW), id(NOW + 1));
    }

    #[test]
    fn the_context_of_a_batch_is_that_of_calls_which_say_nothing_else() {
        let call = |context: Value| json!({"type": "track", "event": "a", "userId": "u", "context": context});
        let body = json!({"context": {"consent": {"categoryPreferences": {"Ads": true}}, "tcf": "CO"},
            "batch": [call(json!({})), call(json!({"consent": {"categoryPreferences": {"Ads": false}}}))]});
        let read = read_batch(body.as_object().unwrap(), NOW).unwrap();
        let told: Vec<_> = read
            .iter()
            .map(|one| {
                let signals = &one.as_ref().unwrap().signals;
                let categories = signals.categories.as_ref().unwrap().expose();
                (categories["categoryPreferences"]["Ads"].clone(), signals.tcf.is_some())
            })
            .collect();
        assert_eq!(told, [(json!(true), true), (json!(false), true)]);
    }

    #[test]
    fn a_malformed_call_in_a_batch_does_not_stop_the_others() {
        let body =
            json!({"batch": [{"type": "track", "event": "a", "userId": "u"}, {"type": "fax"}, {"type": "track"}, 7]});
        let read = read_batch(body.as_object().unwrap(), NOW).unwrap();
        assert_eq!(
            read.iter().map(Result::is_ok).collect::<Vec<_>>(),
            [true, false, false, false]
        );
        assert!(read_batch(json!({"batch": 1}).as_object().unwrap(), NOW).is_err());
    }
}
