//! The far end of a channel: takes messages, or does what else providers do.

use super::world::{Process, Provider, World};
use async_trait::async_trait;
use journey::channel::{Channel, Message, Reply};
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;

/// One attempt lasts no longer, as with the adapter's timeout.
const TIMEOUT: u64 = 10_000;

pub struct Wire {
    pub world: Arc<World>,
    pub process: Arc<Process>,
}

#[async_trait]
impl Channel for Wire {
    async fn hand_over(&self, message: &Message) -> Reply {
        let (world, process) = (&self.world, &self.process);
        if process.is_dead() {
            std::future::pending::<()>().await;
        }
        world.tell(|| format!("{} hands over {} {}", process.name(), message.key, message.touchpoint));
        world.state().shadow.handing(process, message, Instant::now());
        process.gate().await;
        let (does, before, after) = self.draw();
        let freeze = Duration::from_millis(before + after) * 20;
        match does {
            Provider::CrashBefore => process.die(),
            Provider::Freeze => process.freeze(freeze),
            _ => {}
        }
        tokio::time::sleep(Duration::from_millis(before)).await;
        process.gate().await;
        let takes = matches!(
            does,
            Provider::Takes
                | Provider::TakesSlowly
                | Provider::TakesAndBreaks
                | Provider::CrashAfter
                | Provider::Freeze
        );
        if takes {
            world.state().shadow.taken(process, message);
        }
        world.tell(|| format!("the provider has {}: {does:?}", message.key));
        if does == Provider::CrashAfter {
            process.die();
        }
        tokio::time::sleep(Duration::from_millis(after)).await;
        process.gate().await;
        let reply = match does {
            Provider::Refuses => Reply::Refused("Http410".into()),
            Provider::TryLater => Reply::TryLater {
                reason: "Http429".into(),
                after: Some(Duration::from_millis(after)),
            },
            Provider::TakesAndBreaks | Provider::Breaks => Reply::Unknown("broken".into()),
            Provider::TakesSlowly if before + after >= TIMEOUT => Reply::Unknown("timeout".into()),
            Provider::Takes
            | Provider::TakesSlowly
            | Provider::Freeze
            | Provider::CrashBefore
            | Provider::CrashAfter => Reply::Sent,
        };
        world.state().shadow.answered(message.key, &reply);
        reply
    }

    fn deduplicates(&self) -> bool {
        self.world.shop.deduplicates
    }

    fn needs_address(&self) -> bool {
        true
    }
}

impl Wire {
    /// What it does, and the milliseconds before and after it has the message.
    fn draw(&self) -> (Provider, u64, u64) {
        let mut state = self.world.state();
        let state = &mut *state;
        let chance = &mut state.chance;
        let Some(mixture) = &state.mixture else {
            return (Provider::Takes, 1, 1);
        };
        let does = chance.pick(&mixture.of_answers);
        let most = if does == Provider::TakesSlowly {
            TIMEOUT / 2 + 200
        } else {
            200
        };
        (does, chance.of_range(0..most), chance.of_range(0..most))
    }
}
