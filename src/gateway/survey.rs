//! /s/TOKEN: a customer answers a survey. GET shows the page, perhaps with an answer filled in, and records nothing, because mail programs
//! and scanners follow links; POST records, once for each message: the first answer counts.

use super::{Gateway, click::of_message, page, refusal::Refusal};
use crate::{
    api::touchpoint::QuestionKind,
    clock,
    engine::state::Properties,
    link::{self, Asked},
    markup::escape,
    store::{Arrival, Receipt, StoreError},
    survey::{LONGEST_TEXT, Question, Survey, Unanswered, Wrong},
    words::Words,
};
use axum::{
    body::{Body, to_bytes},
    extract::{Path, Query, State},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use serde::Deserialize;
use std::{collections::BTreeMap, fmt::Write as _, sync::Arc};
use url::form_urlencoded;

/// Bytes of the form: ten free answers, percent-encoded.
const FORM_LIMIT: usize = 256 * 1024;
/// Fields of the form that are looked at.
const FIELDS: usize = 64;

/// What a link says besides its token; the form keeps it.
#[derive(Debug, Default, Deserialize)]
pub struct Prefilled {
    lang: Option<String>,
    /// A question, and its answer that is filled in.
    q: Option<String>,
    a: Option<String>,
}

/// GET: shows the page.
pub async fn ask(
    State(gateway): State<Arc<Gateway>>,
    Path(token): Path<String>,
    Query(prefilled): Query<Prefilled>,
    headers: HeaderMap,
) -> Response {
    let Some(asked) = link::read_survey(&gateway.keys, &gateway.namespace, &token) else {
        return page::unknown_link();
    };
    let locale = page::locale(prefilled.lang.as_deref(), &headers);
    let view = gateway.view();
    let Some(survey) = view.intake.surveys.get(&asked.touchpoint) else {
        return closed(Words::of(locale.as_deref()));
    };
    let given = prefilled.q.zip(prefilled.a).into_iter().collect::<Vec<_>>();
    form(survey, locale.as_deref(), &given, None)
}

/// POST: records.
pub async fn answer(
    State(gateway): State<Arc<Gateway>>,
    Path(token): Path<String>,
    Query(prefilled): Query<Prefilled>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let Some(asked) = link::read_survey(&gateway.keys, &gateway.namespace, &token) else {
        return page::unknown_link();
    };
    let locale = page::locale(prefilled.lang.as_deref(), &headers);
    let words = Words::of(locale.as_deref());
    let view = gateway.view();
    let Some(survey) = view.intake.surveys.get(&asked.touchpoint) else {
        return closed(words);
    };
    // A form that is too large or broke off is shown again, empty: no browser sends it from our page.
    let body = to_bytes(body, FORM_LIMIT).await.unwrap_or_default();
    let given: Vec<(String, String)> = form_urlencoded::parse(&body).into_owned().take(FIELDS).collect();
    let answers = match survey.answers(&given) {
        Ok(answers) => answers,
        Err(wrong) => return form(survey, locale.as_deref(), &given, Some(&wrong)),
    };
    match record(&gateway, &asked, answers).await {
        Ok(Receipt::Accepted) => {
            gateway.metrics.received("link", "accepted", "", 1);
            tell(words, words.thanks_title, words.thanks)
        }
        Ok(Receipt::Duplicate) => {
            gateway.metrics.received("link", "duplicate", "", 1);
            tell(words, words.answered_title, words.answered)
        }
        // The message and its journey are gone, or the customer is.
        Ok(Receipt::UnknownCustomer) => closed(words),
        Err(error) => {
            tracing::error!("an answer was not kept: {error}");
            gateway.metrics.refused("link", Refusal::Unavailable.name());
            page::try_later(words)
        }
    }
}

/// Two events in one transaction: the first is the same for every answer to this message, so that duplicates are found whenever they come;
/// TOUCHPOINT/answered follows from it.
async fn record(gateway: &Gateway, asked: &Asked, answers: Properties) -> Result<Receipt, StoreError> {
    let message = gateway.store.message(&gateway.namespace, asked.message).await?;
    let Some(message) = message.filter(|message| message.touchpoint == asked.touchpoint) else {
        return Ok(Receipt::UnknownCustomer);
    };
    let now = clock::now();
    let answered = of_message(
        &gateway.view(),
        &gateway.keys,
        &message,
        "answered",
        "answered",
        answers,
        now,
    );
    let id = message.key.to_string();
    let once = gateway.keys.event(&gateway.namespace, "survey", &id);
    // Duplicates are looked for within a day: that of the message.
    let once = Arrival::of_known(
        once,
        id,
        format!("{}/answering", message.touchpoint),
        message.customer,
        message.at,
    );
    let follow = |_: &Arrival, _: &mut crate::store::Customer| vec![answered.clone()];
    let receipts = gateway.store.accept(&gateway.namespace, &[once], &follow).await?;
    Ok(receipts.first().copied().unwrap_or(Receipt::UnknownCustomer))
}

fn closed(words: &Words) -> Response {
    let body = format!("<h1>{}</h1><p>{}</p>", words.closed_title, words.closed);
    page::show(StatusCode::GONE, words.tag, words.closed_title, &body)
}

fn tell(words: &Words, title: &str, text: &str) -> Response {
    let body = format!("<h1>{title}</h1><p role=\"status\">{text}</p>");
    page::show(StatusCode::OK, words.tag, title, &body)
}

/// The page, with what was given and what is wrong with it.
fn form(
    survey: &Survey,
    locale: Option<&str>,
    given: &[(String, String)],
    unanswered: Option<&Unanswered>,
) -> Response {
    let words = Words::of(locale);
    let nothing = BTreeMap::new();
    let wrong = match unanswered {
        Some(Unanswered::Wrong(wrong)) => wrong,
        Some(Unanswered::Nothing) | None => &nothing,
    };
    // The questions may be in a language that we have no words for.
    let language = survey.language(locale);
    let mut questions = String::new();
    for question in &survey.questions {
        let value = given
            .iter()
            .find(|(name, _)| *name == question.name)
            .map_or("", |(_, value)| value.as_str());
        questions.push_str(&field(
            question,
            survey.ask(question, locale),
            value,
            wrong.get(&question.name),
            words,
        ));
    }
    let questions = match language.filter(|tag| tag != words.tag) {
        Some(tag) => format!("<div lang=\"{}\">{questions}</div>", escape(&tag)),
        None => questions,
    };
    let body = format!(
        "<h1>{title}</h1>{summary}<form method=\"post\">{questions}<button type=\"submit\">{send}</button></form><p>{note}</p>",
        title = words.survey_title,
        summary = unanswered
            .map(|unanswered| summary(survey, locale, unanswered, words))
            .unwrap_or_default(),
        send = words.send,
        note = words.nothing_saved_yet
    );
    let status = if unanswered.is_some() {
        StatusCode::UNPROCESSABLE_ENTITY
    } else {
        StatusCode::OK
    };
    page::show(status, words.tag, words.survey_title, &body)
}

/// What is wrong, said first, with a link to each place.
fn summary(survey: &Survey, locale: Option<&str>, unanswered: &Unanswered, words: &Words) -> String {
    let items = match unanswered {
        Unanswered::Nothing => {
            return format!(
                "<div class=\"wrong\" role=\"alert\"><p>{}</p></div>",
                words.nothing_answered
            );
        }
        Unanswered::Wrong(wrong) => survey
            .questions
            .iter()
            .filter(|question| wrong.contains_key(&question.name)),
    };
    let items: String = items
        .map(|question| {
            format!(
                "<li><a href=\"#q-{}\">{}</a></li>",
                question.name,
                escape(survey.ask(question, locale))
            )
        })
        .collect();
    format!(
        "<div class=\"wrong\" role=\"alert\"><p>{}</p><ul>{items}</ul></div>",
        words.look_again
    )
}

/// One question. A name is letters, digits and _, so it is fit for an id.
fn field(question: &Question, ask: &str, value: &str, wrong: Option<&Wrong>, words: &Words) -> String {
    let (name, ask) = (&question.name, escape(ask));
    let (note, mut described) = match wrong {
        Some(why) => {
            let text = match why {
                Wrong::NotOffered => words.not_offered,
                Wrong::TooLong => words.too_long,
            };
            (
                format!("<p class=\"fault\" id=\"q-{name}-fault\">{text}</p>"),
                format!("q-{name}-fault"),
            )
        }
        None => (String::new(), String::new()),
    };
    let radio = |option: &str| {
        let checked = if option == value { " checked" } else { "" };
        let option = escape(option);
        format!(
            "<label><input type=\"radio\" name=\"{name}\" value=\"{option}\"{checked}><span>{option}</span></label>"
        )
    };
    match question.kind {
        QuestionKind::NPS | QuestionKind::CSAT | QuestionKind::CES => {
            let scale = question.scale().unwrap_or(0..=0);
            let [least, most] = question.ends(words).unwrap_or_default();
            let _never_fails = write!(described, " q-{name}-ends");
            let ends = format!(
                "<p class=\"ends\" id=\"q-{name}-ends\"><span>{} = {least}</span><span>{} = {most}</span></p>",
                scale.start(),
                scale.end()
            );
            let radios: String = scale.map(|number| radio(&number.to_string())).collect();
            format!(
                "<fieldset id=\"q-{name}\" aria-describedby=\"{}\"><legend>{ask}</legend>{note}<div class=\"scale\">{radios}</div>{ends}</fieldset>",
                described.trim()
            )
        }
        QuestionKind::Choice => {
            let radios: String = question.options.iter().map(|option| radio(option)).collect();
            let described = if described.is_empty() {
                String::new()
            } else {
                format!(" aria-describedby=\"{described}\"")
            };
            format!(
                "<fieldset id=\"q-{name}\"{described}><legend>{ask}</legend>{note}<div class=\"choice\">{radios}</div></fieldset>"
            )
        }
        QuestionKind::Text => {
            let invalid = if wrong.is_some() {
                format!(" aria-invalid=\"true\" aria-describedby=\"{described}\"")
            } else {
                String::new()
            };
            format!(
                "<div class=\"free\"><label for=\"q-{name}\">{ask}</label>{note}<textarea id=\"q-{name}\" name=\"{name}\" rows=\"4\" \
maxlength=\"{LONGEST_TEXT}\"{invalid}>\n{}</textarea></div>",
                escape(value)
            )
        }
    }
}
