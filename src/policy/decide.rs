use super::{EffectivePolicy, Facts, Message, Verdict};
use crate::clock::Micros;

/// Whether `message` may be sent to the customer of `facts` at `now`.
pub fn decide(_policy: &EffectivePolicy, _facts: &Facts<'_>, _message: &Message<'_>, _now: Micros) -> Verdict {
    todo!()
}
