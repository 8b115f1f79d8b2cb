//! What the gateway runs by: inbound touchpoints, who may bring what, and who listens.

use super::{
    Code, Diagnostic, Manifests, Offered, preferences,
    report::Report,
    schedule::{self, Schedule},
    signals, touchpoint,
    world::World,
};
use crate::{
    api::{
        channel_adapter::{HTTP_KEY, Limits},
        journey::Choice,
    },
    clock::Micros,
    consent,
    engine::program::Profile,
    expression::{self, Layout},
    survey::Survey,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

#[derive(Debug, Default)]
pub struct Intake {
    pub namespace: String,
    /// By the event's name as it comes in (CloudEvents type, name of a track call).
    pub inbound: BTreeMap<String, Arc<Inbound>>,
    /// What happens by the clock, by the touchpoint's name.
    pub schedules: BTreeMap<String, Schedule>,
    /// HTTP adapters by name.
    pub sources: BTreeMap<String, Source>,
    pub profile: Arc<Profile>,
    /// Purposes that any policy names: an import or an event may speak of no other.
    pub purposes: BTreeSet<String>,
    /// Purposes to which consent is to be confirmed, by the link of one of these touchpoints.
    pub confirms: BTreeMap<String, BTreeSet<String>>,
    /// Those to which a customer can say no: whose basis is Consent, LegitimateInterest or PublicTask in some policy.
    pub refusable: BTreeSet<String>,
    /// What purposes hear of signals that others send.
    pub signals: consent::Rules,
    /// What the preference centre offers: purposes, and for how long each may be paused, with what its owner wrote.
    pub offered: BTreeMap<String, Offered>,
    pub pauses: BTreeMap<Micros, String>,
    /// What customers may do with journeys by their own hand.
    pub choices: BTreeMap<String, Choice>,
    /// Surveys by touchpoint.
    pub surveys: BTreeMap<String, Arc<Survey>>,
}

/// An inbound touchpoint, compiled.
#[derive(Debug)]
pub struct Inbound {
    /// The touchpoint's name: what signals call the event.
    pub touchpoint: String,
    pub event: String,
    /// Adapters that may bring it; None: any authenticated one.
    pub from: Option<BTreeSet<String>>,
    pub layout: Layout,
    /// CEL over event that gives the identifier's value. None: news, which concerns every customer.
    pub customer: Option<expression::Program>,
    /// Kind of the identifier: userId, anonymousId, or the last name of the path that `customer` reads. Empty of news.
    pub identifier: String,
    /// Other identifiers of the same customer: what gives the value, and the kind.
    pub also_known_as: Vec<(expression::Program, String)>,
    /// None: any object.
    pub schema: Option<jsonschema::Validator>,
    /// Attribute to what the event teaches; sees the profile before the event. Values fit the attribute's type.
    pub attributes: Vec<(String, expression::Program)>,
    pub consent: Vec<ConsentRule>,
    pub reply: Option<Reply>,
}

/// What the answers of customers say.
#[derive(Debug)]
pub struct Reply {
    /// CEL that gives the text.
    pub text: expression::Program,
    /// Where it is said.
    pub channel: String,
    pub purposes: BTreeSet<String>,
}

#[derive(Debug)]
pub struct ConsentRule {
    pub purpose: String,
    /// None: the purpose as a whole.
    pub channel: Option<String>,
    /// CEL that gives a boolean; missing: says nothing.
    pub granted: expression::Program,
    pub notice: Option<String>,
}

/// An HTTP adapter.
#[derive(Debug, Clone, PartialEq)]
pub struct Source {
    pub adapter: String,
    /// The write key below the secrets folder: `SECRETNAME/KEY`.
    pub key_file: String,
    pub public_url: Option<String>,
    pub origins: Vec<String>,
    /// The key is known to everyone: may join anonymous ids only, and brings only events whose `from` names it or is left out.
    pub public: bool,
    /// Events a second, at once after a pause, and requests under way; what is left out is the gateway's own.
    pub limits: Option<Limits>,
}

/// Compiles what the gateway needs. One bad touchpoint does not stop the others: it is left out, and its diagnostics are given back.
pub fn intake(manifests: &Manifests) -> (Intake, Vec<Diagnostic>) {
    let world = World::of(manifests);
    let mut found = world.found.clone();
    let mut intake = Intake {
        namespace: manifests.namespace.clone(),
        profile: world.profile.clone(),
        confirms: super::confirm::confirms(manifests),
        offered: preferences::offered(manifests),
        pauses: preferences::pauses(manifests),
        choices: super::revision::choices(manifests),
        purposes: touchpoint::purposes(&world).into_iter().map(Into::into).collect(),
        refusable: signals::refusable(manifests),
        signals: signals::rules(manifests),
        ..Intake::default()
    };
    for (name, spec) in &manifests.touchpoints {
        let Some(inbound) = &spec.inbound else { continue };
        let mut report = Report::new("Touchpoint", name);
        match came(&mut report, manifests, &world, name, inbound) {
            Some(Came::Brought(compiled)) => {
                intake.inbound.insert(compiled.event.clone(), Arc::new(*compiled));
            }
            Some(Came::ByTheClock(schedule)) => {
                intake.schedules.insert(name.clone(), *schedule);
            }
            None => {}
        }
        found.append(&mut report.found);
    }
    for (name, spec) in &manifests.touchpoints {
        let Some((outbound, survey)) = spec
            .outbound
            .as_ref()
            .and_then(|spec| Some((spec, spec.survey.as_ref()?)))
        else {
            continue;
        };
        let mut report = Report::new("Touchpoint", name);
        let survey = super::survey::survey(&mut report, survey, outbound);
        intake.surveys.insert(name.clone(), Arc::new(survey));
        found.append(&mut report.found);
    }
    for (name, spec) in &manifests.adapters {
        let Some(http) = &spec.http else { continue };
        let source = Source {
            adapter: name.clone(),
            key_file: http.auth.secret_ref.file(HTTP_KEY),
            public_url: http
                .public_url
                .as_ref()
                .map(|url| url.as_str().trim_end_matches('/').to_owned()),
            origins: http.origins.iter().flatten().map(ToString::to_string).collect(),
            public: http.public,
            limits: spec.limits.clone(),
        };
        intake.sources.insert(name.clone(), source);
    }
    (intake, found)
}

/// How what a touchpoint takes comes in.
pub enum Came {
    Brought(Box<Inbound>),
    ByTheClock(Box<Schedule>),
}

/// An inbound touchpoint of either kind; what is wrong with it is in the report.
pub fn came(
    report: &mut Report,
    manifests: &Manifests,
    world: &World<'_>,
    name: &str,
    spec: &crate::api::touchpoint::Inbound,
) -> Option<Came> {
    match (&spec.event, &spec.schedule) {
        (Some(event), None) => {
            same_event(report, manifests, name, event);
            touchpoint::inbound(report, world, name, event, spec).map(|compiled| Came::Brought(Box::new(compiled)))
        }
        (None, Some(rule)) => {
            schedule::schedule(report, rule.as_str(), spec).map(|schedule| Came::ByTheClock(Box::new(schedule)))
        }
        (Some(_), Some(_)) | (None, None) => {
            report.error(
                Code::EventOrSchedule,
                "spec.inbound",
                "inbound has exactly one of event, schedule",
                "name the event that producers send, or say when it happens by itself".to_owned(),
            );
            None
        }
    }
}

/// Names of events that are ours begin so: what providers say of messages comes as `dev.journey.receipt`.
const OURS: &str = "dev.journey.";

/// Two touchpoints cannot take the same event: the first by name has it.
pub fn same_event(report: &mut Report, manifests: &Manifests, name: &str, event: &str) {
    if event.starts_with(OURS) {
        report.error(
            Code::EventIsOurs,
            "spec.inbound.event",
            format!("events called {OURS}... are taken, for instance by receipts"),
            "choose another name".to_owned(),
        );
    }
    let same = |spec: &crate::api::TouchpointSpec| {
        spec.inbound
            .as_ref()
            .is_some_and(|inbound| inbound.event.as_deref() == Some(event))
    };
    if let Some((first, _)) = manifests
        .touchpoints
        .iter()
        .take_while(|(other, _)| *other != name)
        .find(|(_, spec)| same(spec))
    {
        let help = "let one touchpoint take the event; several journeys can listen to it".to_owned();
        report.error(
            Code::EventTaken,
            "spec.inbound.event",
            format!("touchpoint '{first}' takes event '{event}' already"),
            help,
        );
    }
}
