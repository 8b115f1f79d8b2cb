//! From which number of an event on rounds look. The inbox is a queue: what was taken out at its front stays in the database's index until that
//! is cleaned up, which a snapshot that somebody holds can keep off for long, and stepping over it costs more the more there is of it.
//!
//! Numbers are taken before the commit that makes them seen, so an event may come to be seen below one that was seen before. The floor follows at
//! a distance that such commits seldom need, and a round of [`Scope::All`](crate::store::Scope) finds those that needed longer.

use std::time::Duration;
use tokio::time::Instant;

/// How long the first event that waits must have been that before what is below it is not looked for any more.
const DISTANCE: Duration = Duration::from_millis(500);

#[derive(Debug)]
pub(super) struct Floor {
    number: i64,
    /// The first that waited at an instant, which is to be the floor.
    next: Option<(Instant, i64)>,
}

impl Floor {
    /// Nothing is known of what waits.
    pub(super) const fn lowest() -> Self {
        Self {
            number: i64::MIN,
            next: None,
        }
    }

    pub(super) fn number(&self) -> i64 {
        self.number
    }

    /// A round that looked at all shards found this the first event that waits.
    pub(super) fn found(&mut self, first: i64) {
        let now = Instant::now();
        if first < self.number {
            *self = Self {
                number: first,
                next: Some((now, first)),
            };
            return;
        }
        match &mut self.next {
            None => self.next = Some((now, first)),
            Some((_, next)) if first < *next => *next = first,
            Some((since, next)) if now.duration_since(*since) >= DISTANCE => {
                self.number = *next;
                self.next = Some((now, first));
            }
            Some(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn found_after(floor: &mut Floor, millis: u64, first: i64) -> i64 {
        tokio::time::advance(Duration::from_millis(millis)).await;
        floor.found(first);
        floor.number()
    }

    #[tokio::test(start_paused = true)]
    async fn it_rises_to_what_was_first_half_a_second_ago() {
        let mut floor = Floor::lowest();
        assert_eq!(found_after(&mut floor, 0, 10).await, i64::MIN);
        assert_eq!(found_after(&mut floor, 499, 900).await, i64::MIN);
        assert_eq!(found_after(&mut floor, 1, 1_000).await, 10);
        assert_eq!(found_after(&mut floor, 600, 2_000).await, 1_000);
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_committed_late_keeps_it_down() {
        let mut floor = Floor::lowest();
        found_after(&mut floor, 0, 1_000).await;
        found_after(&mut floor, 100, 990).await;
        assert_eq!(found_after(&mut floor, 500, 2_000).await, 990);
        assert_eq!(
            found_after(&mut floor, 0, 5).await,
            5,
            "found by a round that looked below"
        );
        assert_eq!(found_after(&mut floor, 499, 3_000).await, 5);
        assert_eq!(found_after(&mut floor, 1, 3_000).await, 5);
        assert_eq!(found_after(&mut floor, 500, 4_000).await, 3_000);
    }
}
