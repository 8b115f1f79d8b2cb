//! By which policies runners and gateways run.

use super::{Namespace, until};
use crate::{clock::Micros, store::Running};
use std::time::Duration;
use uuid::Uuid;

impl Namespace {
    pub(super) fn acknowledge(&mut self, journey: &str, owner: Uuid, policy: &str) {
        if let Some(journey) = self.journeys.get_mut(journey)
            && journey.members.contains_key(&owner)
        {
            journey.policies.insert(owner, policy.to_owned());
        }
    }

    pub(super) fn attend(&mut self, owner: Uuid, policy: &str, now: Micros, ttl: Duration) {
        self.gateways.retain(|_, (until, _)| *until > now);
        self.gateways.insert(owner, (until(now, ttl), policy.to_owned()));
    }

    pub(super) fn running(&self, now: Micros) -> Running {
        let runners = self.journeys.iter().flat_map(|(name, journey)| {
            let lasts = journey.members.iter().filter(move |(_, until)| **until > now);
            lasts.map(|(owner, _)| (name.clone(), journey.policies.get(owner).cloned()))
        });
        let gateways = self.gateways.values().filter(|(until, _)| *until > now);
        let gateways = gateways.map(|(_, policy)| (String::new(), Some(policy.clone())));
        Running::of(runners.chain(gateways))
    }
}
