//! What is said of a policy. Pure.

use super::{conflict, dereference::Facts, programmed};
use crate::{
    compile::{self, Severity},
    operator::{
        condition::{self, Verdict, whole},
        reason::Reason,
        unit::Declared,
    },
};

/// A policy that was judged.
pub struct Judged {
    pub accepted: Verdict,
    pub resolved: Verdict,
    pub conflicted: Verdict,
    pub programmed: Verdict,
    /// Ready, and kstatus's two while they hold.
    pub ready: Vec<Verdict>,
}

pub fn judge(facts: &Facts) -> Judged {
    let manifests = &facts.snapshot.manifests;
    let diagnostics = compile::object(manifests, &crate::api::PrivacyPolicy::named(&facts.name));
    let condition::Judged {
        mut accepted, resolved, ..
    } = condition::judge(&diagnostics);
    let warnings = diagnostics
        .iter()
        .filter(|one| one.severity == Severity::Warning)
        .take(5);
    let warnings: Vec<String> = warnings
        .map(|one| format!("{} {}: {}", one.code, one.path, one.message))
        .collect();
    if accepted.holds() && !warnings.is_empty() {
        accepted.message = format!("it is in use, with warnings: {}", warnings.join("; "));
    }
    let programmed = programmed::verdict(facts);
    Judged {
        ready: whole(&[&accepted, &resolved, &programmed], Reason::Ready, "in use"),
        conflicted: conflict::verdict(manifests, &facts.name),
        accepted,
        resolved,
        programmed,
    }
}
