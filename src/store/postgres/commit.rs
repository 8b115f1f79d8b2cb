//! What a round writes, set by set. Every customer in it is locked, and everything but counts hangs on a customer.

use super::{
    by_hand, customers, door,
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
    store::{
        Admissions, Customer, EnrollmentRow, Hold, MessageRow, OutboxRow, OutboxState, Result, RoundCommit, rules,
    },
};
use deadpool_postgres::Transaction;
use std::collections::{BTreeMap, BTreeSet};

pub(super) async fn write(
    tx: &Transaction<'_>,
    keys: &Keys,
    hold: &Hold,
    known: &Customers,
    admissions: Option<Admissions>,
    commit: &RoundCommit,
    now: Micros,
) -> Result<BTreeSet<String>> {
    let RoundCommit {
        consumed,
        enrollments,
        // What follows from it is told by `chain`.
        ended: _,
        enrollments_gone,
        admitted,
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
        forget_events(tx, hold, consumed),
        async {
            put_enrollments(tx, keys, hold, enrollments).await?;
            forget_enrollments(tx, hold, enrollments_gone).await
        },
        door::book(tx, hold, admissions, *admitted),
        look::put_sightings(tx, hold, sightings),
        async {
            put_outbox(tx, keys, hold, outbox).await?;
            forget_outbox(tx, hold, outbox_gone).await
        },
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
    )?;
    sql::count(tx, &hold.namespace, &hold.journey, counts).await?;
    Ok(told)
}

async fn forget_events(tx: &Transaction<'_>, hold: &Hold, consumed: &[i64]) -> Result<()> {
    if consumed.is_empty() {
        return Ok(());
    }
    let done = "DELETE FROM inbox WHERE namespace = $1 AND journey = $2 AND seq = ANY($3)";
    sql::run(tx, done, &[&hold.namespace, &hold.journey, &consumed])
        .await
        .map(drop)
}

async fn forget_enrollments(tx: &Transaction<'_>, hold: &Hold, gone: &[(CustomerKey, i64)]) -> Result<()> {
    if gone.is_empty() {
        return Ok(());
    }
    let customers: Vec<&[u8]> = gone.iter().map(|(key, _)| key.0.as_slice()).collect();
    let ordinals: Vec<i64> = gone.iter().map(|(_, ordinal)| *ordinal).collect();
    sql::run(
        tx,
        "DELETE FROM enrollment e USING unnest($3::bytea[], $4::bigint[]) u (customer, ordinal) \
         WHERE e.namespace = $1 AND e.journey = $2 AND e.customer = u.customer AND e.ordinal = u.ordinal",
        &[&hold.namespace, &hold.journey, &customers, &ordinals],
    )
    .await
    .map(drop)
}

async fn forget_outbox(tx: &Transaction<'_>, hold: &Hold, gone: &[(CustomerKey, MessageKey)]) -> Result<()> {
    if gone.is_empty() {
        return Ok(());
    }
    let (customers, gone) = split(gone);
    sql::run(
        tx,
        // Nobody else changes rows of a locked customer, so they are where they were found.
        "DELETE FROM outbox WHERE ctid = ANY(ARRAY(SELECT o.ctid FROM unnest($3::bytea[], $4::bytea[]) u (customer, key) CROSS JOIN LATERAL \
         (SELECT ctid FROM outbox WHERE namespace = $1 AND journey = $2 AND customer = u.customer AND key = u.key OFFSET 0) o))",
        &[&hold.namespace, &hold.journey, &customers, &gone],
    )
    .await
    .map(drop)
}

async fn forget_contacts(tx: &Transaction<'_>, hold: &Hold, gone: &[(CustomerKey, MessageKey)]) -> Result<()> {
    if gone.is_empty() {
        return Ok(());
    }
    let (customers, gone) = split(gone);
    sql::run(
        tx,
        "DELETE FROM contact c USING unnest($2::bytea[], $3::bytea[]) u (customer, message) \
         WHERE c.namespace = $1 AND c.customer = u.customer AND c.message = u.message",
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

async fn put_enrollments(tx: &Transaction<'_>, keys: &Keys, hold: &Hold, rows: &[EnrollmentRow]) -> Result<()> {
    // The last word on a row holds: one statement cannot change a row twice.
    let rows: BTreeMap<(CustomerKey, i64), &EnrollmentRow> = rows
        .iter()
        .map(|row| ((row.customer, row.enrollment.ordinal), row))
        .collect();
    if rows.is_empty() {
        return Ok(());
    }
    let customers: Vec<&[u8]> = rows.values().map(|row| row.customer.0.as_slice()).collect();
    let ordinals: Vec<i64> = rows.values().map(|row| row.enrollment.ordinal).collect();
    let shards: Vec<i16> = rows.values().map(|row| i16::from(row.customer.shard())).collect();
    let revisions: Vec<&str> = rows.values().map(|row| row.enrollment.revision.as_str()).collect();
    let active: Vec<bool> = rows.values().map(|row| row.enrollment.is_active()).collect();
    let paced: Vec<bool> = rows.values().map(|row| row.enrollment.is_paced()).collect();
    let due: Vec<Option<i64>> = rows.values().map(|row| row.enrollment.due_at()).collect();
    let watched: Vec<i64> = rows.values().map(|row| row.watch_until).collect();
    let sealed = rows.values().map(|row| {
        let ordinal = row.enrollment.ordinal.to_be_bytes();
        let key: [&[u8]; 4] = [
            hold.namespace.as_bytes(),
            hold.journey.as_bytes(),
            &row.customer.0,
            &ordinal,
        ];
        seal::seal(
            keys,
            &Place {
                table: "enrollment",
                key: &key,
            },
            &row.enrollment,
        )
    });
    let sealed: Vec<Vec<u8>> = sealed.collect::<Result<_>>()?;
    sql::run(
        tx,
        "INSERT INTO enrollment (namespace, journey, customer, ordinal, shard, revision, active, paced, due_at, watch_until, sealed) \
         SELECT $1, $2, u.* FROM unnest($3::bytea[], $4::bigint[], $5::smallint[], $6::text[], $7::boolean[], $8::boolean[], $9::bigint[], \
             $10::bigint[], $11::bytea[]) u (customer, ordinal, shard, revision, active, paced, due_at, watch_until, sealed) \
         ON CONFLICT (namespace, journey, customer, ordinal) DO UPDATE SET revision = excluded.revision, active = excluded.active, paced = excluded.paced, \
             due_at = excluded.due_at, watch_until = excluded.watch_until, sealed = excluded.sealed",
        &[&hold.namespace, &hold.journey, &customers, &ordinals, &shards, &revisions, &active, &paced, &due, &watched, &sealed],
    )
    .await
    .map(drop)
}

pub(super) async fn put_outbox(tx: &Transaction<'_>, keys: &Keys, hold: &Hold, rows: &[OutboxRow]) -> Result<()> {
    let rows: BTreeMap<(CustomerKey, MessageKey), &OutboxRow> =
        rows.iter().map(|row| ((row.customer, row.key), row)).collect();
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
        "INSERT INTO outbox (namespace, journey, customer, key, shard, due_at, epoch, claimed_at, sealed) \
         SELECT $1, $2, u.* FROM unnest($3::bytea[], $4::bytea[], $5::smallint[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bytea[]) \
             u (customer, key, shard, due_at, epoch, claimed_at, sealed) \
         ON CONFLICT (namespace, journey, customer, key) DO UPDATE SET due_at = excluded.due_at, epoch = excluded.epoch, \
             claimed_at = excluded.claimed_at, sealed = excluded.sealed",
        &[&hold.namespace, &hold.journey, &customers, &messages, &shards, &due, &epochs, &claimed, &sealed],
    )
    .await
    .map(drop)
}

async fn put_messages(tx: &Transaction<'_>, hold: &Hold, rows: &[MessageRow]) -> Result<()> {
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
    sql::run(
        tx,
        "INSERT INTO message (namespace, key, journey, customer, enrollment, step, occurrence, touchpoint, purpose, channel, at, outcome, reason) \
         SELECT $1, u.* FROM unnest($2::bytea[], $3::text[], $4::bytea[], $5::bigint[], $6::text[], $7::bigint[], $8::text[], $9::text[], \
             $10::text[], $11::bigint[], $12::text[], $13::text[]) \
             u (key, journey, customer, enrollment, step, occurrence, touchpoint, purpose, channel, at, outcome, reason) \
         ON CONFLICT (namespace, key) DO UPDATE SET touchpoint = excluded.touchpoint, purpose = excluded.purpose, \
             channel = excluded.channel, at = excluded.at, outcome = excluded.outcome, reason = excluded.reason",
        &[
            &hold.namespace, &messages, &journeys, &customers, &enrollments, &steps, &occurrences, &touchpoints, &purposes, &channels,
            &times, &outcomes, &reasons,
        ],
    )
    .await
    .map(drop)
}

async fn put_contacts(tx: &Transaction<'_>, hold: &Hold, rows: &[(CustomerKey, MessageKey, Contact)]) -> Result<()> {
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
