//! Condition types and reasons: part of the public contract, documented in docs/conditions.md from here. They are added to, never renamed.

/// What a condition speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// The object is well-formed: expressions, templates, schemas and the order of steps make sense.
    Accepted,
    /// All that it names is there: touchpoints, adapters, Secrets and their keys.
    ResolvedRefs,
    /// The policies that select the journey name the purposes of all that it sends, and allow what it reads.
    PolicyCompliant,
    /// The present spec is in the store, where runners and the gateway read it.
    Programmed,
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

impl Subject {
    pub const ALL: [Self; 9] = [
        Self::Accepted,
        Self::ResolvedRefs,
        Self::PolicyCompliant,
        Self::Programmed,
        Self::RunnerAvailable,
        Self::Ready,
        Self::ObjectivesMet,
        Self::Reconciling,
        Self::Stalled,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Accepted => "Accepted",
            Self::ResolvedRefs => "ResolvedRefs",
            Self::PolicyCompliant => "PolicyCompliant",
            Self::Programmed => "Programmed",
            Self::RunnerAvailable => "RunnerAvailable",
            Self::Ready => "Ready",
            Self::ObjectivesMet => "ObjectivesMet",
            Self::Reconciling => "Reconciling",
            Self::Stalled => "Stalled",
        }
    }
}

/// Why a condition is as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
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
    /// ResolvedRefs: a touchpoint, an adapter, a step or an attribute that is named is not there.
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
    /// Ready: all holds, and spec.suspend is true: nobody enters, nothing is sent.
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

impl Reason {
    pub fn name(self) -> &'static str {
        match self {
            Self::Accepted => "Accepted",
            Self::InvalidShape => "InvalidShape",
            Self::InvalidExpression => "InvalidExpression",
            Self::InvalidTemplate => "InvalidTemplate",
            Self::InvalidSchema => "InvalidSchema",
            Self::InvalidValue => "InvalidValue",
            Self::InvalidFlow => "InvalidFlow",
            Self::Unreadable => "Unreadable",
            Self::DuplicateProfile => "DuplicateProfile",
            Self::Resolved => "Resolved",
            Self::ReferenceNotFound => "ReferenceNotFound",
            Self::SecretNotFound => "SecretNotFound",
            Self::SecretKeyNotFound => "SecretKeyNotFound",
            Self::Compliant => "Compliant",
            Self::PolicyViolated => "PolicyViolated",
            Self::Programmed => "Programmed",
            Self::LastGoodRevision => "LastGoodRevision",
            Self::NotProgrammed => "NotProgrammed",
            Self::StoreUnavailable => "StoreUnavailable",
            Self::RunnerReady => "RunnerReady",
            Self::RunnerStarting => "RunnerStarting",
            Self::RunnerFailing => "RunnerFailing",
            Self::ScaledToZero => "ScaledToZero",
            Self::NoRunner => "NoRunner",
            Self::GatewayStarting => "GatewayStarting",
            Self::Ready => "Ready",
            Self::Suspended => "Suspended",
            Self::Deleting => "Deleting",
            Self::ObjectivesMet => "ObjectivesMet",
            Self::ObjectiveMissed => "ObjectiveMissed",
            Self::NotEnoughData => "NotEnoughData",
            Self::NoObjectives => "NoObjectives",
        }
    }

    /// Whether it ends by itself, without anybody changing the object or what it names.
    pub fn passes(self) -> bool {
        match self {
            Self::StoreUnavailable | Self::RunnerStarting | Self::GatewayStarting | Self::Deleting | Self::NotEnoughData => true,
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
