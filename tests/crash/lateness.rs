//! How late messages came: from the end of their customers' wait to their arrival, by this process's own clock, which nobody steps.

use super::{traffic::FirstSent, webhook_sink::WebhookSink};
use std::time::{Duration, Instant};

/// What the usual journey waits before it sends.
pub const WAIT: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub struct Lateness {
    /// Messages that came before the wait can have been over.
    pub early: usize,
    /// Sorted.
    late: Vec<Duration>,
}

impl Lateness {
    /// Of the messages that came in `from..to`.
    pub fn between(sink: &WebhookSink, sent: &FirstSent, from: Instant, to: Instant) -> Self {
        Self::of(sink, sent, |_, arrived| arrived >= from && arrived < to)
    }

    /// Of the messages to customers in `sent` for which `counts` says so, given when their customer's first event was sent and when they arrived.
    pub fn of(sink: &WebhookSink, sent: &FirstSent, counts: impl Fn(Instant, Instant) -> bool) -> Self {
        let sent = sent.lock().unwrap();
        let mut found = Self::default();
        for (arrived, customer) in sink.arrivals() {
            let Some(begun) = sent.get(&customer).filter(|begun| counts(**begun, arrived)) else {
                continue;
            };
            match arrived.duration_since(*begun).checked_sub(WAIT) {
                Some(late) => found.late.push(late),
                None => found.early += 1,
            }
        }
        found.late.sort_unstable();
        found
    }

    pub fn count(&self) -> usize {
        self.late.len() + self.early
    }

    pub fn longest(&self) -> Duration {
        self.late.last().copied().unwrap_or_default()
    }

    pub fn median(&self) -> Duration {
        self.late.get(self.late.len() / 2).copied().unwrap_or_default()
    }
}

impl std::fmt::Display for Lateness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let seconds = |duration: Duration| duration.as_secs_f64();
        let (half, most) = (seconds(self.median()), seconds(self.longest()));
        write!(
            f,
            "{} messages, late by {half:.2} s at the median, {most:.2} s at most",
            self.count()
        )
    }
}
