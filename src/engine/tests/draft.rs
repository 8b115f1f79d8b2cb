//! A journey on paper, and how it becomes a program without manifests.

use super::super::window::Windows;
use super::*;

/// The event, its condition, and the step that it leads to.
pub type Noticed = (&'static str, &'static str, &'static str);

/// What a step does; steps are named, and the name "" is none.
#[derive(Debug)]
pub enum Do {
    Wait(Option<Micros>, Vec<Noticed>),
    At(&'static str, Option<Windows>, Vec<Noticed>),
    During(Micros, Windows, Vec<Noticed>),
    Send(&'static str, Vec<(&'static str, &'static str)>, &'static str),
    /// Candidates: touchpoint, when, score.
    OneOf(Vec<(&'static str, &'static str, &'static str)>),
    /// Arms: name, weight, the step it leads to.
    Split(Vec<(&'static str, u8, &'static str)>),
    Branch(Vec<(&'static str, &'static str)>, &'static str),
    Set(Vec<(&'static str, &'static str)>),
    Exit(Ending),
}

/// A journey on paper; every text is CEL, and the empty text is none.
#[derive(Debug, Default)]
pub struct Draft {
    pub revision: &'static str,
    pub triggers: Vec<(&'static str, &'static str)>,
    pub keys: Vec<(&'static str, &'static str)>,
    pub reentry: Reentry,
    pub holdout: Option<Holdout>,
    pub pace: Option<Pace>,
    /// Name, what it does, the step that follows ("": the next in the list).
    pub steps: Vec<(&'static str, Do, &'static str)>,
    pub exits: Vec<(&'static str, &'static str, Ending)>,
    /// `name`, or `name = value`; the event, its condition, and how long it counts.
    pub goals: Vec<(&'static str, &'static str, &'static str, Micros)>,
    pub suspended: bool,
    pub joinable: bool,
}

fn scope(steps: &[(&'static str, Do, &'static str)]) -> Scope {
    let field = |name: &str, ty| Field {
        name: name.into(),
        ty,
        may_be_missing: true,
    };
    let properties = || {
        Type::object(vec![
            field("id", Type::TEXT),
            Field {
                name: "time".into(),
                ty: Type::Instant,
                may_be_missing: false,
            },
            field("cart", Type::TEXT),
            Field {
                name: "items".into(),
                ty: Type::Int,
                may_be_missing: false,
            },
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
            field("arm", Type::TEXT),
            field("response", Type::object(vec![field("ticket", Type::TEXT)])),
            field("event", properties()),
        ])
    };
    let customer = vec![
        Field {
            name: "id".into(),
            ty: Type::TEXT,
            may_be_missing: false,
        },
        Field {
            name: "tier".into(),
            ty: Type::TEXT,
            may_be_missing: false,
        },
        field("email", Type::TEXT),
        field("timezone", Type::TEXT),
        field("points", Type::Int),
        field("vip", Type::Bool),
        field("seen", Type::Instant),
    ];
    let root = |name: &str, ty| Field {
        name: name.into(),
        ty,
        may_be_missing: false,
    };
    Scope {
        roots: vec![
            root("event", properties()),
            root("entry", properties()),
            root(
                "steps",
                Type::object(steps.iter().map(|(name, ..)| field(name, result())).collect()),
            ),
            root("customer", Type::object(customer)),
        ],
    }
}

fn profile() -> Arc<Profile> {
    let attribute = |ty, default| Attribute {
        ty,
        personal: false,
        default,
        is: None,
    };
    let mut layout = Layout::default();
    let scope = scope(&[]);
    let place = Place {
        scope: &scope,
        wants: Some(Type::TEXT),
        missing: OnMissing::Missing,
    };
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
        layout: Layout::default(),
        zone: Some(OfCustomer { layout, program: zone }),
        age: None,
        locale: None,
    })
}

/// An event, or `3 x event` for so many of it.
fn signal(event: &str, when: &str, cel: &mut impl FnMut(&str, OnMissing) -> Option<expression::Program>) -> Signal {
    let (times, event) = event.split_once(" x ").unwrap_or(("1", event));
    Signal {
        event: (!event.is_empty()).then(|| event.into()),
        when: cel(when, OnMissing::False),
        times: times.parse().unwrap(),
    }
}

impl Draft {
    pub fn compile(self) -> Program {
        let scope = scope(&self.steps);
        let mut layout = Layout::default();
        let mut cel = |source: &str, missing| {
            let place = Place {
                scope: &scope,
                wants: None,
                missing,
            };
            (!source.is_empty())
                .then(|| expression::compile(source, &place, &mut layout).unwrap_or_else(|e| panic!("{source}: {e:?}")))
        };
        let at = |name: &str| {
            (!name.is_empty()).then(|| {
                self.steps
                    .iter()
                    .position(|(each, ..)| *each == name)
                    .expect("a step of the draft")
            })
        };
        let mut steps = Vec::new();
        for (index, (name, action, next)) in self.steps.iter().enumerate() {
            let ends = match action {
                Do::Wait(length, _) => length.map(WaitEnd::After),
                Do::During(length, ..) => Some(WaitEnd::After(*length)),
                Do::At(instant, ..) => cel(instant, OnMissing::Missing).map(WaitEnd::At),
                Do::Send(..) | Do::OneOf(_) | Do::Split(_) | Do::Branch(..) | Do::Set(_) | Do::Exit(_) => None,
            };
            let during = match action {
                Do::During(_, windows, _) => Some(windows.clone()),
                Do::At(_, windows, _) => windows.clone(),
                Do::Wait(..)
                | Do::Send(..)
                | Do::OneOf(_)
                | Do::Split(_)
                | Do::Branch(..)
                | Do::Set(_)
                | Do::Exit(_) => None,
            };
            let mut values = |list: &[(&'static str, &'static str)]| {
                list.iter()
                    .map(|(name, source)| ((*name).to_owned(), cel(source, OnMissing::Missing).unwrap()))
                    .collect::<Vec<_>>()
            };
            let action = match action {
                Do::Wait(_, until) | Do::At(_, _, until) | Do::During(_, _, until) => StepAction::Wait {
                    ends,
                    during,
                    until: until
                        .iter()
                        .map(|(event, when, next)| Until {
                            signal: signal(event, when, &mut cel),
                            next: at(next).unwrap(),
                        })
                        .collect(),
                },
                Do::Send(touchpoint, with, otherwise) => StepAction::Send {
                    candidates: vec![Candidate {
                        touchpoint: (*touchpoint).into(),
                        when: None,
                        score: None,
                    }],
                    with: values(with),
                    otherwise: at(otherwise),
                },
                Do::OneOf(candidates) => StepAction::Send {
                    candidates: candidates
                        .iter()
                        .map(|(touchpoint, when, score)| Candidate {
                            touchpoint: (*touchpoint).into(),
                            when: cel(when, OnMissing::False),
                            score: cel(score, OnMissing::Missing),
                        })
                        .collect(),
                    with: vec![],
                    otherwise: None,
                },
                Do::Split(arms) => StepAction::Split {
                    salt: format!("shop/cart/{name}"),
                    arms: arms
                        .iter()
                        .map(|(name, weight, next)| Arm {
                            name: (*name).into(),
                            weight: *weight,
                            next: at(next).unwrap(),
                        })
                        .collect(),
                },
                Do::Branch(cases, otherwise) => StepAction::Branch {
                    cases: cases
                        .iter()
                        .map(|(when, next)| (cel(when, OnMissing::False).unwrap(), at(next).unwrap()))
                        .collect(),
                    otherwise: at(otherwise).unwrap(),
                },
                Do::Set(attributes) => StepAction::Set(values(attributes)),
                Do::Exit(ending) => StepAction::Exit(*ending),
            };
            let next = at(next).or_else(|| Some(index + 1).filter(|next| *next < self.steps.len()));
            steps.push(Step {
                name: (*name).into(),
                action,
                next,
            });
        }
        let triggers = self
            .triggers
            .iter()
            .map(|(event, when)| signal(event, when, &mut cel))
            .collect();
        let lone = self
            .triggers
            .iter()
            .enumerate()
            .filter(|(_, (event, _))| event.is_empty());
        let condition_names = lone.map(|(at, (_, when))| (at, (*when).to_owned())).collect();
        let keys: BTreeMap<_, _> = self
            .keys
            .iter()
            .map(|(event, key)| ((*event).to_owned(), cel(key, OnMissing::Missing).unwrap()))
            .collect();
        let exits = self
            .exits
            .iter()
            .enumerate()
            .map(|(n, (event, when, outcome))| ExitRule {
                name: format!("exit{n}"),
                signal: signal(event, when, &mut cel),
                outcome: *outcome,
            });
        let exits = exits.collect();
        let goals = self.goals.iter().map(|(name, event, when, within)| {
            let (name, value) = name.split_once(" = ").unwrap_or((name, ""));
            Goal {
                name: (*name).into(),
                signal: signal(event, when, &mut cel),
                within: *within,
                value: cel(value, OnMissing::Missing),
            }
        });
        let goals = goals.collect();
        let outbound = Outbound {
            touchpoint: "mail".into(),
            channel: "Email".into(),
            adapter: "smtp".into(),
            purpose: "marketing".into(),
            to: cel("customer.email", OnMissing::Missing),
            content: BTreeMap::new(),
            translations: BTreeMap::new(),
            response: None,
            survey: None,
            time_to_live: None,
            stay: None,
        };
        Program {
            namespace: "shop".into(),
            journey: "cart".into(),
            revision: if self.revision.is_empty() {
                "r1".into()
            } else {
                self.revision.into()
            },
            triggers,
            keyed: !keys.is_empty(),
            condition_names,
            first_sight: None,
            keys,
            reentry: self.reentry,
            holdout: self.holdout,
            priority: super::super::program::Priority::Fixed(50),
            joinable: self.joinable,
            pace: self.pace,
            steps,
            exits,
            goals,
            outbound: BTreeMap::from([("mail".into(), outbound)]),
            adapters: BTreeMap::new(),
            public_url: None,
            kpis: Vec::new(),
            policy: EffectivePolicy::default(),
            quiet_while: BTreeMap::new(),
            profile: profile(),
            suspended: self.suspended,
            listens: Default::default(),
            layout,
        }
    }
}

/// Wait an hour for an order, else mail, wait a day for a click, and done.
pub fn cart() -> Draft {
    Draft {
        triggers: vec![("cart-updated", "event.items > 0")],
        steps: vec![
            ("pause", Do::Wait(Some(HOUR), vec![("cart-updated", "", "pause")]), ""),
            (
                "remind",
                Do::Send(
                    "mail",
                    vec![("city", "has(entry.address.city) ? entry.address.city : 'you'")],
                    "",
                ),
                "",
            ),
            (
                "look",
                Do::Wait(Some(DAY), vec![("mail/clicked", "", "thank")]),
                "leave",
            ),
            ("thank", Do::Set(vec![("tier", "'clicked'")]), ""),
            ("leave", Do::Exit(Ending::Completed), ""),
        ],
        exits: vec![("order-placed", "event.total > 0.0", Ending::Converted)],
        goals: vec![("bought", "order-placed", "", 7 * DAY)],
        ..Draft::default()
    }
}
