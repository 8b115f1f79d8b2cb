//! Shards on the move: runners come and go, are frozen and thawed, while traffic goes on.

use super::{
    Chance, Manners, Server, TAKEOVER, Traffic, WebhookSink, World,
    books::Books,
    each_once, handed,
    lateness::Lateness,
    tell, webhook,
    world::{JOURNEY, Plan},
};
use std::time::{Duration, Instant};

/// Notes for each row of enrollments and of the outbox that is written who wrote it, and who had its shard's lease as of that write. An owner
/// is known by the user who registered it.
const WITNESS: &str = r"
CREATE SCHEMA witness;
CREATE TABLE witness.owner (owner uuid PRIMARY KEY, who text NOT NULL);
CREATE TABLE witness.wrote (at timestamptz NOT NULL, who text NOT NULL, shard smallint NOT NULL, owner uuid, over boolean);
CREATE FUNCTION witness.registered() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO witness.owner VALUES (NEW.owner, session_user) ON CONFLICT DO NOTHING; RETURN NULL;
END $$;
CREATE FUNCTION witness.written() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO witness.wrote SELECT clock_timestamp(), session_user, l.shard, l.owner, NOT EXISTS (SELECT FROM journey.member m
        WHERE m.owner = l.owner AND m.journey = l.journey AND m.until > extract(epoch FROM clock_timestamp()) * 1000000)
    FROM journey.lease l WHERE l.namespace = coalesce(NEW.namespace, OLD.namespace) AND l.journey = coalesce(NEW.journey, OLD.journey)
    AND l.shard = coalesce(NEW.shard, OLD.shard); RETURN NULL;
END $$;
CREATE TRIGGER witness AFTER INSERT OR UPDATE ON journey.member FOR EACH ROW EXECUTE FUNCTION witness.registered();
CREATE TRIGGER witness AFTER INSERT OR UPDATE OR DELETE ON journey.enrollment FOR EACH ROW EXECUTE FUNCTION witness.written();
CREATE TRIGGER witness AFTER INSERT OR UPDATE OR DELETE ON journey.outbox FOR EACH ROW EXECUTE FUNCTION witness.written();
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_runner_that_is_frozen_past_its_lease_commits_nothing_when_it_goes_on() {
    let mut chance = Chance::new();
    let database = Server::start();
    let manners = Manners {
        answers_within: 300..900,
        ..Manners::default()
    };
    let sink = WebhookSink::open(chance.seed, manners).await;
    let adapter = webhook(&sink);
    let plan = Plan {
        adapter: &adapter,
        customers: 500,
        own_users: true,
        ..Plan::default()
    };
    let world = World::with(&database, plan).await;
    let client = world.look().await;
    client.batch_execute(WITNESS).await.unwrap();
    let traffic = Traffic::start(&world, &mut chance, Duration::from_secs(20));
    let events = traffic.events;
    let freezes = 2;
    for runner in 0..freezes {
        chance.sleep(2_500..3_500).await;
        assert!(sink.under_way() > 8, "both runners have messages under way");
        world.runners[runner].signal("STOP");
        let frozen: f64 = now(&client).await;
        world.taken_over().await;
        chance.sleep(200..1_000).await;
        let thawed: f64 = now(&client).await;
        world.runners[runner].signal("CONT");
        world.shared().await;
        // What was on its way to the database when it froze is done at once, or undone when the server gives the transaction up.
        let meanwhile = "SELECT count(*) FROM witness.wrote WHERE who = $1 AND at > to_timestamp($2::float8 + 1) AND at < to_timestamp($3::float8)";
        let who = format!("runner_{runner}");
        let wrote: i64 = client
            .query_one(meanwhile, &[&who, &frozen, &thawed])
            .await
            .unwrap()
            .get(0);
        assert_eq!(wrote, 0, "{who} wrote while it was frozen");
    }
    let met = traffic.end().await;
    let books = Books::close(&world, events).await;
    each_once(&world, &sink, &books);
    tell(
        "runner frozen",
        freezes,
        met,
        &books,
        sink.messages().len(),
        handed(&sink),
        None,
    );
    let wrote = "SELECT w.who, count(*), count(*) FILTER (WHERE o.who IS DISTINCT FROM w.who), count(*) FILTER (WHERE w.over) \
                 FROM witness.wrote w LEFT JOIN witness.owner o USING (owner) GROUP BY w.who ORDER BY w.who";
    let rows = client.query(wrote, &[]).await.unwrap();
    let writers: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    assert_eq!(writers, ["runner_0", "runner_1"], "the witness saw both at work");
    for row in &rows {
        let (who, all, foreign): (String, i64, i64) = (row.get(0), row.get(1), row.get(2));
        println!("{who}: {all} rows written, {foreign} of them in shards of the other");
        assert_eq!(foreign, 0, "{who} wrote where it had no lease");
    }
}

async fn now(client: &tokio_postgres::Client) -> f64 {
    let now = "SELECT extract(epoch FROM clock_timestamp())::float8";
    client.query_one(now, &[]).await.unwrap().get(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_update_moves_the_shards_without_a_stall() {
    let mut chance = Chance::new();
    let sink = brisk(&chance).await;
    let mut world = open(&webhook(&sink), 1_200, 3).await;
    let traffic = Traffic::start(&world, &mut chance, Duration::from_secs(20));
    chance.sleep(2_000..3_000).await;
    let began = Instant::now();
    for old in 0..3 {
        world.another_runner(JOURNEY).await;
        world.shared_by(4).await;
        end(&mut world, &[old]).await;
        world.shared_by(3).await;
        chance.sleep(200..600).await;
    }
    balance("rolling update", 3, &world, traffic, &sink, began, Instant::now()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scaling_up_to_four_and_down_to_one_moves_the_shards_without_a_stall() {
    let mut chance = Chance::new();
    let sink = brisk(&chance).await;
    let mut world = open(&webhook(&sink), 1_000, 1).await;
    let traffic = Traffic::start(&world, &mut chance, Duration::from_secs(16));
    chance.sleep(2_000..3_000).await;
    let began = Instant::now();
    for _ in 0..3 {
        world.another_runner(JOURNEY).await;
    }
    world.shared_by(4).await;
    chance.sleep(2_000..3_000).await;
    end(&mut world, &[0, 2, 3]).await;
    world.shared_by(1).await;
    balance("scaled 1, 4, 1", 6, &world, traffic, &sink, began, Instant::now()).await;
}

async fn brisk(chance: &Chance) -> WebhookSink {
    let manners = Manners {
        answers_within: 5..50,
        ..Manners::default()
    };
    WebhookSink::open(chance.seed, manners).await
}

async fn open(adapter: &str, customers: usize, runners: usize) -> World {
    let plan = Plan {
        adapter,
        customers,
        runners,
        ..Plan::default()
    };
    World::with(Server::shared(), plan).await
}

/// Told to end, all at once; each ends well within its grace period.
async fn end(world: &mut World, runners: &[usize]) {
    for runner in runners {
        world.runners[*runner].signal("TERM");
    }
    for runner in runners {
        let status = world.runners[*runner].ended(Duration::from_secs(20)).await;
        assert!(
            status.is_some_and(|status| status.success()),
            "runner {runner}: {status:?}"
        );
    }
}

async fn balance(
    story: &str,
    moves: usize,
    world: &World,
    traffic: Traffic,
    sink: &WebhookSink,
    from: Instant,
    to: Instant,
) {
    let (events, first_sent) = (traffic.events, traffic.first_sent.clone());
    let met = traffic.end().await;
    let books = Books::close(world, events).await;
    each_once(world, sink, &books);
    tell(story, moves, met, &books, sink.messages().len(), handed(sink), None);
    // A shard that nobody serves keeps its messages waiting as long: the longest wait is the longest stall, and more.
    let late = Lateness::between(sink, &first_sent, from, to);
    println!("{story}: {late}");
    assert!(late.count() > 0, "nothing came while shards moved");
    assert_eq!(late.early, 0);
    assert!(late.longest() < TAKEOVER, "a stall: {late}");
}
