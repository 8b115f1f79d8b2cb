//! Channel adapters: what their channel needs of a message, which Secrets they name, and where customers reach the gateway.

use super::{Code, Manifests, report::Report, value::span};
use crate::{
    api::{
        channel_adapter::{
            BEARER_KEY, CA_KEY, ChannelAdapterSpec, Credentials, HTTP_KEY, PASSWORD_KEY, SIGNATURE_KEY, SecretValue,
            USERNAME_KEY,
        },
        text::SecretName,
        touchpoint::Outbound,
    },
    clock::{MINUTE, SECOND},
    survey::mail,
    template,
};
use std::collections::BTreeSet;

/// A Secret that an adapter names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SecretRef {
    pub name: String,
    /// The key that the adapter names, or the one that its field has when none is named.
    pub key: String,
    /// Where the adapter names it: `spec.smtp.credentials.secretRef`.
    pub path: String,
    pub adapter: String,
}

/// Secrets that the adapters need by which a journey sends; None: those of the http adapters, for the gateway.
pub fn secrets(manifests: &Manifests, journey: Option<&str>) -> BTreeSet<SecretRef> {
    let adapters: Box<dyn Iterator<Item = &str>> = match journey {
        None => Box::new(
            manifests
                .adapters
                .iter()
                .filter(|(_, spec)| spec.http.is_some())
                .map(|(name, _)| name.as_str()),
        ),
        Some(journey) => Box::new(
            manifests
                .journeys
                .get(journey)
                .into_iter()
                .flat_map(|journey| &journey.spec.steps)
                .filter_map(|step| step.send.as_ref())
                .flat_map(|send| send.touchpoints())
                .filter_map(|touchpoint| manifests.touchpoints.get(touchpoint.as_str())?.outbound.as_ref())
                .map(|outbound| outbound.adapter.as_str()),
        ),
    };
    adapters
        .filter_map(|name| manifests.adapters.get(name).map(|spec| (name, spec)))
        .flat_map(|(name, spec)| secrets_of(name, spec))
        .collect()
}

/// Secrets that one adapter names.
pub fn secrets_of(adapter: &str, spec: &ChannelAdapterSpec) -> Vec<SecretRef> {
    let mut all = vec![];
    let mut add = |path: &str, name: &SecretName, key: &str| {
        all.push(SecretRef {
            name: name.to_string(),
            key: key.into(),
            path: format!("spec.{path}.secretRef"),
            adapter: adapter.into(),
        });
    };
    let mut value = |path: &str, of: Option<&SecretValue>, left_out: &str| {
        if let Some(SecretValue { secret_ref }) = of {
            add(path, &secret_ref.name, secret_ref.key_or(left_out));
        }
    };
    let auth = spec.webhook.as_ref().and_then(|webhook| webhook.auth.as_ref());
    if let Some(smtp) = &spec.smtp {
        value("smtp.ca", smtp.ca.as_ref(), CA_KEY);
    }
    if let Some(webhook) = &spec.webhook {
        let bearer = auth.and_then(|auth| auth.bearer.as_ref());
        value("webhook.auth.bearer", bearer, BEARER_KEY);
        value("webhook.signature", webhook.signature.as_ref(), SIGNATURE_KEY);
        value("webhook.ca", webhook.ca.as_ref(), CA_KEY);
    }
    if let Some(http) = &spec.http {
        value("http.auth", Some(&http.auth), HTTP_KEY);
    }
    let mut login = |path: &str, of: Option<&Credentials>| {
        if let Some(Credentials { secret_ref }) = of {
            add(path, &secret_ref.name, USERNAME_KEY);
            add(path, &secret_ref.name, PASSWORD_KEY);
        }
    };
    login(
        "smtp.credentials",
        spec.smtp.as_ref().and_then(|smtp| smtp.credentials.as_ref()),
    );
    login("webhook.auth.basic", auth.and_then(|auth| auth.basic.as_ref()));
    all
}

/// Where customers reach the gateway: the publicUrl of the first http adapter by name, those whose key is public first; without a
/// slash at the end.
pub fn public_url(manifests: &Manifests) -> Option<String> {
    let with_url = manifests.adapters.iter().filter_map(|(name, spec)| {
        let http = spec.http.as_ref()?;
        Some(((!http.public, name), http.public_url.as_ref()?))
    });
    with_url
        .min_by_key(|(order, _)| *order)
        .map(|(_, url)| url.as_str().trim_end_matches('/').to_owned())
}

/// Fields of the content that the channel gets.
fn fields(outbound: &Outbound) -> Vec<&str> {
    match &outbound.survey {
        Some(_) => mail::FIELDS.to_vec(),
        None => outbound.content.keys().map(String::as_str).collect(),
    }
}

/// What an adapter's channel needs of a touchpoint.
pub fn fits(report: &mut Report, name: &str, spec: &ChannelAdapterSpec, outbound: &Outbound) {
    super::stay::fits(report, name, spec, outbound);
    let fields = fields(outbound);
    if spec.smtp.is_some() {
        let has = |field: &str| fields.contains(&field);
        if !has("subject") {
            report.error(
                Code::MailWithoutSubject,
                "spec.outbound.content",
                "a mail needs a subject",
                "add content.subject".to_owned(),
            );
        }
        if !has("text") && !has("html") {
            report.error(
                Code::MailWithoutBody,
                "spec.outbound.content",
                "a mail needs text or html",
                "add content.text".to_owned(),
            );
        }
        for field in outbound
            .content
            .keys()
            .filter(|field| !["subject", "text", "html"].contains(&field.as_str()))
        {
            let message = format!("a mail has no '{field}'");
            report.warning(
                Code::MailField,
                format!("spec.outbound.content.{field}"),
                message,
                "fields of a mail are subject, text and html".to_owned(),
            );
        }
        if outbound.to.is_none() {
            report.error(
                Code::MailWithoutAddress,
                "spec.outbound.to",
                "a mail needs an address",
                "write to: ${customer.email}".to_owned(),
            );
        }
    }
    if let Some(body) = spec.webhook.as_ref().and_then(|webhook| webhook.body.as_ref())
        && let Ok(body) = template::compile(
            body.as_str(),
            &template::Place {
                any_content: true,
                ..body_place(BTreeSet::new())
            },
        )
    {
        for field in body
            .reads_content()
            .iter()
            .filter(|field| !fields.contains(&field.as_str()))
        {
            let message = format!("the body of adapter '{name}' reads content.{field}, which this has not");
            report.error(
                Code::ContentMissing,
                "spec.outbound.content",
                message,
                format!("add content.{field}"),
            );
        }
    }
}

/// What a webhook's body may read.
fn body_place(content: BTreeSet<String>) -> template::Place {
    template::Place {
        content,
        any_with: true,
        to: true,
        ..template::Place::default()
    }
}

/// Headers that the webhook channel and HTTP itself write.
const OURS: [&str; 8] = [
    "connection",
    "content-length",
    "host",
    "idempotency-key",
    "transfer-encoding",
    "webhook-id",
    "webhook-signature",
    "webhook-timestamp",
];

/// Whether it looks like `Shop <hello@shop.example>` or `hello@shop.example`; the channel reads it by the letter.
fn is_sender(from: &str) -> bool {
    let address = match from.trim().split_once('<') {
        Some((_, rest)) => rest.strip_suffix('>'),
        None => Some(from.trim()),
    };
    let parts = address.and_then(|address| address.rsplit_once('@'));
    parts.is_some_and(|(user, domain)| !user.is_empty() && !domain.is_empty() && !domain.contains([' ', '<', '>']))
}

/// What is wrong with an adapter by itself.
pub fn check(report: &mut Report, manifests: &Manifests, name: &str, spec: &ChannelAdapterSpec) {
    if let Some(timeout) = &spec.timeout {
        span(report, "spec.timeout", timeout);
    }
    if let Some(retry) = &spec.retry {
        let initial = retry
            .initial
            .as_ref()
            .and_then(|text| span(report, "spec.retry.initial", text));
        let max = retry.max.as_ref().and_then(|text| span(report, "spec.retry.max", text));
        let (initial, max) = (initial.unwrap_or(SECOND), max.unwrap_or(30 * MINUTE));
        if initial > max {
            report.error(
                Code::RetryOrder,
                "spec.retry.max",
                "the longest pause is shorter than the first",
                "make max at least initial".to_owned(),
            );
        }
    }
    if let Some(url) = spec.http.as_ref().and_then(|http| http.public_url.as_ref())
        && url.as_str().contains(['?', '#'])
    {
        report.error(
            Code::PublicUrlWithQuery,
            "spec.http.publicUrl",
            "paths of the gateway are added to it: it has no ? or #",
            None,
        );
    }
    if let Some(smtp) = &spec.smtp
        && !is_sender(smtp.from.as_str())
    {
        report.error(
            Code::SenderAddress,
            "spec.smtp.from",
            "this is not an address",
            "write Shop <hello@shop.example>".to_owned(),
        );
    }
    let headers = spec.webhook.as_ref().and_then(|webhook| webhook.headers.as_ref());
    for name in headers.into_iter().flat_map(|headers| headers.keys()) {
        if OURS.iter().any(|ours| ours.eq_ignore_ascii_case(name)) {
            let message = format!("the header {name} is written for each request");
            report.error(
                Code::HeaderIsOurs,
                format!("spec.webhook.headers.{name}"),
                message,
                "leave it out".to_owned(),
            );
        }
    }
    if let Some(body) = spec.webhook.as_ref().and_then(|webhook| webhook.body.as_ref()) {
        let users = manifests
            .touchpoints
            .values()
            .filter_map(|spec| spec.outbound.as_ref())
            .filter(|outbound| outbound.adapter.as_str() == name);
        let fields: BTreeSet<String> = users.flat_map(fields).map(str::to_owned).collect();
        let place = template::Place {
            any_content: fields.is_empty(),
            ..body_place(fields)
        };
        match template::compile(body.as_str(), &place) {
            Ok(body) if body.leaves() || !body.joins().is_empty() => report.error(
                Code::ChoiceInBody,
                "spec.webhook.body",
                "a body belongs to no journey: it cannot call leave_link() or join_link()",
                "call it in the content of the touchpoint, and read content.NAME here".to_owned(),
            ),
            Ok(_) => {}
            Err(mistakes) => report.template("spec.webhook.body", mistakes),
        }
    }
}
