//! Plays a history: a seed chooses the shop, the faults and what happens; then nothing goes wrong any more, everything comes to rest in virtual
//! time, and the books are closed.

use super::{
    books,
    chance::Chance,
    crew::Crew,
    defect::Defect,
    line::Line,
    shop::{CART, NAMESPACE, SHOPS},
    world::{Fault, Mixture, Process, Provider, World},
};
use journey::{
    clock::{Clock as _, SECOND},
    consent::Signals,
    engine::state::{Outcome, Properties},
    gateway::{self, Incoming, Learning, Offer},
    keys::CustomerKey,
    personal::Personal,
    simulate,
    store::{Dropped, JourneyRow, News, OUTCOME_UNKNOWN, OutboxState, Receipt, Retried, Store},
};
use serde_json::json;
use std::{sync::Arc, time::Duration};
use tokio::{task::JoinSet, time::Instant};

/// Everything has come to rest within this, of virtual time: the longest lease, retries and a line at the door together.
const REST: Duration = Duration::from_secs(240);
const ADAPTER: &str = "web";

pub struct Played {
    pub violation: Option<String>,
    pub trace: Vec<String>,
}

pub fn play(seed: u64, defect: Option<Defect>, traced: bool) -> Played {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut history = History::begin(seed, defect, traced).await;
        history.happen().await;
        history.come_to_rest().await;
        let violation = history.world.state().shadow.violation().map(str::to_owned);
        Played {
            violation,
            trace: history.world.take_trace(),
        }
    })
}

struct History {
    world: Arc<World>,
    chance: Chance,
    crew: Crew,
    clients: JoinSet<()>,
    gateway: Arc<Process>,
    /// Events that were sent, to be sent again.
    sent: Vec<Incoming>,
    customers: u64,
    revision: usize,
    suspended: bool,
    /// Whether customers become one in this history.
    joins: bool,
    /// Whether journeys are suspended and removed in this history.
    operates: bool,
    /// What is more in some histories: clients that send by two gateways at once, people who retry and drop messages by hand, and news.
    more: Option<More>,
}

/// With chances of its own: histories without it are as they were before there was any.
struct More {
    chance: Chance,
    gateway: Arc<Process>,
    news: u8,
}

impl More {
    fn of(seed: u64) -> Option<Self> {
        let mut chance = Chance::of(!seed);
        matches!(seed % 7, 4 | 5).then(|| Self {
            gateway: Process::new(1, "", &mut chance),
            chance,
            news: 0,
        })
    }
}

impl History {
    async fn begin(seed: u64, defect: Option<Defect>, traced: bool) -> Self {
        let mut chance = Chance::of(seed);
        let shop = &SHOPS[chance.index(SHOPS.len())];
        let mixture = mixture(&mut chance);
        let world = World::new(shop, chance.fork(), mixture.clone(), defect, traced);
        world.tell(|| {
            let (shape, deduplicates) = (shop.shape, shop.deduplicates);
            format!("{shape:?}, a provider that deduplicates: {deduplicates}; {mixture:?}")
        });
        let settings = &shop.settings[chance.index(2)];
        world.memory.put_settings(NAMESPACE, settings).await.unwrap();
        for (journey, row) in shop.journeys.iter().zip(&shop.revisions[0]) {
            world.memory.put_journey(NAMESPACE, row).await.unwrap();
            world.state().shadow.put(journey, false);
        }
        let mut crew = Crew::new(world.clone(), chance.fork());
        for journey in &shop.journeys {
            let runners = if *journey == CART {
                chance.of_range(1..4)
            } else {
                chance.of_range(1..3)
            };
            (0..runners).for_each(|_| crew.hire(journey));
        }
        Self {
            gateway: Process::new(0, "", &mut chance),
            crew,
            clients: JoinSet::new(),
            sent: Vec::new(),
            customers: chance.of_range(1..5),
            revision: 0,
            suspended: false,
            joins: chance.one_in(3),
            operates: chance.one_in(2),
            more: More::of(seed),
            chance,
            world,
        }
    }

    /// What people, operators and machines do.
    async fn happen(&mut self) {
        for _ in 0..self.chance.of_range(8..30) {
            let pause = if self.chance.one_in(6) { 0..7_000 } else { 0..1_200 };
            tokio::time::sleep(self.chance.millis(pause)).await;
            match self.chance.of_range(0..100) {
                0..60 => self.send(),
                60..66 => self.crew.crash_one(),
                66..71 => self.crew.freeze_one(),
                71..75 => self.crew.cut_one(),
                75..80 => self.crew.stop_one(),
                80..83 => self.outage(),
                83..87 => self.jump(),
                87..90 => self.change_settings().await,
                90..93 => self.change_revision().await,
                93..97 if self.operates => self.suspend().await,
                97..100 if self.operates => self.restart().await,
                _ => {}
            }
            if self.more.as_mut().is_some_and(|more| more.chance.one_in(4)) {
                self.by_hand().await;
            }
            if self.more.as_mut().is_some_and(|more| more.chance.one_in(6)) {
                self.announce().await;
            }
            self.reap();
        }
    }

    async fn come_to_rest(&mut self) {
        self.world.tell(|| "from here on nothing goes wrong".into());
        self.world.calm();
        self.crew.heal();
        self.suspended = false;
        self.put().await;
        let begun = Instant::now();
        // What is heard once more, or comes by itself, within two seconds of rest belongs to the history.
        let mut rested = 0;
        while rested < 4 {
            tokio::time::sleep(Duration::from_millis(500)).await;
            self.reap();
            let Some(restless) = self.left().await else {
                rested += 1;
                continue;
            };
            rested = 0;
            if begun.elapsed() > REST {
                self.world
                    .state()
                    .shadow
                    .violated(|| format!("it does not come to rest: {restless}"));
                return;
            }
        }
        let aside = self.world.memory.quarantined(NAMESPACE, 0, 1).await.unwrap();
        if let Some((_, row)) = aside.first() {
            let said = || format!("something was put aside: {} {}", row.reason, row.detail);
            self.world.state().shadow.violated(said);
        }
        books::close(&self.world);
    }

    fn reap(&mut self) {
        while let Some(client) = self.clients.try_join_next() {
            client.unwrap();
        }
    }

    async fn left(&self) -> Option<String> {
        if !self.clients.is_empty() {
            return Some("clients that send".into());
        }
        // Somebody has each shard: what no table tells of, such as a first look at everybody, is done then.
        let held = self.world.state().shadow.shards_held_by(&self.crew.owners());
        if held < self.world.shop.journeys.len() * usize::from(CustomerKey::SHARDS) {
            return Some(format!("only {held} shards are held"));
        }
        for journey in &self.world.shop.journeys {
            let left = self.world.memory.backlog(NAMESPACE, journey).await.unwrap();
            if left.active + left.inbox + left.outbox + left.paced + left.news > 0 {
                return Some(format!("{journey} has {left:?}"));
            }
        }
        None
    }

    /// A client that sends a few events, and sends them again until they are acknowledged.
    fn send(&mut self) {
        let events: Vec<Incoming> = (0..self.chance.of_range(1..4)).map(|_| self.event()).collect();
        if let Some(More { chance, gateway, .. }) = &mut self.more
            && chance.one_in(3)
        {
            let other = gateway.clone();
            self.send_by(other, events.clone());
        }
        self.send_by(self.gateway.clone(), events);
    }

    fn send_by(&mut self, gateway: Arc<Process>, events: Vec<Incoming>) {
        let world = self.world.clone();
        self.clients.spawn(async move {
            let line = Line {
                world: world.clone(),
                process: gateway,
            };
            loop {
                if bring(&line, &events).await {
                    return;
                }
                let pause = world.state().chance.millis(50..900);
                tokio::time::sleep(pause).await;
            }
        });
    }

    fn event(&mut self) -> Incoming {
        if !self.sent.is_empty() && self.chance.one_in(7) {
            let again = self.chance.index(self.sent.len());
            return self.sent[again].clone();
        }
        let chance = &mut self.chance;
        let user = format!("u{}", chance.of_range(0..self.customers));
        let visitor = format!("a{}", chance.of_range(0..2));
        let cart = format!("c{}", chance.of_range(0..3));
        let newsletter = chance.pick(&[(5, Some(true)), (1, Some(false)), (3, None)]);
        let joins = u64::from(self.joins);
        let kinds = [(6, 0), (2, 1), (1, 2), (3, 3), (2 * joins, 4), (2 * joins, 5)];
        let (name, mut data) = match chance.pick(&kinds) {
            0 => (
                "cart.updated",
                json!({"userId": user, "email": format!("{user}@customer.example"), "cart": cart, "points": chance.of_range(0..10)}),
            ),
            1 => ("consented", json!({"userId": user})),
            2 => ("order.placed", json!({"userId": user})),
            3 => ("page.seen", json!({"userId": user})),
            4 => (
                "visited",
                json!({"anonymousId": visitor, "email": format!("{visitor}@customer.example"), "cart": cart}),
            ),
            _ => ("signed.in", json!({"userId": user, "anonymousId": visitor})),
        };
        if let Some(newsletter) = newsletter.filter(|_| ["cart.updated", "consented", "visited"].contains(&name)) {
            data["newsletter"] = newsletter.into();
        }
        let late = chance.one_in(3).then(|| chance.of_range(0..4_000_000).cast_signed());
        let event = Incoming {
            id: format!("e{}", self.sent.len()).into(),
            source: "site".to_owned().into(),
            name: name.into(),
            time: late.map(|late| self.world.clock.now() - late),
            data: data.as_object().cloned().unwrap_or_else(Properties::new).into(),
            signals: Signals::default(),
        };
        self.sent.push(event.clone());
        event
    }

    /// Something happens to nobody in particular: everybody sees a page.
    async fn announce(&mut self) {
        let Some(more) = &mut self.more else {
            return;
        };
        more.news += 1;
        let id = format!("n{}", more.news);
        let news = News {
            key: [more.news; 16],
            id: id.clone().into(),
            name: "page-seen".into(),
            time: self.world.clock.now(),
            data: Personal::default(),
            listeners: vec![CART.into()],
        };
        let receipts = self.world.memory.announce(NAMESPACE, &[news]).await.unwrap();
        assert_eq!(receipts, [Receipt::Accepted]);
        self.world.tell(|| format!("news {id}"));
        self.world.state().shadow.announced(id);
    }

    /// As `journey outbox retry` and `drop` do.
    async fn by_hand(&mut self) {
        let Some(More { chance, .. }) = &mut self.more else {
            return;
        };
        let (memory, shop) = (&self.world.memory, self.world.shop);
        let journey = shop.journeys[chance.index(shop.journeys.len())];
        if chance.one_in(2) {
            let mut rows = memory.failed(NAMESPACE, journey, None, 100).await.unwrap();
            // What may have gone out would go out twice.
            let unknown = Outcome::Failed(OUTCOME_UNKNOWN.into());
            rows.retain(|row| shop.deduplicates || row.outcome.as_ref() != Some(&unknown));
            if rows.is_empty() {
                return;
            }
            let key = rows[chance.index(rows.len())].key;
            if memory.retry(NAMESPACE, journey, key).await.unwrap() == Retried::Done {
                self.world.tell(|| format!("message {key} is tried again by hand"));
                self.world.state().shadow.retried(key);
            }
        } else {
            let mut rows = Store::outbox(memory, NAMESPACE, journey, None, 100).await.unwrap();
            rows.retain(|row| matches!(row.state, OutboxState::Held { .. }));
            if rows.is_empty() {
                return;
            }
            let row = &rows[chance.index(rows.len())];
            let (customer, key) = (row.customer, row.key);
            let dropped = memory.drop_message(NAMESPACE, journey, customer, key).await.unwrap();
            if dropped == Dropped::Done {
                self.world.tell(|| format!("message {key} is dropped by hand"));
                self.world.state().shadow.dropped(key);
            }
        }
    }

    fn outage(&mut self) {
        let long = self.chance.millis(500..9_000);
        self.world.tell(|| format!("the store is away for {long:?}"));
        self.world.state().outage = Some(Instant::now() + long);
    }

    fn jump(&mut self) {
        let by = self.chance.pick(&[(4, 2), (3, 6), (1, 3_600), (2, -1), (2, -8)]);
        let by = by * SECOND;
        self.world.tell(|| format!("the store's clock jumps by {by} us"));
        self.world.clock.jump(by);
        self.world.state().shadow.went_back |= by < 0;
    }

    async fn change_settings(&mut self) {
        let settings = &self.world.shop.settings[self.chance.index(2)];
        self.world.tell(|| "the adapter is changed".into());
        self.world.memory.put_settings(NAMESPACE, settings).await.unwrap();
    }

    async fn change_revision(&mut self) {
        // Of those who wait at the door nobody has entered yet: they enter the revision of then.
        self.revision = self.chance.index(2);
        self.put().await;
    }

    async fn suspend(&mut self) {
        self.suspended = !self.suspended;
        self.put().await;
    }

    async fn put(&mut self) {
        let row = JourneyRow {
            suspended: self.suspended,
            ..self.world.shop.revisions[self.revision][0].clone()
        };
        self.world
            .tell(|| format!("cart is put: {}, suspended: {}", row.revision, row.suspended));
        self.world.memory.put_journey(NAMESPACE, &row).await.unwrap();
        self.world.state().shadow.put(CART, row.suspended);
    }

    /// The journey is deleted and made again; what was in it is gone.
    async fn restart(&mut self) {
        self.world.tell(|| "cart is stopped".into());
        self.world.memory.stop_journey(NAMESPACE, CART).await.unwrap();
        self.world.state().shadow.stopped(CART);
        tokio::time::sleep(self.chance.millis(0..3_000)).await;
        if self.chance.one_in(2) {
            self.world.tell(|| "cart is removed".into());
            self.world.memory.remove_journey(NAMESPACE, CART).await.unwrap();
            tokio::time::sleep(self.chance.millis(0..3_000)).await;
        }
        self.put().await;
    }
}

/// As the gateway takes events in. False: it answers that they are to be sent again.
pub async fn bring(line: &Line, events: &[Incoming]) -> bool {
    let world = &line.world;
    let (view, keys, now) = (&world.shop.view, simulate::keys(), world.clock.now());
    let mut arrivals = Vec::with_capacity(events.len());
    for event in events {
        match gateway::offer(view, &keys, ADAPTER, Ok(event.clone()), &Default::default(), now) {
            Offer::Arrival(arrival) => arrivals.push(*arrival),
            Offer::News(_) => panic!("no event of the shop is news"),
            Offer::Aside(_, row) => panic!("every event of the shop is sound: {}", row.detail),
        }
    }
    let learning = Learning::new(view, &keys, now);
    let learn = |arrival: &_, customer: &mut _| learning.learn(arrival, customer);
    line.accept(NAMESPACE, &arrivals, &learn).await.is_ok()
}

/// Some kinds of faults, in some measure: what happens rarely among everything else is often in a history of its own.
fn mixture(chance: &mut Chance) -> Mixture {
    use Fault::{AnswerLate, AnswerLost, CrashAfter, CrashBefore, Cut, FreezeAfter, FreezeBefore, Late, Refused};
    let kinds = [
        Refused,
        AnswerLost,
        Late,
        AnswerLate,
        CrashBefore,
        CrashAfter,
        FreezeBefore,
        FreezeAfter,
        Cut,
    ];
    let mut of_calls: Vec<(u64, Fault)> = kinds
        .into_iter()
        .map(|fault| (if chance.one_in(2) { chance.of_range(1..5) } else { 0 }, fault))
        .collect();
    let sure = chance.index(of_calls.len());
    of_calls[sure].0 += 2;
    let mut of_answers = vec![(8, Provider::Takes)];
    for does in [
        Provider::TakesSlowly,
        Provider::Refuses,
        Provider::TryLater,
        Provider::TakesAndBreaks,
        Provider::Breaks,
        Provider::CrashBefore,
        Provider::CrashAfter,
        Provider::Freeze,
    ] {
        of_answers.push((if chance.one_in(3) { chance.of_range(1..6) } else { 0 }, does));
    }
    Mixture {
        calls: chance.pick(&[(1, 0), (2, 5), (4, 20), (4, 60), (2, 150)]),
        of_calls,
        of_answers,
        slow: chance.pick(&[(2, 0), (3, 5), (2, 50), (1, 400)]),
    }
}
