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
    keys::{AddressKey, CustomerKey, Keys},
    personal::Personal,
    policy::{Confirmed, Consent, ConsentState},
    store::{Customer, Imported, Result, StoreError, rules},
};
use deadpool_postgres::Object;
use std::collections::{BTreeMap, BTreeSet};
use tokio_postgres::{Row, types::ToSql};

/// What reads consents must not overtake what locks.
pub(super) async fn prepare(tx: &sql::Transaction<'_>) -> Result<()> {
    sql::prepare(tx, &[MEET, LOCK, CONSENTS, sql::NOW, alias::ROOTS]).await
}

/// Those that are there are locked before any is made. What others made meanwhile is in no row of the answer.
const MEET: &str = "WITH there AS MATERIALIZED (SELECT u.customer, u.fresh, c.sealed FROM unnest($2::bytea[], $3::bytea[]) u (customer, fresh) \
    LEFT JOIN LATERAL (SELECT sealed FROM customer WHERE namespace = $1 AND customer = u.customer FOR UPDATE) c ON true), \
    made AS (INSERT INTO customer (namespace, customer, sealed) SELECT $1, customer, fresh FROM there \
    WHERE sealed IS NULL AND fresh IS NOT NULL ORDER BY customer ON CONFLICT (namespace, customer) DO NOTHING RETURNING customer) \
    SELECT customer, sealed FROM there WHERE sealed IS NOT NULL UNION ALL SELECT customer, NULL FROM made";

const LOCK: &str = "SELECT c.customer, c.sealed FROM unnest($2::bytea[]) u (customer) CROSS JOIN LATERAL \
    (SELECT customer, sealed FROM customer WHERE namespace = $1 AND customer = u.customer FOR UPDATE) c";

const CONSENTS: &str = "SELECT c.* FROM unnest($2::bytea[]) u (customer) CROSS JOIN LATERAL \
    (SELECT customer, purpose, granted, at, state, confirmed, until FROM consent WHERE namespace = $1 AND customer = u.customer OFFSET 0) c";

/// From a row of granted, at, state, confirmed and until, which begin at this column. What the version before wrote has no state, or one that its
/// `granted` has left behind: then this holds, without a confirmation; but nothing makes a yes of what is still to be confirmed.
pub(super) fn consent(row: &Row, first: usize) -> Result<Consent> {
    let (granted, at): (bool, i64) = (row.get(first), row.get(first + 1));
    let state = row.get::<_, Option<&str>>(first + 2).and_then(ConsentState::named);
    let said = Consent::said(granted, at);
    let state = match state {
        None => return Ok(said),
        Some(ConsentState::Granted) if !granted => return Ok(said),
        Some(ConsentState::Withdrawn | ConsentState::Denied) if granted => return Ok(said),
        Some(state) => state,
    };
    let confirmed = match row.get::<_, Option<&[u8]>>(first + 3) {
        None => Confirmed::Not,
        Some([]) => Confirmed::Elsewhere,
        Some(address) => Confirmed::For(AddressKey(seal::sixteen(address)?)),
    };
    Ok(Consent {
        state,
        confirmed,
        until: row.get(first + 4),
        ..said
    })
}

/// Customers who are locked, and which of them were made for it.
pub(super) struct MetCustomers {
    pub(super) customers: Customers,
    pub(super) made: BTreeSet<CustomerKey>,
}

/// By whom an event names: the identifier, and whether it is that of an anonymous visitor; None: they are known or nobody.
pub(super) type Whom<'a> = BTreeMap<CustomerKey, Option<(&'a Personal<String>, bool)>>;

/// Locks those that are known, makes rows for the others as far as their identifiers are told, and reads them all with their consents. None:
/// somebody else made one of them meanwhile, and the transaction is to be begun anew: to lock them now would be against the order. The statements
/// are prepared ([`prepare`]).
pub(super) async fn meet(
    tx: &sql::Transaction<'_>,
    keys: &Keys,
    namespace: &str,
    whom: &Whom<'_>,
) -> Result<Option<MetCustomers>> {
    let fresh = |(id, anonymous): (&Personal<String>, bool)| SealedCustomer {
        id: id.clone(),
        anonymous,
        attributes: Personal::default(),
    };
    let sealed = whom.iter().map(|(key, named)| {
        let place = [namespace.as_bytes(), &key.0];
        let fresh = named.map(fresh);
        fresh
            .map(|fresh| seal::seal(keys, &seal::customer(&place), &fresh))
            .transpose()
    });
    let sealed: Vec<Option<Vec<u8>>> = sealed.collect::<Result<_>>()?;
    let those: Vec<&[u8]> = whom.keys().map(|key| key.0.as_slice()).collect();
    let (meeting, asking): ([&(dyn ToSql + Sync); 3], [&(dyn ToSql + Sync); 2]) =
        ([&namespace, &those, &sealed], [&namespace, &those]);
    let (rows, consents) = tokio::try_join!(biased; sql::rows(tx, MEET, &meeting), sql::rows(tx, CONSENTS, &asking))?;
    let (made, known): (Vec<Row>, Vec<Row>) = rows
        .into_iter()
        .partition(|row| row.get::<_, Option<&[u8]>>(1).is_none());
    let made: BTreeSet<CustomerKey> = made
        .iter()
        .map(|row| seal::customer_key(row.get(0)))
        .collect::<Result<_>>()?;
    let (mut customers, unreadable) = read(keys, namespace, &known, &consents)?;
    if let Some((_, error)) = unreadable {
        return Err(error);
    }
    for (key, named) in whom {
        if let Some(named) = named.filter(|_| made.contains(key)) {
            customers.insert(*key, fresh(named).customer(*key));
        }
    }
    let all = whom
        .iter()
        .all(|(key, named)| named.is_none() || customers.contains_key(key));
    Ok(all.then_some(MetCustomers { customers, made }))
}

/// Locks those that are known, and reads them with their consents; without those whose rows do not open, who are given with the error of one of
/// them. The statements are prepared ([`prepare`]).
pub(super) async fn lock_readable(
    tx: &sql::Transaction<'_>,
    keys: &Keys,
    namespace: &str,
    which: &BTreeSet<CustomerKey>,
) -> Result<(Customers, Unreadable)> {
    // In the order of keys, in which they are locked.
    let which: Vec<&[u8]> = which.iter().map(|key| key.0.as_slice()).collect();
    let values: [&(dyn ToSql + Sync); 2] = [&namespace, &which];
    let (rows, consents) = tokio::try_join!(biased; sql::rows(tx, LOCK, &values), sql::rows(tx, CONSENTS, &values))?;
    read(keys, namespace, &rows, &consents)
}

/// Whose rows do not open, with the error of one of them.
type Unreadable = Option<(BTreeSet<CustomerKey>, StoreError)>;

fn read(keys: &Keys, namespace: &str, rows: &[Row], consents: &[Row]) -> Result<(Customers, Unreadable)> {
    let (mut customers, mut unreadable) = (Customers::new(), None);
    for row in rows {
        let key = seal::customer_key(row.get(0))?;
        let known = seal::open(keys, &seal::customer(&[namespace.as_bytes(), &key.0]), row.get(1));
        let known: SealedCustomer = match known {
            Ok(known) => known,
            Err(error) => {
                unreadable.get_or_insert((BTreeSet::new(), error)).0.insert(key);
                continue;
            }
        };
        customers.insert(key, known.customer(key));
    }
    for row in consents {
        if let Some(customer) = customers.get_mut(&seal::customer_key(row.get(0))?) {
            customer.consents.insert(row.get(1), consent(row, 2)?);
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
    let (mut states, mut confirmed, mut until) = (vec![], vec![], vec![]);
    for change in changes {
        for (purpose, consent, evidence) in &change.consents {
            let key: [&[u8]; 3] = [namespace.as_bytes(), &change.customer.key.0, purpose.as_bytes()];
            let place = Place {
                table: "consent",
                key: &key,
            };
            customers.push(change.customer.key.0.as_slice());
            purposes.push(purpose.as_str());
            granted.push(consent.is_granted());
            times.push(consent.at);
            states.push(consent.state.name());
            confirmed.push(match &consent.confirmed {
                Confirmed::Not => None,
                Confirmed::Elsewhere => Some([].as_slice()),
                Confirmed::For(address) => Some(address.0.as_slice()),
            });
            until.push(consent.until);
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
        "INSERT INTO consent (namespace, customer, purpose, granted, at, sealed, state, confirmed, until) \
         SELECT $1, u.* FROM unnest($2::bytea[], $3::text[], $4::boolean[], $5::bigint[], $6::bytea[], $7::text[], $8::bytea[], $9::bigint[]) \
             u (customer, purpose, granted, at, sealed, state, confirmed, until) \
         ON CONFLICT (namespace, customer, purpose) DO UPDATE SET granted = excluded.granted, at = excluded.at, sealed = excluded.sealed, \
             state = excluded.state, confirmed = excluded.confirmed, until = excluded.until",
        &[&namespace, &customers, &purposes, &granted, &times, &sealed, &states, &confirmed, &until],
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

/// Gives the journeys that have something to do now.
pub(super) async fn import(
    client: &mut Object,
    keys: &Keys,
    namespace: &str,
    imported: &[Imported],
    file: &str,
    rows: u64,
) -> Result<BTreeSet<String>> {
    for _ in 0..TRIES {
        if let Some(told) = try_import(client, keys, namespace, imported, file, rows).await? {
            return Ok(told);
        }
    }
    Err(busy())
}

/// Tries of a call that meets customers while somebody makes or joins them.
pub(super) const TRIES: usize = 8;

/// What is said when none of them succeeded.
pub(super) fn busy() -> StoreError {
    StoreError::Unavailable("customers are being made or joined: try again".into())
}

/// None: somebody made or joined one of the customers meanwhile.
async fn try_import(
    client: &mut Object,
    keys: &Keys,
    namespace: &str,
    imported: &[Imported],
    file: &str,
    rows: u64,
) -> Result<Option<BTreeSet<String>>> {
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
    let whom = imported.iter().map(|row| (row.key, Some((&row.id, row.anonymous))));
    let whom: Whom<'_> = whom.collect();
    prepare(&tx).await?;
    let Some(there) = meet(&tx, keys, namespace, &whom).await? else {
        return Ok(None);
    };
    if !alias::roots(&tx, namespace, whom.keys().copied()).await?.is_empty() {
        return Ok(None);
    }
    let (before, made) = (there.customers, there.made);
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
    Ok(Some(told))
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
