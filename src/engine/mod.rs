//! The journey state machine: what an event, a due time or the outcome of a message does to a customer's enrollments. Pure.
//!
//! In: a [`Program`] (made by `compile`), the customer's enrollments, an [`Input`], the time. Out: changed enrollments and [`Action`]s, which
//! the runner carries out. Knows no store, no clock, no channel, no policy.

pub mod apply;
pub mod program;
pub mod state;

pub use apply::apply;
pub use program::{Program, Programs};
pub use state::{Action, Customer, Disposition, Enrollment, Event, Input, Outcome, Standing, Turn};
