//! What the compiler says of a journey, sorted into conditions. Pure.

use super::dereference::Facts;
use crate::{
    compile::{self, Breach, Compiled, Residency, Severity},
    operator::{
        condition::{self, Truth, Verdict},
        reason::{Reason, Subject},
    },
};

/// A journey that was judged.
pub struct Judged {
    pub accepted: Verdict,
    pub resolved: Verdict,
    pub compliant: Verdict,
    pub residency: Verdict,
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
        residency: residency(compile::residency(&facts.snapshot.manifests, &facts.name)),
        compiled,
    }
}

fn residency(of: Option<Residency>) -> Verdict {
    let say = |truth, reason, message: String| Verdict::new(Subject::ResidencySatisfied, truth, reason, message);
    let Some((regions, breaches)) = of.and_then(|of| Some((of.regions?, of.breaches))) else {
        return say(
            Truth::True,
            Reason::NotRestricted,
            "no policy of the journey names regions".into(),
        );
    };
    let Some(first) = breaches.first() else {
        let regions = compile::listed(&regions);
        let message = format!("all who process what it sends are in {regions}, and its runner is placed there");
        return say(Truth::True, Reason::RegionsKept, message);
    };
    let reason = match first {
        Breach::NoCommonRegion { .. } => Reason::NoCommonRegion,
        Breach::NoProcessor { .. } => Reason::ProcessorUnknown,
        Breach::Elsewhere { .. } => Reason::ProcessorElsewhere,
    };
    let lines: Vec<String> = breaches
        .iter()
        .map(|breach| format!("nothing is sent: {breach}"))
        .collect();
    say(Truth::False, reason, lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn residency_says_what_keeps_the_journey_from_sending() {
        let regions = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
        let of = |regions, breaches| residency(Some(Residency { regions, breaches }));
        let eu = Some(regions(&["eu-1"]));
        assert_eq!(residency(None).reason, Reason::NotRestricted);
        let free = of(None, vec![]);
        assert_eq!((free.truth, free.reason), (Truth::True, Reason::NotRestricted));
        let kept = of(eu.clone(), vec![]);
        assert_eq!((kept.truth, kept.reason), (Truth::True, Reason::RegionsKept));
        let unknown = Breach::NoProcessor { adapter: "mail".into() };
        let elsewhere = Breach::Elsewhere {
            adapter: "hook".into(),
            regions: regions(&["us-1"]),
        };
        let broken = of(eu, vec![unknown, elsewhere]);
        assert_eq!((broken.truth, broken.reason), (Truth::False, Reason::ProcessorUnknown));
        assert_eq!(
            broken.message,
            "nothing is sent: adapter 'mail' does not say who processes what it hands over, and where\n\
             nothing is sent: the processor of adapter 'hook' also works in us-1"
        );
    }
}
