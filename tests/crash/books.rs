//! What the store says of all that happened, once nothing is on its way any more.

use super::world::{JOURNEY, NAMESPACE, World};
use journey::store::Store;
use std::time::{Duration, Instant};

/// Everything must have come to rest within this.
const PATIENCE: Duration = Duration::from_secs(40);

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Books {
    pub accepted: i64,
    pub entered: i64,
    pub requested: i64,
    pub sent: i64,
    pub skipped: i64,
    pub failed: i64,
    /// Of `failed`: their fate cannot be known.
    pub unknown: i64,
}

impl Books {
    /// Waits until nothing is on its way, and holds the books to their laws.
    pub async fn close(world: &World, events: usize) -> Self {
        Self::close_beside(world, events, 0).await
    }

    /// The same where `beside` more events were accepted, that the journey does not listen to.
    pub async fn close_beside(world: &World, events: usize, beside: usize) -> Self {
        let all = i64::try_from(events + beside).unwrap();
        let events = i64::try_from(events).unwrap();
        let customers = i64::try_from(world.customers).unwrap();
        let deadline = Instant::now() + PATIENCE;
        let counts = loop {
            // In this order: what is not on its way any more is counted.
            let backlog = world.store.backlog(NAMESPACE, JOURNEY).await.unwrap();
            let counts = world.store.counts(NAMESPACE, JOURNEY).await.unwrap();
            if counts.total_of("event:") >= events && backlog.inbox + backlog.outbox + backlog.active == 0 {
                break counts;
            }
            assert!(Instant::now() < deadline, "not at rest: {backlog:?} {counts:#?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        let intake = world.store.intake_counts(NAMESPACE).await.unwrap();
        let books = Self {
            accepted: intake.total("accepted"),
            entered: counts.total("entered"),
            requested: counts.total_of("requested:"),
            sent: counts.total_of("sent:"),
            skipped: counts.total_of("skipped:"),
            failed: counts.total_of("failed:"),
            unknown: counts.total("failed:reminder:OutcomeUnknown"),
        };
        let one = |sql: &'static str| async move {
            let client = world.look().await;
            client.query_one(sql, &[]).await.unwrap().get::<_, i64>(0)
        };
        assert_eq!(books.accepted, all, "every event is accepted exactly once");
        assert_eq!(one("SELECT count(*) FROM journey.event").await, all);
        assert_eq!(intake.total_of("quarantined:"), 0);
        assert_eq!(
            counts.total_of("event:"),
            events,
            "every accepted event had one effect: {counts:#?}"
        );
        assert_eq!(books.entered, customers, "every customer entered once: {counts:#?}");
        assert_eq!(counts.total_of("ended:"), customers, "{counts:#?}");
        assert_eq!(books.requested, customers, "{counts:#?}");
        assert_eq!(
            books.requested,
            books.sent + books.skipped + books.failed,
            "{counts:#?}"
        );
        assert_eq!(books.failed, books.unknown, "{counts:#?}");
        let names = counts.0.iter().filter(|((name, _), _)| name.starts_with("skipped:"));
        let unwilling = names.filter(|((name, _), _)| name.ends_with(":NoConsent"));
        assert_eq!(
            unwilling.map(|(_, n)| n).sum::<i64>(),
            i64::try_from(world.silent().len()).unwrap(),
            "{counts:#?}"
        );
        assert_eq!(
            books.skipped,
            i64::try_from(world.silent().len()).unwrap(),
            "{counts:#?}"
        );
        let noted = one("SELECT count(*) FROM journey.message WHERE outcome IS NOT NULL").await;
        assert_eq!(noted, customers, "every message's end is noted");
        assert_eq!(
            one("SELECT count(*) FROM journey.message WHERE outcome = 'Sent'").await,
            books.sent
        );
        books
    }
}
