//! A population in virtual time: thousands of customers who behave by chance from a seed, or a recorded file of events, through the real
//! journeys. What came of it is a [`Tally`]: a funnel, messages by day, skips, flows, measures.
//!
//! Customers do not know each other, so each lives a whole life alone in a world that is then wiped: memory stays bounded, threads share
//! nothing, and the sums do not depend on how many there are. Where journeys tie customers together (`pace`, news, schedules) all live in one
//! world in the order of time, and memory grows with their number.

mod behaviour;
mod chance;
mod life;
mod page;
mod recorded;
mod report;
mod run;
mod tally;

pub use behaviour::{Behaviour, Unfit, responses, schema};
pub use page::page;
pub use recorded::{Recorded, Sent, adapter, messages, read_events, replay, world};
pub use report::{compared, json, text};
pub use run::{Order, PopulationError, compare, run};
pub use tally::{Difference, Tally};
