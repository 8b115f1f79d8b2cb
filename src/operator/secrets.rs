//! Whether the Secrets that adapters name are there, and the keys in them. Values are read past, never kept: a GET brings them, and they are dropped.

use super::{context::Context, error::Error, reason::Reason};
use crate::{
    api::channel_adapter::{Auth, ChannelAdapterSpec, Credentials, Http, SecretValue, Smtp, Webhook},
    compile::{Code, Diagnostic, Object, Severity},
};
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::time::Instant;

/// How long an answer is good: many journeys ask for the same Secret at once.
const GOOD_FOR: Duration = Duration::from_secs(4);
/// Answers kept at most.
const KEPT: usize = 10_000;

/// A Secret as an adapter uses it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Use {
    pub adapter: String,
    /// Where in the adapter it is named.
    pub path: String,
    pub secret: String,
    pub keys: Keys,
}

/// What must be in it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Keys {
    /// A key for the name, a key for the password.
    Login,
    One(String),
    /// Whatever its name.
    TheOnlyOne,
}

/// The Secrets that an adapter names.
pub fn used(adapter: &str, spec: &ChannelAdapterSpec) -> Vec<Use> {
    let ChannelAdapterSpec { smtp, webhook, log: _, http, timeout: _, limits: _, retry: _, unknown_outcome: _ } = spec;
    let mut uses = Vec::new();
    let mut login = |path: &str, credentials: &Option<Credentials>| {
        uses.extend(credentials.iter().map(|c| (path.to_owned(), c.secret_ref.name.to_string(), Keys::Login)));
    };
    let mut values = Vec::new();
    let mut value = |path: &str, value: Option<&SecretValue>| {
        values.extend(value.map(|v| {
            let keys = v.secret_ref.key.as_ref().map_or(Keys::TheOnlyOne, |key| Keys::One(key.to_string()));
            (path.to_owned(), v.secret_ref.name.to_string(), keys)
        }));
    };
    if let Some(Smtp { credentials, ca, host: _, port: _, security: _, from: _ }) = smtp {
        login("spec.smtp.credentials.secretRef", credentials);
        value("spec.smtp.ca.secretRef", ca.as_ref());
    }
    if let Some(Webhook { auth, signature, ca, url: _, method: _, headers: _, body: _ }) = webhook {
        if let Some(Auth { bearer, basic }) = auth {
            value("spec.webhook.auth.bearer.secretRef", bearer.as_ref());
            login("spec.webhook.auth.basic.secretRef", basic);
        }
        value("spec.webhook.signature.secretRef", signature.as_ref());
        value("spec.webhook.ca.secretRef", ca.as_ref());
    }
    if let Some(Http { auth, public_url: _, origins: _, public: _ }) = http {
        value("spec.http.auth.secretRef", Some(auth));
    }
    uses.extend(values);
    uses.into_iter().map(|(path, secret, keys)| Use { adapter: adapter.to_owned(), path, secret, keys }).collect()
}

/// What was found of the Secrets that were asked for.
#[derive(Debug, Clone, Default)]
pub struct Found {
    pub missing: Vec<Missing>,
    /// Every Secret that is named, with its version; None: it is not there.
    pub versions: BTreeMap<String, Option<String>>,
}

/// Something that is not there, and what to do about it.
#[derive(Debug, Clone)]
pub struct Missing {
    pub diagnostic: Diagnostic,
    pub reason: Reason,
}

/// The answers of the last seconds.
#[derive(Debug, Default)]
pub struct Secrets(Mutex<HashMap<(String, String), (Instant, Arc<Option<Content>>)>>);

#[derive(Debug)]
struct Content {
    keys: BTreeSet<String>,
    version: String,
}

/// Looks for all of them.
///
/// # Errors
/// When the API server does not answer. That a Secret is missing is no error, but part of the answer.
pub async fn find(context: &Context, namespace: &str, uses: &[Use]) -> Result<Found, Error> {
    let mut found = Found::default();
    for wanted in uses {
        let content = look(context, namespace, &wanted.secret).await?;
        found.versions.insert(wanted.secret.clone(), (*content).as_ref().map(|content| content.version.clone()));
        found.missing.extend(judge(namespace, wanted, (*content).as_ref()));
    }
    Ok(found)
}

async fn look(context: &Context, namespace: &str, name: &str) -> Result<Arc<Option<Content>>, Error> {
    let key = (namespace.to_owned(), name.to_owned());
    if let Some((at, content)) = context.secrets.lock().get(&key)
        && at.elapsed() < GOOD_FOR
    {
        return Ok(Arc::clone(content));
    }
    let api = Api::<Secret>::namespaced(context.client.clone(), namespace);
    let content = context.call(api.get_opt(name)).await?.map(|secret| Content {
        keys: secret.data.into_iter().flatten().map(|(key, _)| key).collect(),
        version: secret.metadata.resource_version.unwrap_or_default(),
    });
    let content = Arc::new(content);
    let mut answers = context.secrets.lock();
    if answers.len() >= KEPT {
        answers.retain(|_, (at, _)| at.elapsed() < GOOD_FOR);
    }
    answers.insert(key, (Instant::now(), Arc::clone(&content)));
    Ok(content)
}

impl Secrets {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<(String, String), (Instant, Arc<Option<Content>>)>> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

fn judge(namespace: &str, wanted: &Use, content: Option<&Content>) -> Option<Missing> {
    let Use { adapter, path, secret, keys } = wanted;
    let literals = match keys {
        Keys::Login => "--from-literal=username=NAME --from-literal=password=PASSWORD".to_owned(),
        Keys::One(key) => format!("--from-literal={key}=VALUE"),
        Keys::TheOnlyOne => "--from-literal=key=VALUE".to_owned(),
    };
    let missing = |path: String, reason, message, help| {
        let object = Object { kind: "ChannelAdapter".to_owned(), name: adapter.clone() };
        let diagnostic =
            Diagnostic { code: Code::Reference, severity: Severity::Error, object, path, message, help: Some(help) };
        Some(Missing { diagnostic, reason })
    };
    let Some(content) = content else {
        let help = format!("create it: kubectl -n {namespace} create secret generic {secret} {literals}");
        return missing(format!("{path}.name"), Reason::SecretNotFound, format!("there is no Secret {secret}"), help);
    };
    let lacking: Vec<&str> = match keys {
        Keys::Login => ["username", "password"].into_iter().filter(|key| !content.keys.contains(*key)).collect(),
        Keys::One(key) => Some(key.as_str()).filter(|key| !content.keys.contains(*key)).into_iter().collect(),
        Keys::TheOnlyOne if content.keys.len() == 1 => Vec::new(),
        Keys::TheOnlyOne => {
            let message = format!("the Secret {secret} has {} keys, and none is named", content.keys.len());
            return missing(format!("{path}.key"), Reason::SecretKeyNotFound, message, "name the key".to_owned());
        }
    };
    if lacking.is_empty() {
        return None;
    }
    let message = format!("the Secret {secret} has no key {}", lacking.join(" and "));
    missing(path.clone(), Reason::SecretKeyNotFound, message, format!("add it to Secret {secret} in namespace {namespace}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn adapter(spec: serde_json::Value) -> ChannelAdapterSpec {
        serde_json::from_value(spec).unwrap()
    }

    fn content(keys: &[&str]) -> Content {
        Content { keys: keys.iter().map(|key| (*key).to_owned()).collect(), version: "1".into() }
    }

    #[test]
    fn every_secret_of_an_adapter_is_found_with_its_path() {
        let mail = adapter(json!({"smtp": {"host": "h", "from": "a@b.example",
            "credentials": {"secretRef": {"name": "login"}}, "ca": {"secretRef": {"name": "ca", "key": "ca.crt"}}}}));
        let uses = used("mail", &mail);
        let paths: Vec<_> = uses.iter().map(|used| (used.path.as_str(), used.secret.as_str())).collect();
        assert_eq!(paths, [("spec.smtp.credentials.secretRef", "login"), ("spec.smtp.ca.secretRef", "ca")]);
        let desk = adapter(json!({"webhook": {"url": "https://desk.example", "auth": {"bearer": {"secretRef": {"name": "desk"}}},
            "signature": {"secretRef": {"name": "desk", "key": "signing"}}}}));
        assert_eq!(used("desk", &desk).len(), 2);
        assert!(used("log", &adapter(json!({"log": {}}))).is_empty());
    }

    #[test]
    fn a_missing_secret_or_key_is_told_with_what_to_do() {
        let login = Use { adapter: "mail".into(), path: "spec.smtp.credentials.secretRef".into(), secret: "login".into(), keys: Keys::Login };
        let missing = judge("shop", &login, None).unwrap();
        assert_eq!(missing.reason, Reason::SecretNotFound);
        assert_eq!(
            missing.diagnostic.to_string(),
            "ChannelAdapter mail: spec.smtp.credentials.secretRef.name: there is no Secret login; create it: \
             kubectl -n shop create secret generic login --from-literal=username=NAME --from-literal=password=PASSWORD"
        );
        let half = judge("shop", &login, Some(&content(&["username"]))).unwrap();
        assert_eq!(half.reason, Reason::SecretKeyNotFound);
        assert!(half.diagnostic.message.contains("no key password"));
        assert!(judge("shop", &login, Some(&content(&["username", "password"]))).is_none());
        let only = Use { keys: Keys::TheOnlyOne, ..login };
        assert!(judge("shop", &only, Some(&content(&["a"]))).is_none());
        assert!(judge("shop", &only, Some(&content(&["a", "b"]))).is_some());
    }
}
