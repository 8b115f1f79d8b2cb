//! One leader by a Lease of the cluster: compare-and-swap on its version, fail-stop when it is lost.
//!
//! Expiry is counted from when a change was seen here, never from the other's clock. A leader renews within 10 s or ends its process; others take
//! over after 15 s: for a moment nobody leads, never two.

use jiff::Timestamp;
use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::MicroTime,
};
use kube::{
    Api, Client, Result,
    api::{ObjectMeta, PostParams},
};
use std::{pin::pin, time::Duration};
use tokio::time::{Instant, sleep, timeout, timeout_at};

/// How long a lease holds without being renewed.
const HOLDS: Duration = Duration::from_secs(15);
/// A leader that could not renew for this long gives up: before anybody else may take over.
const GIVE_UP: Duration = Duration::from_secs(10);
const TRY_EVERY: Duration = Duration::from_secs(2);

/// A candidate for the Lease of one name in one namespace.
pub struct Candidate {
    api: Api<Lease>,
    name: String,
    identity: String,
    /// The version of the Lease that was seen last, and when it was first seen.
    seen: Option<(String, Instant)>,
}

impl Candidate {
    /// `identity` must be its own for every process, or two would take each other for themselves.
    pub fn new(client: Client, namespace: &str, name: &str, identity: &str) -> Self {
        Self {
            api: Api::namespaced(client, namespace),
            name: name.into(),
            identity: identity.into(),
            seen: None,
        }
    }

    /// Waits for the Lease, then runs `lead` for as long as it is held. None: it was lost, and the process must end.
    pub async fn run<F: Future>(mut self, lead: impl FnOnce() -> F) -> Option<F::Output> {
        let mut renewed = loop {
            // The time before the request, not after: the answer may take long.
            let asked = Instant::now();
            match timeout(GIVE_UP, self.hold()).await {
                Ok(Ok(true)) => break asked,
                Ok(Ok(false)) => {}
                Ok(Err(error)) => tracing::warn!(%error, "the Lease was not taken"),
                Err(_) => tracing::warn!("the API server does not answer for the Lease"),
            }
            sleep(TRY_EVERY).await;
        };
        let outcome = {
            let renew = async {
                loop {
                    sleep(TRY_EVERY).await;
                    let asked = Instant::now();
                    // Bounds the client's own tries, too.
                    match timeout_at(renewed + GIVE_UP, self.hold()).await {
                        Ok(Ok(true)) => renewed = asked,
                        Ok(Err(error)) => tracing::warn!(%error, "the Lease was not renewed"),
                        Ok(Ok(false)) | Err(_) => break,
                    }
                }
            };
            tokio::select! { outcome = lead() => Some(outcome), () = pin!(renew) => None }
        };
        if outcome.is_some() {
            self.give_back().await;
        }
        outcome
    }

    /// Takes or renews the Lease. false: somebody else holds it.
    async fn hold(&mut self) -> Result<bool> {
        let now = Some(MicroTime(
            Timestamp::from_microsecond(crate::clock::now()).unwrap_or_default(),
        ));
        let fresh = LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: Some(HOLDS.as_secs() as i32),
            acquire_time: now.clone(),
            renew_time: now.clone(),
            lease_transitions: Some(0),
            ..LeaseSpec::default()
        };
        let Some(mut lease) = self.api.get_opt(&self.name).await? else {
            let metadata = ObjectMeta {
                name: Some(self.name.clone()),
                ..ObjectMeta::default()
            };
            let lease = Lease {
                metadata,
                spec: Some(fresh),
            };
            return self.api.create(&PostParams::default(), &lease).await.map(|_| true);
        };
        let version = lease.metadata.resource_version.clone().unwrap_or_default();
        if self.seen.as_ref().is_none_or(|(known, _)| *known != version) {
            self.seen = Some((version, Instant::now()));
        }
        let held = lease.spec.take().unwrap_or_default();
        let holder = held.holder_identity.as_deref().unwrap_or_default();
        let mine = holder == self.identity;
        let holds = Duration::from_secs(u64::try_from(held.lease_duration_seconds.unwrap_or(0)).unwrap_or(0));
        let expired = self.seen.as_ref().is_none_or(|(_, at)| at.elapsed() >= holds);
        if !mine && !holder.is_empty() && !expired {
            return Ok(false);
        }
        lease.spec = Some(LeaseSpec {
            acquire_time: if mine { held.acquire_time } else { now },
            lease_transitions: Some(held.lease_transitions.unwrap_or(0) + i32::from(!mine)),
            ..fresh
        });
        // Carries the version that was read: who was slower gets a conflict.
        self.api
            .replace(&self.name, &PostParams::default(), &lease)
            .await
            .map(|_| true)
    }

    /// Lets the next one take over without waiting.
    async fn give_back(&mut self) {
        if let Ok(Ok(Some(mut lease))) = timeout(TRY_EVERY, self.api.get_opt(&self.name)).await
            && let Some(spec) = &mut lease.spec
            && spec.holder_identity.as_deref() == Some(&self.identity)
        {
            spec.holder_identity = None;
            // Where it does not succeed, the Lease runs out by itself.
            drop(timeout(TRY_EVERY, self.api.replace(&self.name, &PostParams::default(), &lease)).await);
        }
    }
}
