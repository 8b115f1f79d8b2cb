//! /p/TOKEN: the preference centre. GET shows what a customer hears of us and why, and changes nothing, because mail programs and scanners follow links; POST
//! keeps what the customer has changed. One form, without a script: of each control the page also sends what it showed, so that a page that was open
//! for long undoes nothing that was said elsewhere meanwhile.

use super::{Gateway, change::Changes, page, refusal::Refusal, view::View};
use crate::{
    clock::{DAY, HOUR, Micros},
    keys::{CustomerKey, Keys, MessageKey},
    link::{self, Chosen},
    markup::escape,
    policy::{
        Consent, ConsentState,
        consent::{self, Subject, by_channel, known_of, pause_of, paused_until},
    },
    store::{Arrival, Customer, Receipt, StoreError, choice_of},
    words::Words,
};
use axum::{
    body::{Body, to_bytes},
    extract::{Path, Query, State},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use serde::Deserialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// Bytes of the form.
const FORM_LIMIT: usize = 64 * 1024;
const YES: &str = "yes";
const NO: &str = "no";
/// What a pause is set to where it is left, and where it ends.
const GO_ON: &str = "";

#[derive(Debug, Default, Deserialize)]
pub struct In {
    lang: Option<String>,
}

type Consents = BTreeMap<String, Consent>;

/// GET: shows.
pub async fn ask(
    State(gateway): State<Arc<Gateway>>,
    Path(token): Path<String>,
    Query(within): Query<In>,
    headers: HeaderMap,
) -> Response {
    let Some(customer) = link::read_preferences(&gateway.keys, &gateway.namespace, &token) else {
        return page::unknown_link();
    };
    let locale = page::locale(within.lang.as_deref(), &headers);
    show(&gateway, customer, Words::of(locale.as_deref()), false).await
}

/// POST: keeps what was changed, and shows what holds then.
pub async fn act(
    State(gateway): State<Arc<Gateway>>,
    Path(token): Path<String>,
    Query(within): Query<In>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let Some(customer) = link::read_preferences(&gateway.keys, &gateway.namespace, &token) else {
        return page::unknown_link();
    };
    let locale = page::locale(within.lang.as_deref(), &headers);
    let words = Words::of(locale.as_deref());
    let Ok(form) = to_bytes(body, FORM_LIMIT).await else {
        return show(&gateway, customer, words, false).await;
    };
    let view = gateway.view();
    let wishes = read(&view, &form);
    if let Err(error) = keep(&gateway, &view, customer, wishes).await {
        return away(&gateway, words, &error);
    }
    show(&gateway, customer, words, true).await
}

fn away(gateway: &Gateway, words: &Words, error: &StoreError) -> Response {
    tracing::error!("preferences cannot be read or kept: {error}");
    gateway.metrics.refused("link", Refusal::Unavailable.name());
    page::try_later(words)
}

/// What the customer has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Wish {
    Says {
        subject: String,
        granted: bool,
    },
    /// None: the pause ends.
    Pauses {
        purpose: String,
        length: Option<Micros>,
    },
}

/// The changes that a form asks for: of controls that there are, those that are not as the page showed them.
fn read(view: &View, form: &[u8]) -> Vec<Wish> {
    let fields: BTreeMap<String, String> = url::form_urlencoded::parse(form).into_owned().collect();
    if fields.contains_key("none") {
        let all = view.intake.offered.keys();
        return all
            .map(|purpose| Wish::Says {
                subject: purpose.clone(),
                granted: false,
            })
            .collect();
    }
    let mut wishes = vec![];
    for (name, value) in &fields {
        let was = fields.get(&format!("was:{name}")).map_or("", String::as_str);
        if value == was {
            continue;
        }
        if let Some(subject) = name.strip_prefix("says:").filter(|subject| is_offered(view, subject)) {
            let granted = match value.as_str() {
                YES => true,
                NO => false,
                _ => continue,
            };
            let subject = subject.to_owned();
            wishes.push(Wish::Says { subject, granted });
        }
        let pauses = name.strip_prefix("pause:");
        if let Some(purpose) = pauses.filter(|purpose| view.intake.offered.contains_key(*purpose)) {
            let length = view.intake.pauses.iter().find(|(_, text)| *text == value);
            if value == GO_ON || length.is_some() {
                wishes.push(Wish::Pauses {
                    purpose: purpose.to_owned(),
                    length: length.map(|(length, _)| *length),
                });
            }
        }
    }
    wishes
}

fn is_offered(view: &View, subject: &str) -> bool {
    match consent::subject(subject) {
        Subject::Purpose(purpose) | Subject::ByChannel { purpose, .. } => view.intake.offered.contains_key(purpose),
        Subject::Journey(_) | Subject::Pause(_) | Subject::Platform(_) => false,
    }
}

async fn keep(gateway: &Gateway, view: &View, customer: CustomerKey, wishes: Vec<Wish>) -> Result<(), StoreError> {
    if wishes.is_empty() {
        return Ok(());
    }
    let now = gateway.clock.now();
    let id = format!("{customer}/{now}");
    let key = gateway.keys.event(&gateway.namespace, "preferences", &id);
    let arrival = Arrival::of_known(key, id, "preferences/saved".to_owned(), customer, now);
    let learn =
        |arrival: &Arrival, customer: &mut Customer| learn_wishes(view, &gateway.keys, &wishes, arrival, customer);
    let receipts = gateway.store.accept(&gateway.namespace, &[arrival], &learn).await?;
    if receipts.first() == Some(&Receipt::Accepted) {
        gateway.metrics.received("link", "accepted", "", 1);
    }
    Ok(())
}

/// What the customer says now is the latest word, also when a clock elsewhere is ahead.
fn learn_wishes(view: &View, keys: &Keys, wishes: &[Wish], arrival: &Arrival, customer: &mut Customer) -> Vec<Arrival> {
    let mut changes = Changes::default();
    let mut say = |customer: &mut Customer, subject: &str, said: Consent| {
        changes.watch(customer, subject);
        let known = customer.consents.get(subject).map_or(i64::MIN, |known| known.at);
        let at = said.at.max(known.saturating_add(1));
        customer.hear_consent(subject, Consent { at, ..said });
    };
    for wish in wishes {
        match wish {
            Wish::Says { subject, granted } => {
                let confirms = match consent::subject(subject) {
                    Subject::Purpose(purpose) | Subject::ByChannel { purpose, .. } => {
                        view.intake.confirms.contains_key(purpose)
                    }
                    Subject::Journey(_) | Subject::Pause(_) | Subject::Platform(_) => false,
                };
                say(customer, subject, Consent::heard(*granted, arrival.time, confirms));
            }
            Wish::Pauses { purpose, length } => {
                let until = length.map(|length| arrival.time.saturating_add(length));
                let said = Consent {
                    until,
                    ..Consent::said(until.is_none(), arrival.time)
                };
                say(customer, &pause_of(purpose), said);
            }
        }
    }
    let made = changes.made(customer);
    made.iter()
        .filter_map(|change| change.event(view, keys, arrival))
        .collect()
}

async fn show(gateway: &Gateway, customer: CustomerKey, words: &Words, saved: bool) -> Response {
    match gateway.store.consents(&gateway.namespace, customer).await {
        Ok(Some(consents)) => {
            let body = Form {
                view: &gateway.view(),
                keys: &gateway.keys,
                namespace: &gateway.namespace,
                customer,
                consents: &consents,
                words,
                now: gateway.clock.now(),
            };
            page::show(StatusCode::OK, words.tag, words.preferences_title, &body.html(saved))
        }
        // Everything of this customer was deleted.
        Ok(None) => page::unknown_link(),
        Err(error) => away(gateway, words, &error),
    }
}

struct Form<'a> {
    view: &'a View,
    keys: &'a Keys,
    namespace: &'a str,
    customer: CustomerKey,
    consents: &'a Consents,
    words: &'a Words,
    now: Micros,
}

impl Form<'_> {
    fn html(&self, saved: bool) -> String {
        let words = self.words;
        let told = if saved {
            format!("<p role=\"status\"><strong>{}</strong></p>", words.preferences_saved)
        } else {
            String::new()
        };
        let purposes: String = self
            .view
            .intake
            .offered
            .keys()
            .map(|purpose| self.purpose(purpose))
            .collect();
        format!(
            "<h1>{title}</h1>{told}<p>{about}</p><form method=\"post\">{purposes}<button type=\"submit\">{save}</button></form>\
<form method=\"post\"><h2>{none_title}</h2><p>{none}</p><button type=\"submit\" name=\"none\" value=\"yes\">{none_button}</button></form>{journeys}",
            title = words.preferences_title,
            about = words.preferences_about,
            save = words.save,
            none_title = words.nothing_more_title,
            none = words.nothing_more,
            none_button = words.nothing_more_button,
            journeys = self.journeys(),
        )
    }

    /// A purpose, its channels where they can differ, and its pause.
    fn purpose(&self, purpose: &str) -> String {
        let words = self.words;
        let known = self.consents.get(purpose);
        let without_a_word = self
            .view
            .intake
            .offered
            .get(purpose)
            .is_some_and(|offered| !offered.needs_yes);
        let state = known.map(|known| known.state);
        let note = match state {
            Some(ConsentState::Pending) => format!("<p>{}</p>", words.to_be_confirmed),
            _ => String::new(),
        };
        let agrees = match state {
            None => without_a_word,
            Some(state) => matches!(state, ConsentState::Granted | ConsentState::Pending),
        };
        let whole = self.yes_or_no(purpose, words.all_of_it, agrees);
        let channels: String = self
            .channels(purpose)
            .iter()
            .map(|channel| self.channel(purpose, channel, agrees))
            .collect();
        format!(
            "<fieldset class=\"choice\"><legend>{}</legend>{note}{whole}{channels}{}</fieldset>",
            escape(purpose),
            self.pause(purpose)
        )
    }

    /// Channels that are worth a control of their own: there are several, or something was said of one.
    fn channels(&self, purpose: &str) -> BTreeSet<String> {
        let sent = self.view.channels.get(purpose).filter(|all| all.len() > 1);
        let said = self
            .consents
            .keys()
            .filter_map(|subject| match consent::subject(subject) {
                Subject::ByChannel { purpose: of, channel } if of == purpose => Some(channel.to_owned()),
                _ => None,
            });
        sent.into_iter().flatten().cloned().chain(said).collect()
    }

    fn channel(&self, purpose: &str, channel: &str, whole: bool) -> String {
        let agrees = known_of(self.consents, purpose, channel).map_or(whole, |known| {
            matches!(known.state, ConsentState::Granted | ConsentState::Pending)
        });
        self.yes_or_no(&by_channel(purpose, channel), channel, agrees)
    }

    /// Two radio buttons, and what they were when they were shown.
    fn yes_or_no(&self, subject: &str, label: &str, agrees: bool) -> String {
        let subject = escape(subject);
        let button = |value: &str, word: &str, checked: bool| {
            let checked = if checked { " checked" } else { "" };
            format!("<label><input type=\"radio\" name=\"says:{subject}\" value=\"{value}\"{checked}> {word}</label>")
        };
        format!(
            "<fieldset class=\"choice\"><legend>{}</legend><input type=\"hidden\" name=\"was:says:{subject}\" value=\"{}\">{}{}</fieldset>",
            escape(label),
            if agrees { YES } else { NO },
            button(YES, self.words.yes, agrees),
            button(NO, self.words.no, !agrees),
        )
    }

    fn pause(&self, purpose: &str) -> String {
        let (pauses, words) = (&self.view.intake.pauses, self.words);
        let paused = paused_until(self.consents, purpose, self.now);
        if pauses.is_empty() && paused.is_none() {
            return String::new();
        }
        let name = escape(purpose);
        // Of a pause that goes on nothing is chosen: leaving it so leaves it as it is.
        let was = if paused.is_some() { "on" } else { GO_ON };
        let option = |value: &str, word: &str, checked: bool| {
            let checked = if checked { " checked" } else { "" };
            format!(
                "<label><input type=\"radio\" name=\"pause:{name}\" value=\"{}\"{checked}> {}</label>",
                escape(value),
                escape(word)
            )
        };
        let goes_on = paused.map(|until| {
            let [before, after] = words.paused_until;
            option("on", &format!("{before}{}{after}", day(until)), true)
        });
        let options = pauses.iter().map(|(length, text)| {
            let [before, after] = words.pause_for;
            option(text, &format!("{before}{}{after}", span(*length, words)), false)
        });
        format!(
            "<fieldset class=\"choice\"><legend>{}</legend><input type=\"hidden\" name=\"was:pause:{name}\" value=\"{was}\">{}{}{}</fieldset>",
            words.pause_title,
            goes_on.unwrap_or_default(),
            option(GO_ON, words.no_pause, paused.is_none()),
            options.collect::<String>(),
        )
    }

    /// The off-ramps and on-ramps that journeys offer.
    fn journeys(&self) -> String {
        let words = self.words;
        let offers = self.view.intake.choices.iter().filter_map(|(journey, choice)| {
            let has_left = self
                .consents
                .get(&choice_of(journey))
                .is_some_and(|choice| !choice.is_granted());
            let has_joined = self.consents.get(&choice_of(journey)).is_some_and(Consent::is_granted);
            let joins = if choice.join && !has_joined && (has_left || !choice.leave) {
                true
            } else if choice.leave && !has_left {
                false
            } else {
                return None;
            };
            let chosen = Chosen {
                message: MessageKey(self.customer.0),
                customer: self.customer,
                journey: journey.clone(),
                joins,
            };
            // Beside this page, wherever the gateway is reached.
            let page = link::choice(self.keys, "..", self.namespace, &chosen);
            let page = link::in_language(&page, Some(words.tag));
            let verb = if joins { words.join } else { words.leave };
            Some(format!(
                "<li><a href=\"{}\">{}: {verb}</a></li>",
                escape(&page),
                escape(&choice.title.to_string())
            ))
        });
        let offers: String = offers.collect();
        if offers.is_empty() {
            return String::new();
        }
        format!("<h2>{}</h2><ul>{offers}</ul>", words.journeys_title)
    }
}

/// The day of an instant (UTC), as ISO 8601 writes it.
fn day(at: Micros) -> String {
    jiff::Timestamp::from_microsecond(at).map_or_else(|_| String::new(), |at| at.strftime("%Y-%m-%d").to_string())
}

fn span(length: Micros, words: &Words) -> String {
    match length {
        length if length % DAY == 0 => format!("{} {}", length / DAY, words.days),
        length => format!("{} {}", (length / HOUR).max(1), words.hours),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view() -> View {
        let mut view = View::default();
        let offered = crate::compile::Offered { needs_yes: true };
        view.intake.offered.insert("news".into(), offered);
        view.intake.pauses.insert(7 * DAY, "7d".into());
        view
    }

    #[test]
    fn only_what_was_changed_and_is_offered_is_wished() {
        let form = "says%3Anews=no&was%3Asays%3Anews=yes&says%3Anews%40Sms=yes&was%3Asays%3Anews%40Sms=yes&says%3Aother=no&pause%3Anews=7d\
&says%3Ajourney%2Fx=no&pause%3Aother=7d";
        let wishes = read(&view(), form.as_bytes());
        let pause = Wish::Pauses {
            purpose: "news".into(),
            length: Some(7 * DAY),
        };
        let no = Wish::Says {
            subject: "news".into(),
            granted: false,
        };
        assert_eq!(wishes, [pause, no]);
        assert_eq!(
            read(&view(), b"says%3Anews=perhaps&pause%3Anews=9d&was%3Apause%3Anews="),
            []
        );
    }

    #[test]
    fn nothing_more_is_a_no_to_all() {
        let no = Wish::Says {
            subject: "news".into(),
            granted: false,
        };
        assert_eq!(read(&view(), b"none=yes&says%3Anews=yes"), [no]);
    }

    #[test]
    fn a_pause_that_ends_is_a_wish_without_a_length() {
        let wishes = read(&view(), b"pause%3Anews=&was%3Apause%3Anews=on");
        let ends = Wish::Pauses {
            purpose: "news".into(),
            length: None,
        };
        assert_eq!(wishes, [ends]);
        assert_eq!(read(&view(), b"pause%3Anews=on&was%3Apause%3Anews=on"), []);
    }
}
