//! The pods of runners and gateways: restricted Pod Security, nothing writable but /tmp, no token, Secrets as files. Pure.

use k8s_openapi::{
    api::core::v1::{
        Affinity, Capabilities, Container, ContainerPort, EmptyDirVolumeSource, EnvVar, EnvVarSource, HTTPGetAction,
        Lifecycle, LifecycleHandler, NodeAffinity, NodeSelector, NodeSelectorRequirement, NodeSelectorTerm,
        ObjectFieldSelector, PodSecurityContext, PodSpec, PodTemplateSpec, Probe, ResourceRequirements, SeccompProfile,
        SecretKeySelector, SecretVolumeSource, SecurityContext, SleepAction, TopologySpreadConstraint, Volume,
        VolumeMount,
    },
    apimachinery::pkg::{
        api::resource::Quantity,
        apis::meta::v1::{LabelSelector, ObjectMeta},
        util::intstr::IntOrString,
    },
};
use std::collections::{BTreeMap, BTreeSet};

/// The Secret that the operator keeps in each namespace.
pub const STORE_SECRET: &str = "journey-store";
/// Written on pods: it changes when they must be made anew because a Secret changed.
pub const CHECKSUM: &str = "journey.dev/secrets";
/// What nodes are labelled with by whoever provides them.
const REGION: &str = "topology.kubernetes.io/region";
/// The user of the image.
const USER: i64 = 65_532;
const STORE_FOLDER: &str = "/etc/journey/store";
const SECRETS_FOLDER: &str = "/etc/journey/secrets";

/// What differs between the roles.
pub struct Role<'a> {
    /// Subcommand of `journey`, and the container's name.
    pub name: &'a str,
    pub image: &'a str,
    /// Flags by their environment variables.
    pub environment: Vec<(&'a str, String)>,
    pub labels: BTreeMap<String, String>,
    pub selector: BTreeMap<String, String>,
    /// Secrets of adapters, mounted below the secrets folder by their names.
    pub secrets: BTreeSet<String>,
    /// Whether journey-store has a ca.crt.
    pub has_ca: bool,
    pub checksum: String,
    /// Regions that it may run in, and no others; None: anywhere.
    pub regions: Option<BTreeSet<String>>,
    /// The port that customers' events come in by.
    pub door: Option<i32>,
}

/// The pod of a role.
pub fn template(role: Role<'_>) -> PodTemplateSpec {
    let Role {
        name,
        image,
        environment,
        labels,
        selector,
        secrets,
        has_ca,
        checksum,
        regions,
        door,
    } = role;
    let mut mounts = vec![mount("tmp", "/tmp", false), mount("store", STORE_FOLDER, true)];
    let mut volumes = vec![
        Volume {
            name: "tmp".into(),
            empty_dir: Some(EmptyDirVolumeSource {
                size_limit: Some(Quantity("64Mi".into())),
                ..Default::default()
            }),
            ..Default::default()
        },
        secret_volume("store", STORE_SECRET, false),
    ];
    for (number, secret) in secrets.iter().enumerate() {
        let volume = format!("secret-{number}");
        mounts.push(mount(&volume, &format!("{SECRETS_FOLDER}/{secret}"), true));
        // Optional: what lacks its Secret fails by itself, and everything else of the pod goes on.
        volumes.push(secret_volume(&volume, secret, true));
    }
    let mut ports = vec![port("status", 9090)];
    ports.extend(door.map(|door| port("http", door)));
    PodTemplateSpec {
        metadata: Some(ObjectMeta {
            labels: Some(labels),
            annotations: Some([(CHECKSUM.to_owned(), checksum)].into()),
            ..Default::default()
        }),
        spec: Some(PodSpec {
            automount_service_account_token: Some(false),
            enable_service_links: Some(false),
            security_context: Some(PodSecurityContext {
                run_as_non_root: Some(true),
                run_as_user: Some(USER),
                run_as_group: Some(USER),
                fs_group: Some(USER),
                seccomp_profile: Some(SeccompProfile {
                    type_: "RuntimeDefault".into(),
                    ..Default::default()
                }),
                ..Default::default()
            }),
            termination_grace_period_seconds: Some(30),
            affinity: regions.as_ref().map(within),
            topology_spread_constraints: Some(spread(&selector)),
            containers: vec![Container {
                name: name.to_owned(),
                image: Some(image.to_owned()),
                image_pull_policy: Some("IfNotPresent".into()),
                args: Some(vec![name.to_owned()]),
                env: Some(environment_of(environment, regions.as_ref(), has_ca)),
                ports: Some(ports),
                liveness_probe: Some(probe("/livez", 10, 6)),
                readiness_probe: Some(probe("/readyz", 2, 3)),
                // Endpoints learn of the end before the listener does.
                lifecycle: door.map(|_| Lifecycle {
                    pre_stop: Some(LifecycleHandler {
                        sleep: Some(SleepAction { seconds: 3 }),
                        ..Default::default()
                    }),
                    ..Default::default()
                }),
                resources: Some(ResourceRequirements {
                    requests: Some(quantities(&[("cpu", "20m"), ("memory", "32Mi")])),
                    limits: Some(quantities(&[("memory", "256Mi")])),
                    ..Default::default()
                }),
                security_context: Some(SecurityContext {
                    allow_privilege_escalation: Some(false),
                    read_only_root_filesystem: Some(true),
                    capabilities: Some(Capabilities {
                        drop: Some(vec!["ALL".into()]),
                        ..Default::default()
                    }),
                    ..Default::default()
                }),
                volume_mounts: Some(mounts),
                ..Default::default()
            }],
            volumes: Some(volumes),
            ..Default::default()
        }),
    }
}

/// Nodes of these regions and no others; of none where there are none.
fn within(regions: &BTreeSet<String>) -> Affinity {
    let says = |operator: &str, values: Option<Vec<String>>| NodeSelectorRequirement {
        key: REGION.into(),
        operator: operator.into(),
        values,
    };
    let rules = if regions.is_empty() {
        // The API server refuses an empty list; that no node both has the label and lacks it says the same.
        vec![says("Exists", None), says("DoesNotExist", None)]
    } else {
        vec![says("In", Some(regions.iter().cloned().collect()))]
    };
    Affinity {
        node_affinity: Some(NodeAffinity {
            required_during_scheduling_ignored_during_execution: Some(NodeSelector {
                node_selector_terms: vec![NodeSelectorTerm {
                    match_expressions: Some(rules),
                    ..Default::default()
                }],
            }),
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn environment_of(own: Vec<(&str, String)>, regions: Option<&BTreeSet<String>>, has_ca: bool) -> Vec<EnvVar> {
    let plain = |name: &str, value: &str| EnvVar {
        name: name.into(),
        value: Some(value.into()),
        ..Default::default()
    };
    let from = |name: &str, source| EnvVar {
        name: name.into(),
        value_from: Some(source),
        ..Default::default()
    };
    let url = SecretKeySelector {
        name: STORE_SECRET.into(),
        key: "url".into(),
        optional: None,
    };
    let pod = ObjectFieldSelector {
        field_path: "metadata.name".into(),
        ..Default::default()
    };
    let mut variables: Vec<EnvVar> = own.iter().map(|(name, value)| plain(name, value)).collect();
    if let Some(regions) = regions {
        let regions: Vec<&str> = regions.iter().map(String::as_str).collect();
        variables.push(plain("JOURNEY_REGIONS", &regions.join(",")));
    }
    variables.push(from(
        "POD_NAME",
        EnvVarSource {
            field_ref: Some(pod),
            ..Default::default()
        },
    ));
    variables.push(from(
        "JOURNEY_DATABASE_URL",
        EnvVarSource {
            secret_key_ref: Some(url),
            ..Default::default()
        },
    ));
    if has_ca {
        variables.push(plain("JOURNEY_DATABASE_CA", &format!("{STORE_FOLDER}/ca.crt")));
    }
    variables.push(plain("JOURNEY_KEYS", STORE_FOLDER));
    variables.push(plain("JOURNEY_SECRETS", SECRETS_FOLDER));
    variables.push(plain("JOURNEY_STATUS_ADDRESS", "0.0.0.0:9090"));
    variables.push(plain("JOURNEY_LOG_FORMAT", "json"));
    variables
}

fn mount(name: &str, path: &str, read_only: bool) -> VolumeMount {
    VolumeMount {
        name: name.to_owned(),
        mount_path: path.to_owned(),
        read_only: read_only.then_some(true),
        ..Default::default()
    }
}

fn secret_volume(name: &str, secret: &str, optional: bool) -> Volume {
    Volume {
        name: name.to_owned(),
        secret: Some(SecretVolumeSource {
            secret_name: Some(secret.to_owned()),
            default_mode: Some(0o440),
            optional: optional.then_some(true),
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn port(name: &str, port: i32) -> ContainerPort {
    ContainerPort {
        name: Some(name.to_owned()),
        container_port: port,
        protocol: Some("TCP".to_owned()),
        ..Default::default()
    }
}

fn probe(path: &str, period: i32, failures: i32) -> Probe {
    Probe {
        http_get: Some(HTTPGetAction {
            path: Some(path.to_owned()),
            port: IntOrString::String("status".to_owned()),
            ..Default::default()
        }),
        period_seconds: Some(period),
        timeout_seconds: Some(5),
        failure_threshold: Some(failures),
        ..Default::default()
    }
}

fn spread(selector: &BTreeMap<String, String>) -> Vec<TopologySpreadConstraint> {
    let over = |key: &str| TopologySpreadConstraint {
        max_skew: 1,
        topology_key: key.to_owned(),
        when_unsatisfiable: "ScheduleAnyway".to_owned(),
        label_selector: Some(LabelSelector {
            match_labels: Some(selector.clone()),
            ..Default::default()
        }),
        ..Default::default()
    };
    vec![over("kubernetes.io/hostname"), over("topology.kubernetes.io/zone")]
}

fn quantities(entries: &[(&str, &str)]) -> BTreeMap<String, Quantity> {
    entries
        .iter()
        .map(|(name, amount)| ((*name).to_owned(), Quantity((*amount).to_owned())))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_has_no_token_no_rights_and_nothing_writable_but_tmp() {
        let pod = template(Role {
            name: "runner",
            image: "journey:1",
            environment: vec![("JOURNEY_NAME", "cart".into())],
            labels: BTreeMap::new(),
            selector: BTreeMap::new(),
            secrets: ["mail-login".to_owned()].into(),
            has_ca: true,
            checksum: "x".into(),
            regions: None,
            door: None,
        });
        let spec = pod.spec.unwrap();
        assert_eq!(spec.affinity, None);
        assert_eq!(spec.automount_service_account_token, Some(false));
        let container = &spec.containers[0];
        let writable: Vec<_> = container
            .volume_mounts
            .iter()
            .flatten()
            .filter(|m| m.read_only != Some(true))
            .collect();
        assert_eq!(writable.len(), 1);
        assert_eq!(writable[0].mount_path, "/tmp");
        let rights = container.security_context.as_ref().unwrap();
        assert_eq!(
            (rights.allow_privilege_escalation, rights.read_only_root_filesystem),
            (Some(false), Some(true))
        );
        assert!(
            container
                .volume_mounts
                .iter()
                .flatten()
                .any(|m| m.mount_path == "/etc/journey/secrets/mail-login")
        );
        assert!(
            container
                .env
                .iter()
                .flatten()
                .all(|e| e.name != "JOURNEY_DATABASE_URL" || e.value.is_none())
        );
    }

    #[test]
    fn a_pod_is_placed_in_its_regions_and_is_told_so() {
        let rules = |regions: &[&str]| {
            let regions: BTreeSet<String> = regions.iter().map(|name| (*name).to_owned()).collect();
            let required = within(&regions).node_affinity.unwrap();
            let required = required.required_during_scheduling_ignored_during_execution.unwrap();
            let rules = required.node_selector_terms[0].match_expressions.clone().unwrap();
            rules
                .into_iter()
                .map(|rule| (rule.operator, rule.values))
                .collect::<Vec<_>>()
        };
        let both = vec!["eu-1".to_owned(), "eu-2".to_owned()];
        assert_eq!(rules(&["eu-2", "eu-1"]), [("In".to_owned(), Some(both))]);
        assert_eq!(
            rules(&[]),
            [("Exists".to_owned(), None), ("DoesNotExist".to_owned(), None)],
            "nowhere"
        );
        let regions = BTreeSet::from(["eu-1".to_owned(), "eu-2".to_owned()]);
        let told = environment_of(vec![], Some(&regions), false);
        let told = told.iter().find(|variable| variable.name == "JOURNEY_REGIONS").unwrap();
        assert_eq!(told.value.as_deref(), Some("eu-1,eu-2"));
    }
}
