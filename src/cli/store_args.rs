//! Flags of every subcommand that opens the store: where it is, and the keys of the namespace.

use crate::{
    keys::Keys,
    store::{Store, postgres::Postgres},
};
use anyhow::Context;
use std::{path::PathBuf, sync::Arc};

#[derive(Debug, Clone, clap::Args)]
pub struct StoreArgs {
    /// The database: postgres://USER:PASSWORD@HOST/NAME?sslmode=verify-full
    #[arg(long, env = "JOURNEY_DATABASE_URL", hide_env_values = true, value_name = "URL")]
    database: String,
    /// PEM file with the CA of the database's certificate
    #[arg(long, env = "JOURNEY_DATABASE_CA", value_name = "FILE")]
    database_ca: Option<PathBuf>,
    /// Connections at most
    #[arg(long, env = "JOURNEY_DATABASE_CONNECTIONS", value_name = "N")]
    database_connections: Option<usize>,
    /// Folder with the files seal and mac
    #[arg(long, env = "JOURNEY_KEYS", value_name = "DIR")]
    keys: PathBuf,
}

/// A namespace and its store, for commands that look after what is in it.
#[derive(Debug, clap::Args)]
pub struct Place {
    /// Namespace
    #[arg(long, env = "JOURNEY_NAMESPACE")]
    namespace: String,
    #[command(flatten)]
    store: StoreArgs,
}

impl Place {
    pub fn open(self) -> anyhow::Result<(String, Keys, Arc<dyn Store>)> {
        let keys = self.store.keys()?;
        let store = self.store.open(keys.clone(), 2)?;
        Ok((self.namespace, keys, store))
    }
}

impl StoreArgs {
    pub fn keys(&self) -> anyhow::Result<Keys> {
        Ok(Keys::read(&self.keys)?)
    }

    /// Opens the store with at most `connections`, unless a flag says otherwise. Nothing is connected yet: a role starts also while the
    /// database is away.
    pub fn open(&self, keys: Keys, connections: usize) -> anyhow::Result<Arc<Postgres>> {
        // A Secret without a CA is mounted without the file.
        let ca = self.database_ca.as_deref().filter(|file| file.exists());
        let connections = self.database_connections.unwrap_or(connections);
        let store = Postgres::connect(&self.database, ca, connections, keys).context("opening the store")?;
        Ok(Arc::new(store))
    }
}
