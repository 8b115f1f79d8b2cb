//! Customers with their consents: meeting, locking and writing them; and their import.
//!
//! Whoever changes a customer locks the row first, all of its customers in key order. Rows are inserted before any is locked, also in key
//! order. Consents are read by a statement after the lock: one before it could have seen them as they were.

use super::{
    alias,
    intake::Customers,
    look, placed, program,
    seal::{self, Place, SealedCustomer},
    sql,
};
use crate::{
    keys::{CustomerKey, Keys},
    personal::Personal,
    policy::Consent,
    store::{Customer, Imported, Result, StoreError, rules},
};
use deadpool_postgres::Object;
use std::collections::{BTreeMap, BTreeSet};
use tokio_postgres::types::ToSql;

/// What reads consents must not overtake what locks.
pub(super) async fn prepare(tx: &sql::Transaction<'_>) -> Result<()> {
    sql::prepare(tx, &[MEET, LOCK, CONSENTS, sql::NOW, alias::ROOTS]).await
}

const MEET: &str = "INSERT INTO customer (namespace, customer, sealed) SELECT $1, u.customer, u.sealed \
    FROM unnest($2::bytea[], $3::bytea[]) u (customer, sealed) LEFT JOIN LATERAL \
    (SELECT true AS known FROM customer WHERE namespace = $1 AND customer = u.customer LIMIT 1) c ON true \
    WHERE c.known IS NULL ORDER BY u.customer ON CONFLICT (namespace, customer) DO NOTHING RETURNING customer";

const LOCK: &str = "SELECT c.customer, c.sealed FROM unnest($2::bytea[]) u (customer) CROSS JOIN LATERAL \
    (SELECT customer, sealed FROM customer WHERE namespace = $1 AND customer = u.customer FOR UPDATE) c";

const CONSENTS: &str = "SELECT c.* FROM unnest($2::bytea[]) u (customer) CROSS JOIN LATERAL \
    (SELECT customer, purpose, granted, at FROM consent WHERE namespace = $1 AND customer = u.customer OFFSET 0) c";

/// Makes rows for customers never seen before, and gives those it made.
pub(super) async fn meet(
    tx: &sql::Transaction<'_>,
    keys: &Keys,
    namespace: &str,
    met: BTreeMap<CustomerKey, (&Personal<String>, bool)>,
) -> Result<BTreeSet<CustomerKey>> {
    if met.is_empty() {
        return Ok(BTreeSet::new());
    }
    let customers: Vec<&[u8]> = met.keys().map(|key| key.0.as_slice()).collect();
    let sealed = met.iter().map(|(key, (id, anonymous))| {
        let fresh = SealedCustomer {
            id: (*id).clone(),
            anonymous: *anonymous,
            attributes: Personal::default(),
        };
        seal::seal(keys, &seal::customer(&[namespace.as_bytes(), &key.0]), &fresh)
    });
    let sealed: Vec<Vec<u8>> = sealed.collect::<Result<_>>()?;
    let made = sql::rows(tx, MEET, &[&namespace, &customers, &sealed]).await?;
    made.iter().map(|row| seal::customer_key(row.get(0))).collect()
}

/// Locks those that are known, and reads them with their consents. The statements are prepared ([`prepare`]).
pub(super) async fn lock(
    tx: &sql::Transaction<'_>,
    keys: &Keys,
    namespace: &str,
    which: &BTreeSet<CustomerKey>,
) -> Result<Customers> {
    match lock_readable(tx, keys, namespace, which).await? {
        (_, Some((_, error))) => Err(error),
        (customers, None) => Ok(customers),
    }
}

/// The same without those whose rows do not open, who are given with the error of one of them.
pub(super) async fn lock_readable(
    tx: &sql::Transaction<'_>,
    keys: &Keys,
    namespace: &str,
    which: &BTreeSet<CustomerKey>,
) -> Result<(Customers, Option<(BTreeSet<CustomerKey>, StoreError)>)> {
    // In the order of keys, in which they are locked.
    let which: Vec<&[u8]> = which.iter().map(|key| key.0.as_slice()).collect();
    let values: [&(dyn ToSql + Sync); 2] = [&namespace, &which];
    let (rows, consents) = tokio::try_join!(biased; sql::rows(tx, LOCK, &values), sql::rows(tx, CONSENTS, &values))?;
    let (mut customers, mut unreadable) = (Customers::new(), None);
    for row in &rows {
        let key = seal::customer_key(row.get(0))?;
        let known = seal::open(keys, &seal::customer(&[namespace.as_bytes(), &key.0]), row.get(1));
        let SealedCustomer {
            id,
            anonymous,
            attributes,
        } = match known {
            Ok(known) => known,
            Err(error) => {
                unreadable.get_or_insert((BTreeSet::new(), error)).0.insert(key);
                continue;
            }
        };
        customers.insert(
            key,
            Customer {
                key,
                id,
                anonymous,
                attributes,
                consents: BTreeMap::new(),
            },
        );
    }
    for row in &consents {
        if let Some(customer) = customers.get_mut(&seal::customer_key(row.get(0))?) {
            customer.consents.insert(
                row.get(1),
                Consent {
                    granted: row.get(2),
                    at: row.get(3),
                },
            );
        }
    }
    Ok((customers, unreadable))
}

/// What is new about a customer.
pub(super) struct Change<'a> {
    customer: &'a Customer,
    attributes: bool,
    /// With what it rests on, where that is known.
    consents: Vec<(&'a String, Consent, Option<&'a Personal<String>>)>,
}

impl<'a> Change<'a> {
    /// None: nothing.
    pub(super) fn between(before: &Customer, after: &'a Customer) -> Option<Self> {
        let consents = after
            .consents
            .iter()
            .filter(|(purpose, consent)| before.consents.get(*purpose) != Some(consent));
        let consents: Vec<_> = consents.map(|(purpose, consent)| (purpose, *consent, None)).collect();
        let attributes = before.attributes != after.attributes;
        (attributes || !consents.is_empty()).then_some(Self {
            customer: after,
            attributes,
            consents,
        })
    }

    /// Whether what they agreed to changed.
    pub(super) fn consents(&self) -> bool {
        !self.consents.is_empty()
    }

    pub(super) fn key(&self) -> CustomerKey {
        self.customer.key
    }

    fn resting_on(mut self, evidence: &'a BTreeMap<String, Personal<String>>) -> Self {
        for (purpose, _, rests_on) in &mut self.consents {
            *rests_on = evidence.get(*purpose);
        }
        self
    }
}

/// Writes changes of customers that are locked.
pub(super) async fn write(
    tx: &sql::Transaction<'_>,
    keys: &Keys,
    namespace: &str,
    changes: &[Change<'_>],
) -> Result<()> {
    let attributes = changes
        .iter()
        .filter(|change| change.attributes)
        .map(|change| change.customer);
    write_attributes(
        tx,
        keys,
        namespace,
        attributes.map(|customer| (customer, &customer.attributes)).collect(),
    )
    .await?;
    let (mut customers, mut purposes, mut granted, mut times, mut sealed) = (vec![], vec![], vec![], vec![], vec![]);
    for change in changes {
        for (purpose, consent, evidence) in &change.consents {
            let key: [&[u8]; 3] = [namespace.as_bytes(), &change.customer.key.0, purpose.as_bytes()];
            let place = Place {
                table: "consent",
                key: &key,
            };
            customers.push(change.customer.key.0.as_slice());
            purposes.push(purpose.as_str());
            granted.push(consent.granted);
            times.push(consent.at);
            sealed.push(
                evidence
                    .map(|evidence| seal::seal(keys, &place, evidence))
                    .transpose()?,
            );
        }
    }
    if customers.is_empty() {
        return Ok(());
    }
    sql::run(
        tx,
        "INSERT INTO consent (namespace, customer, purpose, granted, at, sealed) \
         SELECT $1, u.customer, u.purpose, u.granted, u.at, u.sealed \
         FROM unnest($2::bytea[], $3::text[], $4::boolean[], $5::bigint[], $6::bytea[]) u (customer, purpose, granted, at, sealed) \
         ON CONFLICT (namespace, customer, purpose) DO UPDATE SET granted = excluded.granted, at = excluded.at, sealed = excluded.sealed",
        &[&namespace, &customers, &purposes, &granted, &times, &sealed],
    )
    .await
    .map(drop)
}

/// Writes whole attribute sets of customers that are locked.
pub(super) async fn write_attributes(
    tx: &sql::Transaction<'_>,
    keys: &Keys,
    namespace: &str,
    sets: Vec<(&Customer, &Personal<crate::engine::state::Properties>)>,
) -> Result<()> {
    if sets.is_empty() {
        return Ok(());
    }
    let customers: Vec<&[u8]> = sets.iter().map(|(customer, _)| customer.key.0.as_slice()).collect();
    let sealed = sets.iter().map(|(customer, attributes)| {
        let new = SealedCustomer {
            id: customer.id.clone(),
            anonymous: customer.anonymous,
            attributes: (*attributes).clone(),
        };
        seal::seal(keys, &seal::customer(&[namespace.as_bytes(), &customer.key.0]), &new)
    });
    let sealed: Vec<Vec<u8>> = sealed.collect::<Result<_>>()?;
    sql::run(
        tx,
        "UPDATE customer c SET sealed = u.sealed FROM unnest($2::bytea[], $3::bytea[]) u (customer, sealed) \
         WHERE c.namespace = $1 AND c.customer = u.customer",
        &[&namespace, &customers, &sealed],
    )
    .await
    .map(drop)
}

pub(super) async fn import(
    client: &mut Object,
    keys: &Keys,
    namespace: &str,
    imported: &[Imported],
    file: &str,
    rows: u64,
) -> Result<BTreeSet<String>> {
    let tx = sql::begin(client).await?;
    program::shared(&tx, namespace).await?;
    let roots = alias::roots(&tx, namespace, imported.iter().map(|row| row.key)).await?;
    let imported: Vec<Imported> = imported
        .iter()
        .map(|row| Imported {
            key: roots.get(&row.key).copied().unwrap_or(row.key),
            ..row.clone()
        })
        .collect();
    let met = imported.iter().map(|row| (row.key, (&row.id, row.anonymous)));
    prepare(&tx).await?;
    let made = meet(&tx, keys, namespace, met.collect()).await?;
    let before = lock(&tx, keys, namespace, &imported.iter().map(|row| row.key).collect()).await?;
    if !alias::roots(&tx, namespace, imported.iter().map(|row| row.key))
        .await?
        .is_empty()
    {
        return Err(StoreError::Unavailable("customers are being joined: try again".into()));
    }
    let mut after = before.clone();
    let mut evidence: BTreeMap<CustomerKey, BTreeMap<String, Personal<String>>> = BTreeMap::new();
    for row in &imported {
        let Some(customer) = after.get_mut(&row.key) else {
            continue;
        };
        rules::import_attributes(customer.attributes.expose_mut(), row.attributes.expose());
        for (purpose, consent) in &row.consents {
            if customer.hear_consent(purpose, *consent) {
                let kept = evidence.entry(row.key).or_default();
                match row.evidence.get(purpose) {
                    Some(rests_on) => kept.insert(purpose.clone(), rests_on.clone()),
                    None => kept.remove(purpose),
                };
            }
        }
    }
    let none = BTreeMap::new();
    let changes: Vec<Change<'_>> = after
        .values()
        .filter_map(|new| Change::between(&before[&new.key], new))
        .map(|change| {
            let evidence = evidence.get(&change.customer.key).unwrap_or(&none);
            change.resting_on(evidence)
        })
        .collect();
    write(&tx, keys, namespace, &changes).await?;
    let now = sql::now(&tx).await?;
    let agreed = changes.iter().filter(|change| change.consents()).map(Change::key);
    let looking = placed::look_again(&tx, namespace, &agreed.collect::<Vec<_>>(), now).await?;
    let changed = after.values().map(|customer| {
        let before = before.get(&customer.key).filter(|_| !made.contains(&customer.key));
        look::Changed {
            hops: 0,
            customer,
            names: rules::changes(
                before.map(|before| before.attributes.expose()),
                customer.attributes.expose(),
            ),
        }
    });
    let changed: Vec<look::Changed<'_>> = changed.filter(|changed| !changed.names.is_empty()).collect();
    let mut told = look::tell(&tx, keys, namespace, &changed, now).await?;
    told.extend(looking);
    sql::run(
        &tx,
        "INSERT INTO import AS i (namespace, file, rows) VALUES ($1, $2, $3) \
         ON CONFLICT (namespace, file) DO UPDATE SET rows = greatest(i.rows, excluded.rows)",
        &[&namespace, &file, &i64::try_from(rows).unwrap_or(i64::MAX)],
    )
    .await?;
    tx.commit().await?;
    Ok(told)
}

pub(super) async fn import_progress(client: &mut Object, namespace: &str, file: &str) -> Result<u64> {
    let tx = sql::begin(client).await?;
    let read = sql::maybe(
        &tx,
        "SELECT rows FROM import WHERE namespace = $1 AND file = $2",
        &[&namespace, &file],
    )
    .await?;
    Ok(read.map_or(0, |row| u64::try_from(row.get::<_, i64>(0)).unwrap_or(0)))
}
