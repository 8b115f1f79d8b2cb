//! Laws that hold for every program and every sequence of inputs.

use super::{
    super::{
        state::{JOINED, LEFT},
        window::{WindowZone, Windows},
    },
    *,
};
use proptest::prelude::*;

const NAMES: [&str; 5] = ["s0", "s1", "s2", "s3", "s4"];
const EVENTS: [&str; 4] = ["go", "ping", "mail/clicked", "order-placed"];
/// Signals without an event: what they read changes by `set`, by lessons and by time.
const LONE: [&str; 5] = [
    "customer.points > 3",
    "customer.points < 1",
    "now - customer.seen > duration('2h')",
    "steps.s0.count > 2",
    "1 / customer.points > 0",
];
const CONDITIONS: [&str; 6] = [
    "",
    "event.items > 1",
    "customer.points > 2",
    "1 / event.items > 0",
    "steps.s0.count < 3",
    "has(entry.cart)",
];
const STEP_CONDITIONS: [&str; 4] = [
    "entry.items > 1",
    "customer.points > 2",
    "1 / entry.items > 0",
    "steps.s0.count < 3",
];
const ENDINGS: [Ending; 4] = [
    Ending::Completed,
    Ending::Converted,
    Ending::Disqualified,
    Ending::Failed,
];

const INSTANTS: [&str; 4] = [
    "entry.time + duration('2h')",
    "entry.time",
    "nextTime('09:00')",
    "entry.time + days(1 / entry.items)",
];

fn windows() -> impl Strategy<Value = Windows> {
    (1u8..128, prop::option::of((0u16..1440, 0u16..1440))).prop_map(|(days, hours)| Windows {
        days,
        hours: hours.filter(|(from, to)| from != to),
        zone: WindowZone::Customer,
    })
}

fn name() -> impl Strategy<Value = &'static str> {
    prop::sample::select(NAMES.to_vec())
}

fn event() -> impl Strategy<Value = &'static str> {
    prop::sample::select(EVENTS.to_vec())
}

/// What a signal notices; one in three takes several.
fn noticed() -> impl Strategy<Value = &'static str> {
    const SEVERAL: [&str; 4] = ["2 x ping", "3 x ping", "2 x mail/clicked", "2 x order-placed"];
    prop_oneof![2 => event(), 1 => prop::sample::select(SEVERAL.to_vec())]
}

fn condition() -> impl Strategy<Value = &'static str> {
    prop::sample::select(CONDITIONS.to_vec())
}

/// What a signal notices, and under which condition: one in four is a condition alone.
fn signal() -> impl Strategy<Value = (&'static str, &'static str)> {
    let lone = prop::sample::select(LONE.to_vec()).prop_map(|when| ("", when));
    prop_oneof![3 => (noticed(), condition()), 1 => lone]
}

fn ending() -> impl Strategy<Value = Ending> {
    prop::sample::select(ENDINGS.to_vec())
}

fn action() -> impl Strategy<Value = Do> {
    let otherwise = prop_oneof![Just(""), name()];
    prop_oneof![
        3 => (prop::option::of(1..3i64), prop::collection::vec((signal(), name()), 0..3)).prop_map(|(hours, until)| {
            Do::Wait(hours.map(|n| n * HOUR), until.into_iter().map(|((event, when), next)| (event, when, next)).collect())
        }),
        1 => (prop::sample::select(INSTANTS.to_vec()), prop::option::of(windows()), prop::collection::vec((noticed(), condition(), name()), 0..2))
            .prop_map(|(at, windows, until)| Do::At(at, windows, until)),
        1 => (1..5i64, windows()).prop_map(|(hours, windows)| Do::During(hours * HOUR, windows, vec![])),
        3 => (prop::bool::ANY, otherwise).prop_map(|(faulty, otherwise)| {
            Do::Send("mail", if faulty { vec![("n", "1 / entry.items")] } else { vec![] }, otherwise)
        }),
        2 => (prop::sample::select(STEP_CONDITIONS.to_vec()), name(), name()).prop_map(|(when, next, otherwise)| Do::Branch(vec![(when, next)], otherwise)),
        1 => prop::sample::select(vec!["entry.items", "steps.s0.count"]).prop_map(|value| Do::Set(vec![("points", value)])),
        1 => (0..=100u8, name(), name()).prop_map(|(weight, one, other)| Do::Split(vec![("a", weight, one), ("b", 100 - weight, other)])),
        1 => ending().prop_map(Do::Exit),
    ]
}

fn draft() -> impl Strategy<Value = Draft> {
    let steps = prop::collection::vec(
        (action(), prop_oneof![2 => Just(""), 1 => name()]),
        NAMES.len()..=NAMES.len(),
    );
    let exits = prop::collection::vec((signal(), ending()), 0..2);
    let reentry = (prop::option::of(1..3i64), prop::option::of(1..4u32));
    let goal = prop_oneof![
        2 => prop::sample::select(vec!["order-placed", "2 x order-placed"]).prop_map(|event| (event, "")),
        1 => prop::sample::select(LONE.to_vec()).prop_map(|when| ("", when)),
    ];
    let open = (prop::bool::weighted(0.1), prop::bool::ANY, prop::bool::weighted(0.3));
    (steps, exits, prop::bool::ANY, reentry, open, goal).prop_map(
        |(steps, exits, keyed, (cooldown, max), (suspended, joinable, paced), goal)| Draft {
            pace: paced.then_some(Pace { at_most: 1, per: HOUR }),
            triggers: if keyed {
                vec![("go", "event.items >= 0")]
            } else {
                vec![("go", "event.items >= 0"), ("", LONE[0]), ("", LONE[2])]
            },
            keys: if keyed {
                vec![("go", "event.cart"), ("order-placed", "event.cart")]
            } else {
                vec![]
            },
            reentry: Reentry {
                cooldown: cooldown.map(|n| n * HOUR),
                max,
            },
            steps: NAMES
                .into_iter()
                .zip(steps)
                .map(|(name, (action, next))| (name, action, next))
                .collect(),
            exits: exits
                .into_iter()
                .map(|((event, when), ending)| (event, when, ending))
                .collect(),
            goals: vec![("bought", goal.0, goal.1, 5 * HOUR)],
            suspended,
            holdout: Some(Holdout {
                salt: "x".into(),
                share: 500_000,
            }),
            joinable,
            ..Draft::default()
        },
    )
}

#[derive(Debug, Clone)]
enum Happening {
    Event {
        name: &'static str,
        items: Option<i64>,
        cart: Option<&'static str>,
        about: Option<usize>,
    },
    Pass(i64),
    Due(usize),
    /// The turn of one who may wait at the door has come.
    Admit(usize),
    Outcome(usize, Outcome),
    /// The customer joins or leaves by their own hand.
    Choice(&'static str),
    /// Attributes change: points, and whether the customer was seen just now.
    Learn(i64, bool),
    /// Time, or the first sight, has the customer looked at.
    Glance,
    /// The program goes away or comes back.
    Away(bool),
}

fn happening() -> impl Strategy<Value = Happening> {
    let outcome = prop_oneof![
        Just(Outcome::Sent),
        Just(Outcome::Skipped("Capped".into())),
        Just(Outcome::Failed("Refused".into()))
    ];
    prop_oneof![
        6 => (event(), prop::option::of(0..4i64), prop::option::of(prop::sample::select(vec!["a", "b"])), prop::option::weighted(0.3, 0..4usize))
            .prop_map(|(name, items, cart, about)| Happening::Event { name, items, cart, about }),
        2 => (0..180i64).prop_map(Happening::Pass),
        3 => (0..4usize).prop_map(Happening::Due),
        3 => (0..4usize).prop_map(Happening::Admit),
        5 => (0..4usize, outcome).prop_map(|(which, outcome)| Happening::Outcome(which, outcome)),
        1 => prop::sample::select(vec![JOINED, LEFT]).prop_map(Happening::Choice),
        3 => (0..6i64, prop::bool::ANY).prop_map(|(points, seen)| Happening::Learn(points, seen)),
        2 => Just(Happening::Glance),
        1 => prop::bool::weighted(0.4).prop_map(Happening::Away),
    ]
}

fn input_of(world: &mut World, happening: &Happening, program: &Arc<Program>) -> Option<Input> {
    let ordinal = |world: &World, which: usize| world.enrollments.get(which).map(|each| each.ordinal);
    match happening {
        Happening::Event {
            name,
            items,
            cart,
            about,
        } => {
            world.sequence += 1;
            let event = world.event_of(name, json!({"items": items, "cart": cart}));
            let about = about.and_then(|which| ordinal(world, which));
            let about = about.map(|enrollment| About {
                journey: "cart".into(),
                enrollment,
                step: "s0".into(),
                occurrence: 1,
            });
            Some(Input::Event {
                sequence: world.sequence,
                event: Event { about, ..event },
            })
        }
        Happening::Choice(name) => {
            world.sequence += 1;
            world.customer.opted_out = *name == LEFT;
            Some(Input::Event {
                sequence: world.sequence,
                event: world.event_of(name, json!({})),
            })
        }
        Happening::Pass(minutes) => {
            world.now += minutes * MINUTE;
            None
        }
        Happening::Due(which) => Some(Input::Due {
            enrollment: ordinal(world, *which)?,
        }),
        Happening::Admit(which) => Some(Input::Admit {
            enrollment: ordinal(world, *which)?,
        }),
        Happening::Outcome(which, outcome) => {
            let enrollment = world.enrollments.get(*which)?;
            let Standing::Sending { step, occurrence, .. } = &enrollment.standing else {
                return None;
            };
            Some(Input::Outcome {
                enrollment: enrollment.ordinal,
                step: step.clone(),
                occurrence: *occurrence,
                touchpoint: "mail".into(),
                outcome: outcome.clone(),
                response: object(json!({"ticket": "T1"})).into(),
            })
        }
        Happening::Learn(points, seen) => {
            let attributes = world.customer.attributes.expose_mut();
            attributes.insert("points".into(), json!(points));
            if *seen {
                let now = expression::Val::Instant(world.now).to_json(&Type::Instant).unwrap();
                attributes.insert("seen".into(), now);
            }
            Some(look(world, true))
        }
        Happening::Glance => Some(look(world, false)),
        Happening::Away(away) => {
            world.programs.revisions = if *away {
                BTreeMap::new()
            } else {
                BTreeMap::from([(program.revision.clone(), program.clone())])
            };
            None
        }
    }
}

fn look(world: &mut World, changed: bool) -> Input {
    world.sequence += 1;
    Input::Look {
        sequence: world.sequence,
        look: Look {
            event: looked(&world.customer.attributes, world.now),
            changed,
            held: world.sighting.held.clone(),
        },
    }
}

/// After a look at a change nothing that it asked for holds unnoticed, and what time may change is planned for later.
fn check_look(world: &World, turn: &Turn, before: &Sighting) -> Result<(), TestCaseError> {
    if turn.disposition == Some(Disposition::Entered) {
        prop_assert!(
            !world.sighting.held.is_subset(&before.held),
            "something has become true"
        );
    }
    // What a step sets is told by the next look.
    if turn.actions.iter().any(|action| matches!(action, Action::Set { .. })) {
        return Ok(());
    }
    let attributes = world.customer.attributes.expose();
    for enrollment in world.enrollments.iter().filter(|each| each.is_active()) {
        let Some(program) = world.programs.revisions.get(&enrollment.revision) else {
            continue;
        };
        let sight = super::super::sight::Sight::of_step(program, enrollment, "u1", attributes, world.now);
        let holds = |signal: &Signal| {
            signal
                .condition()
                .is_some_and(|when| sight.holds(Some(when)) == Ok(true))
        };
        prop_assert!(
            !program.exits.iter().any(|rule| holds(&rule.signal)),
            "an exit holds unnoticed"
        );
        if let Standing::Waiting { step, .. } = &enrollment.standing
            && let Some(StepAction::Wait { until, .. }) = program.step(step).map(|step| &step.action)
        {
            prop_assert!(
                !until.iter().any(|until| holds(&until.signal)),
                "a wait's condition holds unnoticed"
            );
        }
        prop_assert!(
            enrollment.look_at.is_none_or(|at| at > world.now),
            "time is looked ahead of"
        );
    }
    Ok(())
}

/// What must be true of a customer's enrollments at any time.
fn check(world: &World, program: &Program) -> Result<(), TestCaseError> {
    let mut keys = Vec::new();
    for enrollment in &world.enrollments {
        match &enrollment.standing {
            Standing::Waiting { step, .. } => {
                let action = &program.step(step).expect("a step of the program").action;
                let waits = matches!(action, StepAction::Wait { .. });
                prop_assert!(
                    waits || enrollment.steps[step].outcome.is_some(),
                    "it stands in a wait, or its message is over"
                );
            }
            Standing::Sending { step, occurrence, .. } => {
                let sends = matches!(
                    program.step(step).map(|step| &step.action),
                    Some(StepAction::Send { .. })
                );
                prop_assert!(sends, "only a send sends");
                prop_assert_eq!(*occurrence, enrollment.steps[step].count);
            }
            Standing::Ended { .. } => prop_assert!(enrollment.kept.is_empty()),
            Standing::Paced { .. } => prop_assert!(enrollment.steps.is_empty() && enrollment.goals.is_empty()),
        }
        prop_assert!(enrollment.kept.len() <= 32);
        check_matches(enrollment, program)?;
        for step in &program.steps {
            if let Some(result) = enrollment.steps.get(&step.name) {
                let answered = !result.response.expose().is_empty();
                prop_assert!(
                    !answered || result.outcome.as_deref() == Some("Sent"),
                    "only who was sent to has an answer"
                );
            }
            if let (StepAction::Split { arms, .. }, Some(result)) = (&step.action, enrollment.steps.get(&step.name)) {
                let arm = result.arm.as_ref();
                // A loop without a wait may be given up just as it comes to the split.
                let given_up = matches!(
                    enrollment.standing,
                    Standing::Ended {
                        outcome: Ending::Failed,
                        ..
                    }
                );
                prop_assert!(
                    given_up || arm.is_some_and(|arm| arms.iter().any(|each| each.name == *arm)),
                    "who came by has an arm"
                );
            }
        }
        if enrollment.is_active() {
            prop_assert!(!keys.contains(&enrollment.key), "one enrollment for each key");
            keys.push(enrollment.key.clone());
        }
    }
    let is_sending = |each: &&Enrollment| matches!(each.standing, Standing::Sending { .. });
    let prefix = |prefix: &str| {
        world
            .actions
            .iter()
            .filter(|action| matches!(action, Action::Count { count, .. } if count.name().starts_with(prefix)))
            .count()
    };
    let entered = world.counted(&Count::Entered);
    let at_door = world.enrollments.iter().filter(|each| each.is_paced()).count();
    prop_assert_eq!(entered + at_door, world.enrollments.len());
    let held_out = |each: &&Enrollment| each.held_out && !each.is_paced();
    let held_out = world.enrollments.iter().filter(held_out).count();
    prop_assert_eq!(world.counted(&Count::HeldOut), held_out, "each side is counted");
    prop_assert!(prefix("held-out-goal:") <= prefix("goal:"));
    prop_assert_eq!(
        entered + at_door,
        prefix("ended:") + keys.len(),
        "who entered is in or has ended"
    );
    prop_assert_eq!(
        prefix("requested:"),
        world.sends().len() + prefix("failed:"),
        "each request is handed on or has failed"
    );
    prop_assert!(world.enrollments.iter().filter(is_sending).count() <= world.sends().len());
    Ok(())
}

/// What is counted is never enough yet, and only of signals that are still looked at.
fn check_matches(enrollment: &Enrollment, program: &Program) -> Result<(), TestCaseError> {
    let Matches { wait, exits, goals } = &enrollment.matches;
    if !wait.is_empty() {
        let Standing::Waiting { step, .. } = &enrollment.standing else {
            return Err(TestCaseError::fail("only a wait counts for its signals"));
        };
        let StepAction::Wait { until, .. } = &program.step(step).expect("a step of the program").action else {
            return Err(TestCaseError::fail("only a wait counts for its signals"));
        };
        prop_assert!(wait.iter().all(|(place, n)| *n < until[*place].signal.times));
    }
    prop_assert!(exits.is_empty() || enrollment.is_active());
    for rule in &program.exits {
        prop_assert!(exits.get(&rule.name).is_none_or(|n| *n < rule.signal.times));
    }
    for goal in &program.goals {
        let n = goals.get(&goal.name);
        prop_assert!(n.is_none_or(|n| *n < goal.signal.times && !enrollment.goals.contains_key(&goal.name)));
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn nothing_panics_nobody_is_lost_and_a_replay_gives_the_same(draft in draft(), customer in 0..8u8, happenings in prop::collection::vec(happening(), 1..40)) {
        let mut world = World::new(draft);
        world.customer.attributes = object(json!({"points": 2})).into();
        world.customer.key = [customer; 16];
        let program = world.programs.current.clone().unwrap();
        let mut paced = 0;
        for happening in &happenings {
            let Some(input) = input_of(&mut world, happening, &program) else { continue };
            let (before, customer) = (world.enrollments.clone(), world.customer.clone());
            let sighted = world.sighting.clone();
            let turn = world.apply(&input);
            prop_assert_eq!(turn.disposition.is_some(), matches!(input, Input::Event { .. } | Input::Look { .. }));
            if matches!(&input, Input::Look { look, .. } if look.changed) {
                check_look(&world, &turn, &sighted)?;
            }

            let mut again = before.clone();
            let replay = apply(&world.programs, &mut again, &input, &customer, world.now);
            prop_assert_eq!(&replay, &turn);
            prop_assert_eq!(&again, &world.enrollments);

            for old in &before {
                let new = world.enrollments.iter().find(|each| each.ordinal == old.ordinal);
                prop_assert!(new.is_some() || old.is_paced(), "nobody is lost but who was turned away at the door");
                for (step, result) in &old.steps {
                    let same = new.is_none_or(|new| result.arm == new.steps[step].arm);
                    prop_assert!(result.arm.is_none() || same, "an arm stays");
                }
                let stays = new.is_none_or(|new| old.is_active() || old.standing == new.standing);
                prop_assert!(stays, "who has ended stays so");
                prop_assert!(old.is_paced() || new.is_none_or(|new| !new.is_paced()), "nobody goes back to the door");
            }
            prop_assert!(world.enrollments.is_sorted_by_key(|each| each.ordinal));
            paced += usize::from(turn.disposition == Some(Disposition::Paced));
            let at_door = world.enrollments.iter().filter(|each| each.is_paced()).count();
            let came = |action: &&Action| matches!(action, Action::Count { count: Count::Admitted(_), .. });
            prop_assert_eq!(paced, at_door + world.actions.iter().filter(came).count(), "paced = admitted + who waits");
            check(&world, &program)?;
            if matches!(happening, Happening::Choice(name) if *name == LEFT) {
                prop_assert!(world.enrollments.iter().all(|each| !each.is_active()), "who has left is out");
            }
            if world.customer.opted_out {
                prop_assert!(world.enrollments.len() <= before.len(), "and stays out");
            }
        }
    }
}
