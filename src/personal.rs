//! A value that must never be read in a log, an error, a metric, an Event or a status.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{fmt, sync::Arc};

/// Wraps personal data: Debug and Display print `•••`. Serialization writes the value, because the store must keep it.
/// Clones share the value until one of them changes: it goes from hand to hand a dozen times in a round, and is seldom changed.
#[derive(Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Personal<T>(Arc<T>);

impl<T> Personal<T> {
    pub fn new(value: T) -> Self {
        Self(Arc::new(value))
    }

    /// The value itself, for the store, a channel or an expression; never for a log.
    pub fn expose(&self) -> &T {
        &self.0
    }
}

impl<T: Clone> Personal<T> {
    pub fn expose_mut(&mut self) -> &mut T {
        Arc::make_mut(&mut self.0)
    }

    pub fn into_inner(self) -> T {
        Arc::unwrap_or_clone(self.0)
    }
}

impl<T> Clone for Personal<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: Serialize> Serialize for Personal<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.as_ref().serialize(serializer)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Personal<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(deserializer).map(Self::new)
    }
}

impl<T> From<T> for Personal<T> {
    fn from(value: T) -> Self {
        Self::new(value)
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
