//! The one way to notice something: in entry triggers, waits, exits and goals.

use super::text::{EventRef, Expr};
use kube::KubeSchema;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

/// An event, a condition, or both.
#[skip_serializing_none]
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[x_kube(validation = Rule::new("has(self.event) || has(self.when)").message("a signal needs event, when, or both"))]
#[x_kube(validation = Rule::new("!has(self.times) || has(self.event)").message("times counts events: it needs event").field_path(".times"))]
pub struct Signal {
    /// What happened: an inbound touchpoint (`order-placed`); what became of a message, `TOUCHPOINT/` sent skipped failed
    /// delivered bounced opened clicked replied complained, of a survey answered; the end of a journey for this customer,
    /// `journey/NAME`; or `consent/` granted pending paused withdrawn.
    pub event: Option<EventRef>,
    /// CEL over event, entry, steps, customer and now. With `event`: must hold for it to count. Alone: a trigger fires when it
    /// becomes true; a wait, an exit or a goal notices it as soon as it holds, also when it already does. Over a missing value
    /// it is false.
    pub when: Option<Expr>,
    /// How many matches of `event` and `when` it takes, counted since the wait (an exit, a goal: since the entry) began;
    /// left out: 1. Has no meaning on a trigger.
    #[schemars(range(min = 1, max = 1000))]
    pub times: Option<i32>,
}
