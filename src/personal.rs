//! A value that must never be read in a log, an error, a metric, an Event or a status.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Wraps personal data: Debug and Display print `•••`. Serialization writes the value, because the store must keep it.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Personal<T>(T);

impl<T> Personal<T> {
    pub fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself, for the store, a channel or an expression; never for a log.
    pub fn expose(&self) -> &T {
        &self.0
    }

    pub fn expose_mut(&mut self) -> &mut T {
        &mut self.0
    }

    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> From<T> for Personal<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

impl<T> fmt::Debug for Personal<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("•••")
    }
}

impl<T> fmt::Display for Personal<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("•••")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_personal_never_shows_in_a_log_line() {
        let address = Personal::new("ada@example.com".to_owned());
        assert_eq!(format!("{address:?} {address}"), "••• •••");
        assert_eq!(address.expose(), "ada@example.com");
    }
}
