//! One round of a runner: the fence, who is to be looked at, and what is known of them. `commit` writes what comes of it.
//!
//! The order of locks: the namespace's shared lock, the leases by shard, the customers by key, then rows that hang on a locked customer,
//! counts by name. Everybody follows it, so nobody waits in a circle.

use super::{
    alias, aside, chain, commit, customers, door,
    intake::{self, Customers},
    look::{self, Progress},
    news, placed, program,
    seal::{self, Place},
    sql,
};
use crate::{
    clock::Micros,
    keys::{CustomerKey, Keys},
    policy::Contact,
    store::{
        Current, CustomerTurn, Hold, Lease, OutboxRow, OutboxState, Result, Round, RoundCommit, RoundRequest,
        RoundResult, StoreError, Work, rules,
    },
};
use deadpool_postgres::{Object, Transaction};
use std::collections::{BTreeMap, BTreeSet};
use tokio_postgres::types::ToSql;

/// Gives the journeys, too, that have something to do because of it.
pub(super) async fn round(
    client: &mut Object,
    keys: &Keys,
    hold: &Hold,
    request: &RoundRequest,
    work: Work<'_>,
) -> Result<(RoundResult, BTreeSet<String>)> {
    let unreadable = match round_of_readable(client, keys, hold, request, work).await {
        Err(StoreError::Unreadable(unreadable)) => unreadable,
        done => return done,
    };
    // What one customer has there holds up nobody else: the next round goes without it.
    let moved = match &unreadable.row {
        Some(row) => aside::put_aside(client, keys, hold, row).await?,
        None => false,
    };
    if moved {
        // Outcomes that the caller brought are not written: it keeps them.
        Ok((RoundResult::Changed, BTreeSet::new()))
    } else {
        Err(StoreError::Unreadable(unreadable))
    }
}

async fn round_of_readable(
    client: &mut Object,
    keys: &Keys,
    hold: &Hold,
    request: &RoundRequest,
    work: Work<'_>,
) -> Result<(RoundResult, BTreeSet<String>)> {
    // Whose message came back may have been joined to another customer since: then once more, by the name of now.
    match try_round(client, keys, hold, request, &mut *work).await? {
        Tried::Done(result, woken) => Ok((result, woken)),
        Tried::Joined(request) => match try_round(client, keys, hold, &request, work).await? {
            Tried::Done(result, woken) => Ok((result, woken)),
            Tried::Joined(_) => Err(StoreError::Unavailable("customers are being joined: try again".into())),
        },
    }
}

enum Tried {
    /// With the journeys that have something to do because of it.
    Done(RoundResult, BTreeSet<String>),
    /// Nothing was done: customers of the outcomes are others now.
    Joined(RoundRequest),
}

async fn try_round(
    client: &mut Object,
    keys: &Keys,
    hold: &Hold,
    request: &RoundRequest,
    work: Work<'_>,
) -> Result<Tried> {
    let nobody = BTreeSet::new();
    let tx = client.transaction().await?;
    let look = Look::new(&tx, keys, hold);
    program::shared(&tx, &hold.namespace).await?;
    if !fence(&tx, hold).await? {
        return Ok(Tried::Done(RoundResult::Fenced, nobody));
    }
    let Some(standing) = look.standing().await? else {
        return Ok(Tried::Done(RoundResult::Fenced, nobody));
    };
    if request.current.is_some() && request.current != standing.current {
        return Ok(Tried::Done(RoundResult::Changed, nobody));
    }
    let sweeps = look.sweep(request).await?;
    let (chosen, left, door) = look.choose(request, standing.suspended(), &sweeps).await?;
    if chosen.is_empty() && sweeps.rest() {
        return Ok(Tried::Done(RoundResult::Idle, nobody));
    }
    let (locked, unreadable) = customers::lock_readable(&tx, keys, &hold.namespace, &chosen).await?;
    if let Some((who, error)) = unreadable
        && !aside::can_be_spared(&tx, keys, hold, &who).await?
    {
        return Err(error);
    }
    if let Some(request) = look.joined(request, &locked).await? {
        return Ok(Tried::Joined(request));
    }
    let now = sql::now(&tx).await?;
    let turns = look.turns(locked, request, &sweeps, &door, now).await?;
    if turns.is_empty() && sweeps.rest() {
        return Ok(Tried::Done(RoundResult::Idle, nobody));
    }
    let full = left || !sweeps.rest() || turns.iter().any(rules::leaves_more);
    let walked: BTreeSet<String> = turns
        .iter()
        .flat_map(|turn| &turn.enrollments)
        .map(|row| row.revision.clone())
        .collect();
    // Attributes are sealed together with the id, which a commit does not repeat.
    let known: Customers = turns
        .iter()
        .map(|turn| (turn.customer.key, turn.customer.clone()))
        .collect();
    let commit = if turns.is_empty() {
        RoundCommit::default()
    } else {
        work(Round { now, customers: turns })
    };
    let there = |revision: &String| standing.revisions.contains(revision) || walked.contains(revision);
    if !commit.enrollments.iter().all(|row| there(&row.enrollment.revision)) {
        return Ok(Tried::Done(RoundResult::Fenced, nobody));
    }
    let full = full || rules::opens_the_door(request, &commit);
    let mut woken = commit::write(&tx, keys, hold, &known, request.admissions, &commit, now).await?;
    look::keep_progress(&tx, hold, &sweeps.progress).await?;
    if let Some((told, progress)) = &sweeps.news {
        told.keep(&tx, hold, progress).await?;
    }
    woken.extend(chain::tell(&tx, keys, hold, &known, &commit, now).await?);
    tx.commit().await?;
    Ok(Tried::Done(RoundResult::Committed { full }, woken))
}

/// Whether the leases are ours; then they stay so until the transaction ends.
pub(super) async fn fence(tx: &Transaction<'_>, hold: &Hold) -> Result<bool> {
    let shards: Vec<i16> = hold.shards.iter().map(|lease| i16::from(lease.shard)).collect();
    let rows = sql::rows(
        tx,
        "SELECT l.shard, l.epoch FROM lease l \
         WHERE l.namespace = $1 AND l.journey = $2 AND l.shard = ANY($3) AND l.owner = $4 \
         AND l.until > (extract(epoch FROM clock_timestamp()) * 1000000)::bigint ORDER BY l.shard FOR SHARE",
        &[&hold.namespace, &hold.journey, &shards, &hold.owner],
    )
    .await?;
    let ours: BTreeMap<i16, i64> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    let is_ours = |lease: &Lease| ours.get(&i16::from(lease.shard)) == Some(&lease.epoch);
    Ok(hold.shards.iter().all(is_ours))
}

/// Where the round's sweeps have come.
#[derive(Default)]
struct Sweeps {
    /// Names of the sweeps that come to each.
    came: BTreeMap<CustomerKey, Vec<String>>,
    progress: Vec<Progress>,
    /// Whom news comes to.
    news: Option<(news::Told, Vec<Progress>)>,
}

impl Sweeps {
    /// Whether nobody is visited.
    fn rest(&self) -> bool {
        self.progress.is_empty() && self.news.is_none()
    }

    fn customers(&self) -> impl Iterator<Item = CustomerKey> {
        let told = self.news.iter().flat_map(|(told, _)| &told.customers);
        self.came.keys().chain(told).copied()
    }
}

/// How the journey stands; that stays so until the transaction ends.
struct JourneyStanding {
    current: Option<Current>,
    revisions: BTreeSet<String>,
}

impl JourneyStanding {
    fn suspended(&self) -> bool {
        self.current.as_ref().is_some_and(|current| current.suspended)
    }
}

struct Look<'a> {
    tx: &'a Transaction<'a>,
    keys: &'a Keys,
    hold: &'a Hold,
    shards: Vec<i16>,
    epochs: Vec<i64>,
}

impl<'a> Look<'a> {
    fn new(tx: &'a Transaction<'a>, keys: &'a Keys, hold: &'a Hold) -> Self {
        let shards = hold.shards.iter().map(|lease| i16::from(lease.shard)).collect();
        Self {
            tx,
            keys,
            hold,
            shards,
            epochs: hold.shards.iter().map(|lease| lease.epoch).collect(),
        }
    }

    /// The request by the customers of now; None: everybody who is asked for is there, or was never.
    async fn joined(&self, request: &RoundRequest, locked: &Customers) -> Result<Option<RoundRequest>> {
        let missing = request.outcomes.iter().map(|handed| handed.customer);
        let missing: BTreeSet<CustomerKey> = missing.filter(|key| !locked.contains_key(key)).collect();
        if missing.is_empty() {
            return Ok(None);
        }
        let roots = alias::roots(self.tx, &self.hold.namespace, missing).await?;
        if roots.is_empty() {
            return Ok(None);
        }
        let mut request = request.clone();
        for handed in &mut request.outcomes {
            handed.customer = roots.get(&handed.customer).copied().unwrap_or(handed.customer);
        }
        Ok(Some(request))
    }

    /// None: the journey is stopped or gone.
    async fn standing(&self) -> Result<Option<JourneyStanding>> {
        let rows = sql::rows(
            self.tx,
            "SELECT p.revision, p.suspended, p.revision = j.current FROM journey j JOIN program p USING (namespace, journey) \
             WHERE j.namespace = $1 AND j.journey = $2 AND NOT j.stopped",
            &[&self.hold.namespace, &self.hold.journey],
        )
        .await?;
        Ok((!rows.is_empty()).then(|| JourneyStanding {
            current: rows.iter().find(|row| row.get(2)).map(|row| Current {
                revision: row.get(0),
                suspended: row.get(1),
            }),
            revisions: rows.iter().map(|row| row.get(0)).collect(),
        }))
    }

    /// The next step of each sweep that is not done in the shards that are held.
    async fn sweep(&self, request: &RoundRequest) -> Result<Sweeps> {
        let mut sweeps = Sweeps::default();
        for request in &request.sweeps {
            if let Some((found, progress)) = look::sweep(self.tx, self.hold, &self.shards, request).await? {
                for customer in found {
                    sweeps.came.entry(customer).or_default().push(request.sweep.clone());
                }
                sweeps.progress.extend(progress);
            }
        }
        if request.news > 0 {
            sweeps.news = news::next(self.tx, self.keys, self.hold, &self.shards, request.news).await?;
        }
        Ok(sweeps)
    }

    /// Those whose sighting is due.
    async fn looks(&self, request: &RoundRequest, values: sql::Values<'_>) -> Result<Vec<CustomerKey>> {
        if !request.looks {
            return Ok(Vec::new());
        }
        self.customers(
            "SELECT customer FROM sighting WHERE namespace = $1 AND journey = $2 AND shard = ANY($3) \
             AND look_at <= $5 AND look_at IS NOT NULL ORDER BY look_at LIMIT $4",
            values,
        )
        .await
    }

    /// Who is to be looked at, whether somebody was left out, and whose turn at the door has come.
    async fn choose(
        &self,
        request: &RoundRequest,
        suspended: bool,
        swept: &Sweeps,
    ) -> Result<(BTreeSet<CustomerKey>, bool, door::Turns)> {
        let (namespace, journey) = (&self.hold.namespace, &self.hold.journey);
        let limit = i64::from(request.limit) + 1;
        let now = sql::now(self.tx).await?;
        let held: BTreeSet<u8> = self.hold.shards.iter().map(|lease| lease.shard).collect();
        let first = request
            .outcomes
            .iter()
            .map(|handed| handed.customer)
            .filter(|key| held.contains(&key.shard()))
            .chain(swept.customers())
            .collect();
        let in_flight: Vec<&[u8]> = request.in_flight.iter().map(|key| key.0.as_slice()).collect();
        let stale = now - rules::ORPHAN_AFTER;
        let at_hand: [&(dyn ToSql + Sync); 4] = [namespace, journey, &self.shards, &limit];
        let stuck: Vec<&str> = request.stuck.iter().map(String::as_str).collect();
        let timed: [&(dyn ToSql + Sync); 6] = [namespace, journey, &self.shards, &limit, &now, &stuck];
        let sighted: [&(dyn ToSql + Sync); 5] = [namespace, journey, &self.shards, &limit, &now];
        let messages = i64::from(request.messages.unwrap_or(u32::MAX)).min(limit);
        let due: [&(dyn ToSql + Sync); 5] = [namespace, journey, &self.shards, &messages, &now];
        let lost: [&(dyn ToSql + Sync); 7] = [
            namespace,
            journey,
            &self.shards,
            &limit,
            &self.epochs,
            &in_flight,
            &stale,
        ];
        let (inbox, waits, holds, orphans, stays, looks, at_door) = tokio::try_join!(
            self.customers(
                "SELECT customer FROM inbox WHERE namespace = $1 AND journey = $2 AND shard = ANY($3) ORDER BY seq LIMIT $4",
                &at_hand,
            ),
            self.customers(
                "SELECT customer FROM enrollment WHERE namespace = $1 AND journey = $2 AND shard = ANY($3) \
                 AND due_at <= $5 AND due_at IS NOT NULL AND (active OR watch_until > $5) AND NOT revision = ANY($6) ORDER BY due_at LIMIT $4",
                &timed,
            ),
            self.customers(
                "SELECT customer FROM outbox WHERE namespace = $1 AND journey = $2 AND shard = ANY($3) \
                 AND due_at <= $5 AND due_at IS NOT NULL ORDER BY due_at LIMIT $4",
                &due,
            ),
            self.customers(
                "SELECT o.customer FROM unnest($3::smallint[], $5::bigint[]) l (shard, epoch) \
                 JOIN outbox o ON o.namespace = $1 AND o.journey = $2 AND o.shard = l.shard AND o.epoch IS NOT NULL \
                 AND (o.epoch < l.epoch OR (o.epoch = l.epoch AND o.claimed_at <= $7 AND NOT o.key = ANY($6::bytea[]))) LIMIT $4",
                &lost,
            ),
            self.customers(
                "SELECT customer FROM placed WHERE namespace = $1 AND journey = $2 AND shard = ANY($3) \
                 AND due_at <= $5 ORDER BY due_at LIMIT $4",
                &sighted,
            ),
            self.looks(request, &sighted),
            self.at_door(&at_hand),
        )?;
        let admissions = request.admissions.filter(|_| !suspended);
        let door = door::turns(self.tx, self.hold, admissions, at_door, now).await?;
        let (waits, looks) = if suspended {
            (Vec::new(), Vec::new())
        } else {
            (waits, looks)
        };
        let sources = [
            inbox,
            waits,
            holds,
            orphans,
            stays,
            looks,
            door.keys().copied().collect(),
        ];
        // A source that gave all it may give may have more, though what it gave was all of a few customers.
        let cut = sources.iter().any(|source| source.len() > request.limit as usize)
            || request
                .messages
                .is_some_and(|most| most > 0 && sources[2].len() >= most as usize);
        let (chosen, left) = rules::choose(first, &sources, request.limit as usize);
        Ok((chosen, left || cut, door))
    }

    /// Those who wait at the door, the longest first.
    async fn at_door(&self, values: sql::Values<'_>) -> Result<Vec<(CustomerKey, i64)>> {
        let waiting = "SELECT customer, ordinal FROM enrollment WHERE namespace = $1 AND journey = $2 AND paced AND shard = ANY($3) \
                       ORDER BY ordinal LIMIT $4";
        sql::rows(self.tx, waiting, values)
            .await?
            .iter()
            .map(|row| Ok((seal::customer_key(row.get(0))?, row.get(1))))
            .collect()
    }

    async fn customers(&self, sql: &str, values: sql::Values<'_>) -> Result<Vec<CustomerKey>> {
        sql::rows(self.tx, sql, values)
            .await?
            .iter()
            .map(|row| seal::customer_key(row.get(0)))
            .collect()
    }

    /// Reads all there is of the locked customers: by statements after the lock, so that what the holders before us wrote is seen.
    async fn turns(
        &self,
        locked: Customers,
        request: &RoundRequest,
        swept: &Sweeps,
        door: &door::Turns,
        now: Micros,
    ) -> Result<Vec<CustomerTurn>> {
        let which: Vec<&[u8]> = locked.keys().map(|key| key.0.as_slice()).collect();
        let mut turns: BTreeMap<CustomerKey, CustomerTurn> = locked
            .iter()
            .map(|(key, customer)| (*key, CustomerTurn::of(customer.clone())))
            .collect();
        let (namespace, journey) = (&self.hold.namespace, &self.hold.journey);
        let most = i64::try_from(rules::INBOX_PER_CUSTOMER).unwrap_or(i64::MAX);
        let contacts_since = now.saturating_sub(request.contacts_within);
        let since: [&(dyn ToSql + Sync); 3] = [namespace, &which, &contacts_since];
        let watched: [&(dyn ToSql + Sync); 4] = [namespace, journey, &which, &now];
        let bounded: [&(dyn ToSql + Sync); 4] = [namespace, journey, &which, &most];
        let all: [&(dyn ToSql + Sync); 3] = [namespace, journey, &which];
        let (contacts, enrollments, inbox, outbox, stays) = tokio::try_join!(
            sql::rows(
                self.tx,
                "SELECT c.* FROM unnest($2::bytea[]) u (customer) CROSS JOIN LATERAL \
                 (SELECT customer, purpose, channel, at FROM contact WHERE namespace = $1 AND customer = u.customer AND at >= $3 OFFSET 0) c \
                 ORDER BY c.at",
                &since,
            ),
            sql::rows(
                self.tx,
                "SELECT e.* FROM unnest($3::bytea[]) u (customer) CROSS JOIN LATERAL \
                 (SELECT customer, ordinal, sealed FROM enrollment WHERE namespace = $1 AND journey = $2 AND customer = u.customer \
                 AND (active OR watch_until > $4) OFFSET 0) e ORDER BY e.customer, e.ordinal",
                &watched,
            ),
            sql::rows(
                self.tx,
                "SELECT i.customer, i.seq, i.sealed FROM unnest($3::bytea[]) c (customer) CROSS JOIN LATERAL \
                 (SELECT * FROM inbox WHERE namespace = $1 AND journey = $2 AND customer = c.customer ORDER BY seq LIMIT $4) i \
                 ORDER BY i.customer, i.seq",
                &bounded,
            ),
            sql::rows(
                self.tx,
                "SELECT o.* FROM unnest($3::bytea[]) u (customer) CROSS JOIN LATERAL \
                 (SELECT customer, key, sealed FROM outbox WHERE namespace = $1 AND journey = $2 AND customer = u.customer OFFSET 0) o \
                 ORDER BY o.customer, o.key",
                &all,
            ),
            sql::rows(
                self.tx,
                "SELECT p.* FROM unnest($3::bytea[]) u (customer) CROSS JOIN LATERAL \
                 (SELECT customer, key, due_at, sealed FROM placed WHERE namespace = $1 AND customer = u.customer AND journey = $2 OFFSET 0) p \
                 ORDER BY p.customer, p.key",
                &all,
            ),
        )?;
        for row in &contacts {
            let contact = Contact {
                purpose: row.get(1),
                channel: row.get(2),
                at: row.get(3),
            };
            turn(&mut turns, row.get(0), |turn| turn.contacts.push(contact))?;
        }
        for row in &enrollments {
            let (customer, ordinal): (&[u8], i64) = (row.get(0), row.get(1));
            let enrollment = self.open("enrollment", &[customer, &ordinal.to_be_bytes()], row.get(2))?;
            turn(&mut turns, customer, |turn| turn.enrollments.push(enrollment))?;
        }
        for row in &inbox {
            let number: i64 = row.get(1);
            let event = self.open("inbox", &[&number.to_be_bytes()], row.get(2))?;
            turn(&mut turns, row.get(0), |turn| turn.inbox.push((number, event)))?;
        }
        for row in &outbox {
            let (customer, key): (&[u8], &[u8]) = (row.get(0), row.get(1));
            let message: OutboxRow = self.open("outbox", &[customer, key], row.get(2))?;
            turn(&mut turns, customer, |turn| turn.outbox.push(message))?;
        }
        for row in &stays {
            let placed = placed::read(self.keys, &self.hold.namespace, row)?;
            turn(&mut turns, row.get(0), |turn| turn.placed.push(placed))?;
        }
        for (customer, names) in &swept.came {
            if let Some(turn) = turns.get_mut(customer) {
                turn.swept = names.clone();
            }
        }
        if request.looks {
            for (customer, sighting) in look::sightings(self.tx, self.hold, &which).await? {
                if let Some(turn) = turns.get_mut(&customer) {
                    turn.sighting = sighting;
                }
            }
        }
        let is_due = |turn: &CustomerTurn| turn.sighting.look_at.is_some_and(|at| at <= now);
        let asked: Vec<&mut CustomerTurn> = turns
            .values_mut()
            .filter(|turn| !turn.swept.is_empty() || is_due(turn))
            .collect();
        let numbers = intake::numbers(self.tx, asked.len()).await?;
        for (turn, number) in asked.into_iter().zip(numbers) {
            turn.look = Some(number);
        }
        if let Some((told, _)) = &swept.news {
            let numbers = intake::numbers(self.tx, told.customers.len()).await?;
            for (customer, number) in told.customers.iter().zip(numbers) {
                if let Some(turn) = turns.get_mut(customer) {
                    turn.news = Some((number, rules::told(&told.event, &turn.customer, now)));
                }
            }
        }
        for handed in &request.outcomes {
            if let Some(turn) = turns.get_mut(&handed.customer) {
                let claimed =
                    |row: &OutboxRow| row.key == handed.key && matches!(row.state, OutboxState::Claimed { .. });
                if turn.outbox.iter().any(claimed) {
                    turn.outcomes.push(handed.clone());
                }
            }
        }
        for turn in turns.values_mut() {
            let comes = door.get(&turn.customer.key);
            turn.admit = rules::still_at_door(&turn.enrollments, comes.into_iter().flatten().copied());
        }
        Ok(turns.into_values().filter(|turn| rules::has_work(turn, now)).collect())
    }

    fn open<T: serde::de::DeserializeOwned>(&self, table: &'static str, key: &[&[u8]], sealed: &[u8]) -> Result<T> {
        let of_journey: [&[u8]; 2] = [self.hold.namespace.as_bytes(), self.hold.journey.as_bytes()];
        seal::open(
            self.keys,
            &Place {
                table,
                key: &[&of_journey, key].concat(),
            },
            sealed,
        )
    }
}

fn turn(
    turns: &mut BTreeMap<CustomerKey, CustomerTurn>,
    customer: &[u8],
    change: impl FnOnce(&mut CustomerTurn),
) -> Result<()> {
    if let Some(turn) = turns.get_mut(&seal::customer_key(customer)?) {
        change(turn);
    }
    Ok(())
}
