//! The channel `log`: a line without personal data for each message. For trying a journey out.

use super::{Channel, Message, Reply};
use async_trait::async_trait;

pub struct Log;

#[async_trait]
impl Channel for Log {
    async fn hand_over(&self, message: &Message) -> Reply {
        tracing::info!(
            namespace = message.namespace,
            journey = message.journey,
            touchpoint = message.touchpoint,
            purpose = message.purpose,
            message = %message.key,
            "sent to the log"
        );
        Reply::Sent
    }

    fn deduplicates(&self) -> bool {
        true
    }

    fn needs_address(&self) -> bool {
        false
    }
}
