//! The desired objects of a journey: its runner. Pure.

use super::dereference::{Facts, runner_name};
use crate::{
    compile,
    operator::{
        Settings,
        namespace::{Ground, budget, labels, meta},
        pod::{self, Role},
        secrets::Found,
    },
};
use k8s_openapi::{
    api::{
        apps::v1::{Deployment, DeploymentSpec},
        policy::v1::PodDisruptionBudget,
    },
    apimachinery::pkg::apis::meta::v1::LabelSelector,
};
use kube::Resource;
use std::collections::BTreeMap;

/// On pods and Deployment: the journey that they are for.
pub const JOURNEY: &str = "journey.dev/journey";

pub struct Runner {
    pub deployment: Deployment,
    /// Only with more than one replica: a budget over one pod would keep its node from being drained.
    pub budget: Option<PodDisruptionBudget>,
}

pub fn runner(facts: &Facts, secrets: &Found, ground: &Ground, settings: &Settings) -> Runner {
    let replicas = replicas(facts);
    let selector = selector(&facts.name);
    let mut labels = labels("journey-runner");
    labels.extend(selector.clone());
    let owner = facts.journey.controller_owner_ref(&()).into_iter().collect();
    let metadata = meta(&facts.namespace, &runner_name(&facts.name), labels.clone(), owner);
    let selects = LabelSelector {
        match_labels: Some(selector.clone()),
        ..Default::default()
    };
    let template = pod::template(Role {
        name: "runner",
        image: &settings.image,
        environment: vec![
            ("JOURNEY_NAMESPACE", facts.namespace.clone()),
            ("JOURNEY_NAME", facts.name.clone()),
        ],
        labels,
        selector,
        secrets: secrets.versions.keys().cloned().collect(),
        has_ca: ground.has_ca,
        checksum: ground.checksum(secrets),
        regions: compile::residency(&facts.snapshot.manifests, &facts.name).and_then(|residency| residency.regions),
        door: None,
    });
    Runner {
        deployment: Deployment {
            metadata: metadata.clone(),
            spec: Some(DeploymentSpec {
                replicas: Some(replicas),
                selector: selects.clone(),
                template,
                ..Default::default()
            }),
            status: None,
        },
        budget: (replicas > 1).then(|| budget(metadata, selects)),
    }
}

/// Suspended journeys keep their runner: exits and goals count.
pub fn replicas(facts: &Facts) -> i32 {
    facts
        .journey
        .spec
        .runner
        .as_ref()
        .and_then(|runner| runner.replicas)
        .unwrap_or(1)
}

fn selector(journey: &str) -> BTreeMap<String, String> {
    [(JOURNEY.to_owned(), journey.to_owned())].into()
}

/// The same as text, for /scale.
pub fn selector_text(journey: &str) -> String {
    format!("{JOURNEY}={journey}")
}
