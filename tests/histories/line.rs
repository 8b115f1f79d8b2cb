//! A process's line to the store: the store in memory, with everything that can go wrong at each await.

use super::{
    defect,
    world::{Fault, Process, World},
};
use async_trait::async_trait;
use journey::{
    clock::{Clock, Micros},
    keys::{AddressKey, CustomerKey, MessageKey},
    kpi::Counts,
    policy::Consent,
    store::{
        After, Arrival, Backlog, Beat, Dropped, Due, Hold, Imported, InSlot, JourneyRow, Learn, MessageRow,
        NamespacePrograms, News, Next, OutboxRow, PutBack, Quarantined, Ran, Receipt, Result, Retried, Round,
        RoundRequest, RoundResult, Running, Store, StoreError, Suppressed, Work,
    },
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};
use tokio::time::Instant;
use uuid::Uuid;

pub struct Line {
    pub world: Arc<World>,
    pub process: Arc<Process>,
}

impl Line {
    /// A call whose effect is `effect`, with what goes wrong before it and after it.
    async fn call<T>(&self, what: &'static str, effect: impl Future<Output = Result<T>>) -> Result<T> {
        let process = &self.process;
        process.gate().await;
        let away = || Err(StoreError::Unavailable(format!("{what}: a fault of the history")));
        let (fault, delay, late) = self.draw(what);
        tokio::time::sleep(delay).await;
        if let Some(fault) = fault {
            self.world.tell(|| format!("{} {what}: {fault:?}", process.name()));
        }
        match fault {
            Some(Fault::Refused) => return away(),
            Some(Fault::Cut) => {
                process.cut(late);
                return away();
            }
            Some(Fault::Late) => tokio::time::sleep(late).await,
            Some(Fault::CrashBefore) => process.die(),
            Some(Fault::FreezeBefore) => process.freeze(late),
            Some(Fault::AnswerLost | Fault::AnswerLate | Fault::CrashAfter | Fault::FreezeAfter) | None => {}
        }
        process.gate().await;
        if process.is_cut() || self.is_out() {
            tokio::time::sleep(Duration::from_millis(20)).await;
            process.gate().await;
            return away();
        }
        let result = effect.await;
        match fault {
            Some(Fault::AnswerLost) => return away(),
            Some(Fault::AnswerLate) => tokio::time::sleep(late).await,
            Some(Fault::CrashAfter) => process.die(),
            Some(Fault::FreezeAfter) => process.freeze(late),
            Some(Fault::Refused | Fault::Late | Fault::CrashBefore | Fault::FreezeBefore | Fault::Cut) | None => {}
        }
        process.gate().await;
        result
    }

    /// What goes wrong, how long the call takes, and how long what goes wrong does.
    fn draw(&self, what: &'static str) -> (Option<Fault>, Duration, Duration) {
        let mut state = self.world.state();
        let state = &mut *state;
        *state.calls.entry(what).or_default() += 1;
        let Some(mixture) = &state.mixture else {
            return (None, Duration::from_millis(1), Duration::ZERO);
        };
        let chance = &mut state.chance;
        let fault = chance
            .permille(mixture.calls)
            .then(|| chance.pick(&mixture.of_calls))
            // A gateway that dies, freezes or is cut off is a connection that broke: its clients send again.
            .map(|fault| match (self.process.journey.is_empty(), fault) {
                (true, Fault::CrashBefore | Fault::FreezeBefore | Fault::Cut) => Fault::Refused,
                (true, Fault::CrashAfter | Fault::FreezeAfter) => Fault::AnswerLost,
                (_, fault) => fault,
            });
        let delay = chance.millis(0..mixture.slow + 1);
        // About as long as a lease, so that it ends before, during and after.
        let late = if chance.one_in(3) {
            chance.millis(4_900..5_100)
        } else {
            chance.millis(50..12_000)
        };
        (fault, delay, late)
    }

    fn is_out(&self) -> bool {
        self.world.state().outage.is_some_and(|until| until > Instant::now())
    }
}

#[async_trait]
impl Store for Line {
    async fn ping(&self) -> Result<()> {
        self.call("ping", self.world.memory.ping()).await
    }

    async fn now(&self) -> Result<Micros> {
        self.call("now", self.world.memory.now()).await
    }

    async fn put_settings(&self, namespace: &str, body: &serde_json::Value) -> Result<()> {
        self.call("put_settings", self.world.memory.put_settings(namespace, body))
            .await
    }

    async fn put_journey(&self, namespace: &str, row: &JourneyRow) -> Result<()> {
        self.call("put_journey", self.world.memory.put_journey(namespace, row))
            .await
    }

    async fn stop_journey(&self, namespace: &str, journey: &str) -> Result<()> {
        self.call("stop_journey", self.world.memory.stop_journey(namespace, journey))
            .await
    }

    async fn remove_journey(&self, namespace: &str, journey: &str) -> Result<()> {
        self.call("remove_journey", self.world.memory.remove_journey(namespace, journey))
            .await
    }

    async fn remove_namespace(&self, namespace: &str) -> Result<()> {
        self.call("remove_namespace", self.world.memory.remove_namespace(namespace))
            .await
    }

    async fn programs(&self, namespace: &str, known: i64) -> Result<Option<NamespacePrograms>> {
        self.call("programs", self.world.memory.programs(namespace, known))
            .await
    }

    async fn accept(&self, namespace: &str, batch: &[Arrival], learn: Learn<'_>) -> Result<Vec<Receipt>> {
        let effect = async {
            let given = defect::of_batch(&self.world, batch);
            let receipts = self.world.memory.accept(namespace, &given, learn).await?;
            let now = self.world.clock.now();
            self.world.state().shadow.accepted(batch, &receipts, now);
            self.world.tell(|| {
                let ids = batch.iter().zip(&receipts);
                let ids = ids.map(|(one, receipt)| format!(" {} {} {receipt:?};", one.name, one.id.expose()));
                format!("{} accepts{}", self.process.name(), ids.collect::<String>())
            });
            Ok(receipts)
        };
        self.call("accept", effect).await
    }

    async fn announce(&self, namespace: &str, news: &[News]) -> Result<Vec<Receipt>> {
        self.call("announce", self.world.memory.announce(namespace, news)).await
    }

    async fn strike(
        &self,
        namespace: &str,
        schedules: &BTreeMap<String, String>,
        due: Due<'_>,
    ) -> Result<Option<Micros>> {
        self.call("strike", self.world.memory.strike(namespace, schedules, due))
            .await
    }

    async fn quarantine(&self, namespace: &str, rows: &[Quarantined]) -> Result<()> {
        self.call("quarantine", self.world.memory.quarantine(namespace, rows))
            .await
    }

    async fn quarantined(&self, namespace: &str, after: i64, limit: u32) -> Result<Vec<(i64, Quarantined)>> {
        self.call("quarantined", self.world.memory.quarantined(namespace, after, limit))
            .await
    }

    async fn release(&self, namespace: &str, id: i64) -> Result<Option<Quarantined>> {
        self.call("release", self.world.memory.release(namespace, id)).await
    }

    async fn put_back(&self, namespace: &str, id: i64) -> Result<PutBack> {
        self.call("put_back", self.world.memory.put_back(namespace, id)).await
    }

    async fn discard(&self, namespace: &str, id: i64) -> Result<Option<Quarantined>> {
        self.call("discard", self.world.memory.discard(namespace, id)).await
    }

    async fn outbox(
        &self,
        namespace: &str,
        journey: &str,
        after: After<CustomerKey>,
        limit: u32,
    ) -> Result<Vec<OutboxRow>> {
        let effect = Store::outbox(&self.world.memory, namespace, journey, after, limit);
        self.call("outbox", effect).await
    }

    async fn waiting(&self, namespace: &str, journey: &str, key: MessageKey) -> Result<Option<OutboxRow>> {
        self.call("waiting", self.world.memory.waiting(namespace, journey, key))
            .await
    }

    async fn failed(
        &self,
        namespace: &str,
        journey: &str,
        after: After<Micros>,
        limit: u32,
    ) -> Result<Vec<MessageRow>> {
        let effect = self.world.memory.failed(namespace, journey, after, limit);
        self.call("failed", effect).await
    }

    async fn retry(&self, namespace: &str, journey: &str, key: MessageKey) -> Result<Retried> {
        self.call("retry", self.world.memory.retry(namespace, journey, key))
            .await
    }

    async fn drop_message(
        &self,
        namespace: &str,
        journey: &str,
        customer: CustomerKey,
        key: MessageKey,
    ) -> Result<Dropped> {
        let effect = self.world.memory.drop_message(namespace, journey, customer, key);
        self.call("drop_message", effect).await
    }

    async fn intake_counts(&self, namespace: &str) -> Result<Counts> {
        self.call("intake_counts", self.world.memory.intake_counts(namespace))
            .await
    }

    async fn message(&self, namespace: &str, key: MessageKey) -> Result<Option<MessageRow>> {
        self.call("message", self.world.memory.message(namespace, key)).await
    }

    async fn slot(&self, namespace: &str, customer: CustomerKey, slot: &str) -> Result<Option<InSlot>> {
        self.call("slot", self.world.memory.slot(namespace, customer, slot))
            .await
    }

    async fn consents(&self, namespace: &str, customer: CustomerKey) -> Result<Option<BTreeMap<String, Consent>>> {
        self.call("consents", self.world.memory.consents(namespace, customer))
            .await
    }

    async fn dismiss(&self, namespace: &str, message: MessageKey) -> Result<()> {
        self.call("dismiss", self.world.memory.dismiss(namespace, message))
            .await
    }

    async fn suppress(&self, namespace: &str, rows: &[Suppressed]) -> Result<()> {
        self.call("suppress", self.world.memory.suppress(namespace, rows)).await
    }

    async fn unsuppress(&self, namespace: &str, address: AddressKey) -> Result<bool> {
        self.call("unsuppress", self.world.memory.unsuppress(namespace, address))
            .await
    }

    async fn suppressed(&self, namespace: &str, after: Option<AddressKey>, limit: u32) -> Result<Vec<Suppressed>> {
        self.call("suppressed", self.world.memory.suppressed(namespace, after, limit))
            .await
    }

    async fn import(&self, namespace: &str, customers: &[Imported], file: &str, rows: u64) -> Result<()> {
        self.call("import", self.world.memory.import(namespace, customers, file, rows))
            .await
    }

    async fn import_progress(&self, namespace: &str, file: &str) -> Result<u64> {
        self.call("import_progress", self.world.memory.import_progress(namespace, file))
            .await
    }

    async fn join(&self, namespace: &str, journey: &str, owner: Uuid, ttl: Duration) -> Result<Hold> {
        let effect = async {
            let hold = self.world.memory.join(namespace, journey, owner, ttl).await?;
            let now = self.world.clock.now();
            self.world.state().shadow.joined(&hold, now, ttl);
            self.world
                .tell(|| format!("{} joins: {} shards", self.process.name(), hold.shards.len()));
            Ok(hold)
        };
        self.call("join", effect).await
    }

    async fn beat(&self, hold: &Hold, ttl: Duration) -> Result<Beat> {
        let effect = async {
            let told = self.world.memory.beat(hold, ttl).await?;
            let now = self.world.clock.now();
            self.world.state().shadow.beaten(hold, now, ttl);
            Ok(told)
        };
        self.call("beat", effect).await
    }

    async fn leave(&self, namespace: &str, journey: &str, owner: Uuid) -> Result<()> {
        let effect = async {
            self.world.memory.leave(namespace, journey, owner).await?;
            self.world.state().shadow.left(journey, owner);
            self.world.tell(|| format!("{} leaves", self.process.name()));
            Ok(())
        };
        self.call("leave", effect).await
    }

    async fn round(&self, hold: &Hold, request: &RoundRequest, work: Work<'_>) -> Result<RoundResult> {
        let world = &self.world;
        let effect = async {
            let given = defect::of_hold(world, hold);
            let mut heard = None;
            let undo = defect::of_clock(world);
            let now = world.clock.now();
            let result = world
                .memory
                .round(&given, request, &mut |round: Round| {
                    let round = defect::of_round(world, round);
                    let seen = round.clone();
                    let commit = defect::of_commit(world, work(round));
                    heard = Some((seen, commit.clone()));
                    if defect::forgets_commits(world) {
                        return journey::store::RoundCommit::default();
                    }
                    commit
                })
                .await;
            world.clock.jump(-undo);
            if let (Ok(RoundResult::Committed { .. }), Some((seen, commit))) = (&result, heard) {
                world.tell(|| format!("{} commits {}", self.process.name(), told(&seen, &commit)));
                let mut state = world.state();
                let state = &mut *state;
                state.shadow.committed(&self.process, hold, &seen, &commit, now - undo);
            } else if let Ok(RoundResult::Fenced | RoundResult::Changed) = &result {
                world.tell(|| format!("{} is told {result:?}", self.process.name()));
            }
            result
        };
        self.call("round", effect).await
    }

    async fn due_next(&self, hold: &Hold, request: &RoundRequest) -> Result<Next> {
        self.call("due_next", self.world.memory.due_next(hold, request)).await
    }

    async fn wait(&self, namespace: &str, journey: &str, timeout: Duration) -> bool {
        self.process.gate().await;
        let woken = self.world.memory.wait(namespace, journey, timeout).await;
        self.process.gate().await;
        woken
    }

    // What is acknowledged moves nobody: no fault is drawn for it, so that seeds go on being the histories that they were.
    async fn acknowledge(&self, namespace: &str, journey: &str, owner: Uuid, policy: &str) -> Result<()> {
        self.world.memory.acknowledge(namespace, journey, owner, policy).await
    }

    async fn attend(&self, namespace: &str, owner: Uuid, policy: &str, ttl: Duration) -> Result<()> {
        self.world.memory.attend(namespace, owner, policy, ttl).await
    }

    async fn depart(&self, namespace: &str, owner: Uuid) -> Result<()> {
        self.world.memory.depart(namespace, owner).await
    }

    async fn running(&self, namespace: &str) -> Result<Running> {
        self.world.memory.running(namespace).await
    }

    async fn retained(&self, namespace: &str) -> Result<Option<Ran>> {
        self.world.memory.retained(namespace).await
    }

    async fn counts(&self, namespace: &str, journey: &str) -> Result<Counts> {
        self.call("counts", self.world.memory.counts(namespace, journey)).await
    }

    async fn backlog(&self, namespace: &str, journey: &str) -> Result<Backlog> {
        self.call("backlog", self.world.memory.backlog(namespace, journey))
            .await
    }

    async fn overfull(&self, namespace: &str, inbox: u32, news: u32) -> Result<BTreeSet<String>> {
        self.call("overfull", self.world.memory.overfull(namespace, inbox, news))
            .await
    }
}

fn told(round: &Round, commit: &journey::store::RoundCommit) -> String {
    let ids = round.customers.iter().flat_map(|turn| &turn.inbox);
    let ids: Vec<&str> = ids.map(|(_, event)| event.id.expose().as_str()).collect();
    let rows = commit.enrollments.iter();
    let rows: Vec<String> = rows
        .map(|row| {
            format!(
                "{}#{} {:?}",
                row.customer, row.enrollment.ordinal, row.enrollment.standing
            )
        })
        .collect();
    let outbox = commit.outbox.iter();
    let outbox: Vec<String> = outbox
        .map(|row| {
            format!(
                "{} {} {:?}{}",
                row.key,
                row.touchpoint,
                row.state,
                if row.uncertain { " uncertain" } else { "" }
            )
        })
        .collect();
    let over = commit
        .messages
        .iter()
        .filter_map(|row| Some((row, row.outcome.as_ref()?)));
    let over: Vec<String> = over
        .map(|(row, outcome)| format!("{} {} {outcome:?}", row.key, row.touchpoint))
        .collect();
    format!("events {ids:?}, enrollments {rows:?}, outbox {outbox:?}, over {over:?}")
}
