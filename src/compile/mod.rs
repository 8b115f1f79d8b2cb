//! Manifests in, programs or diagnostics out: resolves references, type-checks expressions and templates, judges meaning. Pure: uses api,
//! expression, template, engine and policy; no I/O, no clock.

mod diagnostic;
mod intake;
mod manifests;

pub use diagnostic::{Code, Diagnostic, Object, Severity};
pub use intake::{ConsentRule, Inbound, Intake, Source};
pub use manifests::{JourneyManifest, Manifests, ParseError};

use crate::engine::Program;

/// A journey that compiles, with what should be thought over.
#[derive(Debug)]
pub struct Compiled {
    pub program: Program,
    pub warnings: Vec<Diagnostic>,
}

/// Compiles one journey of the manifests. The errors name the object, the path in it, and what to do.
pub fn journey(_manifests: &Manifests, _name: &str) -> Result<Compiled, Vec<Diagnostic>> {
    todo!()
}

/// Compiles what the gateway needs. One bad touchpoint does not stop the others: it is left out, and its diagnostics are given back.
pub fn intake(_manifests: &Manifests) -> (Intake, Vec<Diagnostic>) {
    todo!()
}

/// The revision of a journey: a hash of steps, entry, exits and the touchpoints used, and of nothing else; five characters without vowels.
pub fn revision(_manifests: &Manifests, _journey: &str) -> String {
    todo!()
}

/// What is pinned with a revision: the journey and the touchpoints it uses (sends and listens to). Other kinds hold as of now.
pub fn pinned(_manifests: &Manifests, _journey: &str) -> Manifests {
    todo!()
}

/// What runners and gateway share: everything but the journeys.
pub fn settings(_manifests: &Manifests) -> Manifests {
    todo!()
}
