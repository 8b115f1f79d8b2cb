//! What came of a population, summed up. Sums of parts are sums of the whole, whatever the order.

use crate::{
    clock::{DAY, Micros},
    engine::state::{Enrollment, Standing},
    keys::CustomerKey,
    kpi::Count,
    simulate::{Happening, What, World},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    hash::{DefaultHasher, Hash, Hasher},
};

/// Where flows begin, and where those end that are still on their way.
pub const ENTRY: &str = "(entry)";
pub const STILL: &str = "(still in)";

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tally {
    pub customers: u64,
    pub journeys: BTreeMap<String, JourneyTally>,
    /// Of the gateway.
    pub intake: BTreeMap<String, i64>,
    /// Messages that providers took, by day since 1970, and channel.
    pub messages: BTreeMap<(i64, String), u64>,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct JourneyTally {
    /// By the names of metrics.
    pub counts: BTreeMap<String, i64>,
    /// How often it went from one step to another.
    pub flows: BTreeMap<(String, String), u64>,
    /// Messages that providers took, by channel.
    pub channels: BTreeMap<String, u64>,
    /// Customers who entered at least once.
    pub reached: u64,
}

/// What a change does to a population.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Difference {
    pub old: Tally,
    pub new: Tally,
    /// Customers whose steps, messages or ends differ.
    pub differ: u64,
    pub more_messages: u64,
    pub fewer_messages: u64,
    /// The first of them, with both ways.
    pub examples: Vec<Example>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Example {
    pub customer: u64,
    pub old: String,
    pub new: String,
}

/// Examples that are kept.
pub const EXAMPLES: usize = 5;

/// What one life came to, to be compared with another.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Life {
    pub digest: u64,
    pub messages: u64,
    /// In words; only where it is asked for.
    pub way: String,
}

impl Tally {
    pub fn merge(&mut self, other: &Self) {
        let Self {
            customers,
            journeys,
            intake,
            messages,
        } = other;
        self.customers += customers;
        for (name, tally) in journeys {
            self.journeys.entry(name.clone()).or_default().merge(tally);
        }
        for (name, n) in intake {
            *self.intake.entry(name.clone()).or_default() += n;
        }
        for (key, n) in messages {
            *self.messages.entry(key.clone()).or_default() += n;
        }
    }

    /// Takes in what happened in a world.
    pub fn take(&mut self, happenings: &[Happening], ways: &mut Ways) {
        for one in happenings {
            match &one.what {
                What::Counted {
                    count: Count::Step(step),
                    event: _,
                } => ways.arrive(self, one, step),
                What::Handed { row, claim: _, reply } => {
                    if matches!(reply, crate::channel::Reply::Sent | crate::channel::Reply::Answered(_)) {
                        let day = one.at.div_euclid(DAY);
                        bump(&mut self.messages, (day, row.channel.clone()));
                        bump(&mut self.journey(&one.journey).channels, row.channel.clone());
                    }
                }
                What::Counted { .. } | What::Held { .. } => {}
            }
        }
    }

    /// Where the enrollments of a customer stand in the end.
    pub fn end(&mut self, world: &World, whose: CustomerKey, journeys: &[String], ways: &Ways) {
        for journey in journeys {
            let all = world.store().enrollments(world.namespace(), journey, whose);
            if !all.is_empty() {
                self.journey(journey).reached += 1;
            }
            for one in all {
                let last = ways.last.get(&(journey.clone(), one.ordinal));
                let from = last.cloned().unwrap_or_else(|| ENTRY.to_owned());
                bump(&mut self.journey(journey).flows, (from, end_of(&one)));
            }
        }
    }

    fn journey(&mut self, name: &str) -> &mut JourneyTally {
        if !self.journeys.contains_key(name) {
            self.journeys.insert(name.to_owned(), JourneyTally::default());
        }
        self.journeys.get_mut(name).expect("it was put in")
    }
}

impl JourneyTally {
    fn merge(&mut self, other: &Self) {
        let Self {
            counts,
            flows,
            channels,
            reached,
        } = other;
        for (name, n) in counts {
            *self.counts.entry(name.clone()).or_default() += n;
        }
        for (key, n) in flows {
            *self.flows.entry(key.clone()).or_default() += n;
        }
        for (name, n) in channels {
            *self.channels.entry(name.clone()).or_default() += n;
        }
        self.reached += reached;
    }

    pub fn count(&self, name: &str) -> i64 {
        self.counts.get(name).copied().unwrap_or_default()
    }

    /// By what stands behind the prefix.
    pub fn counts_of(&self, prefix: &str) -> BTreeMap<&str, i64> {
        self.counts
            .iter()
            .filter_map(|(name, n)| Some((name.strip_prefix(prefix)?, *n)))
            .collect()
    }

    /// Summed by the reason, which stands last.
    pub fn reasons(&self, prefix: &str) -> BTreeMap<&str, i64> {
        let mut all = BTreeMap::new();
        for (rest, n) in self.counts_of(prefix) {
            *all.entry(rest.rsplit(':').next().unwrap_or(rest)).or_default() += n;
        }
        all
    }
}

/// How far each enrollment has come: where flows are taken from.
#[derive(Debug, Default)]
pub struct Ways {
    /// By journey and ordinal: the customer may have become another.
    last: BTreeMap<(String, i64), String>,
}

impl Ways {
    fn arrive(&mut self, tally: &mut Tally, one: &Happening, step: &str) {
        let Some(enrollment) = one.enrollment else { return };
        let key = (one.journey.clone(), enrollment);
        let before = self
            .last
            .insert(key, step.to_owned())
            .unwrap_or_else(|| ENTRY.to_owned());
        bump(&mut tally.journey(&one.journey).flows, (before, step.to_owned()));
    }

    pub fn clear(&mut self) {
        self.last.clear();
    }
}

/// Adds what happened to a life; `words` also in words.
pub fn live(life: &mut Life, happenings: &[Happening], words: bool) {
    let mut hasher = DefaultHasher::new();
    life.digest.hash(&mut hasher);
    for one in happenings {
        match &one.what {
            What::Counted { count, event: _ } => match count {
                Count::Step(name) | Count::Goal(name) => {
                    (one.at, &one.journey, name).hash(&mut hasher);
                    if words && matches!(count, Count::Step(_)) {
                        say(&mut life.way, name);
                    }
                }
                Count::Ended(ending) => {
                    (one.at, &one.journey, ending.name()).hash(&mut hasher);
                    if words {
                        say(&mut life.way, &ending.name().to_uppercase());
                    }
                }
                Count::Skipped { touchpoint, reason } | Count::Failed { touchpoint, reason } => {
                    (one.at, touchpoint, reason).hash(&mut hasher);
                    if words {
                        say(&mut life.way, &format!("({touchpoint}: {reason})"));
                    }
                }
                _ => {}
            },
            What::Handed { row, claim: _, reply } => {
                let sent = matches!(reply, crate::channel::Reply::Sent | crate::channel::Reply::Answered(_));
                life.messages += u64::from(sent);
                (one.at, &row.touchpoint, sent).hash(&mut hasher);
                if words && sent {
                    say(&mut life.way, &format!("[{}]", row.touchpoint));
                }
            }
            What::Held { .. } => {}
        }
    }
    life.digest = hasher.finish();
}

fn say(way: &mut String, word: &str) {
    if !way.is_empty() {
        way.push_str(" > ");
    }
    way.push_str(word);
}

fn end_of(enrollment: &Enrollment) -> String {
    match &enrollment.standing {
        Standing::Ended { outcome, .. } => outcome.name().to_owned(),
        _ => STILL.to_owned(),
    }
}

fn bump<K: Ord>(sums: &mut BTreeMap<K, u64>, key: K) {
    *sums.entry(key).or_default() += 1;
}

/// Days since 1970 that a run touches.
pub fn days(start: Micros, length: Micros) -> std::ops::RangeInclusive<i64> {
    start.div_euclid(DAY)..=(start + length - 1).div_euclid(DAY)
}

/// Channels that were used.
pub fn channels(tally: &Tally) -> BTreeSet<&str> {
    tally.messages.keys().map(|(_, channel)| channel.as_str()).collect()
}
