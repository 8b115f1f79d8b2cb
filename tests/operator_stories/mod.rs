//! The stage that the stories are told on: a cluster with our kinds, a PostgreSQL, an operator.

pub mod manifests;
pub mod stories;

use crate::kinds::Kinds;
use journey::{
    api::{Journey, status::JourneyStatus},
    keys::Keys,
    operator::{LEASE, rbac, unit::Declared},
    store::postgres::Postgres,
};
use k8s_openapi::api::{
    apps::v1::Deployment,
    coordination::v1::Lease,
    core::v1::Namespace,
    rbac::v1::{Role, RoleBinding, RoleRef, Subject},
};
use kube::{
    Api, Client, ResourceExt,
    api::{ApiResource, DeleteParams, DynamicObject, ListParams, ObjectMeta, Patch, PatchParams, PostParams},
    core::GroupVersionKind,
};
use serde_json::{Value, json};
use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};
use tokio::time::{Instant, sleep};

/// What anything may take before it counts as not happening.
const PATIENCE: Duration = Duration::from_secs(60);
/// A Lease that is held is renewed within this.
const RENEWAL: Duration = Duration::from_secs(20);
/// Where the operator under test has its Lease and keys.
const HOME: &str = "journey-test-home";
/// As whom the operator under test speaks.
const USER: &str = "journey-test-operator";

pub type Outcome = Result<(), String>;

pub struct Stage {
    pub client: Client,
    pub store: Postgres,
    /// URL of the database's owner.
    database: String,
    operators: Vec<Child>,
    folder: tempfile::TempDir,
    kinds: Kinds,
}

impl Stage {
    pub async fn set() -> Self {
        let client = Client::try_default().await.expect("KUBECONFIG leads to a cluster");
        no_other_operator(&client).await;
        let kinds = Kinds::bring(&client).await;
        for namespace in stories::NAMESPACES.iter().chain([&HOME]) {
            make_namespace(&client, namespace).await;
        }
        grant(&client).await;
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("kubeconfig"), kubeconfig_of_the_operator()).unwrap();
        let database = postgres("start", folder.path());
        let store = Postgres::connect(&database, None, 4, Keys::ephemeral()).unwrap();
        let mut stage = Self {
            client,
            store,
            database,
            operators: Vec::new(),
            folder,
            kinds,
        };
        stage.start_operator();
        stage
    }

    /// Starts one more operator; the first of them leads.
    pub fn start_operator(&mut self) {
        let number = self.operators.len();
        let log = File::create(self.log_file(number)).unwrap();
        let watch = stories::NAMESPACES.join(",");
        let operator = Command::new(env!("CARGO_BIN_EXE_journey"))
            .args([
                "operator",
                "--namespace",
                HOME,
                "--watch",
                &watch,
                "--image",
                "docker.io/local/journey:none",
            ])
            .env("KUBECONFIG", self.folder.path().join("kubeconfig"))
            .args([
                "--status-interval",
                "2s",
                "--status-address",
                "127.0.0.1:0",
                "--database",
                &self.database,
            ])
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        self.operators.push(operator);
    }

    /// kill -9 of the operator that leads.
    pub fn kill_leader(&mut self) {
        let mut leader = self.operators.remove(0);
        leader.kill().unwrap();
        leader.wait().unwrap();
    }

    pub fn stop_database(&self) {
        postgres("halt", self.folder.path());
    }

    pub fn start_database(&self) {
        postgres("resume", self.folder.path());
    }

    fn log_file(&self, number: usize) -> PathBuf {
        self.folder.path().join(format!("operator-{number}.log"))
    }

    /// The last lines of the first operator's log.
    pub fn log(&self) -> String {
        let text = std::fs::read_to_string(self.log_file(0)).unwrap_or_default();
        let lines: Vec<_> = text.lines().collect();
        format!(
            "the operator's log ends with:\n{}",
            lines[lines.len().saturating_sub(20)..].join("\n")
        )
    }

    pub async fn strike(mut self) {
        for namespace in stories::NAMESPACES {
            // With its operator the finalizer goes as it should.
            let journeys = Api::<Journey>::namespaced(self.client.clone(), namespace);
            drop(
                journeys
                    .delete_collection(&DeleteParams::default(), &Default::default())
                    .await,
            );
        }
        for namespace in stories::NAMESPACES {
            let journeys = Api::<Journey>::namespaced(self.client.clone(), namespace);
            let empty = async || {
                journeys
                    .list(&Default::default())
                    .await
                    .is_ok_and(|list| list.items.is_empty())
            };
            drop(until("the journeys are gone", empty).await);
        }
        for namespace in stories::NAMESPACES.iter().chain([&HOME]) {
            drop(
                Api::<Namespace>::all(self.client.clone())
                    .delete(namespace, &DeleteParams::background())
                    .await,
            );
        }
        for operator in &mut self.operators {
            operator.kill().unwrap();
            operator.wait().unwrap();
        }
        for namespace in stories::NAMESPACES {
            let api = Api::<Namespace>::all(self.client.clone());
            drop(
                until("the namespace is gone", async || {
                    matches!(api.get_opt(namespace).await, Ok(None))
                })
                .await,
            );
        }
        self.kinds.take_away().await;
        postgres("stop", self.folder.path());
    }

    /// Applies manifests as a user would.
    pub async fn apply(&self, namespace: &str, manifests: &[Value]) -> Outcome {
        for manifest in manifests {
            let text = |path: &str| {
                manifest
                    .pointer(path)
                    .and_then(Value::as_str)
                    .unwrap_or_default()
                    .to_owned()
            };
            let (version, kind, name) = (text("/apiVersion"), text("/kind"), text("/metadata/name"));
            let (group, version) = version.split_once('/').unwrap_or(("", &version));
            let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, &kind));
            let api: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), namespace, &resource);
            let how = PatchParams::apply("user").force();
            api.patch(&name, &how, &Patch::Apply(manifest))
                .await
                .map_err(|error| format!("{kind} {name}: {error}"))?;
        }
        Ok(())
    }

    pub fn api<K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>>(
        &self,
        namespace: &str,
    ) -> Api<K> {
        Api::namespaced(self.client.clone(), namespace)
    }

    /// Waits for a condition to be `status` for `reason` with a message that has all `parts`, and gives the message back. What is applied
    /// object by object is settled object by object: on the way the same reason may stand there for something that is missing only yet.
    pub async fn condition<K: Declared>(
        &self,
        namespace: &str,
        name: &str,
        subject: &str,
        status: &str,
        reason: &str,
        parts: &[&str],
    ) -> Result<String, String> {
        let api = self.api::<K>(namespace);
        let end = Instant::now() + PATIENCE;
        loop {
            let object = api.get_opt(name).await.map_err(|error| error.to_string())?;
            let generation = object.as_ref().and_then(|object| object.meta().generation);
            let conditions = object
                .as_ref()
                .map(|object| object.conditions().to_vec())
                .unwrap_or_default();
            let found = conditions.iter().find(|condition| condition.type_ == subject);
            if let Some(found) = found
                && found.status == status
                && found.reason == reason
                && found.observed_generation == generation
                && parts.iter().all(|part| found.message.contains(part))
            {
                return Ok(found.message.clone());
            }
            if Instant::now() > end {
                return Err(format!(
                    "{namespace}: {name} never became {subject}={status} {reason} with {parts:?}; it is {found:?}"
                ));
            }
            sleep(Duration::from_millis(200)).await;
        }
    }

    pub async fn status(&self, namespace: &str, name: &str) -> JourneyStatus {
        self.api::<Journey>(namespace)
            .get(name)
            .await
            .ok()
            .and_then(|journey| journey.status)
            .unwrap_or_default()
    }
}

/// Waits for something to become so.
pub async fn until(what: &str, so: impl AsyncFn() -> bool) -> Outcome {
    let end = Instant::now() + PATIENCE;
    while !so().await {
        if Instant::now() > end {
            return Err(format!("it never became so that {what}"));
        }
        sleep(Duration::from_millis(200)).await;
    }
    Ok(())
}

/// What must be so.
pub fn must(so: bool, otherwise: impl FnOnce() -> String) -> Outcome {
    if so { Ok(()) } else { Err(otherwise()) }
}

/// An operator that watches all namespaces, or one of ours, would settle the same objects, with another store and another image.
async fn no_other_operator(client: &Client) {
    let leases = Api::<Lease>::all(client.clone());
    let found = leases.list(&ListParams::default()).await.unwrap();
    for lease in found.items {
        let namespace = lease.namespace().unwrap_or_default();
        if lease.name_any() != LEASE || namespace == HOME {
            continue;
        }
        // One whose operator was killed or uninstalled stays, and nobody renews it.
        let held = |lease: &Lease| lease.spec.as_ref().and_then(|spec| spec.renew_time.clone());
        let before = held(&lease);
        let renewed = until("the Lease is renewed", async || {
            leases_in(client, &namespace)
                .get_opt(LEASE)
                .await
                .is_ok_and(|now| now.is_some_and(|now| held(&now) != before))
        });
        if tokio::time::timeout(RENEWAL, renewed).await.is_err() {
            continue;
        }
        let deployments = Api::<Deployment>::namespaced(client.clone(), &namespace);
        let operators = deployments
            .list(&ListParams::default().labels("app.kubernetes.io/component=operator"))
            .await
            .unwrap();
        let watched: Vec<String> = operators.items.iter().flat_map(watched).collect();
        let elsewhere = !watched.is_empty() && !watched.iter().any(|name| stories::NAMESPACES.contains(&name.as_str()));
        assert!(
            elsewhere,
            "an operator that leads in namespace {namespace} watches {}: it would settle the same objects. Uninstall it, let it watch \
             namespaces of its own (watchNamespaces), or let KUBECONFIG lead to another cluster",
            if watched.is_empty() {
                "every namespace".to_owned()
            } else {
                watched.join(", ")
            }
        );
    }
}

fn leases_in(client: &Client, namespace: &str) -> Api<Lease> {
    Api::namespaced(client.clone(), namespace)
}

/// The namespaces that an installed operator was told to watch; none: all of them.
fn watched(operator: &Deployment) -> Vec<String> {
    let pod = operator.spec.as_ref().and_then(|spec| spec.template.spec.as_ref());
    let arguments = pod
        .into_iter()
        .flat_map(|pod| &pod.containers)
        .flat_map(|container| container.args.iter().flatten());
    arguments
        .filter_map(|argument| argument.strip_prefix("--watch="))
        .map(str::to_owned)
        .collect()
}

/// A namespace that asks for the strictest Pod Security there is.
async fn make_namespace(client: &Client, name: &str) {
    let api = Api::<Namespace>::all(client.clone());
    // One of an earlier run may still be on its way out.
    until("the namespace of an earlier run is gone", async || {
        drop(api.delete(name, &DeleteParams::background()).await);
        matches!(api.get_opt(name).await, Ok(None))
    })
    .await
    .unwrap();
    let labels = [("pod-security.kubernetes.io/enforce".to_owned(), "restricted".to_owned())].into();
    let metadata = ObjectMeta {
        name: Some(name.to_owned()),
        labels: Some(labels),
        ..ObjectMeta::default()
    };
    api.create(
        &PostParams::default(),
        &Namespace {
            metadata,
            ..Namespace::default()
        },
    )
    .await
    .unwrap();
}

/// Gives the operator the rights of its list and no other: what is missing there fails here.
async fn grant(client: &Client) {
    let rules = stories::NAMESPACES
        .iter()
        .map(|namespace| (*namespace, rbac::watched()));
    for (namespace, rules) in rules.chain([(HOME, rbac::own("journey-keys"))]) {
        let metadata = ObjectMeta {
            name: Some(USER.to_owned()),
            ..ObjectMeta::default()
        };
        let role = Role {
            metadata: metadata.clone(),
            rules: Some(rules),
        };
        Api::namespaced(client.clone(), namespace)
            .create(&PostParams::default(), &role)
            .await
            .unwrap();
        let group = "rbac.authorization.k8s.io".to_owned();
        let binding = RoleBinding {
            metadata,
            role_ref: RoleRef {
                api_group: group.clone(),
                kind: "Role".to_owned(),
                name: USER.to_owned(),
            },
            subjects: Some(vec![Subject {
                api_group: Some(group),
                kind: "User".to_owned(),
                name: USER.to_owned(),
                namespace: None,
            }]),
        };
        Api::namespaced(client.clone(), namespace)
            .create(&PostParams::default(), &binding)
            .await
            .unwrap();
    }
}

/// The tester's kubeconfig, speaking as the operator's user.
fn kubeconfig_of_the_operator() -> String {
    let path = std::env::var("KUBECONFIG").expect("KUBECONFIG leads to a cluster");
    let mut config: Value = serde_saphyr::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    for user in config["users"].as_array_mut().into_iter().flatten() {
        user["user"]["as"] = USER.into();
    }
    config.to_string()
}

/// Runs tests/cluster/postgres; of `start` the owner's URL comes back.
fn postgres(action: &str, folder: &Path) -> String {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cluster/postgres");
    let output = Command::new(script)
        .arg(action)
        .arg(folder.join("postgres"))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{action}: {text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    text.lines()
        .find_map(|line| line.strip_prefix("owner "))
        .unwrap_or_default()
        .to_owned()
}

/// A Secret with these keys.
pub fn secret(name: &str, keys: &[&str]) -> Value {
    let data: serde_json::Map<String, Value> = keys.iter().map(|key| ((*key).to_owned(), json!("x"))).collect();
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data})
}
