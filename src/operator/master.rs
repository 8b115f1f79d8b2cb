//! The master keys: a Secret in the operator's namespace, made once with random keys, never changed. Every namespace's keys are derived from it.

use super::context::MasterKeys;
use crate::keys;
use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::{
    Api, Client,
    api::{ObjectMeta, PostParams},
};

#[derive(Debug, thiserror::Error)]
pub enum MasterError {
    #[error("the API server: {0}")]
    Api(#[from] kube::Error),
    /// A wrong key must never be replaced: what it sealed would be lost for good.
    #[error(
        "Secret {namespace}/{name}: key {key} is not 32 bytes in base64; put back the Secret from your backup, for what is in the store was \
         sealed with it"
    )]
    Malformed {
        namespace: String,
        name: String,
        key: &'static str,
    },
}

/// Reads the master keys, and makes them when there are none.
pub async fn keys(client: &Client, namespace: &str, name: &str) -> Result<MasterKeys, MasterError> {
    let api = Api::<Secret>::namespaced(client.clone(), namespace);
    if let Some(secret) = api.get_opt(name).await? {
        return read(&secret, namespace, name);
    }
    let key = || ByteString(keys::encode(&keys::random_key()).into_bytes());
    let fresh = Secret {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            labels: Some(super::namespace::labels("journey-keys")),
            ..ObjectMeta::default()
        },
        data: Some([("seal".to_owned(), key()), ("mac".to_owned(), key())].into()),
        immutable: Some(true),
        ..Secret::default()
    };
    // Create, not apply: of two that find none, one makes it and both read that one's.
    match api.create(&PostParams::default(), &fresh).await {
        Ok(secret) => read(&secret, namespace, name),
        Err(kube::Error::Api(status)) if status.is_already_exists() => read(&api.get(name).await?, namespace, name),
        Err(error) => Err(error.into()),
    }
}

fn read(secret: &Secret, namespace: &str, name: &str) -> Result<MasterKeys, MasterError> {
    let key = |key: &'static str| {
        let bytes = secret.data.as_ref().and_then(|data| data.get(key));
        bytes
            .and_then(|bytes| keys::decode(std::str::from_utf8(&bytes.0).ok()?))
            .ok_or_else(|| MasterError::Malformed {
                namespace: namespace.to_owned(),
                name: name.to_owned(),
                key,
            })
    };
    Ok(MasterKeys {
        seal: key("seal")?,
        mac: key("mac")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_master_key_is_refused_and_never_replaced() {
        let secret = |seal: &str| Secret {
            data: Some(
                [
                    ("seal".to_owned(), ByteString(seal.into())),
                    ("mac".to_owned(), ByteString(keys::encode(&[7; 32]).into())),
                ]
                .into(),
            ),
            ..Secret::default()
        };
        let good = read(&secret(&keys::encode(&[1; 32])), "system", "journey-keys").unwrap();
        assert_eq!((good.seal, good.mac), ([1; 32], [7; 32]));
        assert!(matches!(
            read(&secret("short"), "system", "journey-keys"),
            Err(MasterError::Malformed { key: "seal", .. })
        ));
    }
}
