//! A standby that counts are read from, so that adding up a large journey's rows takes nothing from those who write. It may lag behind, and
//! be away: then the primary is asked.

use super::connection::Connections;
use crate::store::Result;
use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// How long one that did not answer is not asked again.
const AWAY: Duration = Duration::from_secs(30);

pub(super) struct Standby {
    pub(super) connections: Connections,
    failed: Mutex<Option<Instant>>,
}

impl Standby {
    pub(super) fn new(connections: Connections) -> Self {
        Self {
            connections,
            failed: Mutex::default(),
        }
    }

    pub(super) fn may_be_asked(&self) -> bool {
        let failed = *self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        failed.is_none_or(|at| at.elapsed() > AWAY)
    }

    /// None: it did not answer, or not this question (a standby ends a query that keeps it from following).
    pub(super) fn heard<T>(&self, told: Result<T>) -> Option<T> {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        match told {
            Ok(told) => {
                *failed = None;
                Some(told)
            }
            Err(error) => {
                tracing::warn!(%error, "the standby does not say how it goes; the primary is asked for {} s", AWAY.as_secs());
                *failed = Some(Instant::now());
                None
            }
        }
    }
}
