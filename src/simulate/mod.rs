//! Virtual time: the real compiler, the gateway's own judgement and learning, the engine, the policy and the in-memory store, driven by a
//! clock that jumps to whatever is due next. A year takes seconds, and the same seed gives the same bytes.
//!
//! [`World`] is the driver: events in, rounds whenever something is due, claims handed to a provider that the caller plays. [`scenario`]
//! tells stories with it and judges them (`journey test`), [`population`] lets thousands live in it (`journey simulate`). Does no I/O, reads no clock, and knows no randomness but a seed.

pub mod population;
pub mod scenario;
mod world;

/// What the namespace is called, here and in `journey dev`: arms of splits depend on it.
pub const NAMESPACE: &str = "dev";

pub use world::{Answer, Came, Handing, Happening, Provider, Settings, SimulateError, What, World, keys};
