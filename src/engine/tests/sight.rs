//! What expressions see.

use super::{super::sight::*, *};

/// Whether `cel` holds at the first step, for a customer who entered by `data`.
fn holds(cel: &'static str, data: Json, attributes: Json) -> bool {
    let mut world = World::new(Draft {
        triggers: vec![("go", "")],
        steps: vec![
            ("which", Do::Branch(vec![(cel, "yes")], "no"), ""),
            ("yes", Do::Exit(Ending::Converted), ""),
            ("no", Do::Exit(Ending::Completed), ""),
        ],
        ..Draft::default()
    });
    world.customer.attributes = object(attributes).into();
    world.hear("go", data);
    world.stands() == "Converted"
}

#[test]
fn steps_see_the_entry_with_its_envelope() {
    assert!(holds(
        "entry.items == 3 && entry.id == 'e1'",
        json!({"items": 3, "id": "forged"}),
        json!({})
    ));
    assert!(holds(
        "entry.time == timestamp('2026-03-02T10:00:00Z')",
        json!({"time": "forged"}),
        json!({})
    ));
    assert!(holds(
        "has(entry.address) && entry.address.city == 'Graz'",
        json!({"address": {"city": "Graz"}}),
        json!({})
    ));
    assert!(holds(
        "!has(entry.address) && !has(entry.items)",
        json!({"items": null}),
        json!({})
    ));
    assert!(holds(
        "'b' in entry.tags && size(entry.tags) == 2",
        json!({"tags": ["a", "b"]}),
        json!({})
    ));
    assert!(
        !holds("entry.items > 0", json!({"items": "three"}), json!({})),
        "what is not of its type is missing"
    );
}

#[test]
fn the_customer_has_an_id_attributes_and_defaults() {
    assert!(holds(
        "customer.id == 'u1' && customer.points == 5",
        json!({}),
        json!({"points": 5, "id": "forged"})
    ));
    assert!(holds("customer.tier == 'none'", json!({}), json!({"tier": null})));
    assert!(holds(
        "customer.seen < now",
        json!({}),
        json!({"seen": "2026-03-01T00:00:00Z"})
    ));
}

#[test]
fn a_step_that_was_never_reached_has_a_count_of_zero() {
    assert!(holds(
        "steps.which.count == 1 && steps.yes.count == 0 && !has(steps.yes.at)",
        json!({}),
        json!({})
    ));
    assert!(holds(
        "steps.which.at == now && has(steps.which) && !has(steps.yes)",
        json!({}),
        json!({})
    ));
}

#[test]
fn signals_see_the_customer_as_of_the_acceptance_and_steps_as_of_now() {
    let mut world = World::new(Draft {
        triggers: vec![("go", "")],
        steps: vec![
            (
                "rest",
                Do::Wait(None, vec![("ping", "customer.points == 1", "which")]),
                "",
            ),
            ("which", Do::Branch(vec![("customer.points == 2", "yes")], "no"), ""),
            ("yes", Do::Exit(Ending::Converted), ""),
            ("no", Do::Exit(Ending::Completed), ""),
        ],
        ..Draft::default()
    });
    world.hear("go", json!({}));
    world.customer.attributes = object(json!({"points": 1})).into();
    let event = world.event_of("ping", json!({}));
    world.customer.attributes = object(json!({"points": 2})).into();
    assert_eq!(world.take_event(event), Disposition::Advanced);
    assert_eq!(world.stands(), "Converted");
}

#[test]
fn the_zone_is_the_customers_or_utc() {
    // 10:00 in UTC is 11:00 in Vienna: the next ten o'clock there is tomorrow's, 23 hours away.
    let soon = "nextTime('10:30', 'Mon,Tue,Wed,Thu,Fri,Sat,Sun') - now == duration('30m')";
    assert!(holds(soon, json!({}), json!({})));
    assert!(!holds(soon, json!({}), json!({"timezone": "Europe/Vienna"})));
    assert!(
        holds(soon, json!({}), json!({"timezone": "Middle/Earth"})),
        "an unknown zone is UTC"
    );
}

#[test]
fn zone_address_and_view_serve_the_runner() {
    let mut world = World::new(cart());
    world.hear("cart-updated", json!({"items": 1}));
    let program = world.programs.current.clone().unwrap();
    let zone = |timezone: Json| {
        let customer = Customer {
            key: [1; 16],
            id: "u1".to_owned().into(),
            attributes: object(json!({"timezone": timezone})).into(),
            opted_out: false,
        };
        zone_of(&program.profile, &customer).and_then(|zone| zone.iana_name().map(str::to_owned))
    };
    assert_eq!(zone(json!("Europe/Vienna")).as_deref(), Some("Europe/Vienna"));
    assert_eq!(
        (zone(json!("Middle/Earth")), zone(json!(null)), zone(json!(7))),
        (None, None, None)
    );

    let address_of = |email: Json| {
        let attributes = object(json!({"email": email}));
        address(&program, &program.outbound["mail"], "u1", &attributes, START)
    };
    assert_eq!(address_of(json!("ada@example.com")).as_deref(), Some("ada@example.com"));
    assert_eq!((address_of(json!(null)), address_of(json!("  "))), (None, None));

    let known = crate::engine::Known {
        profile: &program.profile,
        id: "u1",
        attributes: &object(json!({"points": 4, "undeclared": 1, "email": null})),
        now: START,
    };
    assert_eq!(known.view(|_| true), object(json!({"points": 4, "tier": "none"})));
}

#[test]
fn two_events_may_give_one_property_different_types() {
    let mut layout = Layout::default();
    let mut condition = |ty, source: &str| {
        let total = Field {
            name: "total".into(),
            ty,
            may_be_missing: false,
        };
        let event = Field {
            name: "event".into(),
            ty: Type::object(vec![total]),
            may_be_missing: false,
        };
        let scope = Scope { roots: vec![event] };
        let place = Place {
            scope: &scope,
            wants: Some(Type::Bool),
            missing: OnMissing::False,
        };
        expression::compile(source, &place, &mut layout).unwrap()
    };
    let whole = condition(Type::Int, "event.total > 9");
    let broken = condition(Type::Number, "event.total > 9.25");
    let program = Program {
        layout,
        ..Draft::default().compile()
    };
    let world = World::new(Draft::default());
    let holds = |when: &expression::Program, total: Json| {
        let event = world.event_of("order-placed", json!({"total": total}));
        Sight::of_trigger(&program, "u1", &event, START).holds(Some(when))
    };
    assert_eq!(
        (holds(&whole, json!(10)), holds(&broken, json!(9.5))),
        (Ok(true), Ok(true))
    );
    assert_eq!(
        (holds(&whole, json!(9)), holds(&broken, json!(9.125))),
        (Ok(false), Ok(false))
    );
}
