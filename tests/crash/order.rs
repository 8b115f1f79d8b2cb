//! What comes in its order: the events of a customer, whatever holds a commit up, and waits that are over.

use super::{
    Chance, Server, World,
    world::{NAMESPACE, Plan, WRITE_KEY, customer},
};
use journey::{
    clock::Micros,
    store::{Arrival, Customer, Store},
};
use serde_json::{Value, json};
use std::{
    sync::Mutex,
    time::{Duration, Instant},
};
use tokio::task::JoinSet;

const HEARD: &str = r#"
apiVersion: journey.dev/v1alpha1
kind: Journey
metadata: {name: notes}
spec:
  entry: {triggers: [{event: noted}]}
  steps:
STEPS
---
apiVersion: journey.dev/v1alpha1
kind: Touchpoint
metadata: {name: noted}
spec:
  channel: Web
  inbound:
    event: noted
    customer: event.userId
    schema: {type: object, required: [userId, number], properties: {userId: {type: string}, number: {type: string}}}
---
apiVersion: journey.dev/v1alpha1
kind: ChannelAdapter
metadata: {name: web}
spec: {http: {auth: {secretRef: {name: web-write-key}}, publicUrl: "https://events.shop.example"}}
---
apiVersion: journey.dev/v1alpha1
kind: CustomerProfile
metadata: {name: shop}
spec:
  attributes:
    email: {type: string, personal: true}
    seen: {type: string}
---
apiVersion: journey.dev/v1alpha1
kind: PrivacyPolicy
metadata: {name: shop}
spec:
  purposes: [{name: marketing, basis: Consent, attributes: [email, seen]}]
"#;

/// Writes down each event's number behind those that it saw before.
const WRITES_DOWN: &str = r#"
  - {name: note, set: {seen: "${has(customer.seen) ? customer.seen : ''},${entry.number}"}}
  - {name: done, exit: {outcome: Completed}}
"#;

/// A gateway's transaction takes its time between the numbers of its inbox rows and its commit: it has written them, and counts last.
const HOLDS_UP: &str = r"
CREATE FUNCTION public.holds_up() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.3); RETURN NULL; END $$;
CREATE TRIGGER holds_up BEFORE INSERT ON journey.kpi FOR EACH STATEMENT WHEN (session_user = 'late') EXECUTE FUNCTION public.holds_up();
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_that_commits_late_loses_no_event_and_changes_no_customers_order() {
    let database = Server::start();
    let text = HEARD.replace("STEPS", WRITES_DOWN.trim_matches('\n'));
    let plan = Plan {
        manifests: Some((&text, &["notes"])),
        customers: 24,
        own_users: true,
        ..Plan::default()
    };
    let mut world = World::with(&database, plan).await;
    let (late, other) = world.another_gateway("late").await;
    let status = world.status.len() - 1;
    world.ready(status).await;
    let client = world.look().await;
    client.batch_execute(HOLDS_UP).await.unwrap();

    // Each customer's events one after the other, by the one gateway and the other in turn.
    let each = 40;
    let (mut senders, began) = (JoinSet::new(), Instant::now());
    for who in 0..world.customers {
        let http = world.http.clone();
        let urls = [world.url.clone(), other.clone()];
        senders.spawn(async move {
            for n in 0..each {
                // Most go by the one that is quick: they overtake those that are held up.
                let url = &urls[usize::from((n + who).is_multiple_of(5))];
                deliver(&http, url, &[(who, n)]).await;
            }
        });
    }
    while let Some(sent) = senders.join_next().await {
        sent.unwrap();
    }
    let took = began.elapsed();
    at_rest(&world, "notes", i64::try_from(world.customers * each).unwrap()).await;
    let expected: String = (0..each).map(|n| format!(",{n}")).collect();
    for who in 0..world.customers {
        assert_eq!(seen(&world, who).await, expected, "{}", customer(who));
    }
    let events = world.customers * each;
    println!(
        "late commits: {events} events in {took:.1?}, each fifth held up for 0.3 s before its commit; all in order"
    );
    drop(late);
}

/// Until so many events had their effect.
async fn at_rest(world: &World, journey: &str, events: i64) {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let backlog = world.store.backlog(NAMESPACE, journey).await.unwrap();
        let counts = world.store.counts(NAMESPACE, journey).await.unwrap();
        if counts.total_of("event:") == events && backlog.inbox == 0 {
            return;
        }
        assert!(Instant::now() < deadline, "not at rest: {backlog:?} {counts:#?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// What the customer's attribute says: an event that nobody listens to is shown the customer.
async fn seen(world: &World, who: usize) -> String {
    let key = world.keys.customer(NAMESPACE, "userId", &customer(who));
    let mark = world.keys.event(NAMESPACE, "look", &customer(who));
    let arrival = Arrival::of_known(mark, customer(who), "look".into(), key, journey::clock::now());
    let found = Mutex::new(String::new());
    let learn = |_: &Arrival, customer: &mut Customer| {
        let value = customer.attributes.expose().get("seen").cloned();
        *found.lock().unwrap() = value
            .and_then(|value| Some(value.as_str()?.to_owned()))
            .unwrap_or_default();
        vec![]
    };
    world.store.accept(NAMESPACE, &[arrival], &learn).await.unwrap();
    found.into_inner().unwrap()
}

async fn deliver(http: &reqwest::Client, url: &str, events: &[(usize, usize)]) {
    let event = |(who, n): &(usize, usize)| {
        json!({"specversion": "1.0", "id": format!("{who}-{n}"), "source": "/site", "type": "noted",
               "data": {"userId": customer(*who), "number": n.to_string()}})
    };
    let body: Value = events.iter().map(event).collect();
    let request = http.post(format!("{url}/v1/events")).bearer_auth(WRITE_KEY);
    let request = request.header("content-type", "application/cloudevents-batch+json");
    let response = request.body(body.to_string()).send().await.unwrap();
    let (status, text) = (response.status().as_u16(), response.text().await.unwrap());
    assert_eq!(status, 202, "{text}");
}

const WAITS: &str = r"
  - {name: patience, wait: {for: 4s}}
  - {name: done, exit: {outcome: Completed}}
";

/// Notes each wait that ends: when it was due, when it ended and in which round, in the order of the rounds.
const WITNESS: &str = r"
CREATE TABLE public.ended (n bigserial, round xid8 NOT NULL, half int NOT NULL, due bigint NOT NULL, late bigint NOT NULL);
CREATE FUNCTION public.ended() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO public.ended (round, half, due, late)
    VALUES (pg_current_xact_id(), OLD.shard % 2, OLD.due_at, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint - OLD.due_at);
    RETURN NULL;
END $$;
CREATE TRIGGER ended AFTER UPDATE ON journey.enrollment FOR EACH ROW
    WHEN (OLD.due_at IS NOT NULL AND NEW.due_at IS NULL) EXECUTE FUNCTION public.ended();
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn waits_end_never_early_soon_at_a_modest_rate_and_in_their_order_when_there_are_too_many() {
    let mut chance = Chance::new();
    let database = Server::start();
    let text = HEARD.replace("STEPS", WAITS.trim_matches('\n'));
    let plan = Plan {
        manifests: Some((&text, &["notes"])),
        customers: 2_000,
        runners: 1,
        ..Plan::default()
    };
    let mut world = World::with(&database, plan).await;
    let client = world.look().await;
    client.batch_execute(WITNESS).await.unwrap();

    // About fifty a second.
    let modest = 400;
    for first in (0..modest).step_by(10) {
        let batch: Vec<(usize, usize)> = (first..first + 10).map(|who| (who, 0)).collect();
        deliver(&world.http, &world.url, &batch).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    ended(&client, modest).await;
    let row = client
        .query_one(
            "SELECT min(late), percentile_disc(0.5) WITHIN GROUP (ORDER BY late), percentile_disc(0.999) WITHIN GROUP (ORDER BY late) FROM public.ended",
            &[],
        )
        .await
        .unwrap();
    let (least, half, most): (Micros, Micros, Micros) = (row.get(0), row.get(1), row.get(2));
    println!(
        "waits, fifty a second: late by {} ms at least, {} ms at the median, {} ms at p99.9",
        least / 1_000,
        half / 1_000,
        most / 1_000
    );
    assert!(least >= 0, "a wait ended early");

    // The others all at once, in no order of their keys, and nobody there when they are due.
    let mut others: Vec<usize> = (modest..world.customers).collect();
    chance.shuffle(&mut others);
    for part in others.chunks(50) {
        let batch: Vec<(usize, usize)> = part.iter().map(|who| (*who, 0)).collect();
        deliver(&world.http, &world.url, &batch).await;
    }
    at_rest(&world, "notes", i64::try_from(world.customers).unwrap()).await;
    world.runners[0].kill();
    let parked =
        "SELECT count(*) FROM journey.enrollment WHERE due_at > extract(epoch FROM clock_timestamp()) * 1000000";
    while client.query_one(parked, &[]).await.unwrap().get::<_, i64>(0) > 0 {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let overdue = "SELECT count(*) FROM journey.enrollment WHERE due_at IS NOT NULL";
    let overdue: i64 = client.query_one(overdue, &[]).await.unwrap().get(0);
    client.batch_execute("TRUNCATE public.ended").await.unwrap();
    world.runners[0].start_again();
    ended(&client, usize::try_from(overdue).unwrap()).await;
    // Where there is much to do a runner works on both halves of its shards side by side, each in its order.
    for half in [0, 1] {
        let rounds = client
            .query(
                "SELECT min(due), max(due), count(*) FROM public.ended WHERE half = $1 GROUP BY round ORDER BY min(n)",
                &[&half],
            )
            .await
            .unwrap();
        println!(
            "waits, {overdue} overdue: half of them ended in {} rounds",
            rounds.len()
        );
        assert!(rounds.len() > 1, "one round shows no order");
        for pair in rounds.windows(2) {
            let (before, next): (Micros, Micros) = (pair[0].get(1), pair[1].get(0));
            assert!(
                before <= next,
                "a wait that was due {} µs earlier ended a round later",
                before - next
            );
        }
    }
}

/// Until as many waits have ended.
async fn ended(client: &tokio_postgres::Client, many: usize) {
    let deadline = Instant::now() + Duration::from_secs(60);
    let many = i64::try_from(many).unwrap();
    loop {
        let ended: i64 = client
            .query_one("SELECT count(*) FROM public.ended", &[])
            .await
            .unwrap()
            .get(0);
        if ended >= many {
            assert_eq!(ended, many);
            return;
        }
        assert!(Instant::now() < deadline, "{ended} of {many} waits have ended");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
