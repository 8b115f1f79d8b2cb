//! Scenarios: users' own tests of their journeys, told as stories. A document has `scenario:`, what is given, a timeline of what happens,
//! and what is expected at points of it.
//!
//! `format` is what may be written, `read` finds it in YAML with its lines, `play` lets it happen in a [`super::World`], `judge` compares
//! what happened with what was expected, `report` prints it.

mod card;
mod flexible;
mod format;
mod judge;
mod play;
mod read;
mod report;
mod tale;

pub use format::{Scenario, schema};
pub use play::{Outcome, play};
pub use read::{Found, Mistake, read};
pub use report::{json, junit, text};
