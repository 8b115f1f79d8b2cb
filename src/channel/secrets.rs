//! Secrets of adapters: files `SECRET/KEY` below one folder, read anew at each use, so that a rotated Secret needs no restart.

use crate::api::channel_adapter::{Credentials, PASSWORD_KEY, SecretValue, USERNAME_KEY};
use std::path::PathBuf;

/// The folder that the adapters' Secrets are mounted in.
#[derive(Debug, Clone)]
pub struct Secrets {
    folder: PathBuf,
}

/// A Secret's file that is not there, or no use.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    #[error("{file} of the mounted Secrets cannot be read ({why}): the Secret must have this key")]
    Unreadable { file: String, why: std::io::ErrorKind },
    #[error("{file} of the mounted Secrets {why}")]
    Unfit { file: String, why: &'static str },
}

impl Secrets {
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// The bytes of a value; `left_out` is the key where the adapter names none.
    pub fn bytes(&self, value: &SecretValue, left_out: &str) -> Result<Vec<u8>, SecretError> {
        self.read(&value.secret_ref.file(left_out))
    }

    /// The text of a value, one line, without the line end that editors add.
    pub fn text(&self, value: &SecretValue, left_out: &str) -> Result<String, SecretError> {
        self.line(value.secret_ref.file(left_out))
    }

    /// A login: the keys username and password.
    pub fn login(&self, credentials: &Credentials) -> Result<(String, String), SecretError> {
        let read = |key| self.line(format!("{}/{key}", credentials.secret_ref.name));
        Ok((read(USERNAME_KEY)?, read(PASSWORD_KEY)?))
    }

    fn line(&self, file: String) -> Result<String, SecretError> {
        let unfit = |why| SecretError::Unfit {
            file: file.clone(),
            why,
        };
        let text = String::from_utf8(self.read(&file)?).map_err(|_| unfit("is not UTF-8"))?;
        let line = text.trim_end_matches(['\r', '\n']);
        if line.is_empty() {
            return Err(unfit("is empty"));
        }
        // It becomes part of a header or a command: a second line would be another one.
        if line.chars().any(char::is_control) {
            return Err(unfit("has control characters or more than one line"));
        }
        Ok(line.to_owned())
    }

    fn read(&self, file: &str) -> Result<Vec<u8>, SecretError> {
        std::fs::read(self.folder.join(file)).map_err(|error| SecretError::Unreadable {
            file: file.to_owned(),
            why: error.kind(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{
        channel_adapter::{SecretKeyRef, SecretRef},
        text::SecretName,
    };

    #[test]
    fn a_key_left_out_has_a_name_of_its_own_and_a_missing_one_is_named() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("desk")).unwrap();
        std::fs::write(folder.path().join("desk/token"), "s3cret\n").unwrap();
        let secrets = Secrets::new(folder.path());
        let value = SecretValue {
            secret_ref: SecretKeyRef {
                name: SecretName::from("desk"),
                key: None,
            },
        };
        assert_eq!(secrets.text(&value, "token").unwrap(), "s3cret");
        for (bad, says) in [
            ("\n", "desk/token of the mounted Secrets is empty"),
            ("a\r\nX-Evil: 1", "more than one line"),
        ] {
            std::fs::write(folder.path().join("desk/token"), bad).unwrap();
            assert!(secrets.text(&value, "token").unwrap_err().to_string().contains(says));
        }
        let login = Credentials {
            secret_ref: SecretRef {
                name: SecretName::from("desk"),
            },
        };
        assert!(
            secrets
                .login(&login)
                .unwrap_err()
                .to_string()
                .starts_with("desk/username")
        );
    }
}
