//! What slots show, against what was expected of them.

use super::{
    flexible::Named,
    format::Card,
    judge::{Judged, nobody, other_time, short},
    play::Stage,
    tale,
};
use std::collections::BTreeMap;

/// By customer and slot; None: it shows nothing.
type Expected = BTreeMap<String, BTreeMap<String, Option<Named<Card>>>>;

pub(super) fn slots(stage: &Stage<'_>, path: &str, expected: &Expected) -> Vec<Judged> {
    let mut found = Vec::new();
    for (who, slots) in expected {
        let path = format!("{path}.{who}");
        let Some(key) = stage.named(who) else {
            found.push(nobody(stage, &path, who));
            continue;
        };
        for (slot, expected) in slots {
            let shown = stage.world.in_slot(key, slot);
            let expected = expected.as_ref().map(|named| &named.0);
            let name = |card: &Card| match &card.until {
                Some(until) => format!("{} until {until}", card.touchpoint),
                None => card.touchpoint.clone(),
            };
            let mut no = Vec::new();
            if let (Some(shown), Some(card)) = (&shown, expected) {
                let says = |part: &&String| shown.content.values().any(|text| text.expose().contains(part.as_str()));
                let silent = card.says.0.iter().filter(|part| !says(part));
                no.extend(silent.map(|part| format!("    its content does not say \"{}\"", short(part))));
                let stays = shown.until.unwrap_or(i64::MAX);
                let until = other_time(stage, "it stays until", card.until.as_deref(), stays);
                no.extend(until.map(|why| format!("    {why}")));
            }
            let touchpoint = shown.as_ref().map(|shown| shown.touchpoint.as_str());
            if touchpoint == expected.map(|card| card.touchpoint.as_str()) && no.is_empty() {
                continue;
            }
            let happened = match &shown {
                Some(shown) => match shown.until {
                    Some(until) => format!("{} until {}", shown.touchpoint, tale::since(stage.start, until)),
                    None => shown.touchpoint.clone(),
                },
                None => "nothing".to_owned(),
            };
            let mut diff = vec![
                format!("- {}", expected.map_or("nothing".to_owned(), name)),
                format!("+ {happened}"),
            ];
            diff.append(&mut no);
            found.push(Judged {
                path: format!("{path}.{slot}"),
                diff,
                help: None,
                customer: Some(key),
            });
        }
    }
    found
}
