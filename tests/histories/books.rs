//! What must be true at the end of a history, when nothing goes wrong any more and nothing is left to do.

use super::{
    shadow::{Shadow, Told},
    shop::{AFTER, CAP, CART, NAMESPACE, Shape},
    world::World,
};
use journey::{engine::state::Outcome, keys::CustomerKey};
use std::collections::{BTreeMap, BTreeSet};

/// Holds the store against the shadow.
pub fn close(world: &World) {
    let mut state = world.state();
    let shadow = &mut state.shadow;
    intake(world, shadow);
    for journey in &world.shop.journeys {
        counts(world, shadow, journey);
    }
    truth(shadow);
    who_entered(shadow);
    who_was_reached(shadow);
    caps(shadow);
    news(shadow);
}

/// News came to all whom there were.
fn news(shadow: &mut Shadow) {
    if shadow.lives[CART].restarted {
        return;
    }
    let alone = |customer: &&CustomerKey| shadow.people.get(customer).is_some_and(|person| !person.merged);
    let missed = shadow
        .news
        .iter()
        .filter(|(_, news)| news.heard)
        .find_map(|(id, news)| {
            let missed = news.everybody.difference(&news.came).find(alone)?;
            Some(format!("news {id} did not come to {missed}"))
        });
    if let Some(missed) = missed {
        shadow.violated(|| missed);
    }
}

fn expect(shadow: &mut Shadow, what: &str, is: i64, should: i64) {
    if is != should {
        shadow.violated(|| format!("{what}: {is}, and should be {should}"));
    }
}

fn many(n: usize) -> i64 {
    i64::try_from(n).unwrap()
}

fn intake(world: &World, shadow: &mut Shadow) {
    let counts = world.memory.intake_counts_now(NAMESPACE);
    let (accepted, duplicates) = (many(shadow.log.len() + shadow.news.len()), shadow.duplicates);
    expect(shadow, "events accepted", counts.total("accepted"), accepted);
    expect(shadow, "duplicates", counts.total("duplicate"), duplicates);
    if !shadow.lives[CART].restarted {
        let changed = world.memory.counts_now(NAMESPACE, CART).total_of("changed:");
        expect(shadow, "changes looked at", changed, counts.total("changed"));
    }
}

fn counts(world: &World, shadow: &mut Shadow, journey: &'static str) {
    let counts = world.memory.counts_now(NAMESPACE, journey);
    let life = &shadow.lives[journey];
    let (pending, entered) = (many(life.pending.len()), many(life.entered.len()));
    let events = life.processed + life.told;
    let ended = many(life.entered.values().filter(|one| one.ended).count());
    expect(shadow, "events that are still to be processed", pending, 0);
    expect(shadow, "events that had an effect", counts.total_of("event:"), events);
    expect(shadow, "entered", counts.total("entered"), entered);
    expect(shadow, "ended", counts.total_of("ended:"), entered);
    expect(shadow, "seen to end", ended, entered);
    let [requested, sent, skipped, failed] =
        ["requested:", "sent:", "skipped:", "failed:"].map(|prefix| counts.total_of(prefix));
    expect(shadow, "requested", requested, sent + skipped + failed);
    let over = |is: fn(&Outcome) -> bool| {
        let messages = shadow.messages.values().filter(|told| told.journey == journey);
        many(messages.filter(|told| told.over.as_ref().is_some_and(is)).count())
    };
    let seen = [
        over(|outcome| matches!(outcome, Outcome::Sent)),
        over(|outcome| matches!(outcome, Outcome::Skipped(_))),
        over(|outcome| matches!(outcome, Outcome::Failed(_))),
    ];
    // What an earlier life of the journey counted went with it.
    if !life_was_restarted(shadow, journey) {
        expect(shadow, "sent", sent, seen[0]);
        expect(shadow, "skipped", skipped, seen[1]);
        expect(shadow, "failed", failed, seen[2]);
    }
}

fn life_was_restarted(shadow: &Shadow, journey: &str) -> bool {
    shadow.lives.get(journey).is_some_and(|life| life.restarted)
}

/// What is said of a message is what the provider knows of it.
fn truth(shadow: &mut Shadow) {
    let mut wrong = Vec::new();
    for (key, told) in &shadow.messages {
        let taken = !told.taken.is_empty();
        let false_word = match &told.over {
            Some(Outcome::Sent) => !taken,
            Some(Outcome::Skipped(_)) => taken,
            Some(Outcome::Failed(reason)) => taken && reason != "OutcomeUnknown",
            None => !life_was_restarted(shadow, &told.journey),
        };
        if false_word {
            wrong.push(format!(
                "message {key} is said to be {:?}, and taken: {taken}",
                told.over
            ));
        }
        if told.taken.len() > 1 && !shadow.shop.deduplicates {
            wrong.push(format!("message {key} was taken {} times", told.taken.len()));
        }
    }
    if let Some(wrong) = wrong.into_iter().next() {
        shadow.violated(|| wrong);
    }
}

/// Everybody who asked to, once, and nobody else.
fn who_entered(shadow: &mut Shadow) {
    let life = &shadow.lives[CART];
    if life.suspended_ever || life.restarted || shadow.shop.shape == Shape::Condition {
        return;
    }
    let by_cart = shadow.shop.shape == Shape::Keyed;
    let stays = |of: CustomerKey| {
        let person = shadow.people.get(&shadow.root(of));
        person.is_some_and(|person| {
            let left_the_line = shadow.shop.shape == Shape::Paced && !person.orders.is_empty();
            !person.merged && !left_the_line
        })
    };
    let asked = shadow.log.iter().filter(|event| event.heard && stays(event.of));
    let asked = asked.filter(|event| ["cart-updated", "visited"].contains(&event.name.as_str()));
    let asked: BTreeSet<(CustomerKey, String)> = asked
        .map(|event| {
            let key = event.cart.clone().filter(|_| by_cart).unwrap_or_default();
            (shadow.root(event.of), key)
        })
        .collect();
    let entered = life.entered.values().filter(|one| stays(one.customer));
    let entered: BTreeSet<(CustomerKey, String)> = entered
        .map(|one| (shadow.root(one.customer), one.key.clone()))
        .collect();
    if asked != entered {
        shadow.violated(|| format!("asked to enter: {asked:?}, entered: {entered:?}"));
    }
}

/// Of every enrollment whose customer wants to be reminded and did nothing else, the message arrived; of nobody two.
fn who_was_reached(shadow: &mut Shadow) {
    let mut of: BTreeMap<(&str, i64, &str), Vec<&Told>> = BTreeMap::new();
    for told in shadow.messages.values() {
        of.entry((&told.journey, told.enrollment, &told.touchpoint))
            .or_default()
            .push(told);
    }
    let mut wrong = None;
    for ((journey, enrollment, touchpoint), told) in &of {
        let reached = told.iter().filter(|told| !told.taken.is_empty()).count();
        let merged = told.iter().any(|told| {
            let person = told.customer.and_then(|of| shadow.people.get(&shadow.root(of)));
            person.is_none_or(|person| person.merged)
        });
        if reached > 1 && !merged {
            wrong = Some(format!(
                "{journey} {touchpoint} of enrollment {enrollment} arrived {reached} times"
            ));
        }
    }
    for (journey, touchpoint) in [(CART, "reminder"), (AFTER, "thanks")] {
        let Some(life) = shadow.lives.get(journey) else {
            continue;
        };
        for (ordinal, entered) in &life.entered {
            let Some(person) = shadow.people.get(&shadow.root(entered.customer)) else {
                continue;
            };
            let wants = person.first_yes.is_some_and(|yes| yes <= entered.event) && !person.ever_no;
            // Who came in by a condition came in somewhere between two events.
            let before = |order: &usize| *order < entered.event && shadow.shop.shape != Shape::Condition;
            let stays = person.orders.iter().all(before);
            if person.merged || (journey == CART && !(wants && stays)) {
                continue;
            }
            let told = of.get(&(journey, *ordinal, touchpoint));
            let arrived = told.is_some_and(|told| {
                told.iter()
                    .any(|told| !told.taken.is_empty() || told.may_be_lost(shadow.shop))
            });
            if !arrived {
                wrong = Some(format!(
                    "{touchpoint} of enrollment {ordinal} of {journey} did not arrive"
                ));
            }
        }
    }
    if let Some(wrong) = wrong {
        shadow.violated(|| wrong);
    }
}

/// Nobody got more in the cap's period than it allows, by the claims by which they got it.
fn caps(shadow: &mut Shadow) {
    if shadow.went_back {
        return;
    }
    let mut got: BTreeMap<CustomerKey, Vec<i64>> = BTreeMap::new();
    for told in shadow.messages.values().filter(|told| told.journey == CART) {
        let (Some(customer), Some(at)) = (told.customer, told.taken.iter().min()) else {
            continue;
        };
        let customer = shadow.root(customer);
        if shadow.people.get(&customer).is_some_and(|person| !person.merged) {
            got.entry(customer).or_default().push(*at);
        }
    }
    for (customer, mut at) in got {
        at.sort_unstable();
        let full = at.windows(CAP.0 + 1).find(|few| few[CAP.0] - few[0] < CAP.1);
        if full.is_some() {
            shadow.violated(|| format!("customer {customer} got more than the cap allows: {at:?}"));
        }
    }
}
