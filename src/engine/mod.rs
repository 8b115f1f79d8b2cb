//! The journey state machine: what an event, a due time or the outcome of a message does to a customer's enrollments. Pure.
//!
//! In: a [`Program`] (made by `compile`), the customer's enrollments, an [`Input`], the time. Out: changed enrollments and [`Action`]s, which
//! the runner carries out. Knows no store, no clock, no channel, and asks no policy.
//!
//! Who counts what: [`Action::Arrived`] is counted as it is; [`Action::Count`] brings entries, endings, goals, requests and faults (and the failure of a message whose values
//! cannot be made). The runner counts each event once, from [`Turn::disposition`], and what became of each [`Action::Send`]: so that
//! accepted = exited + advanced + entered + kept + goal-only + ignored, and requested = sent + skipped + failed + pending.

pub mod apply;
mod chance;
mod entry;
mod goal;
mod join;
mod known;
mod look;
pub mod program;
pub mod response;
mod send;
mod sight;
pub mod state;
#[cfg(test)]
mod tests;
mod wait;
mod walk;
pub mod window;

pub use apply::apply;
pub use entry::watch_until;
pub use known::Known;
pub use look::{CHANGED, looked};
pub use program::{Program, Programs};
pub use send::{Candidates, candidates};
pub use sight::{address, age_of, holding, locale_of, priority, zone_of};
pub use state::{Customer, Event, Outcome, Sighting};
