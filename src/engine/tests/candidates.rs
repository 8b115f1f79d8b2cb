//! By which of its candidates a send may go.

use super::*;
use crate::engine::{Candidates, candidates};

/// The order of a send's candidates (name, when, score) for a customer with these attributes.
fn order(
    list: &[(&'static str, &'static str, &'static str)],
    attributes: Json,
) -> Result<Vec<String>, expression::Fault> {
    let mut world = World::new(Draft {
        triggers: vec![("go", "")],
        steps: vec![("tell", Do::OneOf(list.to_vec()), "")],
        ..Draft::default()
    });
    world.customer.attributes = object(attributes).into();
    world.hear("go", json!({"items": 3}));
    let program = world.programs.current.clone().unwrap();
    let found = candidates(&program, "tell", &world.enrollments[0], &world.customer, world.now)?;
    Ok(found.order.into_iter().map(str::to_owned).collect())
}

#[test]
fn the_highest_score_goes_first_and_equal_ones_as_written() {
    let list = [
        ("mail", "", ""),
        ("push", "", "has(customer.points) && customer.points > 3 ? 2.5 : 0.0"),
        ("sms", "", "0.0 - 0.0"),
        ("call", "", "-1"),
    ];
    assert_eq!(
        order(&list, json!({"points": 4})).unwrap(),
        ["push", "mail", "sms", "call"]
    );
    assert_eq!(
        order(&list, json!({"points": 1})).unwrap(),
        ["mail", "push", "sms", "call"]
    );
}

#[test]
fn only_those_whose_condition_holds_are_candidates_and_a_fault_is_a_no() {
    let list = [
        ("mail", "customer.points > 3", ""),
        ("push", "customer.vip", ""),
        ("sms", "1 / (entry.items - 3) > 0", ""),
    ];
    assert_eq!(order(&list, json!({"points": 4})).unwrap(), ["mail"]);
    assert_eq!(order(&list, json!({})).unwrap(), [] as [&str; 0]);
    let world = World::new(cart());
    let program = world.programs.current.clone().unwrap();
    let none = Candidates {
        order: vec![],
        faults: 0,
    };
    let mut world = world;
    world.hear("cart-updated", json!({"items": 1}));
    let at = |step| candidates(&program, step, &world.enrollments[0], &world.customer, world.now);
    assert_eq!(at("pause").unwrap(), none, "a wait sends nothing");
    assert_eq!(at("remind").unwrap().order, ["mail"]);
}

#[test]
fn a_score_that_cannot_be_made_fails_the_send() {
    let list = [("mail", "", "1 / (entry.items - 3)")];
    assert_eq!(order(&list, json!({})), Err(expression::Fault::DividedByZero));
    let not_asked = [("mail", "false", "1 / (entry.items - 3)")];
    assert_eq!(
        order(&not_asked, json!({})),
        Ok(vec![]),
        "who is no candidate needs no score"
    );
}
