//! Stories: a journey is drafted, events and time come, and the customer's enrollments and the actions are looked at.

mod entry;
mod laws;
mod order;
mod sight;
mod steps;

use super::{
    Action, Customer, Disposition, Enrollment, Event, Input, Outcome, Program, Programs, Standing, Turn, apply,
    program::{Attribute, ExitRule, Goal, Outbound, Profile, Reentry, Step, StepAction, Trigger, Until, Zone},
    state::{About, Ending, Ignored, Properties, StepResult},
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

/// What a step does; steps are named, and the name "" is none.
#[derive(Debug)]
enum Do {
    Wait(Option<Micros>, Vec<(&'static str, &'static str, &'static str)>),
    Send(&'static str, Vec<(&'static str, &'static str)>, &'static str),
    Branch(Vec<(&'static str, &'static str)>, &'static str),
    Set(Vec<(&'static str, &'static str)>),
    Exit(Ending),
}

/// A journey on paper; every text is CEL, and the empty text is none.
#[derive(Debug, Default)]
struct Draft {
    revision: &'static str,
    triggers: Vec<(&'static str, &'static str)>,
    keys: Vec<(&'static str, &'static str)>,
    reentry: Reentry,
    /// Name, what it does, the step that follows ("": the next in the list).
    steps: Vec<(&'static str, Do, &'static str)>,
    exits: Vec<(&'static str, &'static str, Ending)>,
    goals: Vec<(&'static str, &'static str, &'static str, Micros)>,
    suspended: bool,
}

fn scope(steps: &[(&'static str, Do, &'static str)]) -> Scope {
    let field = |name: &str, ty| Field { name: name.into(), ty, may_be_missing: true };
    let properties = || {
        Type::object(vec![
            field("id", Type::TEXT),
            field("time", Type::Instant),
            field("cart", Type::TEXT),
            Field { name: "items".into(), ty: Type::Int, may_be_missing: false },
            field("total", Type::Number),
            field("tags", Type::List(Box::new(Type::TEXT))),
            field("address", Type::object(vec![field("city", Type::TEXT)])),
        ])
    };
    let result = || {
        Type::object(vec![
            field("count", Type::Int),
            field("at", Type::Instant),
            field("outcome", Type::TEXT),
            field("reason", Type::TEXT),
            field("touchpoint", Type::TEXT),
            field("event", properties()),
        ])
    };
    let customer = ["id", "email", "timezone", "tier"].map(|name| field(name, Type::TEXT)).into_iter();
    let customer = customer.chain([field("points", Type::Int), field("vip", Type::Bool), field("seen", Type::Instant)]).collect();
    Scope {
        roots: vec![
            field("event", properties()),
            field("entry", properties()),
            field("steps", Type::object(steps.iter().map(|(name, ..)| field(name, result())).collect())),
            field("customer", Type::object(customer)),
        ],
    }
}

fn profile() -> Arc<Profile> {
    let attribute = |ty, default| Attribute { ty, personal: false, default };
    let mut layout = Layout::default();
    let scope = scope(&[]);
    let place = Place { scope: &scope, wants: Some(Type::TEXT), missing: OnMissing::Missing };
    let zone = expression::compile("customer.timezone", &place, &mut layout).unwrap();
    Arc::new(Profile {
        attributes: BTreeMap::from([
            ("email".into(), attribute(Type::TEXT, None)),
            ("timezone".into(), attribute(Type::TEXT, None)),
            ("tier".into(), attribute(Type::TEXT, Some(json!("none")))),
            ("points".into(), attribute(Type::Int, None)),
            ("vip".into(), attribute(Type::Bool, None)),
            ("seen".into(), attribute(Type::Instant, None)),
        ]),
        zone: Some(Zone { layout, program: zone }),
    })
}

impl Draft {
    fn compile(self) -> Program {
        let scope = scope(&self.steps);
        let mut layout = Layout::default();
        let mut cel = |source: &str, missing| {
            let place = Place { scope: &scope, wants: None, missing };
            (!source.is_empty()).then(|| expression::compile(source, &place, &mut layout).unwrap_or_else(|e| panic!("{source}: {e:?}")))
        };
        let at = |name: &str| (!name.is_empty()).then(|| self.steps.iter().position(|(each, ..)| *each == name).expect("a step of the draft"));
        let mut steps = Vec::new();
        for (index, (name, action, next)) in self.steps.iter().enumerate() {
            let mut values = |list: &[(&'static str, &'static str)]| {
                list.iter().map(|(name, source)| ((*name).to_owned(), cel(source, OnMissing::Missing).unwrap())).collect::<Vec<_>>()
            };
            let action = match action {
                Do::Wait(for_, until) => StepAction::Wait {
                    for_: *for_,
                    until: until
                        .iter()
                        .map(|(event, when, next)| Until { event: (*event).into(), when: cel(when, OnMissing::False), next: at(next).unwrap() })
                        .collect(),
                },
                Do::Send(touchpoint, with, otherwise) => {
                    StepAction::Send { touchpoint: (*touchpoint).into(), with: values(with), otherwise: at(otherwise) }
                }
                Do::Branch(cases, otherwise) => StepAction::Branch {
                    cases: cases.iter().map(|(when, next)| (cel(when, OnMissing::False).unwrap(), at(next).unwrap())).collect(),
                    otherwise: at(otherwise).unwrap(),
                },
                Do::Set(attributes) => StepAction::Set(values(attributes)),
                Do::Exit(ending) => StepAction::Exit(*ending),
            };
            let next = at(next).or_else(|| Some(index + 1).filter(|next| *next < self.steps.len()));
            steps.push(Step { name: (*name).into(), action, next });
        }
        let triggers = self.triggers.iter().map(|(event, when)| Trigger { event: (*event).into(), when: cel(when, OnMissing::False) }).collect();
        let keys: BTreeMap<_, _> = self.keys.iter().map(|(event, key)| ((*event).to_owned(), cel(key, OnMissing::Missing).unwrap())).collect();
        let exits = self.exits.iter().enumerate().map(|(index, (event, when, outcome))| ExitRule {
            name: format!("exit-{index}"),
            event: (*event).into(),
            when: cel(when, OnMissing::False),
            outcome: *outcome,
        });
        let exits = exits.collect();
        let goals = self.goals.iter().map(|(name, event, when, within)| Goal {
            name: (*name).into(),
            event: (*event).into(),
            when: cel(when, OnMissing::False),
            within: *within,
        });
        let goals = goals.collect();
        let outbound = Outbound {
            touchpoint: "mail".into(),
            channel: "Email".into(),
            adapter: "smtp".into(),
            purpose: "marketing".into(),
            to: cel("customer.email", OnMissing::Missing),
            content: BTreeMap::new(),
            time_to_live: None,
        };
        Program {
            namespace: "shop".into(),
            journey: "cart".into(),
            revision: if self.revision.is_empty() { "r1".into() } else { self.revision.into() },
            triggers,
            keyed: !keys.is_empty(),
            keys,
            reentry: self.reentry,
            steps,
            exits,
            goals,
            outbound: BTreeMap::from([("mail".into(), outbound)]),
            adapters: BTreeMap::new(),
            public_url: None,
            kpis: Vec::new(),
            policy: EffectivePolicy::default(),
            profile: profile(),
            suspended: self.suspended,
            listens: Default::default(),
            layout,
        }
    }
}

/// One customer of one journey, and the clock. Sets come true; messages wait until their outcome is told.
struct World {
    programs: Programs,
    enrollments: Vec<Enrollment>,
    customer: Customer,
    now: Micros,
    sequence: i64,
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
    Programs { revisions: all.map(|each| (each.revision.clone(), each)).collect(), current: Some(current) }
}

impl World {
    fn new(draft: Draft) -> Self {
        Self {
            programs: programs(draft.compile(), []),
            enrollments: Vec::new(),
            customer: Customer { id: "u1".to_owned().into(), attributes: object(json!({"email": "ada@example.com"})).into() },
            now: START,
            sequence: 0,
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
        let about = About { journey: "cart".into(), enrollment, step: step.into(), occurrence: 1 };
        let event = Event { about: Some(about), ..self.event_of(name, data) };
        self.take_event(event)
    }

    fn take_event(&mut self, event: Event) -> Disposition {
        self.sequence += 1;
        let turn = self.apply(&Input::Event { sequence: self.sequence, event });
        turn.disposition.expect("an event has a disposition")
    }

    /// Time passes; waits that are over by then end in their order.
    fn pass(&mut self, time: Micros) {
        let until = self.now + time;
        while let Some((due, enrollment)) =
            self.enrollments.iter().filter_map(|each| Some((each.due_at()?, each.ordinal))).filter(|(due, _)| *due <= until).min()
        {
            self.now = self.now.max(due);
            let before = self.enrollments.clone();
            self.apply(&Input::Due { enrollment });
            if before == self.enrollments {
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
        let turn = self.apply(&Input::Outcome { enrollment, step, occurrence, outcome });
        assert_eq!(turn.disposition, None);
    }

    fn apply(&mut self, input: &Input) -> Turn {
        let turn = apply(&self.programs, &mut self.enrollments, input, &self.customer, self.now);
        for action in &turn.actions {
            if let Action::Set(changes) = action {
                self.customer.attributes.expose_mut().extend(changes.expose().clone());
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
        self.actions.iter().filter(|action| matches!(action, Action::Count { count: this, .. } if this == count)).count()
    }

    /// Touchpoints of the messages asked for.
    fn sends(&self) -> Vec<(&str, Json)> {
        let sends = self.actions.iter().filter_map(|action| match action {
            Action::Send { step, with, .. } => Some((step.as_str(), Json::Object(with.expose().clone()))),
            Action::Withdraw { .. } | Action::Set(_) | Action::Count { .. } => None,
        });
        sends.collect()
    }

    fn withdrawals(&self) -> usize {
        self.actions.iter().filter(|action| matches!(action, Action::Withdraw { .. })).count()
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
    }
}

/// Wait an hour for an order, else mail, wait a day for a click, and done.
fn cart() -> Draft {
    Draft {
        triggers: vec![("cart-updated", "event.items > 0")],
        steps: vec![
            ("pause", Do::Wait(Some(HOUR), vec![("cart-updated", "", "pause")]), ""),
            ("remind", Do::Send("mail", vec![("city", "has(entry.address.city) ? entry.address.city : 'you'")], ""), ""),
            ("look", Do::Wait(Some(DAY), vec![("mail/clicked", "", "thank")]), "leave"),
            ("thank", Do::Set(vec![("tier", "'clicked'")]), ""),
            ("leave", Do::Exit(Ending::Completed), ""),
        ],
        exits: vec![("order-placed", "event.total > 0.0", Ending::Converted)],
        goals: vec![("bought", "order-placed", "", 7 * DAY)],
        ..Draft::default()
    }
}

fn ignored(why: Ignored) -> Disposition {
    Disposition::Ignored(why)
}
