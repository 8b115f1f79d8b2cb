//! Manifests in, programs or diagnostics out: resolves references, type-checks expressions and templates, judges meaning. Pure: uses api,
//! expression, template, engine and policy; no I/O, no clock.
//!
//! Reading order: [`Manifests`] · `profile` and `world` what may be named · `flow` what is known at each step · `journey` puts a program together ·
//! `touchpoint` and `adapter` what it sends and by which way · `intake` the same for the gateway · `revision`.

mod adapter;
mod block;
mod chain;
mod code;
mod confirm;
mod content;
mod diagnostic;
mod explain;
mod flow;
mod intake;
mod journey;
mod kpi;
mod lines;
mod lint;
mod manifests;
mod namespace;
mod object;
mod plain;
mod policy;
mod preferences;
mod profile;
mod quiet;
mod read;
mod report;
mod residency;
mod retention;
mod revision;
mod schedule;
mod schema;
mod selector;
mod signals;
mod stay;
mod survey;
mod touchpoint;
mod trap;
mod value;
mod world;

pub use adapter::{SecretRef, public_url, secrets, secrets_of};
pub use block::{ConfigMaps, named as config_maps_named};
pub use chain::chained;
pub use code::{Class, Code};
pub use diagnostic::{Diagnostic, Object, Severity};
pub use explain::{document, explain, list};
pub use intake::{ConsentRule, Inbound, Intake, Reply, Source, intake};
pub use journey::compile as journey;
pub use lines::{Lines, Spot};
pub use manifests::{JourneyManifest, Manifests, ParseError};
pub use namespace::check;
pub use object::object;
pub use policy::{joint_hash, policies_hash, policy, policy_hash, selecting};
pub use preferences::Offered;
pub use read::{Document, documents, given_twice, is_scenario, objects, yaml_options};
pub use residency::{Breach, Residency, gateway_regions, list as listed, residency};
pub use retention::retention;
pub use revision::{pinned, revision, settings};
pub use world::KEYWORD;

use crate::engine::Program;

/// A journey that compiles, with what should be thought over.
#[derive(Debug)]
pub struct Compiled {
    pub program: Program,
    pub warnings: Vec<Diagnostic>,
}

#[cfg(test)]
mod tests;
