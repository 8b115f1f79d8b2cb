//! What is proved or refuted of journeys beyond their being well-formed: a file for each theme. Everything told here is sound: what may
//! hold for some customer is not reported as never holding.

mod arrival;
mod loops;
mod map;
mod message;
mod taken;

pub use loops::counts;
pub use map::namespace;
pub use message::unsubscribe;

use super::{Diagnostic, flow::Flow, report::Report, world::World};
use crate::{
    api::{journey::JourneySpec, step::Send},
    engine::program::Outbound,
    expression::{Layout, Program},
    policy::{Cap, EffectivePolicy},
};
use std::collections::BTreeMap;

/// A journey as far as it compiled.
#[derive(Debug)]
pub struct Subject<'a> {
    pub spec: &'a JourneySpec,
    pub world: &'a World<'a>,
    pub flow: &'a Flow<'a>,
    /// What the policies that select it say together.
    pub policy: &'a EffectivePolicy,
    /// Its conditions by their path; those that do not compile are missing.
    pub conditions: &'a BTreeMap<String, Program>,
    pub layout: &'a Layout,
    /// What it sends, by touchpoint.
    pub outbound: &'a BTreeMap<String, Outbound>,
}

/// What there is to say of one journey, and of the touchpoints that it sends.
pub fn journey(report: &mut Report, elsewhere: &mut Vec<Diagnostic>, subject: &Subject<'_>) {
    loops::lint(report, subject);
    taken::lint(report, subject);
    arrival::lint(report, subject);
    for (name, outbound) in subject.outbound {
        let mut of = Report::new("Touchpoint", name);
        message::quiet(&mut of, subject.policy, outbound);
        elsewhere.append(&mut of.found);
    }
}

/// Whether a cap counts what is sent for this purpose by this channel.
fn counted(cap: &Cap, purpose: &str, channel: &str) -> bool {
    let among = |names: &Option<Vec<String>>, name: &str| {
        names.as_ref().is_none_or(|names| names.iter().any(|one| one == name))
    };
    among(&cap.purposes, purpose) && among(&cap.channels, channel)
}

/// What a step may send.
fn touchpoints(send: &Send) -> impl Iterator<Item = &str> {
    let one = send.touchpoint.iter();
    let several = send.one_of.iter().flatten().map(|candidate| &candidate.touchpoint);
    one.chain(several).map(|name| name.as_str())
}
