//! What the gateway writes. Customers are locked in key order, events are inserted in key order, counts in name order, each after the one
//! before: whoever follows this order cannot be in a deadlock with another who does.

use super::{
    alias,
    customers::{self, Change, Whom},
    look, placed, program,
    seal::{self, Place},
    sql, suppression,
};
use crate::{
    clock::Micros,
    engine::state::{Event, Outcome, Properties},
    keys::{AddressKey, CustomerKey, Keys, MessageKey},
    kpi::{Counts, IntakeCount},
    personal::Personal,
    store::{
        Arrival, Customer, Learn, MessageRow, Quarantined, Receipt, Result, StoreError,
        join::{self, Joins},
        rules,
    },
};
use deadpool_postgres::Object;
use serde::Serialize;
use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet, HashSet},
};

/// What the column of an event says.
#[derive(Serialize)]
pub(super) struct SealedEvent<'a> {
    pub(super) id: &'a Personal<String>,
    pub(super) data: &'a Personal<Properties>,
}

/// An event that is new, as journeys see it.
struct Taken<'a> {
    arrival: Cow<'a, Arrival>,
    event: Event,
    /// Not of the batch: it follows from the one before.
    follows: bool,
    /// What it changed about the customer, and the look that this asks for.
    changed: Option<(BTreeSet<String>, Event)>,
}

/// An inbox row before it has its number.
pub(super) struct Delivery<'a> {
    pub journey: &'a String,
    pub customer: CustomerKey,
    pub event: &'a Event,
}

/// Gives the receipts, and the journeys that have something to do now.
pub(super) async fn accept(
    client: &mut Object,
    keys: &Keys,
    namespace: &str,
    batch: &[Arrival],
    learn: Learn<'_>,
) -> Result<(Vec<Receipt>, BTreeSet<String>)> {
    for _ in 0..customers::TRIES {
        if let Some(accepted) = try_accept(client, keys, namespace, batch, learn).await? {
            return Ok(accepted);
        }
    }
    Err(customers::busy())
}

/// None: who was to be looked for was made by somebody else, or became another customer meanwhile.
async fn try_accept(
    client: &mut Object,
    keys: &Keys,
    namespace: &str,
    batch: &[Arrival],
    learn: Learn<'_>,
) -> Result<Option<(Vec<Receipt>, BTreeSet<String>)>> {
    let tx = sql::begin(client).await?;
    // One that cannot be prepared, because the schema is not there, is what is to be told, not that the other was carried out in vain.
    sql::prepare(&tx, &[program::SHARED, alias::ROOTS]).await?;
    let ((), batch) = tokio::try_join!(biased; program::shared(&tx, namespace), by_root(&tx, namespace, batch))?;
    let all = batch.iter().flat_map(named).map(|key| (key, None));
    let others = batch.iter().flat_map(|arrival| &arrival.known_as);
    let others = others.map(|other| (other.key, Some((&other.id, other.anonymous))));
    let own = batch.iter().filter_map(|arrival| {
        Some((
            arrival.customer,
            Some((arrival.customer_id.as_ref()?, arrival.anonymous)),
        ))
    });
    // What is said last of a key holds.
    let whom: Whom<'_> = all.chain(others).chain(own).collect();
    customers::prepare(&tx).await?;
    let (there, joined_meanwhile, now) = tokio::try_join!(
        biased;
        customers::meet(&tx, keys, namespace, &whom),
        alias::roots(&tx, namespace, whom.keys().copied()),
        sql::now(&tx),
    )?;
    let Some(there) = there.filter(|_| joined_meanwhile.is_empty()) else {
        return Ok(None);
    };
    let (before, mut made) = (there.customers, there.made);
    let joining = batch.iter().filter(|arrival| !arrival.known_as.is_empty());
    let joining: BTreeSet<CustomerKey> = joining.flat_map(named).collect();
    let mut names = if joining.is_empty() {
        BTreeMap::new()
    } else {
        alias::names(&tx, namespace, joining.into_iter()).await?
    };
    let mut joins = Joins::default();

    // Who is still unknown has no row. What comes twice within the batch is a duplicate the second time.
    let mut within = HashSet::new();
    let arrivals: Vec<Cow<'_, Arrival>> = batch.iter().map(|arrival| rules::capped(arrival, now)).collect();
    let mark = |arrival: &Arrival| (rules::day(arrival.time), arrival.key);
    let offered: Vec<&Arrival> = arrivals
        .iter()
        .map(AsRef::as_ref)
        .filter(|arrival| before.contains_key(&arrival.customer) && within.insert(mark(arrival)))
        .collect();
    let heard = offered.iter().map(|arrival| arrival.listeners.len()).sum();
    let (mut fresh, mut live, numbers) = tokio::try_join!(
        biased;
        append(&tx, keys, namespace, &offered, now),
        self::live(&tx, namespace, offered.iter().flat_map(|arrival| &arrival.listeners)),
        // As many as are heard if all of them are new; what is not needed is a gap.
        numbers(&tx, heard),
    )?;

    let mut after = before.clone();
    let (mut receipts, mut taken) = (Vec::with_capacity(batch.len()), Vec::new());
    for arrival in &arrivals {
        let own = joins.root(arrival.customer);
        if !after.contains_key(&own) {
            receipts.push(Receipt::UnknownCustomer);
            continue;
        }
        if !fresh.remove(&mark(arrival)) {
            receipts.push(Receipt::Duplicate);
            continue;
        }
        let known = join::known(&joins, named(arrival), &after, &mut made);
        let own = joins.hear(own, &arrival.known_as, &mut after, &mut names);
        let Some(customer) = after.get_mut(&own) else {
            continue;
        };
        let followers = rules::teach(learn, arrival, customer, now);
        let changes = join::changes(&joins, &known, customer);
        let event = |arrival: &Arrival| rules::event(arrival, customer, now);
        taken.push(Taken {
            event: event(arrival),
            arrival: Cow::Borrowed(&**arrival),
            follows: false,
            changed: (!changes.is_empty()).then(|| (changes, rules::look(customer, 0, now))),
        });
        taken.extend(followers.into_iter().map(|arrival| Taken {
            event: event(&arrival),
            arrival: Cow::Owned(arrival),
            follows: true,
            changed: None,
        }));
        receipts.push(Receipt::Accepted);
    }

    // Followers are appended after their events. Two transactions can meet at a follower only if they met at its event before.
    let followers: Vec<&Arrival> = taken
        .iter()
        .filter(|taken| taken.follows && within.insert(mark(&taken.arrival)))
        .map(|taken| taken.arrival.as_ref())
        .collect();
    let (mut fresh, told) = tokio::try_join!(
        biased;
        append(&tx, keys, namespace, &followers, now),
        self::live(&tx, namespace, followers.iter().flat_map(|arrival| &arrival.listeners)),
    )?;
    live.extend(told);
    let followed = fresh.len();
    taken.retain(|taken| !taken.follows || fresh.remove(&mark(&taken.arrival)));

    let changed: Vec<Change<'_>> = after
        .values()
        .filter_map(|new| Change::between(&before[&new.key], new))
        .collect();
    customers::write(&tx, keys, namespace, &changed).await?;
    let suppresses = taken.iter().filter_map(|taken| taken.arrival.suppresses.as_ref());
    suppression::put(&tx, namespace, suppresses).await?;
    let names = taken.iter().filter_map(|taken| taken.changed.as_ref());
    let names = names.flat_map(|(names, _)| names.iter().cloned()).collect();
    let watchers = look::watchers(&tx, namespace, &names).await?;
    let agreed = changed.iter().filter(|change| change.consents()).map(Change::key);
    let mut woken = placed::look_again(&tx, namespace, &agreed.collect::<Vec<_>>(), now).await?;
    let mut joined = BTreeSet::new();
    for join in &joins.all {
        let stays = joins.root(join.stays);
        let left = after.get(&stays).map(join::left).unwrap_or_default();
        let met = alias::join(&tx, keys, namespace, *join, &left).await?;
        woken.extend(met.touched);
        joined.extend(met.told.into_iter().map(|journey| (journey, stays)));
    }
    let notice = rules::merged(now);
    let notices = joined.iter().map(|(journey, customer)| Delivery {
        journey,
        customer: *customer,
        event: &notice,
    });
    let (events, changed) = deliveries(&taken, &live, &watchers);
    let events = events.into_iter().map(|delivery| Delivery {
        customer: joins.root(delivery.customer),
        ..delivery
    });
    let deliveries: Vec<Delivery<'_>> = notices.chain(events).collect();
    let mut counts = rules::tally(&receipts, followed, changed, now);
    joins.tally(&mut counts, now);
    tokio::try_join!(
        biased;
        deliver(&tx, keys, namespace, &deliveries, numbers),
        sql::count(&tx, namespace, "", &counts),
    )?;
    tx.commit().await?;
    woken.extend(deliveries.into_iter().map(|delivery| delivery.journey.clone()));
    Ok(Some((receipts, woken)))
}

/// Everybody that an arrival names.
fn named(arrival: &Arrival) -> impl Iterator<Item = CustomerKey> + '_ {
    std::iter::once(arrival.customer).chain(arrival.known_as.iter().map(|other| other.key))
}

/// The batch with the customers that its names are of.
async fn by_root<'b>(tx: &sql::Transaction<'_>, namespace: &str, batch: &'b [Arrival]) -> Result<Cow<'b, [Arrival]>> {
    let roots = alias::roots(tx, namespace, batch.iter().flat_map(named)).await?;
    if roots.is_empty() {
        return Ok(Cow::Borrowed(batch));
    }
    let root = |key: &mut CustomerKey| *key = roots.get(key).copied().unwrap_or(*key);
    let mut batch = batch.to_vec();
    for arrival in &mut batch {
        root(&mut arrival.customer);
        arrival.known_as.iter_mut().for_each(|other| root(&mut other.key));
    }
    Ok(Cow::Owned(batch))
}

/// Appends what was never accepted, and gives its marks.
pub(super) async fn append(
    tx: &sql::Transaction<'_>,
    keys: &Keys,
    namespace: &str,
    offered: &[&Arrival],
    now: Micros,
) -> Result<HashSet<(i32, [u8; 16])>> {
    if offered.is_empty() {
        return Ok(HashSet::new());
    }
    let days: Vec<i32> = offered.iter().map(|arrival| rules::day(arrival.time)).collect();
    let marks: Vec<&[u8]> = offered.iter().map(|arrival| arrival.key.as_slice()).collect();
    let customers: Vec<&[u8]> = offered.iter().map(|arrival| arrival.customer.0.as_slice()).collect();
    let names: Vec<&str> = offered.iter().map(|arrival| arrival.name.as_str()).collect();
    let times: Vec<i64> = offered.iter().map(|arrival| arrival.time).collect();
    let sealed = offered.iter().map(|arrival| {
        let place = Place {
            table: "event",
            key: &[
                namespace.as_bytes(),
                &rules::day(arrival.time).to_be_bytes(),
                &arrival.key,
            ],
        };
        seal::seal(
            keys,
            &place,
            &SealedEvent {
                id: &arrival.id,
                data: &arrival.data,
            },
        )
    });
    let sealed: Vec<Vec<u8>> = sealed.collect::<Result<_>>()?;
    let rows = sql::rows(
        tx,
        "INSERT INTO event (namespace, day, key, customer, name, at, accepted_at, sealed) \
         SELECT $1, u.day, u.key, u.customer, u.name, u.at, $2, u.sealed \
         FROM unnest($3::integer[], $4::bytea[], $5::bytea[], $6::text[], $7::bigint[], $8::bytea[]) \
             u (day, key, customer, name, at, sealed) \
         ORDER BY u.day, u.key ON CONFLICT (namespace, day, key) DO NOTHING RETURNING day, key",
        &[&namespace, &now, &days, &marks, &customers, &names, &times, &sealed],
    )
    .await?;
    rows.iter()
        .map(|row| Ok((row.get(0), seal::sixteen(row.get(1))?)))
        .collect()
}

/// Of those who listen, the journeys that exist and are not stopped, which stays so until the transaction ends.
async fn live<'a>(
    tx: &sql::Transaction<'_>,
    namespace: &str,
    listeners: impl Iterator<Item = &'a String>,
) -> Result<HashSet<String>> {
    let listeners: BTreeSet<&str> = listeners.map(String::as_str).collect();
    if listeners.is_empty() {
        return Ok(HashSet::new());
    }
    let listeners: Vec<&str> = listeners.into_iter().collect();
    let live = "SELECT journey FROM journey WHERE namespace = $1 AND journey = ANY($2) AND NOT stopped";
    let live = sql::rows(tx, live, &[&namespace, &listeners]).await?;
    Ok(live.iter().map(|row| row.get(0)).collect())
}

/// Who gets what, in the order of acceptance: those who listen and are `live`. Those who watch what an event changed get a look next after it;
/// how many, is given too.
fn deliveries<'a>(
    taken: &'a [Taken<'_>],
    live: &HashSet<String>,
    watchers: &'a BTreeMap<String, BTreeSet<String>>,
) -> (Vec<Delivery<'a>>, usize) {
    let (mut all, mut changed) = (Vec::new(), 0);
    for taken in taken {
        let customer = taken.arrival.customer;
        let journeys: BTreeSet<&String> = taken.arrival.listeners.iter().collect();
        let heard = journeys.into_iter().filter(|journey| live.contains(*journey));
        all.extend(heard.map(|journey| Delivery {
            journey,
            customer,
            event: &taken.event,
        }));
        if let Some((names, event)) = &taken.changed {
            let before = all.len();
            all.extend(rules::watching(watchers, names).map(|journey| Delivery {
                journey,
                customer,
                event,
            }));
            changed += all.len() - before;
        }
    }
    (all, changed)
}

/// `drawn`: numbers that were drawn for this since the customers are locked; where they are too few all are drawn anew.
pub(super) async fn deliver(
    tx: &sql::Transaction<'_>,
    keys: &Keys,
    namespace: &str,
    deliveries: &[Delivery<'_>],
    drawn: Vec<i64>,
) -> Result<()> {
    if deliveries.is_empty() {
        return Ok(());
    }
    let mut numbers = if drawn.len() < deliveries.len() {
        numbers(tx, deliveries.len()).await?
    } else {
        drawn
    };
    numbers.truncate(deliveries.len());
    let journeys: Vec<&str> = deliveries.iter().map(|delivery| delivery.journey.as_str()).collect();
    let shards: Vec<i16> = deliveries
        .iter()
        .map(|delivery| i16::from(delivery.customer.shard()))
        .collect();
    let customers: Vec<&[u8]> = deliveries
        .iter()
        .map(|delivery| delivery.customer.0.as_slice())
        .collect();
    let sealed = deliveries.iter().zip(&numbers).map(|(delivery, number)| {
        let key: [&[u8]; 3] = [namespace.as_bytes(), delivery.journey.as_bytes(), &number.to_be_bytes()];
        seal::seal(
            keys,
            &Place {
                table: "inbox",
                key: &key,
            },
            delivery.event,
        )
    });
    let sealed: Vec<Vec<u8>> = sealed.collect::<Result<_>>()?;
    sql::run(
        tx,
        "INSERT INTO inbox (namespace, journey, seq, shard, customer, sealed) SELECT $1, u.journey, u.seq, u.shard, u.customer, u.sealed \
         FROM unnest($2::text[], $3::bigint[], $4::smallint[], $5::bytea[], $6::bytea[]) u (journey, seq, shard, customer, sealed)",
        &[&namespace, &journeys, &numbers, &shards, &customers, &sealed],
    )
    .await
    .map(drop)
}

pub(super) async fn quarantine(client: &mut Object, keys: &Keys, namespace: &str, rows: &[Quarantined]) -> Result<()> {
    let tx = sql::begin(client).await?;
    program::shared(&tx, namespace).await?;
    put_aside(&tx, keys, namespace, rows, true).await?;
    let mut counts = Counts::default();
    for row in rows {
        counts.add(
            IntakeCount::Quarantined {
                reason: row.reason.clone(),
            }
            .name(),
            row.at,
            1,
        );
    }
    sql::count(&tx, namespace, "", &counts).await?;
    tx.commit().await?;
    Ok(())
}

pub(super) async fn put_aside(
    tx: &sql::Transaction<'_>,
    keys: &Keys,
    namespace: &str,
    rows: &[Quarantined],
    counted: bool,
) -> Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let many = i64::try_from(rows.len()).unwrap_or(i64::MAX);
    let ids = sql::rows(
        tx,
        "SELECT nextval('quarantine_id') FROM generate_series(1, $1::bigint)",
        &[&many],
    )
    .await?;
    let mut ids: Vec<i64> = ids.iter().map(|row| row.get(0)).collect();
    ids.sort_unstable();
    let column = |of: fn(&Quarantined) -> &str| rows.iter().map(|row| seal::text(of(row))).collect::<Vec<String>>();
    let (reasons, details, sources) = (
        column(|row| &row.reason),
        column(|row| &row.detail),
        column(|row| &row.source),
    );
    let times: Vec<i64> = rows.iter().map(|row| row.at).collect();
    let sealed = rows.iter().zip(&ids).map(|(row, id)| {
        let place = Place {
            table: "quarantine",
            key: &[namespace.as_bytes(), &id.to_be_bytes()],
        };
        seal::seal(keys, &place, &row.event)
    });
    let sealed: Vec<Vec<u8>> = sealed.collect::<Result<_>>()?;
    sql::run(
        tx,
        "INSERT INTO quarantine (namespace, id, reason, detail, source, at, counted, sealed) \
         SELECT $1, u.id, u.reason, u.detail, u.source, u.at, $2, u.sealed \
         FROM unnest($3::bigint[], $4::text[], $5::text[], $6::text[], $7::bigint[], $8::bytea[]) \
             u (id, reason, detail, source, at, sealed)",
        &[
            &namespace, &counted, &ids, &reasons, &details, &sources, &times, &sealed,
        ],
    )
    .await
    .map(drop)
}

const QUARANTINED: &str = "id, reason, detail, source, at, sealed, counted";

pub(super) async fn quarantined(
    client: &mut Object,
    keys: &Keys,
    namespace: &str,
    after: i64,
    limit: u32,
) -> Result<Vec<(i64, Quarantined)>> {
    let tx = sql::begin(client).await?;
    let page = format!("SELECT {QUARANTINED} FROM quarantine WHERE namespace = $1 AND id > $2 ORDER BY id LIMIT $3");
    let rows = sql::rows(&tx, &page, &[&namespace, &after, &i64::from(limit)]).await?;
    rows.iter()
        .map(|row| Ok((row.get(0), aside(keys, namespace, row)?)))
        .collect()
}

pub(super) async fn release(client: &mut Object, keys: &Keys, namespace: &str, id: i64) -> Result<Option<Quarantined>> {
    let tx = sql::begin(client).await?;
    let Some((released, counted)) = take_out(&tx, keys, namespace, id).await? else {
        return Ok(None);
    };
    if counted {
        let mut counts = Counts::default();
        counts.add(
            IntakeCount::Quarantined {
                reason: released.reason.clone(),
            }
            .name(),
            released.at,
            -1,
        );
        sql::count(&tx, namespace, "", &counts).await?;
    }
    tx.commit().await?;
    Ok(Some(released))
}

/// Takes a row out of the quarantine; with whether intake counts know it.
pub(super) async fn take_out(
    tx: &sql::Transaction<'_>,
    keys: &Keys,
    namespace: &str,
    id: i64,
) -> Result<Option<(Quarantined, bool)>> {
    let take = format!("DELETE FROM quarantine WHERE namespace = $1 AND id = $2 RETURNING {QUARANTINED}");
    let row = sql::maybe(tx, &take, &[&namespace, &id]).await?;
    row.map(|row| Ok((aside(keys, namespace, &row)?, row.get(6))))
        .transpose()
}

fn aside(keys: &Keys, namespace: &str, row: &tokio_postgres::Row) -> Result<Quarantined> {
    let id: i64 = row.get(0);
    let place = Place {
        table: "quarantine",
        key: &[namespace.as_bytes(), &id.to_be_bytes()],
    };
    let event = seal::open(keys, &place, row.get(5))?;
    Ok(Quarantined {
        reason: row.get(1),
        detail: row.get(2),
        source: row.get(3),
        at: row.get(4),
        event,
    })
}

pub(super) async fn message(client: &mut Object, namespace: &str, key: MessageKey) -> Result<Option<MessageRow>> {
    let tx = sql::begin(client).await?;
    let one = format!("SELECT {MESSAGE} FROM message WHERE namespace = $1 AND key = $2");
    let row = sql::maybe(&tx, &one, &[&namespace, &key.0.as_slice()]).await?;
    row.as_ref().map(message_row).transpose()
}

pub(super) const MESSAGE: &str =
    "journey, customer, enrollment, step, occurrence, touchpoint, purpose, channel, at, outcome, reason, key, address";

/// From a row of these columns.
pub(super) fn message_row(row: &tokio_postgres::Row) -> Result<MessageRow> {
    let reason = row.get::<_, Option<String>>(10).unwrap_or_default();
    let outcome = match row.get::<_, Option<&str>>(9) {
        None => None,
        Some("Sent") => Some(Outcome::Sent),
        Some("Skipped") => Some(Outcome::Skipped(reason)),
        Some("Failed") => Some(Outcome::Failed(reason)),
        Some(_) => {
            return Err(StoreError::Unreadable(
                "a message's outcome is none that this version knows".into(),
            ));
        }
    };
    Ok(MessageRow {
        key: MessageKey(seal::sixteen(row.get(11))?),
        journey: row.get(0),
        customer: seal::customer_key(row.get(1))?,
        enrollment: row.get(2),
        step: row.get(3),
        occurrence: u32::try_from(row.get::<_, i64>(4)).unwrap_or(u32::MAX),
        touchpoint: row.get(5),
        purpose: row.get(6),
        channel: row.get(7),
        at: row.get(8),
        address: row
            .get::<_, Option<&[u8]>>(12)
            .map(|address| seal::sixteen(address).map(AddressKey))
            .transpose()?,
        outcome,
    })
}

/// Customers by key.
pub(super) type Customers = BTreeMap<CustomerKey, Customer>;

/// Numbers of the inbox, in their order: for what is delivered, and for what opens an enrollment without an event.
pub(super) async fn numbers(tx: &sql::Transaction<'_>, many: usize) -> Result<Vec<i64>> {
    if many == 0 {
        return Ok(Vec::new());
    }
    let many = i64::try_from(many).unwrap_or(i64::MAX);
    let rows = sql::rows(
        tx,
        "SELECT nextval('inbox_seq') FROM generate_series(1, $1::bigint)",
        &[&many],
    )
    .await?;
    let mut numbers: Vec<i64> = rows.iter().map(|row| row.get(0)).collect();
    numbers.sort_unstable();
    Ok(numbers)
}
