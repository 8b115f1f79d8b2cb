//! Mail as files: what `journey dev` and tests send to. One `.eml` a message, named by its idempotency key, so a second hand-over replaces the first.

use super::{Channel, Message, Reply, mail};
use async_trait::async_trait;
use std::{io, path::PathBuf};

pub struct Folder {
    folder: PathBuf,
    from: String,
}

impl Folder {
    /// Writes into `folder`, which must exist.
    pub fn new(folder: impl Into<PathBuf>, from: impl Into<String>) -> Self {
        Self {
            folder: folder.into(),
            from: from.into(),
        }
    }

    /// Written under another name first: whoever watches the folder sees a whole mail or none.
    async fn keep(&self, key: &str, mail: &[u8]) -> io::Result<()> {
        let partial = self.folder.join(format!(".{key}.part"));
        tokio::fs::write(&partial, mail).await?;
        tokio::fs::rename(partial, self.folder.join(format!("{key}.eml"))).await
    }
}

#[async_trait]
impl Channel for Folder {
    async fn hand_over(&self, message: &Message) -> Reply {
        let mail = match mail::build(message, &self.from) {
            Ok(mail) => mail,
            Err(unfit) => return unfit.reply(),
        };
        match self.keep(&message.key.to_string(), &mail.formatted()).await {
            Ok(()) => Reply::Sent,
            Err(error) => Reply::TryLater {
                reason: format!("the mail folder cannot be written: {}", error.kind()),
                after: None,
            },
        }
    }

    fn deduplicates(&self) -> bool {
        true
    }

    fn needs_address(&self) -> bool {
        true
    }
}
