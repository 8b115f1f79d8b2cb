//! What the compiler says of a journey, sorted into conditions. Pure.

use super::dereference::Facts;
use crate::{
    compile::{self, Compiled, Severity},
    operator::condition::{self, Verdict},
};

/// A journey that was judged.
pub struct Judged {
    pub accepted: Verdict,
    pub resolved: Verdict,
    pub compliant: Verdict,
    /// None: it does not compile.
    pub compiled: Option<Compiled>,
}

impl Judged {
    /// Whether the present spec may be put to work: it compiles, and its Secrets are there.
    pub fn runs(&self) -> bool {
        self.compiled.is_some() && self.resolved.holds()
    }
}

pub fn judge(facts: &Facts) -> Judged {
    let (compiled, diagnostics) = match compile::journey(&facts.snapshot.manifests, &facts.name) {
        Ok(compiled) => (Some(compiled), Vec::new()),
        Err(diagnostics) => (None, diagnostics),
    };
    let condition::Judged {
        mut accepted,
        resolved,
        compliant,
    } = condition::judge(&diagnostics);
    let warnings: Vec<String> = compiled
        .iter()
        .flat_map(|compiled| &compiled.warnings)
        .filter(|one| one.severity == Severity::Warning)
        .take(5)
        .map(|one| format!("{} {}: {}", one.code, one.path, one.message))
        .collect();
    if !warnings.is_empty() {
        let message = format!("it compiles, with warnings: {}", warnings.join("; "));
        accepted = Verdict::new(accepted.subject, accepted.truth, accepted.reason, message);
    }
    let resolved = condition::lacking(resolved, &facts.secrets.missing);
    Judged {
        accepted,
        resolved,
        compliant,
        compiled,
    }
}
