//! Moves the customers of one journey and speaks for it.
//!
//! [`programs`] keeps the compiled revisions current; `pump` holds the leases and runs rounds,
//! when `pulse` says so; [`turn`] is the pure heart of a round: rows
//! in, rows and claims out, with what a message goes through in it in `ask`; `dispatch` hands claimed messages over, a lane an adapter, and gives their fates to the next round.
//! Knows the store's trait, the engine, the policy and the channels; no Kubernetes, no HTTP in.

mod addresses;
mod ask;
mod claim;
mod dispatch;
mod floor;
mod metrics;
mod place;
mod poison;
pub mod programs;
mod pulse;
mod pump;
pub mod region;
pub mod turn;

pub use addresses::looked_for;
pub use claim::Pages;
pub use dispatch::{Jitter, Limits, fate, jitter, retries_unknown};
pub use metrics::Metrics;
pub use pump::{ChannelOpener, DIVIDE, Options, RunnerError, run};
