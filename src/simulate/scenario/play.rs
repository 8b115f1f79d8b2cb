//! Lets a scenario happen.

use super::{
    flexible::Many,
    format::{self, Given, GivenCustomer, Moment, Signalled},
    judge::{self, Judged},
    read::Found,
    tale::{self, Names},
};
use crate::{
    channel::Reply,
    clock::{DAY, Micros, SECOND},
    compile::{Inbound, Manifests},
    consent::Signals,
    engine::state::Properties,
    expression::time::{duration, instant, show_instant, zone},
    gateway::{self, Incoming},
    keys::{ANONYMOUS, CustomerKey},
    kpi::Counts,
    personal::Personal,
    policy::{Confirmed, Consent},
    simulate::{Answer, Came, Handing, Happening, Provider, Settings, SimulateError, World},
    store::{Imported, MessageRow},
};
use jiff::Zoned;
use serde_json::Value;
use std::collections::BTreeMap;

/// 2026-03-02T10:00:00Z, a Monday.
const START: Micros = 1_772_445_600 * SECOND;
/// What takes for ever.
const NEVER: Micros = 40_000 * DAY;

/// What came of a scenario.
#[derive(Debug, Clone)]
pub struct Outcome {
    pub file: String,
    pub line: usize,
    pub name: String,
    /// Where it stood still, and what was wrong there; none: it passed.
    pub failures: Vec<Failure>,
    /// All that happened, as lines.
    pub trace: Vec<String>,
}

/// An expectation that was not met, or a moment that could not happen.
#[derive(Debug, Clone, PartialEq)]
pub struct Failure {
    pub line: usize,
    /// The moment: since the start, and the instant.
    pub when: String,
    /// What was looked at: `messages`, `customers.sam.stands`.
    pub what: String,
    /// Lines that begin with `-` (expected), `+` (happened) or a space.
    pub diff: Vec<String>,
    /// What to do, where that is known.
    pub help: Option<String>,
    /// The way of the customer it concerns.
    pub trace: Vec<String>,
}

/// Plays one scenario over its manifests. `files` gives the manifests of the paths that `apply` names.
pub fn play(found: &Found, manifests: &Manifests, files: &mut dyn FnMut(&str) -> Result<Manifests, String>) -> Outcome {
    let mut outcome = Outcome {
        file: found.file.clone(),
        line: found.line,
        name: found.scenario.scenario.trim().to_owned(),
        failures: Vec::new(),
        trace: Vec::new(),
    };
    let mut tell = |wrong: Wrong| {
        outcome.failures.push(Failure {
            line: found.lines.at(&wrong.path),
            when: "at the start".into(),
            what: wrong.path,
            diff: vec![wrong.message],
            help: wrong.help,
            trace: Vec::new(),
        });
    };
    match Stage::set(found, manifests) {
        Ok(mut stage) => {
            for (n, moment) in found.scenario.timeline.iter().enumerate() {
                if !stage.moment(n, moment, files) {
                    break;
                }
            }
            outcome.failures = stage.failures;
            outcome.trace = tale::tell(stage.start, &stage.told, &stage.names, None);
        }
        Err(wrong) => tell(wrong),
    }
    outcome
}

/// Something in the scenario itself is wrong.
#[derive(Debug)]
pub(super) struct Wrong {
    pub path: String,
    pub message: String,
    pub help: Option<String>,
}

impl Wrong {
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            message: message.into(),
            help: None,
        }
    }

    pub fn help(self, help: impl Into<String>) -> Self {
        Self {
            help: Some(help.into()),
            ..self
        }
    }
}

/// The world of one scenario, and how far it has come.
pub(super) struct Stage<'f> {
    pub found: &'f Found,
    pub world: World,
    manifests: Manifests,
    pub start: Micros,
    pub names: Names,
    /// Everything that happened.
    pub told: Vec<Happening>,
    /// How much of `told` was looked at for messages, skips and failures.
    pub seen: Seen,
    provider: Answers,
    failures: Vec<Failure>,
    events: u32,
}

#[derive(Debug, Default)]
pub(super) struct Seen {
    pub messages: usize,
    pub skipped: usize,
    pub failed: usize,
    pub ended: usize,
}

impl<'f> Stage<'f> {
    fn set(found: &'f Found, manifests: &Manifests) -> Result<Self, Wrong> {
        let scenario = &found.scenario;
        let start = match &scenario.start {
            Some(text) => moment_of(text).ok_or_else(|| {
                Wrong::new("start", format!("'{text}' is no instant"))
                    .help("write 2026-03-02T10:00:00Z or 2026-03-02T10:00[Europe/Vienna]")
            })?,
            None => START,
        };
        let mut manifests = manifests.clone();
        manifests.namespace = "scenario".into();
        let settings = Settings {
            start,
            render: true,
            trace: true,
            counts: true,
        };
        let world = World::new(&manifests, settings).map_err(|error| unplayable("manifests", &error))?;
        let mut stage = Self {
            found,
            world,
            manifests,
            start,
            names: Names::new(),
            told: Vec::new(),
            seen: Seen::default(),
            provider: Answers::default(),
            failures: Vec::new(),
            events: 0,
        };
        stage
            .provider
            .answer("given.answers", &scenario.given.answers, &stage.manifests)?;
        stage.give(&scenario.given)?;
        Ok(stage)
    }

    fn give(&mut self, given: &Given) -> Result<(), Wrong> {
        let mut imported = Vec::new();
        for (name, customer) in &given.customers {
            imported.push(self.customer(name, customer)?);
        }
        self.world.import(&imported);
        Ok(())
    }

    fn customer(&mut self, name: &str, given: &GivenCustomer) -> Result<Imported, Wrong> {
        let path = |rest: &str| format!("given.customers.{name}.{rest}");
        let identifier = given.identifier.as_deref().unwrap_or("userId");
        let key = self.world.key(identifier, name);
        self.names.insert(key, name.to_owned());
        let profile = &self.world.view().intake.profile;
        let mut attributes = Properties::new();
        for (attribute, value) in &given.attributes {
            let here = || path(&format!("attributes.{attribute}"));
            let Some(declared) = profile.attributes.get(attribute) else {
                let known = profile.attributes.keys().map(String::as_str);
                return Err(
                    Wrong::new(here(), format!("the CustomerProfile has no attribute '{attribute}'"))
                        .help(instead(attribute, known)),
                );
            };
            if declared.is.is_some() {
                let why = format!("'{attribute}' is derived: it follows from other attributes");
                return Err(Wrong::new(here(), why).help("give the attributes that it reads"));
            }
            let value = gateway::of_json(&declared.ty, value).ok_or_else(|| {
                Wrong::new(
                    here(),
                    format!("'{attribute}' does not fit its type, {:#}", declared.ty),
                )
            })?;
            attributes.insert(attribute.clone(), value);
        }
        let mut consents = BTreeMap::new();
        for (purpose, text) in &given.consent {
            let here = || path(&format!("consent.{purpose}"));
            let purposes = &self.world.view().intake.purposes;
            if !purposes.contains(purpose) {
                return Err(
                    Wrong::new(here(), format!("no PrivacyPolicy has a purpose '{purpose}'"))
                        .help(instead(purpose, purposes.iter().map(String::as_str))),
                );
            }
            let consent = consent(text, self.start).ok_or_else(|| {
                Wrong::new(here(), format!("'{text}' is no consent"))
                    .help("write granted, confirmed (by a double opt-in), pending, withdrawn, or one of them with its age: granted 400d ago")
            })?;
            consents.insert(purpose.clone(), consent);
        }
        Ok(Imported {
            key,
            anonymous: identifier == ANONYMOUS,
            id: name.to_owned().into(),
            attributes: attributes.into(),
            consents,
            evidence: BTreeMap::new(),
        })
    }

    /// Whether the story can go on.
    fn moment(&mut self, n: usize, moment: &Moment, files: &mut dyn FnMut(&str) -> Result<Manifests, String>) -> bool {
        let path = format!("timeline[{n}]");
        let happened = self
            .time(&path, moment)
            .and_then(|()| self.happen(&path, moment, files));
        self.listen();
        if let Err(wrong) = happened {
            self.fail(Judged {
                path: wrong.path,
                diff: vec![wrong.message],
                help: wrong.help,
                customer: None,
            });
            return false;
        }
        if let Some(expect) = &moment.expect {
            for judged in judge::judge(self, &format!("{path}.expect"), expect) {
                self.fail(judged);
            }
        }
        true
    }

    fn listen(&mut self) {
        self.told.extend(self.world.happenings());
    }

    /// What happened, where what happened to the customer under other names is theirs.
    fn told_of_one(&self) -> Vec<Happening> {
        let as_one = |one: &Happening| Happening {
            customer: self.world.whose(one.customer),
            ..one.clone()
        };
        self.told.iter().map(as_one).collect()
    }

    fn fail(&mut self, judged: Judged) {
        let now = self.world.now();
        let trace = match judged.customer {
            Some(whose) => tale::tell(self.start, &self.told_of_one(), &self.names, Some(whose)),
            None => tale::tell(self.start, &self.told, &self.names, None),
        };
        self.failures.push(Failure {
            line: self.found.lines.at(&judged.path),
            when: format!(
                "{} ({})",
                tale::since(self.start, now),
                show_instant(now).unwrap_or_default()
            ),
            what: judged.path,
            diff: judged.diff,
            help: judged.help,
            trace,
        });
    }

    fn time(&mut self, path: &str, moment: &Moment) -> Result<(), Wrong> {
        let now = self.world.now();
        let (field, to) = match (&moment.at, &moment.after) {
            (Some(text), _) => (
                "at",
                instant_of(text, self.start).ok_or_else(|| no_time(path, "at", text))?,
            ),
            (None, Some(text)) => (
                "after",
                now + duration(text)
                    .filter(|length| *length >= 0)
                    .ok_or_else(|| no_time(path, "after", text))?,
            ),
            (None, None) => ("at", now),
        };
        if to < now {
            let message = format!(
                "this moment is before the one above it, which is at {}",
                tale::since(self.start, now)
            );
            return Err(Wrong::new(format!("{path}.{field}"), message).help("moments stand in the order of time"));
        }
        self.world
            .advance(to, &mut self.provider)
            .map_err(|error| unplayable(&format!("{path}.{field}"), &error))
    }

    fn happen(
        &mut self,
        path: &str,
        moment: &Moment,
        files: &mut dyn FnMut(&str) -> Result<Manifests, String>,
    ) -> Result<(), Wrong> {
        self.provider
            .answer(&format!("{path}.answers"), &moment.answers, &self.manifests)?;
        for (m, file) in moment.apply.0.iter().enumerate() {
            let here = format!("{path}.apply[{m}]");
            let more = files(file).map_err(|error| Wrong::new(here.clone(), error))?;
            self.manifests = std::mem::take(&mut self.manifests).with(more);
            self.world
                .apply(&self.manifests)
                .map_err(|error| unplayable(&here, &error))?;
        }
        if let Some(event) = &moment.event {
            let came = self.event(path, moment, event)?;
            let became = match &came {
                Came::Accepted => "accepted",
                Came::Duplicate => "duplicate",
                Came::Unknown => "unknown",
                Came::Quarantined { reason, .. } => reason.as_str(),
            };
            let expected = moment.becomes.as_deref().unwrap_or("accepted");
            if became != expected {
                let detail = match &came {
                    Came::Quarantined { detail, .. } => format!(" ({detail})"),
                    Came::Accepted | Came::Duplicate | Came::Unknown => String::new(),
                };
                self.listen();
                self.fail(Judged {
                    path: format!("{path}.{}", if moment.becomes.is_some() { "becomes" } else { "event" }),
                    diff: vec![format!("- {event}: {expected}"), format!("+ {event}: {became}{detail}")],
                    help: None,
                    customer: None,
                });
            }
        } else if moment.becomes.is_some() {
            return Err(Wrong::new(
                format!("{path}.becomes"),
                "there is no event to become anything",
            ));
        }
        self.world
            .settle(&mut self.provider)
            .map_err(|error| unplayable(path, &error))
    }

    fn event(&mut self, path: &str, moment: &Moment, name: &str) -> Result<Came, Wrong> {
        let inbound = self.world.view().intake.inbound.get(name).cloned();
        if inbound.is_none() && moment.signals.is_some() {
            return Err(Wrong::new(
                format!("{path}.signals"),
                "signals come with an event that an inbound Touchpoint takes",
            ));
        }
        match (inbound, name.split_once('/')) {
            (Some(inbound), _) => self.inbound(path, moment, name, Some(&inbound)),
            (None, Some(("consent", "withdrawn"))) => {
                let whose = self.whose(path, moment)?;
                let purpose = moment.purpose.as_deref().ok_or_else(|| {
                    Wrong::new(format!("{path}.event"), "consent/withdrawn needs a purpose")
                        .help("add purpose: the one whose link the customer follows")
                })?;
                Ok(self.world.withdraw(whose, purpose))
            }
            (None, Some(("choice", what @ ("join" | "leave")))) => self.choice(path, moment, what == "join"),
            (None, Some((touchpoint, what))) => self.about(path, moment, touchpoint, what),
            // Perhaps it is to be quarantined: NoTouchpoint.
            (None, None) if moment.becomes.is_some() => self.inbound(path, moment, name, None),
            (None, None) => {
                let known: Vec<String> = self.world.view().intake.inbound.keys().cloned().collect();
                let by_touchpoint = self
                    .world
                    .view()
                    .touchpoints
                    .get(name)
                    .map(|inbound| inbound.event.clone());
                let help = match by_touchpoint {
                    Some(event) => format!("the event of touchpoint {name} is called {event} by those who send it"),
                    None => instead(name, known.iter().map(String::as_str)),
                };
                Err(Wrong::new(
                    format!("{path}.event"),
                    format!("no inbound Touchpoint has event '{name}'"),
                )
                .help(help))
            }
        }
    }

    fn inbound(&mut self, path: &str, moment: &Moment, name: &str, inbound: Option<&Inbound>) -> Result<Came, Wrong> {
        self.events += 1;
        let mut data = moment.data.clone();
        if let Some(customer) = &moment.customer {
            if let Some(inbound) = inbound.filter(|inbound| inbound.customer.is_none()) {
                let message = format!("'{name}' is news: touchpoint {} has no customer", inbound.touchpoint);
                return Err(
                    Wrong::new(format!("{path}.customer"), message).help("leave customer out: it comes to everybody")
                );
            }
            let identifier = inbound.map_or("userId", |inbound| inbound.identifier.as_str());
            let key = self.world.key(identifier, customer);
            self.names.entry(key).or_insert_with(|| customer.clone());
            data.entry(identifier.to_owned())
                .or_insert_with(|| customer.clone().into());
        }
        // Other names that the event says: later moments may call the customer so.
        for (_, kind) in inbound.into_iter().flat_map(|inbound| &inbound.also_known_as) {
            if let Some(Value::String(other)) = data.get(kind) {
                let key = self.world.key(kind, other);
                self.names.entry(key).or_insert_with(|| other.clone());
            }
        }
        let time = self.own_time(path, moment)?;
        let adapter = moment.from.clone().unwrap_or_else(|| self.adapter(inbound));
        let event = Incoming {
            id: moment
                .id
                .clone()
                .unwrap_or_else(|| format!("event-{}", self.events))
                .into(),
            source: "scenario".to_owned().into(),
            name: name.to_owned(),
            time,
            data: Personal::new(data),
            signals: moment.signals.as_ref().map(signals).unwrap_or_default(),
        };
        self.bring(path, moment, &adapter, event)
    }

    fn bring(&mut self, path: &str, moment: &Moment, adapter: &str, event: Incoming) -> Result<Came, Wrong> {
        if let Some(from) = &moment.from
            && !self.manifests.adapters.contains_key(from)
        {
            let known = self.manifests.adapters.keys().map(String::as_str);
            return Err(
                Wrong::new(format!("{path}.from"), format!("there is no ChannelAdapter '{from}'"))
                    .help(instead(from, known)),
            );
        }
        Ok(self.world.bring(adapter, event))
    }

    /// When it happened by its own word; None: it says nothing.
    fn own_time(&self, path: &str, moment: &Moment) -> Result<Option<Micros>, Wrong> {
        let Some(text) = &moment.time else { return Ok(None) };
        let time = ago(text, self.world.now()).or_else(|| instant_of(text, self.start));
        time.map(Some).ok_or_else(|| {
            Wrong::new(format!("{path}.time"), format!("'{text}' is no time")).help("write 20m ago, or an instant")
        })
    }

    /// The first adapter that may bring it.
    fn adapter(&self, inbound: Option<&Inbound>) -> String {
        let named = inbound.and_then(|inbound| inbound.from.as_ref()?.first().cloned());
        named
            .or_else(|| self.world.view().intake.sources.keys().next().cloned())
            .unwrap_or_else(|| "scenario".into())
    }

    /// Something that the customer's last message of the touchpoint became.
    /// What a customer chooses on the page of the scenario's journey, or in an app.
    fn choice(&mut self, path: &str, moment: &Moment, joins: bool) -> Result<Came, Wrong> {
        let whose = self.whose(path, moment)?;
        let journeys = self.world.journeys();
        let journey = match (&self.found.scenario.journey, journeys.as_slice()) {
            (Some(journey), _) => journey.clone(),
            (None, [only]) => only.clone(),
            (None, _) => {
                return Err(Wrong::new(
                    format!("{path}.event"),
                    "a choice is about a journey, and there are several",
                )
                .help("name the scenario's journey"));
            }
        };
        let choice = self.world.view().intake.choices.get(&journey);
        if !choice.is_some_and(|choice| if joins { choice.join } else { choice.leave }) {
            let word = if joins { "join" } else { "leave" };
            return Err(Wrong::new(
                format!("{path}.event"),
                format!("journey '{journey}' does not let customers {word}"),
            )
            .help(format!("give it choice.{word}: true")));
        }
        self.events += 1;
        let id = moment.id.clone().unwrap_or_else(|| format!("event-{}", self.events));
        Ok(self.world.choose(whose, &journey, joins, &id))
    }

    fn about(&mut self, path: &str, moment: &Moment, touchpoint: &str, what: &str) -> Result<Came, Wrong> {
        let known = gateway::RECEIPTS
            .into_iter()
            .chain(["clicked", "confirmed", "answered", "shown", "dismissed"]);
        if !known.clone().any(|known| known == what) {
            let wrong = Wrong::new(
                format!("{path}.event"),
                format!("nothing makes the event '{touchpoint}/{what}'"),
            );
            return Err(match what {
                "sent" | "failed" => wrong.help("say by answers what providers answer from now on"),
                _ => wrong.help(instead(what, known)),
            });
        }
        let whose = self.whose(path, moment)?;
        let messages = self.world.store().messages(self.world.namespace());
        let row: Option<MessageRow> = messages
            .into_iter()
            .rfind(|row| self.world.whose(row.customer) == whose && row.touchpoint == touchpoint);
        let Some(row) = row else {
            let known = self.manifests.touchpoints.contains_key(touchpoint);
            let message = if known {
                format!("no message of touchpoint '{touchpoint}' has gone to this customer by now")
            } else {
                format!("there is no touchpoint '{touchpoint}'")
            };
            return Err(Wrong::new(format!("{path}.event"), message));
        };
        self.events += 1;
        let id = moment.id.clone().unwrap_or_else(|| format!("event-{}", self.events));
        if gateway::RECEIPTS.contains(&what) {
            return self.receipt(path, moment, &row, what, id);
        }
        if what == "confirmed" {
            return self.world.confirm(&row).ok_or_else(|| {
                let message =
                    format!("a message of touchpoint '{touchpoint}' has no link that confirms, or no address");
                Wrong::new(format!("{path}.event"), message).help("name it in a purpose's confirm")
            });
        }
        let is_card = matches!(what, "shown" | "dismissed");
        match self.world.is_in_sight(&row) {
            Some(false) if is_card => {
                let message = format!("no slot shows '{touchpoint}' to this customer now: it cannot be {what}");
                return Err(Wrong::new(format!("{path}.event"), message));
            }
            None if is_card => {
                let message = format!("'{touchpoint}' is in no slot: it cannot be {what}");
                return Err(Wrong::new(format!("{path}.event"), message));
            }
            Some(_) | None => {}
        }
        if what == "dismissed" {
            self.world.dismiss(&row);
        }
        Ok(self.world.tell_of(&row, what, &id, moment.data.clone()))
    }

    /// A provider's word about a message comes in as any event does, by the first adapter that may bring it.
    fn receipt(
        &mut self,
        path: &str,
        moment: &Moment,
        row: &MessageRow,
        what: &str,
        id: String,
    ) -> Result<Came, Wrong> {
        let sources = &self.world.view().intake.sources;
        let private = sources.iter().find(|(_, source)| !source.public);
        let adapter = moment.from.clone().or_else(|| Some(private?.0.clone()));
        let adapter = adapter.unwrap_or_else(|| self.adapter(None));
        let mut data = moment.data.clone();
        data.insert("message".into(), row.key.to_string().into());
        data.insert("event".into(), what.into());
        let event = Incoming {
            id: id.into(),
            source: "provider".to_owned().into(),
            name: gateway::RECEIPT.to_owned(),
            time: self.own_time(path, moment)?,
            data: Personal::new(data),
            signals: Signals::default(),
        };
        self.bring(path, moment, &adapter, event)
    }

    fn whose(&self, path: &str, moment: &Moment) -> Result<CustomerKey, Wrong> {
        let name = moment.customer.as_deref().ok_or_else(|| {
            Wrong::new(format!("{path}.event"), "whose event is it?").help("add customer: the identifier")
        })?;
        self.named(name).ok_or_else(|| {
            let known: Vec<&str> = self.names.values().map(String::as_str).collect();
            Wrong::new(
                format!("{path}.customer"),
                format!("nobody has heard of customer '{name}' yet"),
            )
            .help(instead(name, known))
        })
    }

    /// The customer who is known by this name, or by one that was joined to it.
    pub fn named(&self, name: &str) -> Option<CustomerKey> {
        let (key, _) = self.names.iter().find(|(_, known)| *known == name)?;
        Some(self.world.whose(*key))
    }

    /// The journey that expectations speak of.
    pub fn journey<'a>(&'a self, path: &str, asked: Option<&'a str>) -> Result<&'a str, Judged> {
        let known = &self.manifests.journeys;
        let one = if known.len() == 1 { known.keys().next() } else { None };
        let name = asked
            .or(self.found.scenario.journey.as_deref())
            .or(one.map(String::as_str));
        match name {
            Some(name) if known.contains_key(name) => Ok(name),
            Some(name) => Err(Judged {
                path: path.to_owned(),
                diff: vec![format!("there is no journey '{name}'")],
                help: Some(instead(name, known.keys().map(String::as_str))),
                customer: None,
            }),
            None => Err(Judged {
                path: path.to_owned(),
                diff: vec!["of which journey? There are several".into()],
                help: Some("add journey: to the scenario".into()),
                customer: None,
            }),
        }
    }

    pub fn counts(&self, journey: &str) -> Counts {
        self.world.store().counts_now(self.world.namespace(), journey)
    }
}

/// What providers answer, by touchpoint, and how many they were asked.
#[derive(Debug, Default)]
struct Answers {
    by_touchpoint: BTreeMap<String, (Vec<format::Answer>, usize)>,
}

impl Answers {
    fn answer(
        &mut self,
        path: &str,
        answers: &BTreeMap<String, Many<format::Answer>>,
        manifests: &Manifests,
    ) -> Result<(), Wrong> {
        for (touchpoint, answers) in answers {
            if manifests
                .touchpoints
                .get(touchpoint)
                .is_none_or(|spec| spec.outbound.is_none())
            {
                let outbound = manifests.touchpoints.iter().filter(|(_, spec)| spec.outbound.is_some());
                return Err(Wrong::new(
                    format!("{path}.{touchpoint}"),
                    format!("there is no outbound touchpoint '{touchpoint}'"),
                )
                .help(instead(touchpoint, outbound.map(|(name, _)| name.as_str()))));
            }
            self.by_touchpoint.insert(touchpoint.clone(), (answers.0.clone(), 0));
        }
        Ok(())
    }
}

impl Provider for Answers {
    fn answer(&mut self, message: &Handing<'_>) -> Answer {
        let Some((answers, asked)) = self.by_touchpoint.get_mut(&message.row.touchpoint) else {
            return Answer::sent();
        };
        let answer = answers.get(*asked).or(answers.last());
        *asked += 1;
        let at_once = |reply| Answer { reply, after: 0 };
        match answer {
            // As in production: an answer that lacks what `response` requires is ResponseInvalid.
            None | Some(format::Answer::Sent) if message.claim.response.is_some() => {
                at_once(Reply::Answered(Personal::new(Value::Object(Properties::new()))))
            }
            None | Some(format::Answer::Sent) => Answer::sent(),
            Some(format::Answer::Answered(answer)) => {
                at_once(Reply::Answered(Personal::new(Value::Object(answer.clone()))))
            }
            Some(format::Answer::Failed(reason)) => at_once(Reply::Refused(reason.clone())),
            Some(format::Answer::TryLater(reason)) => at_once(Reply::TryLater {
                reason: reason.clone(),
                after: None,
            }),
            Some(format::Answer::Unknown(reason)) => at_once(Reply::Unknown(reason.clone())),
            Some(format::Answer::Silent) => Answer {
                reply: Reply::Unknown("silent".into()),
                after: NEVER,
            },
        }
    }
}

fn unplayable(path: &str, error: &SimulateError) -> Wrong {
    match error {
        SimulateError::Manifests(found) => {
            let all: Vec<String> = found.iter().map(ToString::to_string).collect();
            Wrong::new(path, format!("the manifests do not compile:\n{}", all.join("\n")))
                .help("run journey check on them")
        }
        SimulateError::Program(_) | SimulateError::Restless(_) => Wrong::new(path, error.to_string()),
    }
}

fn no_time(path: &str, field: &str, text: &str) -> Wrong {
    let help = match field {
        "at" => "write a duration since the start (1h, 2d12h) or an instant (2026-03-02T10:00:00Z)",
        _ => "write a duration such as 90s, 15m, 36h or 1d12h",
    };
    Wrong::new(format!("{path}.{field}"), format!("'{text}' is no time")).help(help)
}

/// `2026-03-02T10:00:00Z` or `2026-03-02T10:00[Europe/Vienna]`.
fn moment_of(text: &str) -> Option<Micros> {
    instant(text).or_else(|| {
        let (local, name) = text.strip_suffix(']')?.split_once('[')?;
        let local: jiff::civil::DateTime = local.parse().ok()?;
        local
            .to_zoned(zone(name)?)
            .ok()
            .map(|zoned: Zoned| zoned.timestamp().as_microsecond())
    })
}

/// An instant, or a duration since the start.
pub(super) fn instant_of(text: &str, start: Micros) -> Option<Micros> {
    moment_of(text).or_else(|| duration(text).map(|length| start.saturating_add(length)))
}

/// `20m ago`.
fn ago(text: &str, now: Micros) -> Option<Micros> {
    text.strip_suffix("ago")
        .and_then(|length| duration(length.trim()))
        .map(|length| now.saturating_sub(length))
}

/// `granted`, `withdrawn 2d ago`.
fn consent(text: &str, start: Micros) -> Option<Consent> {
    let (word, rest) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
    let at = if rest.is_empty() {
        start - DAY
    } else {
        ago(rest, start)?
    };
    Some(match word {
        "granted" => Consent::said(true, at),
        "confirmed" => Consent {
            confirmed: Confirmed::Elsewhere,
            ..Consent::said(true, at)
        },
        "pending" => Consent::heard(true, at, true),
        "withdrawn" => Consent::said(false, at),
        _ => return None,
    })
}

/// What was meant, or what there is.
pub(super) fn instead<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    match crate::expression::diagnostic::did_you_mean(word, known.iter().copied()) {
        Some(meant) => format!("did you mean {meant}?"),
        None if known.is_empty() => "there is none".into(),
        None => {
            let more = if known.len() > 12 { ", ..." } else { "" };
            format!(
                "there is {}{more}",
                known.iter().take(12).copied().collect::<Vec<_>>().join(", ")
            )
        }
    }
}

/// A value as a person writes it.
pub(super) fn shown(value: Option<&Value>) -> String {
    value.map_or_else(|| "missing".into(), super::read::written)
}

/// As they come with an event.
fn signals(said: &Signalled) -> Signals {
    let Signalled {
        consentcategories,
        tcstring,
        gppstring,
        gpc,
    } = said;
    let categories =
        (!consentcategories.is_empty()).then(|| serde_json::json!({"categoryPreferences": consentcategories}).into());
    Signals {
        categories,
        tcf: tcstring.clone().map(Into::into),
        gpp: gppstring.clone().map(Into::into),
        gpc: *gpc,
    }
}
