//! The store in PostgreSQL 14 or later. Statements are set-based and prepared; columns with personal data are sealed; a database that is away
//! gives `Unavailable` within seconds, and is used again when it is back. So are deadlocks and time-outs: the caller tries again.
//!
//! The order in which everybody locks, so that nobody waits in a circle: a journey's own lock, the namespace's (shared by writers), leases
//! by shard, the places of a paced journey, customers by key, what hangs on a customer, event keys, counts by name.

/// Does something on a connection lent from the pool, within a time.
macro_rules! on {
    ($store:expr, $patience:expr, $client:ident => $work:expr) => {{
        let mut lent = $store.connections.lend().await?;
        let done = {
            let $client = &mut lent;
            tokio::time::timeout($patience, $work).await
        };
        settle(lent, done, $patience)
    }};
}

mod ack;
mod alias;
mod aside;
mod by_hand;
mod chain;
mod commit;
mod connection;
mod customers;
mod door;
mod due;
mod intake;
mod lease;
mod look;
pub mod measure;
mod migration;
mod news;
mod placed;
mod program;
mod retention;
mod round;
mod seal;
mod settings;
mod sql;
mod standby;
mod suppression;
mod wake;

use super::{
    After, Arrival, Backlog, Beat, Dropped, Due, Finding, Forgotten, Hold, Imported, InSlot, JourneyRow, Keep, Learn,
    MessageRow, NamespacePrograms, News, Next, OutboxRow, PutBack, Quarantined, Ran, Receipt, Result, Retried,
    RoundRequest, RoundResult, Running, Shorter, Store, StoreError, Suppressed, Work,
};
use crate::{
    clock::Micros,
    keys::{AddressKey, CustomerKey, Keys, MessageKey},
    kpi::Counts,
    policy::Consent,
};
use async_trait::async_trait;
use connection::{Connections, LONG_PATIENCE, PATIENCE, settle};
use standby::Standby;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
    time::Duration,
};
use uuid::Uuid;
use wake::Wake;

/// Reads on a connection of the standby, where there is one that answers, and else on one of the primary.
macro_rules! read {
    ($store:expr, $client:ident => $work:expr) => {{
        let told = match $store.standby.as_ref().filter(|standby| standby.may_be_asked()) {
            Some(standby) => standby.heard(async { on!(standby, PATIENCE, $client => $work) }.await),
            None => None,
        };
        match told {
            Some(told) => Ok(told),
            None => on!($store, PATIENCE, $client => $work),
        }
    }};
}

/// See the module.
pub struct Postgres {
    connections: Arc<Connections>,
    standby: Option<Standby>,
    keys: Keys,
    wake: Wake,
}

impl Postgres {
    /// Prepares at most `connections` connections (and one more that listens for wake-ups); none is made before it is needed, so this works
    /// while the database is away. `url` is a postgres:// URL; `sslmode` is disable, prefer (default), require, verify-ca or verify-full. With
    /// `ca` (a PEM file) the server's certificate must be signed by it in every mode but disable; verify-full checks the host's name too.
    ///
    /// # Errors
    /// A URL or a CA file that cannot be read.
    pub fn connect(url: &str, ca: Option<&Path>, connections: usize, keys: Keys) -> Result<Self> {
        let connections = Arc::new(Connections::new(url, ca, connections)?);
        Ok(Self {
            wake: Wake::new(connections.clone()),
            connections,
            standby: None,
            keys,
        })
    }

    /// Reads counts and backlogs from a standby of this database (or from whatever follows it), as of what has reached it; from the database
    /// itself while it does not answer.
    ///
    /// # Errors
    /// A URL or a CA file that cannot be read.
    pub fn with_standby(self, url: &str, ca: Option<&Path>, connections: usize) -> Result<Self> {
        let standby = Standby::new(Connections::new(url, ca, connections)?);
        Ok(Self {
            standby: Some(standby),
            ..self
        })
    }

    /// Brings the schema to this version; several may try at once. Needs the role that owns the schema; grants the role `journey_data`, when
    /// there is one, what gateways and runners need.
    pub async fn migrate(&self) -> Result<()> {
        on!(self, LONG_PATIENCE, client => migration::migrate(client))
    }

    /// Settings of the database, as this role sees them, that are not as they should be.
    pub async fn findings(&self) -> Result<Vec<Finding>> {
        on!(self, PATIENCE, client => settings::findings(client))
    }

    /// Makes days of the event log ahead, drops those that are over for long enough, and deletes what is old, a bounded number of rows a call.
    /// Of namespaces in `shorter` what is older than they let it become goes too. Writes down that it ran, once nothing is left.
    /// Needs the role that owns the schema. None: another process is at it.
    pub async fn forget(&self, keep: &Keep, shorter: &Shorter) -> Result<Option<Forgotten>> {
        on!(self, LONG_PATIENCE, client => retention::forget(client, keep, shorter))
    }

    /// The settings of every namespace that has any: what its policies are in.
    pub async fn all_settings(&self) -> Result<BTreeMap<String, serde_json::Value>> {
        on!(self, PATIENCE, client => retention::all_settings(client))
    }
}

#[async_trait]
impl Store for Postgres {
    async fn ping(&self) -> Result<()> {
        let writable = on!(self, PATIENCE, client => async {
                        let statement = client.prepare_cached("SELECT current_setting('transaction_read_only')").await?;
                        Ok(client.query_one(&statement, &[]).await?.get::<_, String>(0) == "off")
        });
        if writable? {
            Ok(())
        } else {
            Err(StoreError::Unavailable(
                "the database takes no writes: it is a standby".into(),
            ))
        }
    }

    async fn now(&self) -> Result<Micros> {
        on!(self, PATIENCE, client => async {
                            let tx = sql::begin(client).await?;
                            sql::now(&tx).await
        })
    }

    async fn put_settings(&self, namespace: &str, body: &serde_json::Value) -> Result<()> {
        let journeys = on!(self, PATIENCE, client => program::put_settings(client, namespace, body))?;
        self.wake.tell(namespace, journeys);
        Ok(())
    }

    async fn put_journey(&self, namespace: &str, row: &JourneyRow) -> Result<()> {
        if on!(self, LONG_PATIENCE, client => program::put_journey(client, namespace, row))? {
            self.wake.tell(namespace, [row.journey.clone()]);
        }
        Ok(())
    }

    async fn stop_journey(&self, namespace: &str, journey: &str) -> Result<()> {
        if on!(self, PATIENCE, client => program::stop_journey(client, namespace, journey))? {
            self.wake.tell(namespace, [journey.to_owned()]);
        }
        Ok(())
    }

    async fn remove_journey(&self, namespace: &str, journey: &str) -> Result<()> {
        on!(self, LONG_PATIENCE, client => program::remove_journey(client, namespace, journey))?;
        self.wake.tell(namespace, [journey.to_owned()]);
        Ok(())
    }

    async fn remove_namespace(&self, namespace: &str) -> Result<()> {
        let journeys = on!(self, LONG_PATIENCE, client => program::remove_namespace(client, namespace))?;
        self.wake.tell(namespace, journeys);
        Ok(())
    }

    async fn programs(&self, namespace: &str, known: i64) -> Result<Option<NamespacePrograms>> {
        on!(self, PATIENCE, client => program::programs(client, namespace, known))
    }

    async fn accept(&self, namespace: &str, batch: &[Arrival], learn: Learn<'_>) -> Result<Vec<Receipt>> {
        let accepted = on!(self, PATIENCE, client => intake::accept(client, &self.keys, namespace, batch, learn));
        let (receipts, journeys) = accepted?;
        self.wake.tell(namespace, journeys);
        Ok(receipts)
    }

    async fn announce(&self, namespace: &str, news: &[News]) -> Result<Vec<Receipt>> {
        let announced = on!(self, PATIENCE, client => news::announce(client, &self.keys, namespace, news));
        let (receipts, journeys) = announced?;
        self.wake.tell(namespace, journeys);
        Ok(receipts)
    }

    async fn strike(
        &self,
        namespace: &str,
        schedules: &BTreeMap<String, String>,
        due: Due<'_>,
    ) -> Result<Option<Micros>> {
        let struck = on!(self, PATIENCE, client => news::strike(client, &self.keys, namespace, schedules, due));
        let (next, journeys) = struck?;
        self.wake.tell(namespace, journeys);
        Ok(next)
    }

    async fn quarantine(&self, namespace: &str, rows: &[Quarantined]) -> Result<()> {
        on!(self, PATIENCE, client => intake::quarantine(client, &self.keys, namespace, rows))
    }

    async fn quarantined(&self, namespace: &str, after: i64, limit: u32) -> Result<Vec<(i64, Quarantined)>> {
        on!(self, PATIENCE, client => intake::quarantined(client, &self.keys, namespace, after, limit))
    }

    async fn release(&self, namespace: &str, id: i64) -> Result<Option<Quarantined>> {
        on!(self, PATIENCE, client => intake::release(client, &self.keys, namespace, id))
    }

    async fn put_back(&self, namespace: &str, id: i64) -> Result<PutBack> {
        let (done, journey) = on!(self, PATIENCE, client => aside::put_back(client, &self.keys, namespace, id))?;
        self.wake.tell(namespace, journey);
        Ok(done)
    }

    async fn discard(&self, namespace: &str, id: i64) -> Result<Option<Quarantined>> {
        on!(self, PATIENCE, client => aside::discard(client, &self.keys, namespace, id))
    }

    async fn intake_counts(&self, namespace: &str) -> Result<Counts> {
        self.counts(namespace, "").await
    }

    async fn message(&self, namespace: &str, key: MessageKey) -> Result<Option<MessageRow>> {
        on!(self, PATIENCE, client => intake::message(client, namespace, key))
    }

    async fn outbox(
        &self,
        namespace: &str,
        journey: &str,
        after: After<CustomerKey>,
        limit: u32,
    ) -> Result<Vec<OutboxRow>> {
        on!(self, PATIENCE, client => by_hand::outbox(client, &self.keys, namespace, journey, after, limit))
    }

    async fn waiting(&self, namespace: &str, journey: &str, key: MessageKey) -> Result<Option<OutboxRow>> {
        on!(self, PATIENCE, client => by_hand::waiting(client, &self.keys, namespace, journey, key))
    }

    async fn failed(
        &self,
        namespace: &str,
        journey: &str,
        after: After<Micros>,
        limit: u32,
    ) -> Result<Vec<MessageRow>> {
        on!(self, PATIENCE, client => by_hand::failed(client, namespace, journey, after, limit))
    }

    async fn retry(&self, namespace: &str, journey: &str, key: MessageKey) -> Result<Retried> {
        let done = on!(self, PATIENCE, client => by_hand::retry(client, &self.keys, namespace, journey, key))?;
        self.wake.tell(namespace, [journey.to_owned()]);
        Ok(done)
    }

    async fn drop_message(
        &self,
        namespace: &str,
        journey: &str,
        customer: CustomerKey,
        key: MessageKey,
    ) -> Result<Dropped> {
        let done = on!(self, PATIENCE, client => by_hand::drop_message(client, &self.keys, namespace, journey, customer, key))?;
        self.wake.tell(namespace, [journey.to_owned()]);
        Ok(done)
    }

    async fn slot(&self, namespace: &str, customer: CustomerKey, slot: &str) -> Result<Option<InSlot>> {
        on!(self, PATIENCE, client => placed::slot(client, &self.keys, namespace, customer, slot))
    }

    async fn consents(&self, namespace: &str, customer: CustomerKey) -> Result<Option<BTreeMap<String, Consent>>> {
        on!(self, PATIENCE, client => placed::consents(client, namespace, customer))
    }

    async fn dismiss(&self, namespace: &str, message: MessageKey) -> Result<()> {
        on!(self, PATIENCE, client => placed::dismiss(client, namespace, message))
    }

    async fn suppress(&self, namespace: &str, rows: &[Suppressed]) -> Result<()> {
        on!(self, PATIENCE, client => suppression::suppress(client, namespace, rows))
    }

    async fn unsuppress(&self, namespace: &str, address: AddressKey) -> Result<bool> {
        on!(self, PATIENCE, client => suppression::release(client, namespace, address))
    }

    async fn suppressed(&self, namespace: &str, after: Option<AddressKey>, limit: u32) -> Result<Vec<Suppressed>> {
        on!(self, PATIENCE, client => suppression::list(client, namespace, after, limit))
    }

    async fn import(&self, namespace: &str, customers: &[Imported], file: &str, rows: u64) -> Result<()> {
        let told =
            on!(self, PATIENCE, client => customers::import(client, &self.keys, namespace, customers, file, rows));
        self.wake.tell(namespace, told?);
        Ok(())
    }

    async fn import_progress(&self, namespace: &str, file: &str) -> Result<u64> {
        on!(self, PATIENCE, client => customers::import_progress(client, namespace, file))
    }

    async fn join(&self, namespace: &str, journey: &str, owner: Uuid, ttl: Duration) -> Result<Hold> {
        let joined = on!(self, PATIENCE, client => lease::join(client, namespace, journey, owner, ttl));
        let (shards, members, late) = joined?;
        Ok(Hold {
            namespace: namespace.to_owned(),
            journey: journey.to_owned(),
            owner,
            shards,
            members,
            late,
        })
    }

    async fn beat(&self, hold: &Hold, ttl: Duration) -> Result<Beat> {
        on!(self, PATIENCE, client => lease::beat(client, hold, ttl))
    }

    async fn leave(&self, namespace: &str, journey: &str, owner: Uuid) -> Result<()> {
        on!(self, PATIENCE, client => lease::leave(client, namespace, journey, owner))
    }

    async fn round(&self, hold: &Hold, request: &RoundRequest, work: Work<'_>) -> Result<RoundResult> {
        let done = on!(self, PATIENCE, client => round::round(client, &self.keys, hold, request, work));
        let (result, journeys) = done?;
        self.wake.tell(&hold.namespace, journeys);
        Ok(result)
    }

    async fn due_next(&self, hold: &Hold, request: &RoundRequest) -> Result<Next> {
        on!(self, PATIENCE, client => due::next(client, hold, request))
    }

    async fn wait(&self, namespace: &str, journey: &str, timeout: Duration) -> bool {
        self.wake.wait(namespace, journey, timeout).await
    }

    async fn acknowledge(&self, namespace: &str, journey: &str, owner: Uuid, policy: &str) -> Result<()> {
        on!(self, PATIENCE, client => ack::acknowledge(client, namespace, journey, owner, policy))
    }

    async fn attend(&self, namespace: &str, owner: Uuid, policy: &str, ttl: Duration) -> Result<()> {
        on!(self, PATIENCE, client => ack::attend(client, namespace, owner, policy, ttl))
    }

    async fn depart(&self, namespace: &str, owner: Uuid) -> Result<()> {
        on!(self, PATIENCE, client => ack::depart(client, namespace, owner))
    }

    async fn running(&self, namespace: &str) -> Result<Running> {
        on!(self, PATIENCE, client => ack::running(client, namespace))
    }

    async fn retained(&self, namespace: &str) -> Result<Option<Ran>> {
        on!(self, PATIENCE, client => ack::retained(client, namespace))
    }

    async fn counts(&self, namespace: &str, journey: &str) -> Result<Counts> {
        read!(self, client => async {
                            let tx = sql::begin(client).await?;
                            sql::counts(&tx, namespace, journey).await
        })
    }

    async fn backlog(&self, namespace: &str, journey: &str) -> Result<Backlog> {
        read!(self, client => async {
                            let tx = sql::begin(client).await?;
                            sql::backlog(&tx, namespace, journey).await
        })
    }

    async fn overfull(&self, namespace: &str, inbox: u32, news: u32) -> Result<BTreeSet<String>> {
        on!(self, PATIENCE, client => async {
                            let tx = sql::begin(client).await?;
                            sql::overfull(&tx, namespace, inbox, news).await
        })
    }
}
