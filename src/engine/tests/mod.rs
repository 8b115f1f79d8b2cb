//! Stories: a journey is drafted, events and time come, and the customer's enrollments and the actions are looked at.

mod candidates;
mod chain;
mod choice;
mod conditions;
mod draft;
mod entry;
mod goals;
mod join;
mod laws;
mod order;
mod pace;
mod sight;
mod steps;
mod times;
mod wait;
mod window;

use draft::{Do, Draft, cart};

use super::{
    Customer, Event, Outcome, Program, Programs, Sighting, apply, looked,
    program::{
        Arm, Attribute, Candidate, ExitRule, Goal, Holdout, OfCustomer, Outbound, Pace, Profile, Reentry, Signal, Step,
        StepAction, Until, WaitEnd,
    },
    state::{
        About, Action, Disposition, Ending, Enrollment, Ignored, Input, Look, Matches, Properties, Standing,
        StepResult, Turn,
    },
};
use crate::{
    clock::{DAY, HOUR, MINUTE, Micros},
    expression::{self, Field, Layout, OnMissing, Place, Scope, Type},
    kpi::Count,
    policy::EffectivePolicy,
};
use serde_json::{Value as Json, json};
use std::{collections::BTreeMap, sync::Arc};

/// 2026-03-02T10:00:00Z, a Monday.
const START: Micros = 1_772_445_600 * 1_000_000;

/// One customer of one journey, and the clock. Sets come true; messages wait until their outcome is told.
struct World {
    programs: Programs,
    enrollments: Vec<Enrollment>,
    customer: Customer,
    now: Micros,
    sequence: i64,
    sighting: Sighting,
    actions: Vec<Action>,
}

fn object(json: Json) -> Properties {
    match json {
        Json::Object(object) => object,
        other => panic!("an object is needed, not {other}"),
    }
}

fn programs(current: Program, others: impl IntoIterator<Item = Program>) -> Programs {
    let current = Arc::new(current);
    let all = others.into_iter().map(Arc::new).chain([current.clone()]);
    Programs {
        revisions: all.map(|each| (each.revision.clone(), each)).collect(),
        current: Some(current),
    }
}

impl World {
    fn new(draft: Draft) -> Self {
        Self {
            programs: programs(draft.compile(), []),
            enrollments: Vec::new(),
            customer: Customer {
                key: [1; 16],
                id: "u1".to_owned().into(),
                attributes: object(json!({"email": "ada@example.com"})).into(),
                opted_out: false,
            },
            now: START,
            sequence: 0,
            sighting: Sighting::default(),
            actions: Vec::new(),
        }
    }

    fn event_of(&self, name: &str, data: Json) -> Event {
        Event {
            name: name.into(),
            id: format!("e{}", self.sequence + 1).into(),
            time: self.now,
            accepted_at: self.now,
            data: object(data).into(),
            profile: self.customer.attributes.clone(),
            about: None,
            hops: 0,
        }
    }

    /// The next event is accepted and applied now.
    fn hear(&mut self, name: &str, data: Json) -> Disposition {
        let event = self.event_of(name, data);
        self.take_event(event)
    }

    /// An event about the message that `step` of the first enrollment sent.
    fn hear_about(&mut self, name: &str, step: &str, data: Json) -> Disposition {
        let enrollment = self.enrollments.first().map_or(1, |first| first.ordinal);
        let about = About {
            journey: "cart".into(),
            enrollment,
            step: step.into(),
            occurrence: 1,
        };
        let event = Event {
            about: Some(about),
            ..self.event_of(name, data)
        };
        self.take_event(event)
    }

    fn take_event(&mut self, event: Event) -> Disposition {
        self.sequence += 1;
        let turn = self.apply(&Input::Event {
            sequence: self.sequence,
            event,
        });
        turn.disposition.expect("an event has a disposition")
    }

    /// Attributes change, and the journey is told as the store tells it.
    fn learn(&mut self, attributes: Json) -> Disposition {
        self.customer.attributes.expose_mut().extend(object(attributes));
        self.look(true)
    }

    fn look(&mut self, changed: bool) -> Disposition {
        self.sequence += 1;
        let look = Look {
            event: looked(&self.customer.attributes, self.now),
            changed,
            held: self.sighting.held.clone(),
        };
        let turn = self.apply(&Input::Look {
            sequence: self.sequence,
            look,
        });
        turn.disposition.expect("a look has a disposition")
    }

    /// Time passes; waits that are over by then end in their order, and conditions are looked at when time may change them.
    fn pass(&mut self, time: Micros) {
        let until = self.now + time;
        loop {
            let due = self
                .enrollments
                .iter()
                .filter_map(|each| Some((each.due_at()?, Some(each.ordinal))));
            let looks = self.sighting.look_at.map(|at| (at, None));
            let Some((due, which)) = due.chain(looks).filter(|(due, _)| *due <= until).min() else {
                break;
            };
            self.now = self.now.max(due);
            let before = (self.enrollments.clone(), self.sighting.clone());
            match which {
                Some(enrollment) => drop(self.apply(&Input::Due { enrollment })),
                None => drop(self.look(false)),
            }
            if before == (self.enrollments.clone(), self.sighting.clone()) {
                break;
            }
        }
        self.now = until;
    }

    /// What became of the message that the first enrollment waits for.
    fn outcome(&mut self, outcome: Outcome) {
        let Standing::Sending { step, occurrence, .. } = self.enrollments[0].standing.clone() else {
            panic!("no message is on its way: {:?}", self.enrollments[0].standing)
        };
        let enrollment = self.enrollments[0].ordinal;
        let turn = self.apply(&Input::Outcome {
            enrollment,
            step,
            occurrence,
            touchpoint: "mail".into(),
            outcome,
            response: object(json!({"ticket": "T1"})).into(),
        });
        assert_eq!(turn.disposition, None);
    }

    fn apply(&mut self, input: &Input) -> Turn {
        let turn = apply(&self.programs, &mut self.enrollments, input, &self.customer, self.now);
        for action in &turn.actions {
            match action {
                Action::Set { attributes, .. } => self
                    .customer
                    .attributes
                    .expose_mut()
                    .extend(attributes.expose().clone()),
                Action::Sighted(sighting) => self.sighting = sighting.clone(),
                Action::Send { .. } | Action::Withdraw { .. } | Action::Arrived { .. } | Action::Count { .. } => {}
            }
        }
        self.actions.extend(turn.actions.iter().cloned());
        turn
    }

    /// Where the first enrollment stands, in words.
    fn stands(&self) -> String {
        stands(&self.enrollments[0])
    }

    fn counted(&self, count: &Count) -> usize {
        self.actions
            .iter()
            .filter(|action| match action {
                Action::Count { count: this, .. } => this == count,
                Action::Arrived { step, .. } => *count == Count::Step(step.clone()),
                Action::Send { .. } | Action::Withdraw { .. } | Action::Set { .. } | Action::Sighted(_) => false,
            })
            .count()
    }

    /// Touchpoints of the messages asked for.
    fn sends(&self) -> Vec<(&str, Json)> {
        let sends = self.actions.iter().filter_map(|action| match action {
            Action::Send { step, with, .. } => Some((step.as_str(), Json::Object(with.expose().clone()))),
            Action::Withdraw { .. }
            | Action::Set { .. }
            | Action::Sighted(_)
            | Action::Count { .. }
            | Action::Arrived { .. } => None,
        });
        sends.collect()
    }

    fn withdrawals(&self) -> usize {
        self.actions
            .iter()
            .filter(|action| matches!(action, Action::Withdraw { .. }))
            .count()
    }

    fn result(&self, step: &str) -> &StepResult {
        &self.enrollments[0].steps[step]
    }
}

fn stands(enrollment: &Enrollment) -> String {
    match &enrollment.standing {
        Standing::Waiting { step, .. } => format!("waiting in {step}"),
        Standing::Sending { step, .. } => format!("sending {step}"),
        Standing::Ended { outcome, .. } => format!("{outcome:?}"),
        Standing::Paced { .. } => "at the door".into(),
    }
}

fn ignored(why: Ignored) -> Disposition {
    Disposition::Ignored(why)
}
