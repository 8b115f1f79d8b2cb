//! Who may send: each http adapter's write key, a mounted file that is read again every second, so that a rotated Secret takes effect
//! without a restart. Kept is a MAC of the key, never the key; it is compared in constant time.

use super::refusal::Refusal;
use crate::{compile::Source, keys::Keys};
use axum::http::{HeaderMap, header::AUTHORIZATION};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Component, Path},
};

/// Bytes of a write key.
const KEY_LIMIT: usize = 4096;

#[derive(Debug, Default)]
pub struct WriteKeys {
    /// Whether they were ever read: until then nobody can be told that a key is wrong.
    read: bool,
    /// By adapter.
    macs: BTreeMap<String, [u8; 16]>,
    /// Adapters without one, so that it is said once and not every second.
    without: BTreeSet<String>,
}

impl WriteKeys {
    /// Reads the key files of `sources` below `secrets`. A file that cannot be read leaves its adapter without a key: nobody can call by it.
    pub async fn read(secrets: &Path, sources: &BTreeMap<String, Source>, keys: &Keys, before: &Self) -> Self {
        let (mut macs, mut without) = (BTreeMap::new(), BTreeSet::new());
        for source in sources.values() {
            match read_key(secrets, &source.key_file).await {
                Some(key) => {
                    macs.insert(source.adapter.clone(), keys.sign(&claim(&key)));
                }
                None => {
                    without.insert(source.adapter.clone());
                    if !before.without.contains(&source.adapter) {
                        tracing::warn!(
                            adapter = source.adapter,
                            file = source.key_file,
                            "no write key: its Secret is not mounted, or empty"
                        );
                    }
                }
            }
        }
        Self {
            read: true,
            macs,
            without,
        }
    }

    /// The adapter whose key this is. Every adapter is compared, so that the time taken tells nothing. Before the keys are read (the gateway
    /// has just started, or the store is away since then) the caller is told to come again: SDKs throw away what is refused for its key.
    pub fn adapter(&self, keys: &Keys, key: &str) -> Result<&str, Refusal> {
        let claim = claim(key.as_bytes());
        let mut found = None;
        for (adapter, mac) in &self.macs {
            if keys.signed(&claim, mac) && found.is_none() {
                found = Some(adapter.as_str());
            }
        }
        found.ok_or(if self.read {
            Refusal::UnknownKey
        } else {
            Refusal::Unavailable
        })
    }
}

/// Set apart from what links sign.
fn claim(key: &[u8]) -> Vec<u8> {
    [b"journey.dev/write-key\0", key].concat()
}

async fn read_key(secrets: &Path, file: &str) -> Option<Vec<u8>> {
    // The name comes from a manifest: it must not lead out of the folder.
    let inside = Path::new(file)
        .components()
        .all(|part| matches!(part, Component::Normal(_)));
    if !inside {
        return None;
    }
    let key = tokio::fs::read(secrets.join(file)).await.ok()?;
    let key = key.trim_ascii();
    (!key.is_empty() && key.len() <= KEY_LIMIT).then(|| key.to_vec())
}

/// The write key of a request: a bearer token, or the user name of HTTP Basic (RFC 7617), as Segment's SDKs send it.
pub fn presented(headers: &HeaderMap) -> Option<String> {
    let (scheme, rest) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let key = if scheme.eq_ignore_ascii_case("bearer") {
        rest.trim().to_owned()
    } else if scheme.eq_ignore_ascii_case("basic") {
        let pair = String::from_utf8(STANDARD.decode(rest.trim()).ok()?).ok()?;
        pair.split_once(':').map_or(pair.as_str(), |(user, _)| user).to_owned()
    } else {
        return None;
    };
    (!key.is_empty()).then_some(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn source(adapter: &str, key_file: &str) -> (String, Source) {
        let source = Source {
            adapter: adapter.into(),
            key_file: key_file.into(),
            public_url: None,
            origins: vec![],
            public: false,
            limits: None,
        };
        (adapter.into(), source)
    }

    #[tokio::test]
    async fn a_key_is_read_from_its_file_and_again_when_it_changes() {
        let (keys, folder) = (Keys::ephemeral(), tempfile::tempdir().unwrap());
        fs::create_dir(folder.path().join("web")).unwrap();
        fs::write(folder.path().join("web/key"), "first\n").unwrap();
        fs::write(folder.path().join("empty"), "\n").unwrap();
        fs::write(folder.path().parent().unwrap().join("journey-outside-key"), "outside").unwrap();
        let sources = BTreeMap::from([
            source("web", "web/key"),
            source("blank", "empty"),
            source("out", "../journey-outside-key"),
        ]);

        let unread = WriteKeys::default();
        assert_eq!(
            unread.adapter(&keys, "first"),
            Err(Refusal::Unavailable),
            "it may be right: nobody knows yet"
        );
        let read = WriteKeys::read(folder.path(), &sources, &keys, &unread).await;
        assert_eq!(read.adapter(&keys, "first"), Ok("web"));
        for wrong in ["", "First", "first ", "outside", "second"] {
            assert_eq!(read.adapter(&keys, wrong), Err(Refusal::UnknownKey));
        }
        fs::write(folder.path().join("web/key"), "second").unwrap();
        let read = WriteKeys::read(folder.path(), &sources, &keys, &read).await;
        assert_eq!(
            (read.adapter(&keys, "first").is_err(), read.adapter(&keys, "second")),
            (true, Ok("web"))
        );
        fs::remove_file(folder.path().parent().unwrap().join("journey-outside-key")).unwrap();
    }

    #[test]
    fn the_key_comes_as_bearer_or_as_the_name_of_basic() {
        let with = |value: &str| presented(&[(AUTHORIZATION, value.parse().unwrap())].into_iter().collect());
        assert_eq!(with("Bearer abc"), Some("abc".into()));
        assert_eq!(with(&format!("basic {}", STANDARD.encode("abc:"))), Some("abc".into()));
        assert_eq!(
            with(&format!("Basic {}", STANDARD.encode("abc:pass"))),
            Some("abc".into())
        );
        for nothing in ["abc", "Digest abc", "Basic !", "Bearer  "] {
            assert_eq!(with(nothing), None, "{nothing}");
        }
    }
}
