//! One round of a runner: the fence, who is to be looked at, and what is known of them. `commit` writes what comes of it.
//!
//! The order of locks: the namespace's shared lock, the leases by shard, the customers by key, then rows that hang on a locked customer,
//! counts by name. Everybody follows it, so nobody waits in a circle.

use super::{
    alias, aside, chain,
    commit::{self, RowsAt},
    customers, door,
    intake::{self, Customers},
    look::{self, Progress},
    news, placed, program,
    seal::{self, Place},
    sql, suppression,
};
use crate::{
    clock::Micros,
    keys::{CustomerKey, Keys, MessageKey},
    policy::Contact,
    store::{
        Current, CustomerTurn, Hold, Lease, OutboxRow, OutboxState, Result, Room, Round, RoundCommit, RoundRequest,
        RoundResult, Scope, Sighting, StoreError, Work, rules,
    },
};
use deadpool_postgres::Object;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};
use tokio_postgres::{Row, types::ToSql};

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
    Joined(Box<RoundRequest>),
}

async fn try_round(
    client: &mut Object,
    keys: &Keys,
    hold: &Hold,
    request: &RoundRequest,
    work: Work<'_>,
) -> Result<Tried> {
    let nobody = BTreeSet::new();
    let tx = sql::begin(client).await?;
    let look = Look::new(&tx, keys, hold);
    // What is read of the journey must not overtake the lock that keeps it so.
    sql::prepare(&tx, &[program::SHARED, FENCE, STANDING]).await?;
    let ((), ours, standing, sources, stays, suppresses, now) = tokio::try_join!(
        biased;
        program::shared(&tx, &hold.namespace),
        fence(&tx, hold),
        look.standing(),
        look.sources(request),
        look.anything_stays(),
        suppression::any(&tx, &hold.namespace),
        sql::now(&tx),
    )?;
    let Some(standing) = standing.filter(|_| ours) else {
        return Ok(Tried::Done(RoundResult::Fenced, nobody));
    };
    let is_known = request.current == standing.current && standing.revisions.is_subset(&request.revisions);
    if request.current.is_some() && !is_known {
        return Ok(Tried::Done(RoundResult::Changed, nobody));
    }
    let first_event = sources.inbox.first;
    let sweeps = look.sweep(request).await?;
    let (chosen, left, door) = look
        .choose(request, standing.suspended(), &sweeps, sources, now)
        .await?;
    if chosen.is_empty() && sweeps.rest() {
        return Ok(Tried::Done(RoundResult::Idle, nobody));
    }
    customers::prepare(&tx).await?;
    let ((locked, unreadable), now, read) = tokio::try_join!(
        biased;
        customers::lock_readable(&tx, keys, &hold.namespace, &chosen),
        sql::now(&tx),
        look.read(request, &chosen, stays),
    )?;
    if let Some((who, error)) = unreadable
        && !aside::can_be_spared(&tx, keys, hold, &who).await?
    {
        return Err(error);
    }
    if let Some(request) = look.joined(request, &locked).await? {
        return Ok(Tried::Joined(Box::new(request)));
    }
    let (turns, at) = look.turns(locked, request, &sweeps, &door, read, now).await?;
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
    // As of now, after whoever was to be waited for: what was suppressed before this is known.
    let addresses = request.addresses.all(&turns, now);
    let suppressed = suppression::of(&tx, &hold.namespace, addresses, suppresses).await?;
    let commit = if turns.is_empty() {
        RoundCommit::default()
    } else {
        work(Round {
            now,
            customers: turns,
            suppressed,
            first_event,
        })
    };
    let there = |revision: &String| standing.revisions.contains(revision) || walked.contains(revision);
    if !commit.enrollments.iter().all(|row| there(&row.enrollment.revision)) {
        return Ok(Tried::Done(RoundResult::Fenced, nobody));
    }
    let full = full || rules::opens_the_door(request, &commit);
    let (mut woken, (), listeners) = tokio::try_join!(
        biased;
        commit::write(&tx, keys, hold, &known, &at, &commit, now),
        door::book(&tx, hold, request.admissions, commit.admitted),
        chain::listeners(&tx, hold, &commit),
    )?;
    look::keep_progress(&tx, hold, &sweeps.progress).await?;
    if let Some((told, progress)) = &sweeps.news {
        told.keep(&tx, hold, progress).await?;
    }
    woken.extend(chain::tell(&tx, keys, hold, &known, &commit, listeners, now).await?);
    tx.commit().await?;
    Ok(Tried::Done(RoundResult::Committed { full }, woken))
}

/// Whether the leases are ours; then they stay so until the transaction ends.
pub(super) async fn fence(tx: &sql::Transaction<'_>, hold: &Hold) -> Result<bool> {
    let shards: Vec<i16> = hold.shards.iter().map(|lease| i16::from(lease.shard)).collect();
    let ours: [&(dyn ToSql + Sync); 4] = [&hold.namespace, &hold.journey, &shards, &hold.owner];
    let rows = sql::rows(tx, FENCE, &ours).await?;
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

struct Look<'a, 'c> {
    tx: &'a sql::Transaction<'c>,
    keys: &'a Keys,
    hold: &'a Hold,
    shards: Vec<i16>,
    epochs: Vec<i64>,
}

/// Who may have something to do, by what it is; each as many as a round takes and one more at most.
#[derive(Default)]
struct Sources {
    inbox: Inbox,
    waits: Soonest,
    holds: Vec<Soonest>,
    orphans: Vec<CustomerKey>,
    stays: Soonest,
    looks: Soonest,
    at_door: Vec<(CustomerKey, i64)>,
}

/// For whom events wait, the one whose event was accepted first in front, with its number.
#[derive(Default)]
struct Inbox {
    customers: Vec<CustomerKey>,
    first: Option<i64>,
}

/// For whom the time has come, the longest ago first.
#[derive(Default)]
struct Soonest {
    customers: Vec<CustomerKey>,
    /// Whether somebody is left out whose time has come, too.
    more: bool,
}

/// All there is of the customers of a round.
struct Read {
    contacts: Vec<Row>,
    enrollments: Vec<Row>,
    inbox: Vec<Row>,
    outbox: Vec<Row>,
    stays: Vec<Row>,
    sightings: Vec<(CustomerKey, Sighting)>,
}

/// Whoever takes a shard takes the registration of its owner away first, so the lease that is locked here lasts until the transaction ends.
const FENCE: &str = "SELECT l.shard, l.epoch FROM lease l \
    WHERE l.namespace = $1 AND l.journey = $2 AND l.shard = ANY($3) AND l.owner = $4 \
    AND EXISTS (SELECT FROM member m WHERE m.namespace = $1 AND m.journey = $2 AND m.owner = $4 \
        AND m.until > (extract(epoch FROM clock_timestamp()) * 1000000)::bigint) ORDER BY l.shard FOR SHARE";

const STANDING: &str = "SELECT p.revision, p.suspended, p.revision = j.current FROM journey j JOIN program p USING (namespace, journey) \
    WHERE j.namespace = $1 AND j.journey = $2 AND NOT j.stopped";

static WAITS: LazyLock<String> = LazyLock::new(|| {
    soonest(
        "enrollment",
        "due_at",
        "AND (active OR watch_until > (extract(epoch FROM statement_timestamp()) * 1000000)::bigint) AND NOT revision = ANY($6)",
    )
});
static HELD: LazyLock<String> = LazyLock::new(|| soonest("outbox", "due_at", "AND adapter = $6"));
static OTHERS: LazyLock<String> = LazyLock::new(|| soonest("outbox", "due_at", "AND NOT adapter = ANY($6)"));
static OVER: LazyLock<String> = LazyLock::new(|| {
    soonest(
        "outbox",
        "over_at",
        "AND due_at IS NOT NULL AND due_at <= (extract(epoch FROM statement_timestamp()) * 1000000)::bigint",
    )
});
static STAYS: LazyLock<String> = LazyLock::new(|| soonest("placed", "due_at", ""));
static LOOKS: LazyLock<String> = LazyLock::new(|| soonest("sighting", "look_at", ""));

/// Of messages that were claimed under an older epoch, or under this one so long ago that who claimed them would have said what came of it.
/// The orders are those of the one index that is to be read; and what was claimed long ago ($8) and is gone is not stepped over each time.
const ORPHANS: &str = "SELECT o.customer FROM unnest($3::smallint[], $5::bigint[]) l (shard, epoch) CROSS JOIN LATERAL \
    ((SELECT customer FROM outbox WHERE namespace = $1 AND journey = $2 AND shard = l.shard AND epoch < l.epoch \
    ORDER BY epoch, claimed_at LIMIT $4) \
    UNION ALL (SELECT customer FROM outbox WHERE namespace = $1 AND journey = $2 AND shard = l.shard AND epoch = l.epoch \
    AND claimed_at <= (extract(epoch FROM statement_timestamp()) * 1000000)::bigint - $7::bigint \
    AND claimed_at >= (extract(epoch FROM statement_timestamp()) * 1000000)::bigint - $8::bigint \
    AND NOT key = ANY($6::bytea[]) ORDER BY claimed_at LIMIT $4)) o LIMIT $4";

/// A statement that gives the customers of those rows of the shards ($3) whose instant has come, $4 at most, in the order of instants; with each,
/// whether a shard has more of them. An index has a shard's rows in that order, but not those of all shards, and reading everything that is due to
/// find what is due first takes ever longer the more is due. So it reads of each shard the first $5; after the last one of a shard of which there
/// may be more the order is not known, and nothing is given.
fn soonest(table: &str, instant: &str, only: &str) -> String {
    format!(
        "SELECT d.customer, d.until IS NOT NULL FROM \
         (SELECT r.customer, r.at, min(r.at) FILTER (WHERE r.nth = $5) OVER () AS until \
         FROM unnest($3::smallint[]) s (shard) CROSS JOIN LATERAL \
         (SELECT customer, {instant} AS at, row_number() OVER (ORDER BY {instant}) AS nth FROM {table} \
         WHERE namespace = $1 AND journey = $2 AND shard = s.shard AND {instant} IS NOT NULL \
         AND {instant} <= (extract(epoch FROM statement_timestamp()) * 1000000)::bigint {only} ORDER BY {instant} LIMIT $5) r) d \
         WHERE d.until IS NULL OR d.at <= d.until ORDER BY d.at LIMIT $4"
    )
}

impl<'a, 'c> Look<'a, 'c> {
    fn new(tx: &'a sql::Transaction<'c>, keys: &'a Keys, hold: &'a Hold) -> Self {
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
        let rows = sql::rows(self.tx, STANDING, &[&self.hold.namespace, &self.hold.journey]).await?;
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

    /// Whether anything stays of what the journey said, to anybody. Only rounds under these leases make it so.
    async fn anything_stays(&self) -> Result<bool> {
        let any = "SELECT EXISTS (SELECT FROM placed WHERE namespace = $1 AND journey = $2 AND shard >= 0)";
        let rows = sql::rows(self.tx, any, &[&self.hold.namespace, &self.hold.journey]).await?;
        Ok(rows[0].get(0))
    }

    /// The rows, where there is reason to ask.
    async fn rows_if(&self, ask: bool, sql: &str, values: sql::Values<'_>) -> Result<Vec<Row>> {
        if ask {
            sql::rows(self.tx, sql, values).await
        } else {
            Ok(Vec::new())
        }
    }

    /// Those for whom events wait, in the order of acceptance, and the first one's number.
    async fn inbox(&self, request: &RoundRequest, limit: i64) -> Result<Inbox> {
        let waiting = "SELECT customer, seq FROM inbox WHERE namespace = $1 AND journey = $2 AND shard >= 0 AND seq >= $5 AND shard = ANY($3) \
                       ORDER BY seq LIMIT $4";
        let from = request.first_number();
        let (namespace, journey) = (&self.hold.namespace, &self.hold.journey);
        let rows = sql::rows(self.tx, waiting, &[namespace, journey, &self.shards, &limit, &from]).await?;
        Ok(Inbox {
            customers: rows
                .iter()
                .map(|row| seal::customer_key(row.get(0)))
                .collect::<Result<_>>()?,
            first: rows.first().map(|row| row.get(1)),
        })
    }

    /// Whom the round is to look at, apart from those it is told of. What is due is due by the database's clock.
    async fn sources(&self, request: &RoundRequest) -> Result<Sources> {
        let (namespace, journey) = (&self.hold.namespace, &self.hold.journey);
        let limit = i64::from(request.limit) + 1;
        let at_hand: [&(dyn ToSql + Sync); 4] = [namespace, journey, &self.shards, &limit];
        let each = rules::of_each_shard(limit, self.shards.len());
        let due: [&(dyn ToSql + Sync); 5] = [namespace, journey, &self.shards, &limit, &each];
        let inbox = self.inbox(request, limit);
        if request.scope == Scope::AtHand {
            return Ok(Sources {
                inbox: inbox.await?,
                ..Sources::default()
            });
        }
        let stuck: Vec<&str> = request.stuck.iter().map(String::as_str).collect();
        let waiting: [&(dyn ToSql + Sync); 6] = [namespace, journey, &self.shards, &limit, &each, &stuck];
        let in_flight: Vec<&[u8]> = request.in_flight.iter().map(|key| key.0.as_slice()).collect();
        let claimed: [&(dyn ToSql + Sync); 8] = [
            namespace,
            journey,
            &self.shards,
            &limit,
            &self.epochs,
            &in_flight,
            &rules::ORPHAN_AFTER,
            &request.claims_within,
        ];
        let (inbox, waits, holds, orphans, stays, looks, at_door) = tokio::try_join!(
            biased;
            inbox,
            self.soonest(&WAITS, &waiting),
            self.held(&request.room, limit, &due),
            async {
                if request.scope == Scope::All {
                    self.customers(ORPHANS, &claimed).await
                } else {
                    Ok(Vec::new())
                }
            },
            self.soonest(&STAYS, &due),
            async {
                if request.looks {
                    self.soonest(&LOOKS, &due).await
                } else {
                    Ok(Soonest::default())
                }
            },
            self.at_door(&at_hand),
        )?;
        Ok(Sources {
            inbox,
            waits,
            holds,
            orphans,
            stays,
            looks,
            at_door,
        })
    }

    /// Whose held messages are due: of each lane as many as it has room for, of the others, and those that are over.
    async fn held(&self, room: &Room, limit: i64, due: sql::Values<'_>) -> Result<Vec<Soonest>> {
        let named: Vec<&str> = room.lanes.keys().map(String::as_str).collect();
        let lanes = room.lanes.iter();
        let lanes = lanes.map(|(adapter, most)| self.first(&HELD, adapter, limit.min(i64::from(*most))));
        let most = limit.min(room.others.map_or(i64::MAX, i64::from));
        let (mut held, others, over) = tokio::try_join!(
            biased;
            futures::future::try_join_all(lanes),
            self.first(&OTHERS, &named, most),
            self.soonest(&OVER, due),
        )?;
        held.extend([others, over]);
        Ok(held)
    }

    /// The first of `which` ($6), `most` of them.
    async fn first(&self, sql: &str, which: &(dyn ToSql + Sync), most: i64) -> Result<Soonest> {
        if most == 0 {
            return Ok(Soonest::default());
        }
        let (namespace, journey) = (&self.hold.namespace, &self.hold.journey);
        let each = rules::of_each_shard(most, self.shards.len());
        let values: [&(dyn ToSql + Sync); 6] = [namespace, journey, &self.shards, &most, &each, which];
        let mut first = self.soonest(sql, &values).await?;
        // By the next round there is room for more, if there are more.
        first.more |= i64::try_from(first.customers.len()).is_ok_and(|found| found >= most);
        Ok(first)
    }

    /// For whom the time has come, by one of the statements of [`soonest`].
    async fn soonest(&self, sql: &str, values: sql::Values<'_>) -> Result<Soonest> {
        let mut soonest = Soonest::default();
        for row in sql::rows(self.tx, sql, values).await? {
            soonest.customers.push(seal::customer_key(row.get(0))?);
            soonest.more = row.get(1);
        }
        Ok(soonest)
    }

    /// Who is to be looked at, whether somebody was left out, and whose turn at the door has come.
    async fn choose(
        &self,
        request: &RoundRequest,
        suspended: bool,
        swept: &Sweeps,
        sources: Sources,
        now: Micros,
    ) -> Result<(BTreeSet<CustomerKey>, bool, door::Turns)> {
        let Sources {
            inbox,
            waits,
            holds,
            orphans,
            stays,
            looks,
            at_door,
        } = sources;
        let held: BTreeSet<u8> = self.hold.shards.iter().map(|lease| lease.shard).collect();
        let first = request
            .outcomes
            .iter()
            .map(|handed| handed.customer)
            .filter(|key| held.contains(&key.shard()))
            .chain(swept.customers())
            .collect();
        let admissions = request.admissions.filter(|_| !suspended);
        let door = door::turns(self.tx, self.hold, admissions, at_door, now).await?;
        let (waits, looks) = if suspended {
            (Soonest::default(), Soonest::default())
        } else {
            (waits, looks)
        };
        let more = waits.more || stays.more || looks.more || holds.iter().any(|lane| lane.more);
        let sources = [
            inbox.customers,
            waits.customers,
            orphans,
            stays.customers,
            looks.customers,
            door.keys().copied().collect(),
        ];
        // A lane's backlog keeps nobody of another lane waiting.
        let holds = holds.into_iter().map(|lane| lane.customers);
        let sources: Vec<Vec<CustomerKey>> = sources.into_iter().chain(holds).collect();
        // A source that gave all it may give may have more, though what it gave was all of a few customers.
        let cut = more || sources.iter().any(|source| source.len() > request.limit as usize);
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

    /// Reads all there is of customers: by statements after the one that locks them, so that what the holders before us wrote is seen.
    async fn read(&self, request: &RoundRequest, chosen: &BTreeSet<CustomerKey>, stays: bool) -> Result<Read> {
        let which: Vec<&[u8]> = chosen.iter().map(|key| key.0.as_slice()).collect();
        let (namespace, journey) = (&self.hold.namespace, &self.hold.journey);
        let most = i64::try_from(rules::INBOX_PER_CUSTOMER).unwrap_or(i64::MAX);
        let since: [&(dyn ToSql + Sync); 3] = [namespace, &which, &request.contacts_within];
        let bounded: [&(dyn ToSql + Sync); 4] = [namespace, journey, &which, &most];
        let all: [&(dyn ToSql + Sync); 3] = [namespace, journey, &which];
        let (contacts, enrollments, inbox, outbox, stays, sightings) = tokio::try_join!(
            biased;
            self.rows_if(
                request.contacts_within > 0,
                "SELECT c.* FROM unnest($2::bytea[]) u (customer) CROSS JOIN LATERAL \
                 (SELECT customer, message, purpose, channel, at FROM contact WHERE namespace = $1 AND customer = u.customer \
                 AND at >= (extract(epoch FROM statement_timestamp()) * 1000000)::bigint - $3::bigint OFFSET 0) c ORDER BY c.at",
                &since,
            ),
            sql::rows(
                self.tx,
                "SELECT e.* FROM unnest($3::bytea[]) u (customer) CROSS JOIN LATERAL \
                 (SELECT customer, ordinal, sealed, ctid::text FROM enrollment WHERE namespace = $1 AND journey = $2 AND customer = u.customer \
                 AND (active OR watch_until > (extract(epoch FROM statement_timestamp()) * 1000000)::bigint) OFFSET 0) e \
                 ORDER BY e.customer, e.ordinal",
                &all,
            ),
            sql::rows(
                self.tx,
                "SELECT i.customer, i.seq, i.sealed, i.place FROM unnest($3::bytea[]) c (customer) CROSS JOIN LATERAL \
                 (SELECT customer, seq, sealed, ctid::text AS place FROM inbox \
                 WHERE namespace = $1 AND journey = $2 AND customer = c.customer ORDER BY seq LIMIT $4) i \
                 ORDER BY i.customer, i.seq",
                &bounded,
            ),
            sql::rows(
                self.tx,
                "SELECT o.* FROM unnest($3::bytea[]) u (customer) CROSS JOIN LATERAL \
                 (SELECT customer, key, sealed, ctid::text FROM outbox WHERE namespace = $1 AND journey = $2 AND customer = u.customer OFFSET 0) o \
                 ORDER BY o.customer, o.key",
                &all,
            ),
            self.rows_if(
                stays,
                "SELECT p.* FROM unnest($3::bytea[]) u (customer) CROSS JOIN LATERAL \
                 (SELECT customer, key, due_at, sealed FROM placed WHERE namespace = $1 AND customer = u.customer AND journey = $2 OFFSET 0) p \
                 ORDER BY p.customer, p.key",
                &all,
            ),
            async {
                if request.looks {
                    look::sightings(self.tx, self.hold, &which).await
                } else {
                    Ok(Vec::new())
                }
            },
        )?;
        Ok(Read {
            contacts,
            enrollments,
            inbox,
            outbox,
            stays,
            sightings,
        })
    }

    /// Puts together what is known of each customer, and leaves out who has nothing to do.
    async fn turns(
        &self,
        locked: Customers,
        request: &RoundRequest,
        swept: &Sweeps,
        door: &door::Turns,
        read: Read,
        now: Micros,
    ) -> Result<(Vec<CustomerTurn>, RowsAt)> {
        let mut turns: BTreeMap<CustomerKey, CustomerTurn> = locked
            .iter()
            .map(|(key, customer)| (*key, CustomerTurn::of(customer.clone())))
            .collect();
        let Read {
            contacts,
            enrollments,
            inbox,
            outbox,
            stays,
            sightings,
        } = read;
        for row in &contacts {
            let contact = Contact {
                purpose: row.get(2),
                channel: row.get(3),
                at: row.get(4),
            };
            let message = MessageKey(seal::sixteen(row.get(1))?);
            turn(&mut turns, row.get(0), |turn| turn.contacts.push((message, contact)))?;
        }
        let mut at = RowsAt::default();
        for row in &enrollments {
            let (customer, ordinal): (&[u8], i64) = (row.get(0), row.get(1));
            at.enrollments
                .insert((seal::customer_key(customer)?, ordinal), row.get(3));
            let enrollment = self.open("enrollment", &[customer, &ordinal.to_be_bytes()], row.get(2))?;
            turn(&mut turns, customer, |turn| turn.enrollments.push(enrollment))?;
        }
        for row in &inbox {
            let number: i64 = row.get(1);
            at.inbox.insert(number, row.get(3));
            let event = self.open("inbox", &[&number.to_be_bytes()], row.get(2))?;
            turn(&mut turns, row.get(0), |turn| turn.inbox.push((number, event)))?;
        }
        for row in &outbox {
            let (customer, key): (&[u8], &[u8]) = (row.get(0), row.get(1));
            let message: OutboxRow = self.open("outbox", &[customer, key], row.get(2))?;
            at.outbox.insert((message.customer, message.key), row.get(3));
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
        for (customer, sighting) in sightings {
            if let Some(turn) = turns.get_mut(&customer) {
                turn.sighting = sighting;
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
        let turns = turns.into_values().filter(|turn| rules::has_work(turn, now));
        Ok((turns.collect(), at))
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
