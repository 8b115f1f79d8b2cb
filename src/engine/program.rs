//! A compiled journey: everything that was text is checked and turned into slots, indices and templates. Made by `compile`, only read here.

use super::{response::Response, window::Windows};
use crate::{
    api::channel_adapter::ChannelAdapterSpec,
    clock::Micros,
    expression::{self, Layout},
    kpi::KpiSpec,
    locale,
    personal::Personal,
    policy::{Basis, EffectivePolicy},
    survey::{Survey, mail},
    template::{RenderError, Template, Values},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// One revision of one journey, compiled against the namespace's profile, policies and adapters as they are now.
#[derive(Debug)]
pub struct Program {
    pub namespace: String,
    pub journey: String,
    /// Hash of steps, entry, exits and the touchpoints used, and of nothing else.
    pub revision: String,
    /// Paths that the journey's expressions read, each with its slot in the record that is filled for an evaluation.
    pub layout: Layout,
    pub triggers: Vec<Signal>,
    /// A name for the condition of each trigger that has no event, by its place: as long as the condition is the same, so is its name.
    pub condition_names: BTreeMap<usize, String>,
    /// What the first look at every customer is called, where a trigger has no event: it changes with the conditions and with what the
    /// profile derives for them.
    pub first_sight: Option<String>,
    /// By the name of an event (a signal's `event`): the CEL that gives the enrollment's key. Events without an entry have no key.
    pub keys: BTreeMap<String, expression::Program>,
    /// Whether the journey names a key at all; without one a customer has one enrollment at a time.
    pub keyed: bool,
    pub reentry: Reentry,
    pub holdout: Option<Holdout>,
    pub priority: Priority,
    /// Whether customers may enter by their own hand.
    pub joinable: bool,
    /// How many may enter in a period; None: whoever asks.
    pub pace: Option<Pace>,
    pub steps: Vec<Step>,
    pub exits: Vec<ExitRule>,
    pub goals: Vec<Goal>,
    /// Outbound touchpoints that the steps send, by name.
    pub outbound: BTreeMap<String, Outbound>,
    /// Adapters that `outbound` names, as they are now: what the dispatcher opens channels from.
    pub adapters: BTreeMap<String, ChannelAdapterSpec>,
    /// Where customers reach the gateway: tracked links and unsubscribe pages are made with it. None: the namespace has no such adapter.
    pub public_url: Option<String>,
    pub kpis: Vec<KpiSpec>,
    /// What the policies that select this journey say together.
    pub policy: EffectivePolicy,
    /// The conditions of the policy's quiet, by their text.
    pub quiet_while: BTreeMap<String, expression::Program>,
    pub profile: Arc<Profile>,
    pub suspended: bool,
    /// Names of events that can do something here: inbound touchpoints, TOUCHPOINT/sent and the like, consent/granted and the like.
    pub listens: BTreeSet<String>,
}

impl Program {
    pub fn step(&self, name: &str) -> Option<&Step> {
        self.steps.iter().find(|step| step.name == name)
    }

    /// Names that any step gives to a touchpoint's content in `with`.
    pub fn gives<'a>(&'a self, touchpoint: &'a str) -> impl Iterator<Item = &'a str> {
        self.steps
            .iter()
            .flat_map(move |step| match &step.action {
                StepAction::Send { candidates, with, .. }
                    if candidates.iter().any(|candidate| candidate.touchpoint == touchpoint) =>
                {
                    with.as_slice()
                }
                StepAction::Send { .. }
                | StepAction::Wait { .. }
                | StepAction::Split { .. }
                | StepAction::Branch { .. }
                | StepAction::Set(_)
                | StepAction::Exit(_) => &[],
            })
            .map(|(name, _)| name.as_str())
    }

    /// Whether messages of this touchpoint rest on consent, and so carry an unsubscribe link.
    pub fn asks_consent(&self, outbound: &Outbound) -> bool {
        self.policy
            .purposes
            .get(&outbound.purpose)
            .is_some_and(|purpose| purpose.basis == Basis::Consent)
    }

    /// Conditions that let a customer in by becoming true, with their names.
    pub fn conditions(&self) -> impl Iterator<Item = (&str, &expression::Program)> {
        let named = self.condition_names.iter();
        named.filter_map(|(at, name)| Some((name.as_str(), self.triggers.get(*at)?.condition()?)))
    }

    /// Whether some wait ends by this event.
    pub fn awaits(&self, event: &str) -> bool {
        self.steps.iter().any(|step| match &step.action {
            StepAction::Wait { until, .. } => until.iter().any(|until| until.signal.hears(event)),
            StepAction::Send { .. }
            | StepAction::Split { .. }
            | StepAction::Branch { .. }
            | StepAction::Set(_)
            | StepAction::Exit(_) => false,
        })
    }
}

/// What a runner knows of its journey: the revision that customers enter, and those that some still walk.
#[derive(Debug, Clone, Default)]
pub struct Programs {
    /// None: the journey is gone or does not compile; nobody enters and nothing is sent.
    pub current: Option<Arc<Program>>,
    /// Every revision that may have enrollments, the current one among them.
    pub revisions: BTreeMap<String, Arc<Program>>,
}

impl Programs {
    /// How far back caps look, in microseconds.
    pub fn longest_cap(&self) -> Micros {
        let caps = self.revisions.values().flat_map(|program| &program.policy.caps);
        caps.map(|cap| cap.per.longest()).max().unwrap_or_default()
    }
}

/// The attributes there are, with their types.
#[derive(Debug, Default)]
pub struct Profile {
    pub attributes: BTreeMap<String, Attribute>,
    /// Paths that derived attributes read.
    pub layout: Layout,
    /// CEL over customer that gives the customer's IANA zone; None: the zone is unknown.
    pub zone: Option<OfCustomer>,
    /// CEL over customer that gives the customer's language tag; None: the language is unknown.
    pub locale: Option<OfCustomer>,
    /// CEL over customer and now that gives the customer's age in whole years; None: the age is unknown.
    pub age: Option<OfCustomer>,
}

/// An expression over customer alone, which is asked for outside of any journey's step.
#[derive(Debug)]
pub struct OfCustomer {
    pub layout: Layout,
    pub program: expression::Program,
}

#[derive(Debug, Clone)]
pub struct Attribute {
    pub ty: expression::Type,
    pub personal: bool,
    /// What it is while nothing is known.
    pub default: Option<serde_json::Value>,
    /// What derives it: then nothing assigns it, and what the store may know under its name does not count.
    pub is: Option<Derived>,
}

/// What an attribute follows from.
#[derive(Debug, Clone)]
pub struct Derived {
    /// CEL over customer and now, in the profile's layout. None: it does not compile, and the attribute is missing.
    pub program: Option<expression::Program>,
    /// Derived attributes that it stands on, each after those that it stands on itself; a bounded number, and never the attribute itself.
    pub stands_on: Vec<String>,
}

/// The one way to notice something: in triggers, waits, exits and goals.
#[derive(Debug)]
pub struct Signal {
    /// None: `when` alone is a condition, noticed as soon as it holds.
    pub event: Option<String>,
    /// None: every event of the name matches.
    pub when: Option<expression::Program>,
    /// Matches that it takes, 1 or more: since the wait, of exits and goals since the entry. Of a trigger always 1.
    pub times: u32,
}

impl Signal {
    /// Whether it is about events of this name.
    pub fn hears(&self, event: &str) -> bool {
        self.event.as_deref() == Some(event)
    }

    /// What must hold, where no event is named.
    pub fn condition(&self) -> Option<&expression::Program> {
        self.when.as_ref().filter(|_| self.event.is_none())
    }
}

/// `None` means no limit.
#[derive(Debug, Clone, Copy, Default)]
pub struct Reentry {
    pub cooldown: Option<Micros>,
    pub max: Option<u32>,
}

/// Whose message a slot shows.
#[derive(Debug)]
pub enum Priority {
    /// 0 to 100.
    Fixed(u8),
    /// CEL over customer and now that gives a number.
    Of(expression::Program),
}

/// Customers who get no messages that rest on consent or interest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holdout {
    /// Journeys with the same one hold out the same customers.
    pub salt: String,
    /// Millionths of the customers.
    pub share: u32,
}

/// At most so many entries in any stretch of time that is `per` long, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    pub at_most: u32,
    pub per: Micros,
}

#[derive(Debug)]
pub struct Step {
    pub name: String,
    pub action: StepAction,
    /// Index of the step that follows; None: the journey is Completed.
    pub next: Option<usize>,
}

#[derive(Debug)]
pub enum StepAction {
    Wait {
        /// None: time alone does not end it.
        ends: Option<WaitEnd>,
        /// None: all time counts.
        during: Option<Windows>,
        until: Vec<Until>,
    },
    Send {
        /// What may be sent, as written; one or more.
        candidates: Vec<Candidate>,
        with: Vec<(String, expression::Program)>,
        otherwise: Option<usize>,
    },
    /// Divides customers: each draws an arm and keeps it.
    Split {
        /// namespace/journey/step: what the draw depends on besides the customer.
        salt: String,
        arms: Vec<Arm>,
    },
    Branch {
        cases: Vec<(expression::Program, usize)>,
        otherwise: usize,
    },
    Set(Vec<(String, expression::Program)>),
    Exit(super::state::Ending),
}

/// How time ends a wait.
#[derive(Debug)]
pub enum WaitEnd {
    /// So long after the arrival.
    After(Micros),
    /// At the instant that this CEL gives on arrival; one in the past does not wait.
    At(expression::Program),
}

/// A message that a send may choose.
#[derive(Debug)]
pub struct Candidate {
    pub touchpoint: String,
    /// Whether it is a candidate at all; None: always.
    pub when: Option<expression::Program>,
    /// A number, the highest first; None: 0.
    pub score: Option<expression::Program>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arm {
    pub name: String,
    /// Percent of the customers; all arms together 100.
    pub weight: u8,
    pub next: usize,
}

#[derive(Debug)]
pub struct Until {
    pub signal: Signal,
    pub next: usize,
}

#[derive(Debug)]
pub struct ExitRule {
    /// Unique among the exits.
    pub name: String,
    pub signal: Signal,
    pub outcome: super::state::Ending,
}

#[derive(Debug)]
pub struct Goal {
    pub name: String,
    pub signal: Signal,
    /// Counted from the entry on, also after the exit.
    pub within: Micros,
    /// CEL that gives a number, summed over those who reach it; None: each is worth 1.
    pub value: Option<expression::Program>,
}

/// An outbound touchpoint as the dispatcher needs it.
#[derive(Debug)]
pub struct Outbound {
    pub touchpoint: String,
    /// The owner's word: Email, Web, ...; caps count by it.
    pub channel: String,
    pub adapter: String,
    pub purpose: String,
    /// CEL in the program's layout that gives the address; None or missing where the channel needs one: skipped NoAddress.
    pub to: Option<expression::Program>,
    /// By field: subject, text, html, or what the adapter reads.
    pub content: BTreeMap<String, Template>,
    /// By language tag (in lower case) the fields of the content that differ in it.
    pub translations: BTreeMap<String, BTreeMap<String, Template>>,
    /// What of the provider's answer is kept, and what it must be; None: nothing is read of it.
    pub response: Option<Arc<Response>>,
    /// What is asked instead of saying content.
    pub survey: Option<Survey>,
    /// How long after the step was reached it may still be sent; None: for ever.
    pub time_to_live: Option<Micros>,
    /// How it stays after it was sent; None: it is gone once it is sent.
    pub stay: Option<Stay>,
}

/// How long a message stays where it was sent to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stay {
    /// Where the gateway shows it; None: its adapter keeps it.
    pub slot: Option<String>,
    /// None: until the enrollment ends, or consent does.
    pub lasts: Option<Micros>,
    /// Whether the adapter is called when it stays no longer.
    pub told: bool,
}

impl Outbound {
    /// Whether its content reads this attribute of the customer, in any language.
    pub fn reads(&self, attribute: &str) -> bool {
        let translated = self.translations.values().flat_map(BTreeMap::values);
        self.content
            .values()
            .chain(translated)
            .any(|template| template.reads().contains(attribute))
    }

    /// Fields of what a channel gets as content.
    pub fn fields(&self) -> Vec<&str> {
        match &self.survey {
            Some(_) => mail::FIELDS.to_vec(),
            None => self.content.keys().map(String::as_str).collect(),
        }
    }

    /// The content by field, each in the closest language that there is for it. Errors name the field and no value.
    pub fn render(
        &self,
        values: &Values<'_>,
        locale: Option<&str>,
    ) -> Result<BTreeMap<String, Personal<String>>, (String, RenderError)> {
        let translations = locale::closest(&self.translations, locale);
        let one = |(field, template): (&String, &Template)| {
            let translated = translations.iter().find_map(|fields| fields.get(field));
            match translated.unwrap_or(template).render(values) {
                Ok(text) => Ok((field.clone(), Personal::new(text))),
                Err(error) => Err((field.clone(), error)),
            }
        };
        self.content.iter().map(one).collect()
    }
}
