//! What happened, as lines a person reads.

use crate::{
    channel::Reply,
    clock::Micros,
    engine::state::{Disposition, Ignored},
    expression::time::{show_duration, show_instant},
    keys::CustomerKey,
    kpi::Count,
    simulate::{Happening, What},
};
use std::collections::BTreeMap;

/// Names of customers, for those who know them by their keys.
pub type Names = BTreeMap<CustomerKey, String>;

/// An instant as the scenario counts: since the start.
pub fn since(start: Micros, at: Micros) -> String {
    format!("+{}", show_duration(at - start))
}

/// One line a happening: when, and what; without the customer's name.
pub fn line(start: Micros, happening: &Happening) -> Option<String> {
    let what = words(&happening.what)?;
    let instant = show_instant(happening.at).unwrap_or_default();
    Some(format!("{:>12}  {instant}  {what}", since(start, happening.at)))
}

/// Those of one customer, or of all with their names.
pub fn tell(start: Micros, happenings: &[Happening], names: &Names, whose: Option<CustomerKey>) -> Vec<String> {
    let journeys: std::collections::BTreeSet<&str> = happenings.iter().map(|one| one.journey.as_str()).collect();
    happenings
        .iter()
        .filter(|one| whose.is_none_or(|whose| whose == one.customer))
        .filter_map(|one| {
            let mut line = line(start, one)?;
            if journeys.len() > 1 {
                line.push_str(&format!("  [{}]", one.journey));
            }
            if whose.is_none() {
                let name = names
                    .get(&one.customer)
                    .cloned()
                    .unwrap_or_else(|| one.customer.to_string());
                line.push_str(&format!("  ({name})"));
            }
            Some(line)
        })
        .collect()
}

/// None: it says nothing that another line does not say.
fn words(what: &What) -> Option<String> {
    Some(match what {
        What::Counted { count, event } => match count {
            Count::Event(disposition) => {
                format!("event {}: {}", event.as_deref().unwrap_or_default(), disposition.name())
            }
            Count::Admitted(disposition) => format!("  at the door: {}", disposition.name()),
            Count::Changed(Disposition::Ignored(Ignored::Unchanged)) => return None,
            Count::Changed(disposition) => format!("attributes changed: {}", disposition.name()),
            // News comes to everybody: only where it did something is there something to tell.
            Count::News(Disposition::Ignored(Ignored::NotIn | Ignored::WhenFalse)) => return None,
            Count::News(disposition) => {
                format!("news {}: {}", event.as_deref().unwrap_or_default(), disposition.name())
            }
            Count::Noticed(disposition) => format!("a condition became true: {}", disposition.name()),
            Count::Step(step) => format!("  at {step}"),
            Count::Entered
            | Count::HeldOutGoal(_)
            | Count::Requested { .. }
            | Count::Sent { .. }
            | Count::GoalTime { .. }
            | Count::GoalValued(_)
            | Count::GoalUnits(_)
            | Count::GoalMillionths(_)
            | Count::GoalValue { .. } => return None,
            Count::HeldOut => "  held out".to_owned(),
            Count::Arm { step, arm } => format!("  arm {arm} of {step}"),
            Count::Ended(ending) => format!("  ended: {}", ending.name()),
            Count::Goal(goal) => format!("  goal {goal}"),
            Count::Skipped { touchpoint, reason } => format!("  {touchpoint} skipped: {reason}"),
            Count::Failed { touchpoint, reason } => format!("  {touchpoint} failed: {reason}"),
            Count::StayEnded { touchpoint, reason } => format!("  {touchpoint} stays no longer: {reason}"),
            Count::EndTold { touchpoint } => format!("  the adapter was told that {touchpoint} has ended"),
            Count::EndFailed { touchpoint, reason } => {
                format!("  the adapter was not told that {touchpoint} has ended: {reason}")
            }
            Count::Fault => "  an expression could not be evaluated".to_owned(),
        },
        What::Handed { row, claim, reply } => {
            let to = claim
                .message
                .to
                .as_ref()
                .map_or(String::new(), |to| format!(" to {}", to.expose()));
            let subject = claim
                .message
                .text("subject")
                .map_or(String::new(), |text| format!(", \"{text}\""));
            let said = match reply {
                Reply::Sent | Reply::Answered(_) => "sent".to_owned(),
                Reply::Refused(reason) => format!("refused: {reason}"),
                Reply::TryLater { reason, .. } => format!("not now: {reason}"),
                Reply::Unknown(reason) => format!("fate unknown: {reason}"),
            };
            format!("  {}{to}{subject}: {said}", row.touchpoint)
        }
        What::Held {
            touchpoint,
            why,
            until,
            step: _,
        } => format!(
            "  {touchpoint} held ({why}) until {}",
            show_instant(*until).unwrap_or_default()
        ),
    })
}
