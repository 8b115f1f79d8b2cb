//! What the steps send: the touchpoints with the purposes they are sent for.

use super::Compiler;
use crate::{
    api::{self, PrivacyPolicySpec, journey::JourneySpec, step::Send, text::Name},
    compile::{
        Code,
        report::{Report, instead},
        touchpoint::{self, Surroundings},
        value::cel,
    },
    engine::program::{Candidate, Outbound, StepAction},
    expression::{Field, OnMissing, Place, Type},
};
use std::collections::{BTreeMap, BTreeSet};

impl Compiler<'_> {
    /// A step that sends.
    pub(super) fn send(&mut self, path: &str, send: &Send, roots: &[&Field]) -> Option<StepAction> {
        let path = format!("{path}.send");
        let candidates = match (&send.touchpoint, &send.one_of) {
            (Some(touchpoint), None) => {
                let touchpoint = self.sendable(&format!("{path}.touchpoint"), touchpoint);
                vec![Candidate {
                    touchpoint,
                    when: None,
                    score: None,
                }]
            }
            (None, Some(several)) if !several.is_empty() => {
                let all = several.iter().enumerate();
                let all: Vec<Option<Candidate>> = all
                    .map(|(n, candidate)| self.candidate(&format!("{path}.oneOf[{n}]"), candidate, roots))
                    .collect();
                all.into_iter().collect::<Option<_>>()?
            }
            (Some(_), Some(_)) | (None, _) => {
                let help = "name one touchpoint, or candidates in oneOf".to_owned();
                self.report.error(
                    Code::SendNotOneThing,
                    path,
                    "a send has exactly one of touchpoint, oneOf",
                    help,
                );
                return None;
            }
        };
        let otherwise = match &send.otherwise {
            Some(name) => Some(self.index(&format!("{path}.otherwise"), name)?),
            None => None,
        };
        Some(StepAction::Send {
            candidates,
            with: self.with(&path, send.with.iter().flatten(), roots),
            otherwise,
        })
    }

    fn candidate(&mut self, path: &str, spec: &api::step::Candidate, roots: &[&Field]) -> Option<Candidate> {
        let touchpoint = self.sendable(&format!("{path}.touchpoint"), &spec.touchpoint);
        let when = match &spec.when {
            Some(when) => Some(self.condition(&format!("{path}.when"), when.as_str(), roots)?),
            None => None,
        };
        let score = match &spec.score {
            Some(source) => {
                let (path, scope) = (format!("{path}.score"), touchpoint::scope(roots));
                let place = Place {
                    scope: &scope,
                    wants: Some(Type::Number),
                    missing: OnMissing::Refuse,
                };
                let score = cel(&mut self.report, &path, source.as_str(), &place, &mut self.layout)?;
                self.note(&path, &score);
                Some(score)
            }
            None => None,
        };
        Some(Candidate {
            touchpoint,
            when,
            score,
        })
    }

    /// The name of a touchpoint that can be sent; what cannot is reported.
    fn sendable(&mut self, path: &str, touchpoint: &Name) -> String {
        if self.world.outbound(touchpoint.as_str()).is_none() {
            let (message, help) = self.world.not_outbound(touchpoint.as_str());
            self.report.error(Code::NotSendable, path, message, help);
        }
        touchpoint.to_string()
    }

    /// What the steps send, each touchpoint once.
    pub(super) fn outbound(&mut self) -> BTreeMap<String, Outbound> {
        let mut all = BTreeMap::new();
        let sent: BTreeSet<&str> = self.sends().map(|(_, touchpoint)| touchpoint).collect();
        for name in sent {
            let Some((spec, touchpoint)) = self
                .world
                .outbound(name)
                .zip(self.world.manifests.touchpoints.get(name))
            else {
                continue;
            };
            let purpose = self.policy.purposes.get(spec.purpose.as_str()).cloned();
            if purpose.is_none() {
                self.no_purpose(name, spec.purpose.as_str());
            }
            let around = Surroundings {
                with: given(self.spec, name),
                purpose: purpose.as_ref(),
                leaves: self.spec.choice.as_ref().is_some_and(|choice| choice.leave),
            };
            let mut report = Report::new("Touchpoint", name);
            let compiled = touchpoint::outbound(
                &mut report,
                self.world,
                name,
                touchpoint.channel.as_str(),
                spec,
                &around,
                &mut self.layout,
            );
            self.elsewhere.append(&mut report.found);
            all.extend(compiled.map(|outbound| (name.to_owned(), outbound)));
        }
        all
    }

    fn no_purpose(&mut self, touchpoint: &str, purpose: &str) {
        let names = |policy: &PrivacyPolicySpec| policy.purposes.iter().any(|one| one.name.as_str() == purpose);
        let (naming, silent): (Vec<_>, Vec<_>) = self.selecting.iter().partition(|(_, policy)| names(policy));
        let list = |policies: &[(&str, &PrivacyPolicySpec)]| {
            let all: Vec<String> = policies.iter().map(|(name, _)| format!("'{name}'")).collect();
            all.join(", ")
        };
        let (code, message, help) = if self.selecting.is_empty() {
            (
                Code::NoPolicy,
                "no PrivacyPolicy selects this journey: it may send nothing".to_owned(),
                "make a PrivacyPolicy whose journeySelector matches its labels".to_owned(),
            )
        } else if naming.is_empty() {
            let known = silent
                .iter()
                .flat_map(|(_, policy)| &policy.purposes)
                .map(|one| one.name.as_str());
            let known: BTreeSet<&str> = known.collect();
            (
                Code::PurposeNotNamed,
                format!("'{touchpoint}' is sent for purpose '{purpose}', which no PrivacyPolicy of this journey names"),
                instead(purpose, known, "add the purpose to the PrivacyPolicy"),
            )
        } else {
            (
                Code::PurposeNotShared,
                format!(
                    "'{touchpoint}' is sent for purpose '{purpose}', which PrivacyPolicy {} names and {} does not: \
                     where several select a journey, only what all of them name is allowed",
                    list(&naming),
                    list(&silent)
                ),
                format!(
                    "add the purpose to {} too, or let only one journeySelector match its labels",
                    list(&silent)
                ),
            )
        };
        let at = self.sends().find(|(_, sent)| *sent == touchpoint);
        let path = at.map(|(path, _)| path).unwrap_or_default();
        self.report.error(code, path, message, help);
    }
}

/// What every step of a journey that sends this touchpoint gives in `with`; None: none sends it.
pub fn given(spec: &JourneySpec, touchpoint: &str) -> Option<BTreeSet<String>> {
    let sends = spec
        .steps
        .iter()
        .filter_map(|step| step.send.as_ref())
        .filter(|send| send.touchpoints().any(|sends| sends.as_str() == touchpoint));
    let each = sends.map(|send| {
        send.with
            .iter()
            .flatten()
            .map(|(name, _)| name.clone())
            .collect::<BTreeSet<_>>()
    });
    each.reduce(|all, one| all.intersection(&one).cloned().collect())
}
