//! The desired objects of a namespace. Pure.

use super::{apply::Ground, dereference::Facts};
use crate::{
    keys,
    operator::{
        Settings,
        apply::{MANAGED_BY, MANAGER},
        context::MasterKeys,
        pod::{self, Role, STORE_SECRET},
    },
};
use k8s_openapi::{
    ByteString,
    api::{
        apps::v1::{Deployment, DeploymentSpec, DeploymentStrategy, RollingUpdateDeployment},
        core::v1::{Secret, Service, ServicePort, ServiceSpec},
        policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec},
    },
    apimachinery::pkg::{
        apis::meta::v1::{LabelSelector, ObjectMeta, OwnerReference},
        util::intstr::IntOrString,
    },
};
use std::collections::BTreeMap;

/// Name of the gateway's Deployment, Service and budget.
pub const GATEWAY: &str = "journey-gateway";
/// Where the gateway listens in its pod.
const DOOR: i32 = 8080;

/// The gateway of a namespace; None: no adapter brings events in.
pub struct Gateway {
    pub deployment: Deployment,
    pub service: Service,
    /// Only with more than one replica: a budget over one pod would keep its node from being drained.
    pub budget: Option<PodDisruptionBudget>,
}

/// Labels of what the operator makes.
pub fn labels(component: &str) -> BTreeMap<String, String> {
    let pairs = [
        ("app.kubernetes.io/name", component),
        ("app.kubernetes.io/part-of", "journey-operator"),
        (MANAGED_BY, MANAGER),
    ];
    pairs
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

pub fn gateway(facts: &Facts, ground: &Ground, settings: &Settings) -> Option<Gateway> {
    if facts.owners.is_empty() {
        return None;
    }
    let labels = labels(GATEWAY);
    let selector: BTreeMap<String, String> = [("app.kubernetes.io/name".to_owned(), GATEWAY.to_owned())].into();
    let metadata = meta(&facts.namespace, GATEWAY, labels.clone(), facts.owners.clone());
    let template = pod::template(Role {
        name: "gateway",
        image: &settings.image,
        environment: vec![
            ("JOURNEY_NAMESPACE", facts.namespace.clone()),
            ("JOURNEY_LISTEN", format!("0.0.0.0:{DOOR}")),
        ],
        labels,
        selector: selector.clone(),
        secrets: facts.secrets.versions.keys().cloned().collect(),
        has_ca: ground.has_ca,
        checksum: ground.checksum(&facts.secrets),
        regions: facts.regions.clone(),
        door: Some(DOOR),
    });
    let selects = LabelSelector {
        match_labels: Some(selector.clone()),
        ..Default::default()
    };
    Some(Gateway {
        deployment: Deployment {
            metadata: metadata.clone(),
            spec: Some(DeploymentSpec {
                replicas: Some(settings.gateway_replicas),
                selector: selects.clone(),
                strategy: Some(DeploymentStrategy {
                    type_: Some("RollingUpdate".into()),
                    rolling_update: Some(RollingUpdateDeployment {
                        max_surge: Some(IntOrString::Int(1)),
                        max_unavailable: Some(IntOrString::Int(0)),
                    }),
                }),
                template,
                ..Default::default()
            }),
            status: None,
        },
        service: Service {
            metadata: metadata.clone(),
            spec: Some(ServiceSpec {
                selector: Some(selector),
                ports: Some(vec![ServicePort {
                    name: Some("http".into()),
                    port: 80,
                    protocol: Some("TCP".into()),
                    target_port: Some(IntOrString::String("http".into())),
                    ..Default::default()
                }]),
                ..Default::default()
            }),
            status: None,
        },
        budget: (settings.gateway_replicas > 1).then(|| budget(metadata, selects)),
    })
}

/// One pod at a time may be taken away; a broken one may always be.
pub fn budget(metadata: ObjectMeta, selector: LabelSelector) -> PodDisruptionBudget {
    PodDisruptionBudget {
        metadata,
        spec: Some(PodDisruptionBudgetSpec {
            max_unavailable: Some(IntOrString::Int(1)),
            selector: Some(selector),
            unhealthy_pod_eviction_policy: Some("AlwaysAllow".into()),
            ..Default::default()
        }),
        status: None,
    }
}

pub fn meta(namespace: &str, name: &str, labels: BTreeMap<String, String>, owners: Vec<OwnerReference>) -> ObjectMeta {
    ObjectMeta {
        name: Some(name.to_owned()),
        namespace: Some(namespace.to_owned()),
        labels: Some(labels),
        owner_references: (!owners.is_empty()).then_some(owners),
        ..Default::default()
    }
}

/// What runners and gateway of the namespace need of the store: where it is, and the keys that are the namespace's own.
pub fn store_secret(namespace: &str, settings: &Settings, master: &MasterKeys) -> Secret {
    let text = |text: &str| ByteString(text.as_bytes().to_vec());
    let key = |master| ByteString(keys::encode(&keys::derive(master, namespace)).into_bytes());
    let mut data: BTreeMap<String, ByteString> = [
        ("url".to_owned(), text(settings.data_database.expose())),
        ("seal".to_owned(), key(&master.seal)),
        ("mac".to_owned(), key(&master.mac)),
    ]
    .into();
    data.extend(settings.database_ca.as_ref().map(|ca| ("ca.crt".to_owned(), text(ca))));
    Secret {
        metadata: meta(namespace, STORE_SECRET, labels(STORE_SECRET), Vec::new()),
        data: Some(data),
        type_: Some("Opaque".into()),
        ..Default::default()
    }
}
