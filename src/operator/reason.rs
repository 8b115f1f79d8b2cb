//! Condition types and reasons: part of the public contract, from which docs/conditions.md is made. They are added to, never renamed.

/// An enum whose variants are called in conditions as they are called here, and documented there in the same words.
macro_rules! words {
    ($(#[$about:meta])* $name:ident { $(#[doc = $doc:literal] $word:ident,)* }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $(#[doc = $doc] $word,)*
        }

        impl $name {
            pub const ALL: &[Self] = &[$(Self::$word),*];

            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$word => stringify!($word),)*
                }
            }

            /// What it means.
            pub fn meaning(self) -> &'static str {
                match self {
                    $(Self::$word => $doc.trim_ascii(),)*
                }
            }
        }
    };
}

words! {
    /// What a condition speaks of.
    Subject {
        /// The object is well-formed: expressions, templates, schemas and the order of steps make sense.
        Accepted,
        /// All that it names is there: touchpoints, adapters, Secrets and their keys.
        ResolvedRefs,
        /// The policies that select the journey name the purposes of all that it sends, and allow what it reads.
        PolicyCompliant,
        /// Of a PrivacyPolicy: it says something that another policy of its journeys takes back. A warning: of several the strictest of each rule holds.
        Conflicted,
        /// Of a journey: the present spec is in the store, where runners and the gateway read it. Of a PrivacyPolicy: every runner and gateway of its journeys has said that it runs by the present policies.
        Programmed,
        /// All who process what the journey sends are in the regions of its policies, or these name none. False: nothing is sent.
        ResidencySatisfied,
        /// At least one runner is ready.
        RunnerAvailable,
        /// All of the above.
        Ready,
        /// Every KPI with a target is met. Never a part of Ready.
        ObjectivesMet,
        /// Only while it holds: the operator is on the way to the declared state (kstatus).
        Reconciling,
        /// Only while it holds: nothing will change until somebody does something (kstatus).
        Stalled,
    }
}

words! {
    /// Why a condition is as it is.
    Reason {
        /// Accepted: it compiles.
        Accepted,
        /// Accepted: the shape is not what the CRD asks for (an object from before a rule).
        InvalidShape,
        /// Accepted: a CEL expression does not parse or does not fit the types.
        InvalidExpression,
        /// Accepted: a template does not parse, or names what is not there.
        InvalidTemplate,
        /// Accepted: a JSON Schema that is none.
        InvalidSchema,
        /// Accepted: a value that does not fit its type.
        InvalidValue,
        /// Accepted: steps that nobody can reach, a loop without a wait, and the like.
        InvalidFlow,
        /// Accepted: this version of the operator cannot read the object at all.
        Unreadable,
        /// Accepted: a namespace has one CustomerProfile, and an older one is there.
        DuplicateProfile,
        /// ResolvedRefs: all that is named is there.
        Resolved,
        /// ResolvedRefs: a touchpoint, an adapter, a step, an attribute, or a ConfigMap or its key is named and not there.
        ReferenceNotFound,
        /// ResolvedRefs: a Secret that is named is not there. Looked for again every few seconds.
        SecretNotFound,
        /// ResolvedRefs: the Secret is there, the key in it is not. Looked for again every few seconds.
        SecretKeyNotFound,
        /// PolicyCompliant: the policies allow what the journey does.
        Compliant,
        /// PolicyCompliant: a purpose is not named by any policy that selects the journey, or does not allow what is read.
        PolicyViolated,
        /// Programmed: runners and gateway have the present spec.
        Programmed,
        /// Programmed: the present spec is not in use; the last good revision runs on.
        LastGoodRevision,
        /// Programmed: the present spec is not in use, and none ever was.
        NotProgrammed,
        /// Programmed: PostgreSQL cannot be reached, or did not commit; tried again.
        StoreUnavailable,
        /// Programmed, of a PrivacyPolicy: a runner or a gateway has not said yet that it runs by the present policies.
        NotAcknowledged,
        /// Programmed, of a PrivacyPolicy: it selects no journey.
        NoJourneys,
        /// Conflicted: no other policy takes from what it says.
        NoConflict,
        /// Conflicted: a purpose is cancelled for journeys that another policy selects too, which does not name it.
        PurposeCancelled,
        /// Conflicted: a purpose has another basis in another policy; the stricter holds.
        BasesDiffer,
        /// Conflicted, ResidencySatisfied: policies have no region in common.
        NoCommonRegion,
        /// ResidencySatisfied: no policy of the journey names regions.
        NotRestricted,
        /// ResidencySatisfied: all who process what it sends are in the regions, and its runner is placed there.
        RegionsKept,
        /// ResidencySatisfied: an adapter that the journey sends by does not say who processes what it hands over.
        ProcessorUnknown,
        /// ResidencySatisfied: the processor of an adapter that the journey sends by works in other regions, too.
        ProcessorElsewhere,
        /// RunnerAvailable: at least one runner is ready.
        RunnerReady,
        /// RunnerAvailable, Reconciling: the runner is starting.
        RunnerStarting,
        /// RunnerAvailable, Stalled: the Deployment does not get on; the message is its own.
        RunnerFailing,
        /// RunnerAvailable: spec.runner.replicas is 0.
        ScaledToZero,
        /// RunnerAvailable: there is no Deployment, because nothing was ever programmed.
        NoRunner,
        /// Ready: an adapter by which events come in waits for the gateway's first pod.
        GatewayStarting,
        /// Ready: all holds.
        Ready,
        /// Ready: all holds, and spec.suspend is true: nobody enters, nothing is sent. It holds from the moment the runners' store knows it; what was with its channel by then goes out.
        Suspended,
        /// Reconciling: the object is being deleted, and the store is cleaned of it.
        Deleting,
        /// ObjectivesMet: every KPI with a target is met.
        ObjectivesMet,
        /// ObjectivesMet: at least one KPI misses its target.
        ObjectiveMissed,
        /// ObjectivesMet: a KPI has too small a sample to say so.
        NotEnoughData,
        /// ObjectivesMet: no KPI has a target.
        NoObjectives,
    }
}

impl Reason {
    /// Whether it ends by itself, without anybody changing the object or what it names.
    pub fn passes(self) -> bool {
        match self {
            Self::StoreUnavailable
            | Self::RunnerStarting
            | Self::GatewayStarting
            | Self::Deleting
            | Self::NotAcknowledged
            | Self::NotEnoughData => true,
            Self::Accepted
            | Self::InvalidShape
            | Self::InvalidExpression
            | Self::InvalidTemplate
            | Self::InvalidSchema
            | Self::InvalidValue
            | Self::InvalidFlow
            | Self::Unreadable
            | Self::DuplicateProfile
            | Self::Resolved
            | Self::ReferenceNotFound
            | Self::SecretNotFound
            | Self::SecretKeyNotFound
            | Self::Compliant
            | Self::PolicyViolated
            | Self::Programmed
            | Self::LastGoodRevision
            | Self::NotProgrammed
            | Self::NoJourneys
            | Self::NoConflict
            | Self::PurposeCancelled
            | Self::BasesDiffer
            | Self::NoCommonRegion
            | Self::NotRestricted
            | Self::RegionsKept
            | Self::ProcessorUnknown
            | Self::ProcessorElsewhere
            | Self::RunnerReady
            | Self::RunnerFailing
            | Self::ScaledToZero
            | Self::NoRunner
            | Self::Ready
            | Self::Suspended
            | Self::ObjectivesMet
            | Self::ObjectiveMissed
            | Self::NoObjectives => false,
        }
    }
}

/// docs/conditions.md.
pub fn document() -> String {
    let mut text = "# Conditions\n\nWhat the operator says of an object, in `status.conditions`. Types and reasons are added to, never renamed. \
        A message says where in the object, what is wrong, and what to do.\n\n\
        `kubectl wait --for=condition=Ready journey/NAME` and `--for=condition=ObjectivesMet` work, and so does kstatus.\n\n\
        | Type | True means |\n|---|---|\n"
        .to_owned();
    for subject in Subject::ALL {
        text.push_str(&format!("| {} | {} |\n", subject.name(), subject.meaning()));
    }
    text.push_str("\n| Reason | Of which condition, and why |\n|---|---|\n");
    for reason in Reason::ALL {
        text.push_str(&format!("| {} | {} |\n", reason.name(), reason.meaning()));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/conditions.md");

    /// `JOURNEY_UPDATE=1 cargo test` writes the file anew.
    #[test]
    fn the_document_lists_every_condition_and_reason() {
        if std::env::var_os("JOURNEY_UPDATE").is_some() {
            std::fs::write(DOCUMENT, document()).unwrap();
        }
        assert_eq!(
            std::fs::read_to_string(DOCUMENT).unwrap(),
            document(),
            "JOURNEY_UPDATE=1 cargo test writes it anew"
        );
    }
}
