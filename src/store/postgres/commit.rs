//! What a round writes, set by set. Every customer in it is locked, and everything but counts hangs on a customer.

use super::{
    by_hand, customers,
    intake::{self, Customers},
    look::{self, Changed},
    placed as places,
    seal::{self, Place},
    sql,
};
use crate::{
    clock::Micros,
    engine::state::Outcome,
    keys::{CustomerKey, Keys, MessageKey},
    policy::Contact,
    store::{Customer, EnrollmentRow, Hold, MessageRow, OutboxRow, OutboxState, Result, RoundCommit, rules},
};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Where rows of the round's customers are (ctid). Those customers are locked and nobody else changes what hangs on them, so until the
/// transaction changes a row itself it is where it was found: deleting and changing it needs no index.
#[derive(Default)]
pub(super) struct RowsAt {
    pub(super) inbox: HashMap<i64, String>,
    pub(super) enrollments: HashMap<(CustomerKey, i64), String>,
    pub(super) outbox: HashMap<(CustomerKey, MessageKey), String>,
}

pub(super) async fn write(
    tx: &sql::Transaction<'_>,
    keys: &Keys,
    hold: &Hold,
    known: &Customers,
    at: &RowsAt,
    commit: &RoundCommit,
    now: Micros,
) -> Result<BTreeSet<String>> {
    let RoundCommit {
        consumed,
        enrollments,
        // What follows from it is told by `chain`.
        ended: _,
        enrollments_gone,
        // Those are booked by `door`.
        admitted: _,
        sightings,
        attributes,
        hops,
        outbox,
        outbox_gone,
        messages,
        failed,
        contacts,
        contacts_gone,
        placed,
        placed_gone,
        counts,
        quarantined,
    } = commit;
    let attributes: BTreeMap<CustomerKey, _> = attributes.iter().map(|(key, set)| (*key, set)).collect();
    let sets = attributes
        .iter()
        .filter_map(|(key, set)| known.get(key).map(|customer| (customer, *set)));
    customers::write_attributes(tx, keys, &hold.namespace, sets.collect()).await?;
    let changed: Vec<Customer> = attributes
        .iter()
        .filter_map(|(key, set)| {
            let customer = known.get(key)?.clone();
            Some(Customer {
                attributes: (*set).clone(),
                ..customer
            })
        })
        .collect();
    let changed = changed.iter().map(|customer| Changed {
        customer,
        names: rules::changes(
            known.get(&customer.key).map(|before| before.attributes.expose()),
            customer.attributes.expose(),
        ),
        hops: hops.get(&customer.key).copied().unwrap_or_default(),
    });
    let changed: Vec<Changed<'_>> = changed.filter(|changed| !changed.names.is_empty()).collect();
    let told = if changed.is_empty() {
        BTreeSet::new()
    } else {
        look::tell(tx, keys, &hold.namespace, &changed, now).await?
    };
    // Sent together, so that their answers are waited for once; what is about the same rows goes in its order. The order of locks is kept: all
    // of this hangs on customers that are locked.
    tokio::try_join!(
        biased;
        forget(tx, INBOX_GONE, consumed.iter().filter_map(|number| at.inbox.get(number))),
        put_enrollments(tx, keys, hold, at, enrollments, enrollments_gone),
        forget(tx, ENROLLMENTS_GONE, enrollments_gone.iter().filter_map(|row| at.enrollments.get(row))),
        look::put_sightings(tx, hold, sightings),
        put_outbox(tx, keys, hold, outbox, outbox_gone),
        forget(tx, OUTBOX_GONE, outbox_gone.iter().filter_map(|row| at.outbox.get(row))),
        async {
            put_messages(tx, hold, messages).await?;
            by_hand::keep(tx, keys, &hold.namespace, failed).await
        },
        async {
            forget_contacts(tx, hold, contacts_gone).await?;
            put_contacts(tx, hold, contacts).await
        },
        places::write(tx, keys, hold, placed, placed_gone),
        intake::put_aside(tx, keys, &hold.namespace, quarantined, false),
        sql::count(tx, &hold.namespace, &hold.journey, counts),
    )?;
    Ok(told)
}

const INBOX_GONE: &str = "DELETE FROM inbox WHERE ctid = ANY($1::text[]::tid[])";
const ENROLLMENTS_GONE: &str = "DELETE FROM enrollment WHERE ctid = ANY($1::text[]::tid[])";
const OUTBOX_GONE: &str = "DELETE FROM outbox WHERE ctid = ANY($1::text[]::tid[])";

async fn forget(tx: &sql::Transaction<'_>, sql: &str, at: impl Iterator<Item = &String>) -> Result<()> {
    let at: BTreeSet<&str> = at.map(String::as_str).collect();
    if at.is_empty() {
        return Ok(());
    }
    let at: Vec<&str> = at.into_iter().collect();
    sql::run(tx, sql, &[&at]).await.map(drop)
}

async fn forget_contacts(tx: &sql::Transaction<'_>, hold: &Hold, gone: &[(CustomerKey, MessageKey)]) -> Result<()> {
    if gone.is_empty() {
        return Ok(());
    }
    let (customers, gone) = split(gone);
    sql::run(
        tx,
        "DELETE FROM contact WHERE ctid = ANY(ARRAY(SELECT c.ctid FROM unnest($2::bytea[], $3::bytea[]) u (customer, message) CROSS JOIN LATERAL \
         (SELECT ctid FROM contact WHERE namespace = $1 AND customer = u.customer AND message = u.message OFFSET 0) c))",
        &[&hold.namespace, &customers, &gone],
    )
    .await
    .map(drop)
}

fn split(rows: &[(CustomerKey, MessageKey)]) -> (Vec<&[u8]>, Vec<&[u8]>) {
    rows.iter()
        .map(|(customer, key)| (customer.0.as_slice(), key.0.as_slice()))
        .unzip()
}

const ENROLLMENTS_NEW: &str = "INSERT INTO enrollment \
    (namespace, journey, customer, ordinal, shard, revision, active, paced, due_at, watch_until, sealed) \
    SELECT $1, $2, u.* FROM unnest($3::bytea[], $4::bigint[], $5::smallint[], $6::text[], $7::boolean[], $8::boolean[], $9::bigint[], \
        $10::bigint[], $11::bytea[]) u (customer, ordinal, shard, revision, active, paced, due_at, watch_until, sealed) \
    ON CONFLICT (namespace, journey, customer, ordinal) DO UPDATE SET revision = excluded.revision, active = excluded.active, \
        paced = excluded.paced, due_at = excluded.due_at, watch_until = excluded.watch_until, sealed = excluded.sealed";

const ENROLLMENTS_CHANGED: &str = "UPDATE enrollment e SET revision = u.revision, active = u.active, paced = u.paced, due_at = u.due_at, \
    watch_until = u.watch_until, sealed = u.sealed \
    FROM unnest($1::text[]::tid[], $2::text[], $3::boolean[], $4::boolean[], $5::bigint[], $6::bigint[], $7::bytea[]) \
        u (place, revision, active, paced, due_at, watch_until, sealed) WHERE e.ctid = u.place";

pub(super) async fn put_enrollments(
    tx: &sql::Transaction<'_>,
    keys: &Keys,
    hold: &Hold,
    at: &RowsAt,
    rows: &[EnrollmentRow],
    gone: &[(CustomerKey, i64)],
) -> Result<()> {
    let gone: BTreeSet<&(CustomerKey, i64)> = gone.iter().collect();
    // The last word on a row holds: one statement cannot change a row twice.
    let rows: BTreeMap<(CustomerKey, i64), &EnrollmentRow> = rows
        .iter()
        .map(|row| ((row.customer, row.enrollment.ordinal), row))
        .filter(|(key, _)| !gone.contains(key))
        .collect();
    let place = |row: &EnrollmentRow| at.enrollments.get(&(row.customer, row.enrollment.ordinal));
    let (known, new): (Vec<&EnrollmentRow>, Vec<&EnrollmentRow>) =
        rows.into_values().partition(|row| place(row).is_some());
    let Columns {
        revisions,
        active,
        paced,
        due,
        watched,
        sealed,
    } = Columns::of(keys, hold, &known)?;
    let places: Vec<&str> = known.iter().filter_map(|row| place(row)).map(String::as_str).collect();
    let customers: Vec<&[u8]> = new.iter().map(|row| row.customer.0.as_slice()).collect();
    let ordinals: Vec<i64> = new.iter().map(|row| row.enrollment.ordinal).collect();
    let shards: Vec<i16> = new.iter().map(|row| i16::from(row.customer.shard())).collect();
    let fresh = Columns::of(keys, hold, &new)?;
    tokio::try_join!(
        biased;
        async {
            if known.is_empty() {
                return Ok(0);
            }
            let values: sql::Values<'_> = &[&places, &revisions, &active, &paced, &due, &watched, &sealed];
            sql::run(tx, ENROLLMENTS_CHANGED, values).await
        },
        async {
            if new.is_empty() {
                return Ok(0);
            }
            let Columns { revisions, active, paced, due, watched, sealed } = &fresh;
            let values: sql::Values<'_> = &[
                &hold.namespace, &hold.journey, &customers, &ordinals, &shards, revisions, active, paced, due, watched, sealed,
            ];
            sql::run(tx, ENROLLMENTS_NEW, values).await
        },
    )
    .map(drop)
}

/// What changes about enrollments, by column.
struct Columns<'a> {
    revisions: Vec<&'a str>,
    active: Vec<bool>,
    paced: Vec<bool>,
    due: Vec<Option<i64>>,
    watched: Vec<i64>,
    sealed: Vec<Vec<u8>>,
}

impl<'a> Columns<'a> {
    fn of(keys: &Keys, hold: &Hold, rows: &[&'a EnrollmentRow]) -> Result<Self> {
        let sealed = rows.iter().map(|row| {
            let ordinal = row.enrollment.ordinal.to_be_bytes();
            let key: [&[u8]; 4] = [
                hold.namespace.as_bytes(),
                hold.journey.as_bytes(),
                &row.customer.0,
                &ordinal,
            ];
            let place = Place {
                table: "enrollment",
                key: &key,
            };
            seal::seal(keys, &place, &row.enrollment)
        });
        Ok(Self {
            revisions: rows.iter().map(|row| row.enrollment.revision.as_str()).collect(),
            active: rows.iter().map(|row| row.enrollment.is_active()).collect(),
            paced: rows.iter().map(|row| row.enrollment.is_paced()).collect(),
            due: rows.iter().map(|row| row.enrollment.due_at()).collect(),
            watched: rows.iter().map(|row| row.watch_until).collect(),
            sealed: sealed.collect::<Result<_>>()?,
        })
    }
}

pub(super) async fn put_outbox(
    tx: &sql::Transaction<'_>,
    keys: &Keys,
    hold: &Hold,
    rows: &[OutboxRow],
    gone: &[(CustomerKey, MessageKey)],
) -> Result<()> {
    let gone: BTreeSet<&(CustomerKey, MessageKey)> = gone.iter().collect();
    let rows: BTreeMap<(CustomerKey, MessageKey), &OutboxRow> = rows
        .iter()
        .map(|row| ((row.customer, row.key), row))
        .filter(|(key, _)| !gone.contains(key))
        .collect();
    if rows.is_empty() {
        return Ok(());
    }
    let (mut due, mut epochs, mut claimed) = (Vec::new(), Vec::new(), Vec::new());
    for row in rows.values() {
        let (is_due, epoch, at) = match &row.state {
            OutboxState::Held { due, why: _ } => (Some(*due), None, None),
            OutboxState::Claimed { epoch, at } => (None, Some(*epoch), Some(*at)),
        };
        due.push(is_due);
        epochs.push(epoch);
        claimed.push(at);
    }
    let customers: Vec<&[u8]> = rows.values().map(|row| row.customer.0.as_slice()).collect();
    let messages: Vec<&[u8]> = rows.values().map(|row| row.key.0.as_slice()).collect();
    let adapters: Vec<&str> = rows.values().map(|row| row.adapter.as_str()).collect();
    let over: Vec<Option<i64>> = rows.values().map(|row| row.over_at).collect();
    let shards: Vec<i16> = rows.values().map(|row| i16::from(row.customer.shard())).collect();
    let sealed = rows.values().map(|row| {
        let key: [&[u8]; 4] = [
            hold.namespace.as_bytes(),
            hold.journey.as_bytes(),
            &row.customer.0,
            &row.key.0,
        ];
        seal::seal(
            keys,
            &Place {
                table: "outbox",
                key: &key,
            },
            row,
        )
    });
    let sealed: Vec<Vec<u8>> = sealed.collect::<Result<_>>()?;
    sql::run(
        tx,
        "INSERT INTO outbox (namespace, journey, customer, key, shard, adapter, due_at, over_at, epoch, claimed_at, sealed) \
         SELECT $1, $2, u.* FROM unnest($3::bytea[], $4::bytea[], $5::smallint[], $6::text[], $7::bigint[], $8::bigint[], $9::bigint[], \
             $10::bigint[], $11::bytea[]) u (customer, key, shard, adapter, due_at, over_at, epoch, claimed_at, sealed) \
         ON CONFLICT (namespace, journey, customer, key) DO UPDATE SET adapter = excluded.adapter, due_at = excluded.due_at, \
             over_at = excluded.over_at, epoch = excluded.epoch, claimed_at = excluded.claimed_at, sealed = excluded.sealed",
        &[
            &hold.namespace, &hold.journey, &customers, &messages, &shards, &adapters, &due, &over, &epochs, &claimed, &sealed,
        ],
    )
    .await
    .map(drop)
}

async fn put_messages(tx: &sql::Transaction<'_>, hold: &Hold, rows: &[MessageRow]) -> Result<()> {
    let rows: BTreeMap<MessageKey, &MessageRow> = rows.iter().map(|row| (row.key, row)).collect();
    if rows.is_empty() {
        return Ok(());
    }
    let column = |of: fn(&MessageRow) -> &str| rows.values().map(|row| of(row)).collect::<Vec<&str>>();
    let (steps, touchpoints) = (column(|row| &row.step), column(|row| &row.touchpoint));
    let (purposes, channels, journeys) = (
        column(|row| &row.purpose),
        column(|row| &row.channel),
        column(|row| &row.journey),
    );
    let messages: Vec<&[u8]> = rows.keys().map(|key| key.0.as_slice()).collect();
    let customers: Vec<&[u8]> = rows.values().map(|row| row.customer.0.as_slice()).collect();
    let enrollments: Vec<i64> = rows.values().map(|row| row.enrollment).collect();
    let occurrences: Vec<i64> = rows.values().map(|row| i64::from(row.occurrence)).collect();
    let times: Vec<i64> = rows.values().map(|row| row.at).collect();
    let outcomes = rows.values().map(|row| match &row.outcome {
        None => (None, None),
        Some(Outcome::Sent) => (Some("Sent"), None),
        Some(Outcome::Skipped(reason)) => (Some("Skipped"), Some(seal::text(reason))),
        Some(Outcome::Failed(reason)) => (Some("Failed"), Some(seal::text(reason))),
    });
    let (outcomes, reasons): (Vec<Option<&str>>, Vec<Option<String>>) = outcomes.unzip();
    let addresses = rows.values().map(|row| row.address.as_ref());
    let addresses: Vec<Option<&[u8]>> = addresses.map(|address| Some(address?.0.as_slice())).collect();
    sql::run(
        tx,
        "INSERT INTO message AS m (namespace, key, journey, customer, enrollment, step, occurrence, touchpoint, purpose, channel, at, outcome, \
             reason, address) \
         SELECT $1, u.* FROM unnest($2::bytea[], $3::text[], $4::bytea[], $5::bigint[], $6::text[], $7::bigint[], $8::text[], $9::text[], \
             $10::text[], $11::bigint[], $12::text[], $13::text[], $14::bytea[]) \
             u (key, journey, customer, enrollment, step, occurrence, touchpoint, purpose, channel, at, outcome, reason, address) \
         ON CONFLICT (namespace, key) DO UPDATE SET touchpoint = excluded.touchpoint, purpose = excluded.purpose, \
             channel = excluded.channel, at = excluded.at, outcome = excluded.outcome, reason = excluded.reason, \
             address = coalesce(excluded.address, m.address)",
        &[
            &hold.namespace, &messages, &journeys, &customers, &enrollments, &steps, &occurrences, &touchpoints, &purposes, &channels,
            &times, &outcomes, &reasons, &addresses,
        ],
    )
    .await
    .map(drop)
}

async fn put_contacts(
    tx: &sql::Transaction<'_>,
    hold: &Hold,
    rows: &[(CustomerKey, MessageKey, Contact)],
) -> Result<()> {
    let rows: BTreeMap<(CustomerKey, MessageKey), &Contact> = rows
        .iter()
        .map(|(customer, key, row)| ((*customer, *key), row))
        .collect();
    if rows.is_empty() {
        return Ok(());
    }
    let customers: Vec<&[u8]> = rows.keys().map(|(customer, _)| customer.0.as_slice()).collect();
    let messages: Vec<&[u8]> = rows.keys().map(|(_, key)| key.0.as_slice()).collect();
    let purposes: Vec<&str> = rows.values().map(|row| row.purpose.as_str()).collect();
    let channels: Vec<&str> = rows.values().map(|row| row.channel.as_str()).collect();
    let times: Vec<i64> = rows.values().map(|row| row.at).collect();
    sql::run(
        tx,
        "INSERT INTO contact (namespace, customer, message, purpose, channel, at) \
         SELECT $1, u.* FROM unnest($2::bytea[], $3::bytea[], $4::text[], $5::text[], $6::bigint[]) \
             u (customer, message, purpose, channel, at) \
         ON CONFLICT (namespace, customer, message) DO UPDATE SET purpose = excluded.purpose, channel = excluded.channel, at = excluded.at",
        &[&hold.namespace, &customers, &messages, &purposes, &channels, &times],
    )
    .await
    .map(drop)
}
