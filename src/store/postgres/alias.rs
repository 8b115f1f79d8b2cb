//! Names that were joined: who is who, and what becomes of the rows of the one who goes.
//!
//! Whoever joins two customers holds the locks of both, and their rows are there while he does: the one who goes is made first if nobody knew
//! them. So whoever asks after locking his customers knows for certain who is who until he has committed.

use super::{
    intake, placed,
    seal::{self, Place},
    sql,
};
use crate::{
    engine::state::Enrollment,
    keys::{CustomerKey, Keys},
    personal::Personal,
    store::{
        OutboxRow, OutboxState, Result,
        join::{self, Join, Renumbered},
    },
};
use std::collections::{BTreeMap, BTreeSet};
use tokio_postgres::types::ToSql;

pub(super) const ROOTS: &str = "SELECT a.* FROM unnest($2::bytea[]) u (name) CROSS JOIN LATERAL \
    (SELECT alias, customer FROM alias WHERE namespace = $1 AND alias = u.name OFFSET 0) a";

/// Those of the names that were joined, and whose they are now.
pub(super) async fn roots(
    tx: &sql::Transaction<'_>,
    namespace: &str,
    names: impl IntoIterator<Item = CustomerKey>,
) -> Result<BTreeMap<CustomerKey, CustomerKey>> {
    let names: BTreeSet<CustomerKey> = names.into_iter().collect();
    let names: Vec<&[u8]> = names.iter().map(|key| key.0.as_slice()).collect();
    let rows = sql::rows(tx, ROOTS, &[&namespace, &names]).await?;
    rows.iter()
        .map(|row| Ok((seal::customer_key(row.get(0))?, seal::customer_key(row.get(1))?)))
        .collect()
}

/// By how many names each is known besides their own.
pub(super) async fn names(
    tx: &sql::Transaction<'_>,
    namespace: &str,
    customers: impl Iterator<Item = CustomerKey>,
) -> Result<BTreeMap<CustomerKey, i64>> {
    let customers: Vec<Vec<u8>> = customers.map(|key| key.0.to_vec()).collect();
    let rows = sql::rows(
        tx,
        "SELECT customer, count(*) FROM alias WHERE namespace = $1 AND customer = ANY($2) GROUP BY customer",
        &[&namespace, &customers],
    )
    .await?;
    rows.iter()
        .map(|row| Ok((seal::customer_key(row.get(0))?, row.get(1))))
        .collect()
}

/// Journeys that a join is about.
#[derive(Default)]
pub(super) struct Met {
    /// It is to be told: both were in it, or one of them is in it and the other had left it.
    pub told: BTreeSet<String>,
    /// It has rows of the one who went.
    pub touched: BTreeSet<String>,
}

/// Gives all that hangs on the one who goes to the one who stays; both are locked, and their profiles and consents are merged already.
/// `left`: the journeys that the one customer has left by their own hand.
pub(super) async fn join(
    tx: &sql::Transaction<'_>,
    keys: &Keys,
    namespace: &str,
    who: Join,
    left: &BTreeSet<String>,
) -> Result<Met> {
    let moving = Moving {
        tx,
        keys,
        namespace,
        gone: who.gone.0.as_slice(),
        stays: who.stays,
        shard: i16::from(who.stays.shard()),
    };
    moving.evidence().await?;
    let journeys = moving.journeys().await?;
    let renumbered = moving.renumber(&journeys).await?;
    let mut met = moving.enrollments(&journeys, left, &renumbered).await?;
    met.touched.extend(moving.outbox(&journeys, &renumbered).await?);
    met.touched.extend(moving.inbox(&journeys).await?);
    let none = Renumbered::new();
    let with = |journey: &str, row| join::place_with(row, who.stays, renumbered.get(journey).unwrap_or(&none));
    met.touched
        .extend(placed::move_rows(tx, keys, namespace, moving.gone, with).await?);
    met.touched.extend(moving.sightings(&journeys).await?);
    for statement in [
        "UPDATE contact SET customer = $3 WHERE namespace = $1 AND customer = $2",
        "UPDATE alias SET customer = $3 WHERE namespace = $1 AND customer = $2",
        "INSERT INTO alias (namespace, alias, customer) VALUES ($1, $2, $3)",
    ] {
        let stays = moving.stays.0.as_slice();
        sql::run(tx, statement, &[&namespace, &moving.gone, &stays]).await?;
    }
    for statement in [
        "DELETE FROM consent WHERE namespace = $1 AND customer = $2",
        "DELETE FROM customer WHERE namespace = $1 AND customer = $2",
    ] {
        sql::run(tx, statement, &[&namespace, &moving.gone]).await?;
    }
    Ok(met)
}

struct Moving<'a, 'c> {
    tx: &'a sql::Transaction<'c>,
    keys: &'a Keys,
    namespace: &'a str,
    gone: &'a [u8],
    stays: CustomerKey,
    shard: i16,
}

impl Moving<'_, '_> {
    async fn journeys(&self) -> Result<Vec<String>> {
        let all = "SELECT journey FROM journey WHERE namespace = $1 ORDER BY journey";
        let rows = sql::rows(self.tx, all, &[&self.namespace]).await?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    /// What a consent rests on, where the other's is the one that holds.
    async fn evidence(&self) -> Result<()> {
        let rows = sql::rows(
            self.tx,
            "SELECT g.purpose, g.sealed FROM consent g JOIN consent s ON s.namespace = g.namespace AND s.customer = $3 \
             AND s.purpose = g.purpose AND s.granted = g.granted AND s.at = g.at AND s.sealed IS NULL \
             WHERE g.namespace = $1 AND g.customer = $2 AND g.sealed IS NOT NULL",
            &[&self.namespace, &self.gone, &self.stays.0.as_slice()],
        )
        .await?;
        for row in &rows {
            let purpose: &str = row.get(0);
            let place = |key| [self.namespace.as_bytes(), key, purpose.as_bytes()];
            let (from, to) = (place(self.gone), place(&self.stays.0));
            let of = |key| Place { table: "consent", key };
            let evidence: Personal<String> = seal::open(self.keys, &of(&from), row.get(1))?;
            let sealed = seal::seal(self.keys, &of(&to), &evidence)?;
            sql::run(
                self.tx,
                "UPDATE consent SET sealed = $4 WHERE namespace = $1 AND customer = $2 AND purpose = $3",
                &[&self.namespace, &self.stays.0.as_slice(), &purpose, &sealed],
            )
            .await?;
        }
        Ok(())
    }

    /// Enrollments whose numbers the one who stays has too, by journey.
    async fn renumber(&self, journeys: &[String]) -> Result<BTreeMap<String, Renumbered>> {
        let rows = sql::rows(
            self.tx,
            "SELECT g.journey, g.ordinal FROM unnest($2::text[]) j (journey) \
             JOIN enrollment g ON g.namespace = $1 AND g.journey = j.journey AND g.customer = $3 \
             JOIN enrollment s ON s.namespace = $1 AND s.journey = j.journey AND s.customer = $4 AND s.ordinal = g.ordinal",
            &[&self.namespace, &journeys, &self.gone, &self.stays.0.as_slice()],
        )
        .await?;
        let mut all: BTreeMap<String, Renumbered> = BTreeMap::new();
        for (row, number) in rows.iter().zip(intake::numbers(self.tx, rows.len()).await?) {
            all.entry(row.get(0)).or_default().insert(row.get(1), number);
        }
        Ok(all)
    }

    async fn enrollments(
        &self,
        journeys: &[String],
        left: &BTreeSet<String>,
        renumbered: &BTreeMap<String, Renumbered>,
    ) -> Result<Met> {
        let rows = sql::rows(
            self.tx,
            "SELECT e.journey, e.ordinal, e.sealed FROM unnest($2::text[]) j (journey) \
             JOIN enrollment e ON e.namespace = $1 AND e.journey = j.journey AND e.customer = $3",
            &[&self.namespace, &journeys, &self.gone],
        )
        .await?;
        let (mut of, mut ordinals, mut sealed, mut new) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for row in &rows {
            let (journey, ordinal): (&str, i64) = (row.get(0), row.get(1));
            let number = ordinal.to_be_bytes();
            let mut enrollment: Enrollment = self.open("enrollment", journey, &number, row.get(2))?;
            let numbered = renumbered.get(journey).and_then(|numbers| numbers.get(&ordinal));
            enrollment.ordinal = numbered.copied().unwrap_or(ordinal);
            let number = enrollment.ordinal.to_be_bytes();
            sealed.push(self.seal("enrollment", journey, &number, &enrollment)?);
            new.push(enrollment.ordinal);
            of.push(journey);
            ordinals.push(ordinal);
        }
        let touched: BTreeSet<String> = of.iter().map(|journey| (*journey).to_owned()).collect();
        let asked: Vec<&str> = touched.union(left).map(String::as_str).collect();
        if asked.is_empty() {
            return Ok(Met::default());
        }
        let there = sql::rows(
            self.tx,
            "SELECT j.journey FROM unnest($2::text[]) j (journey) JOIN journey s ON s.namespace = $1 AND s.journey = j.journey \
             WHERE NOT s.stopped AND (j.journey = ANY($4) OR EXISTS (SELECT FROM enrollment e \
             WHERE e.namespace = $1 AND e.journey = j.journey AND e.customer = $3))",
            &[
                &self.namespace,
                &asked,
                &self.stays.0.as_slice(),
                &touched.intersection(left).map(String::as_str).collect::<Vec<_>>(),
            ],
        )
        .await?;
        sql::run(
            self.tx,
            "UPDATE enrollment e SET customer = $3, shard = $4, ordinal = u.new, sealed = u.sealed \
             FROM unnest($5::text[], $6::bigint[], $7::bytea[], $8::bigint[]) u (journey, ordinal, sealed, new) \
             WHERE e.namespace = $1 AND e.journey = u.journey AND e.customer = $2 AND e.ordinal = u.ordinal",
            &[
                &self.namespace,
                &self.gone,
                &self.stays.0.as_slice(),
                &self.shard,
                &of,
                &ordinals,
                &sealed,
                &new,
            ],
        )
        .await?;
        Ok(Met {
            told: there.iter().map(|row| row.get(0)).collect(),
            touched,
        })
    }

    async fn outbox(&self, journeys: &[String], renumbered: &BTreeMap<String, Renumbered>) -> Result<BTreeSet<String>> {
        let none = Renumbered::new();
        let rows = sql::rows(
            self.tx,
            "SELECT o.journey, o.key, o.sealed FROM unnest($2::text[]) j (journey) \
             JOIN outbox o ON o.namespace = $1 AND o.journey = j.journey AND o.customer = $3",
            &[&self.namespace, &journeys, &self.gone],
        )
        .await?;
        for row in &rows {
            let (journey, key): (&str, &[u8]) = (row.get(0), row.get(1));
            let message: OutboxRow = self.open("outbox", journey, key, row.get(2))?;
            let message = join::move_to(message, self.stays, renumbered.get(journey).unwrap_or(&none));
            let epoch = match message.state {
                OutboxState::Held { .. } => None,
                OutboxState::Claimed { epoch, .. } => Some(epoch),
            };
            let sealed = self.seal("outbox", journey, key, &message)?;
            let values: [&(dyn ToSql + Sync); 8] = [
                &self.namespace,
                &journey,
                &self.gone,
                &key,
                &self.stays.0.as_slice(),
                &self.shard,
                &epoch,
                &sealed,
            ];
            sql::run(
                self.tx,
                "UPDATE outbox SET customer = $5, shard = $6, epoch = $7, sealed = $8 \
                 WHERE namespace = $1 AND journey = $2 AND customer = $3 AND key = $4",
                &values,
            )
            .await?;
        }
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    /// As `store::join::sighted` says.
    async fn sightings(&self, journeys: &[String]) -> Result<BTreeSet<String>> {
        let stays = self.stays.0.as_slice();
        sql::run(
            self.tx,
            "INSERT INTO sighting (namespace, journey, customer, shard, look_at, held) \
             SELECT $1, g.journey, $4, $5, g.look_at, g.held FROM unnest($2::text[]) j (journey) \
             JOIN sighting g ON g.namespace = $1 AND g.journey = j.journey AND g.customer = $3 \
             ON CONFLICT (namespace, journey, customer) DO UPDATE SET look_at = least(sighting.look_at, excluded.look_at), \
             held = ARRAY(SELECT DISTINCT unnest(sighting.held || excluded.held))",
            &[&self.namespace, &journeys, &self.gone, &stays, &self.shard],
        )
        .await?;
        let rows = sql::rows(
            self.tx,
            "DELETE FROM sighting WHERE namespace = $1 AND journey = ANY($2) AND customer = $3 RETURNING journey",
            &[&self.namespace, &journeys, &self.gone],
        )
        .await?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    /// An inbox row is sealed by its number, and keeps it: the order of acceptance is that of the one customer.
    async fn inbox(&self, journeys: &[String]) -> Result<BTreeSet<String>> {
        let rows = sql::rows(
            self.tx,
            "UPDATE inbox i SET customer = $4, shard = $5 FROM unnest($2::text[]) j (journey) \
             WHERE i.namespace = $1 AND i.journey = j.journey AND i.customer = $3 RETURNING i.journey",
            &[
                &self.namespace,
                &journeys,
                &self.gone,
                &self.stays.0.as_slice(),
                &self.shard,
            ],
        )
        .await?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    fn open<T: serde::de::DeserializeOwned>(
        &self,
        table: &'static str,
        journey: &str,
        key: &[u8],
        sealed: &[u8],
    ) -> Result<T> {
        let key = [self.namespace.as_bytes(), journey.as_bytes(), self.gone, key];
        seal::open(self.keys, &Place { table, key: &key }, sealed)
    }

    fn seal<T: serde::Serialize>(&self, table: &'static str, journey: &str, key: &[u8], value: &T) -> Result<Vec<u8>> {
        let key = [
            self.namespace.as_bytes(),
            journey.as_bytes(),
            self.stays.0.as_slice(),
            key,
        ];
        seal::seal(self.keys, &Place { table, key: &key }, value)
    }
}
