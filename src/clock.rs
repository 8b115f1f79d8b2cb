//! The one place that reads the time. Everything else is told what time it is.

use std::sync::atomic::{AtomicI64, Ordering};

/// Microseconds since 1970-01-01T00:00:00Z, as PostgreSQL keeps them.
pub type Micros = i64;

pub const SECOND: Micros = 1_000_000;
pub const MINUTE: Micros = 60 * SECOND;
pub const HOUR: Micros = 60 * MINUTE;
pub const DAY: Micros = 24 * HOUR;

/// A duration as manifests write it (`90s`, `36h`, `1d12h`; days are 24 h), which the CRDs' patterns have checked. What is not one is zero.
pub fn span(text: &str) -> Micros {
    let (mut total, mut number): (Micros, Micros) = (0, 0);
    for c in text.chars() {
        let unit = match c {
            '0'..='9' => {
                number = number.saturating_mul(10).saturating_add(Micros::from(c as u8 - b'0'));
                continue;
            }
            'd' => DAY,
            'h' => HOUR,
            'm' => MINUTE,
            's' => SECOND,
            _ => return 0,
        };
        total = total.saturating_add(number.saturating_mul(unit));
        number = 0;
    }
    total
}

/// Where the time comes from: the system in production, a hand in tests and simulations.
pub trait Clock: Send + Sync {
    fn now(&self) -> Micros;
}

/// The machine's own clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Micros {
        now()
    }
}

/// A clock that only moves when it is told to.
#[derive(Debug, Default)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    pub fn at(start: Micros) -> Self {
        Self(AtomicI64::new(start))
    }

    pub fn advance(&self, by: Micros) {
        self.0.fetch_add(by, Ordering::SeqCst);
    }

    pub fn set(&self, to: Micros) {
        self.0.store(to, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Micros {
        self.0.load(Ordering::SeqCst)
    }
}

/// The present instant by the machine's clock.
#[allow(clippy::disallowed_methods, reason = "this is the one place")]
pub fn now() -> Micros {
    jiff::Timestamp::now().as_microsecond()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_add_up_their_parts() {
        assert_eq!(span("90s"), 90 * SECOND);
        assert_eq!(span("1d12h"), 36 * HOUR);
        assert_eq!(span("15m"), 15 * MINUTE);
        assert_eq!(span("soon"), 0);
    }
}
