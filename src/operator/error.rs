//! What can keep a pass from its end. Mistakes in manifests are none of these: they become conditions.

use crate::store::StoreError;
use std::time::Duration;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the API server: {0}")]
    Api(Box<kube::Error>),
    #[error("the API server did not answer within {} s", .0.as_secs())]
    Slow(Duration),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the store is not ready: {0}")]
    NotMigrated(String),
    #[error("a manifest cannot be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
}

impl From<kube::Error> for Error {
    fn from(error: kube::Error) -> Self {
        Self::Api(Box::new(error))
    }
}

impl Error {
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Api(error) if matches!(&**error, kube::Error::Api(status) if status.is_not_found()))
    }

    /// Somebody else was faster: read again.
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Api(error) if matches!(&**error, kube::Error::Api(status) if status.is_conflict()))
    }

    /// The namespace is on its way out: what is missing in it will not be made, and need not be.
    pub fn is_namespace_ending(&self) -> bool {
        matches!(self, Self::Api(error) if matches!(&**error,
            kube::Error::Api(status) if status.is_forbidden() && status.message.contains("because it is being terminated")))
    }

    /// The store's fault, not the API server's.
    pub fn is_store(&self) -> bool {
        match self {
            Self::Store(_) | Self::NotMigrated(_) => true,
            Self::Api(_) | Self::Slow(_) | Self::Json(_) => false,
        }
    }
}
