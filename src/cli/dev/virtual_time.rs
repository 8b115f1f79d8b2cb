//! `journey dev --clock virtual`: time stands until it is told to move. The gateway, the runners and the channels are the real ones; only the
//! clock is a hand's, so that recorded events come in at their own instants and a day passes in a moment.

use crate::{
    api::channel_adapter::HTTP_KEY,
    cli::simulate::later,
    clock::{Clock as _, ManualClock, Micros},
    compile::{self, Manifests},
    expression::time::show_instant,
    simulate::population::{self, Recorded},
    store::memory::Memory,
};
use anyhow::{Context as _, bail};
use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};
use tokio::{sync::mpsc, time::Instant};

/// How long whatever is due may take by the machine's clock.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(2);

/// Who moves the time.
pub struct Hand {
    pub clock: Arc<ManualClock>,
    pub store: Arc<Memory>,
    pub namespace: &'static str,
    pub address: SocketAddr,
}

impl Hand {
    /// Waits until everything that is due now is done, and no message is on its way.
    pub async fn rest(&self) -> anyhow::Result<()> {
        let begun = Instant::now();
        while self.store.has_work(self.namespace) || self.store.under_way(self.namespace) > 0 {
            if begun.elapsed() > PATIENCE {
                bail!(
                    "what is due at {} is not done after {} s",
                    self.shown(),
                    PATIENCE.as_secs()
                );
            }
            self.store.ring(self.namespace);
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }

    /// Goes from one instant at which something is due to the next, and stands at `until`.
    pub async fn advance(&self, until: Micros) -> anyhow::Result<()> {
        loop {
            self.rest().await?;
            match self.store.next_due(self.namespace) {
                Some(next) if next <= until => self.clock.set(next),
                Some(_) | None => break,
            }
        }
        self.clock.set(until.max(self.clock.now()));
        self.rest().await
    }

    /// Posts each event at its instant, as its producer would, and lets time pass until `end`.
    pub async fn replay(
        &self,
        events: &[Recorded],
        end: Micros,
        manifests: &Manifests,
        secrets: &Path,
    ) -> anyhow::Result<()> {
        let (intake, _) = compile::intake(manifests);
        let client = reqwest::Client::new();
        for event in events.iter().filter(|event| event.at < end) {
            self.advance(event.at).await?;
            let adapter = event
                .adapter
                .clone()
                .or_else(|| population::adapter(&intake, &event.event.name))
                .with_context(|| format!("no http ChannelAdapter may bring event {}", event.event.name))?;
            let spec = manifests.adapters.get(&adapter).and_then(|spec| spec.http.as_ref());
            let spec = spec.with_context(|| format!("there is no http ChannelAdapter {adapter}"))?;
            let file = secrets.join(spec.auth.secret_ref.file(HTTP_KEY));
            let key = std::fs::read_to_string(&file).with_context(|| format!("adapter {adapter} has no write key"))?;
            self.post(&client, key.trim(), event).await?;
            self.rest().await?;
        }
        self.advance(end).await
    }

    async fn post(&self, client: &reqwest::Client, key: &str, event: &Recorded) -> anyhow::Result<()> {
        let begun = Instant::now();
        loop {
            let request = client
                .post(format!("http://{}/v1/events", self.address))
                .header("content-type", "application/cloudevents+json")
                .basic_auth(key, Some(""))
                .body(event.event.cloud_event(event.at).to_string());
            let status = request.send().await.context("the gateway does not answer")?.status();
            if status.is_success() {
                return Ok(());
            }
            // The gateway reads its programs and keys within a second of its start.
            if begun.elapsed() > PATIENCE / 6 {
                bail!("the gateway answered {status} to an event of {}", self.shown());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// What a line on standard input asks for.
    pub async fn obey(&self, line: &str) -> anyhow::Result<String> {
        match line.trim() {
            "" => {}
            "next" => match self.store.next_due(self.namespace) {
                Some(next) => self.advance(next).await?,
                None => return Ok(format!("{}: nothing is due", self.shown())),
            },
            other => {
                let until = later(other, self.clock.now())
                    .with_context(|| format!("'{other}': write a duration (1h), a later instant, or next"))?;
                self.advance(until).await?;
            }
        }
        Ok(format!("it is {}", self.shown()))
    }

    fn shown(&self) -> String {
        show_instant(self.clock.now()).unwrap_or_default()
    }
}

/// Lines of standard input. A thread of its own, which the process does not wait for.
pub fn lines() -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel(16);
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    receiver
}
