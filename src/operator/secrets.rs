//! Whether the Secrets that adapters name are there, and the keys in them. Values are read past, never kept: a GET brings them, and they are dropped.

use super::{context::Context, error::Error, reason::Reason};
use crate::compile::{Code, Diagnostic, Object, SecretRef, Severity};
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

/// An answer by namespace and name, and when it came.
type Answers = HashMap<(String, String), (Instant, Arc<Option<Content>>)>;

/// The answers of the last seconds.
#[derive(Debug, Default)]
pub struct Secrets(Mutex<Answers>);

#[derive(Debug)]
struct Content {
    keys: BTreeSet<String>,
    version: String,
}

/// Looks for all of them.
///
/// # Errors
/// When the API server does not answer. That a Secret is missing is no error, but part of the answer.
pub async fn find(
    context: &Context,
    namespace: &str,
    refs: impl IntoIterator<Item = SecretRef>,
) -> Result<Found, Error> {
    let mut found = Found::default();
    let places = places(refs);
    for (place, keys) in &places {
        let content = look(context, namespace, &place.secret).await?;
        found.versions.insert(
            place.secret.clone(),
            (*content).as_ref().map(|content| content.version.clone()),
        );
        // Whoever makes the Secret makes it once, with all the keys that anybody needs.
        let same = places.iter().filter(|(other, _)| other.secret == place.secret);
        let all: BTreeSet<_> = same.flat_map(|(_, keys)| keys).cloned().collect();
        found
            .missing
            .extend(judge(namespace, place, keys, &all, (*content).as_ref()));
    }
    Ok(found)
}

/// Where an adapter names a Secret.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    adapter: String,
    /// `spec.smtp.credentials.secretRef`
    path: String,
    secret: String,
}

/// Keys that are needed at each place. A login is one place with two keys.
fn places(refs: impl IntoIterator<Item = SecretRef>) -> BTreeMap<Place, BTreeSet<String>> {
    let mut places: BTreeMap<Place, BTreeSet<String>> = BTreeMap::new();
    for SecretRef {
        name,
        key,
        path,
        adapter,
    } in refs
    {
        places
            .entry(Place {
                adapter,
                path,
                secret: name,
            })
            .or_default()
            .insert(key);
    }
    places
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
    fn lock(&self) -> std::sync::MutexGuard<'_, Answers> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

fn judge(
    namespace: &str,
    place: &Place,
    keys: &BTreeSet<String>,
    all: &BTreeSet<String>,
    content: Option<&Content>,
) -> Option<Missing> {
    let Place { adapter, path, secret } = place;
    let missing = |path: String, reason, message, help| {
        let object = Object {
            kind: "ChannelAdapter".to_owned(),
            name: adapter.clone(),
        };
        let diagnostic = Diagnostic {
            code: Code::SecretNotFound,
            severity: Severity::Error,
            object,
            path,
            part: None,
            message,
            help: Some(help),
        };
        Some(Missing { diagnostic, reason })
    };
    let Some(content) = content else {
        let literals: String = all.iter().map(|key| format!(" --from-literal={key}=...")).collect();
        let help = format!("create it: kubectl -n {namespace} create secret generic {secret}{literals}");
        return missing(
            format!("{path}.name"),
            Reason::SecretNotFound,
            format!("there is no Secret {secret}"),
            help,
        );
    };
    let lacking: Vec<&str> = keys
        .iter()
        .map(String::as_str)
        .filter(|key| !content.keys.contains(*key))
        .collect();
    if lacking.is_empty() {
        return None;
    }
    let message = format!("the Secret {secret} has no key {}", lacking.join(" and "));
    missing(
        path.clone(),
        Reason::SecretKeyNotFound,
        message,
        format!("add it to Secret {secret} in namespace {namespace}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> Place {
        Place {
            adapter: "mail".into(),
            path: "spec.smtp.credentials.secretRef".into(),
            secret: "login".into(),
        }
    }

    fn content(keys: &[&str]) -> Content {
        Content {
            keys: keys.iter().map(|key| (*key).to_owned()).collect(),
            version: "1".into(),
        }
    }

    fn keys(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_missing_secret_or_key_is_told_with_what_to_do() {
        let login = keys(&["username", "password"]);
        let missing = judge("shop", &place(), &login, &login, None).unwrap();
        assert_eq!(missing.reason, Reason::SecretNotFound);
        assert_eq!(
            missing.diagnostic.to_string(),
            "JNY034 ChannelAdapter mail: spec.smtp.credentials.secretRef.name: there is no Secret login; create it: \
             kubectl -n shop create secret generic login --from-literal=password=... --from-literal=username=..."
        );
        let half = judge("shop", &place(), &login, &login, Some(&content(&["username"]))).unwrap();
        assert_eq!(half.reason, Reason::SecretKeyNotFound);
        assert!(half.diagnostic.message.contains("no key password"));
        assert!(
            judge(
                "shop",
                &place(),
                &login,
                &login,
                Some(&content(&["username", "password"]))
            )
            .is_none()
        );
    }

    #[test]
    fn the_two_keys_of_a_login_are_one_place() {
        let of = |key: &str| SecretRef {
            name: "login".into(),
            key: key.into(),
            path: place().path,
            adapter: "mail".into(),
        };
        assert_eq!(places([of("username"), of("password")]).len(), 1);
    }
}
