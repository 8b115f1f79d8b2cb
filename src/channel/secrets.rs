//! Secrets of adapters: files `SECRET/KEY` below one folder, read anew at each use, so that a rotated Secret needs no restart.

use std::path::{Path, PathBuf};

/// The folder that the adapters' Secrets are mounted in.
#[derive(Debug, Clone)]
pub struct Secrets {
    folder: PathBuf,
}

#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    #[error("Secret {secret}: key {key} cannot be read ({why}); it must be there and mounted")]
    Unreadable { secret: String, key: String, why: std::io::ErrorKind },
    #[error("Secret {secret} has {keys} keys; name one in secretRef.key")]
    Ambiguous { secret: String, keys: usize },
}

impl Secrets {
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// The bytes of a key. None for `key` takes the only one there is.
    pub fn bytes(&self, secret: &str, key: Option<&str>) -> Result<Vec<u8>, SecretError> {
        let folder = self.folder.join(secret);
        let key = match key {
            Some(key) => key.to_owned(),
            None => only_key(&folder, secret)?,
        };
        std::fs::read(folder.join(&key)).map_err(|error| SecretError::Unreadable { secret: secret.to_owned(), key, why: error.kind() })
    }

    /// The text of a key without the line end that editors add.
    pub fn text(&self, secret: &str, key: Option<&str>) -> Result<String, SecretError> {
        let bytes = self.bytes(secret, key)?;
        Ok(String::from_utf8_lossy(&bytes).trim_end_matches(['\r', '\n']).to_owned())
    }
}

/// A mounted Secret also has entries that begin with two dots: the kubelet's own.
fn only_key(folder: &Path, secret: &str) -> Result<String, SecretError> {
    let unreadable = |error: std::io::Error| SecretError::Unreadable { secret: secret.to_owned(), key: "*".into(), why: error.kind() };
    let mut keys = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let name = entry.map_err(unreadable)?.file_name().to_string_lossy().into_owned();
        if !name.starts_with("..") {
            keys.push(name);
        }
    }
    match keys.len() {
        1 => Ok(keys.remove(0)),
        keys => Err(SecretError::Ambiguous { secret: secret.to_owned(), keys }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_only_key_needs_no_name_and_two_need_one() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("login")).unwrap();
        std::fs::write(folder.path().join("login/token"), "s3cret\n").unwrap();
        let secrets = Secrets::new(folder.path());
        assert_eq!(secrets.text("login", None).unwrap(), "s3cret");
        std::fs::write(folder.path().join("login/other"), "x").unwrap();
        assert!(secrets.text("login", None).unwrap_err().to_string().contains("name one in secretRef.key"));
        assert!(secrets.text("absent", Some("token")).unwrap_err().to_string().starts_with("Secret absent: key token"));
    }
}
