//! What a real API server says of our kinds: it takes every example as it is, and refuses every variant under
//! tests/rejected with the message the file names.
//!
//! Needs a cluster (KUBECONFIG) and kubectl; asked for by JOURNEY_CLUSTER_TESTS=1, as `make test` does. Nothing is left
//! behind and nothing that is there is changed: almost all requests are dry runs in a namespace of its own, CRDs that were
//! not there before are removed unless somebody has come to use them, and with CRDs of another version the test ends before it begins.

mod kinds;
mod rejected;

use kinds::Kinds;
use kube::{
    Api, Client, ResourceExt,
    api::{ApiResource, DeleteParams, DynamicObject, Patch, PatchParams, PostParams},
    core::GroupVersionKind,
};
use rejected::{bases, documents, package, variants};
use serde_json::{Value, json};
use std::{process::Command, time::Duration};

#[test]
fn a_real_api_server_takes_what_is_right_and_refuses_what_is_wrong() {
    if std::env::var("JOURNEY_CLUSTER_TESTS").as_deref() != Ok("1") {
        println!("skipped by request: JOURNEY_CLUSTER_TESTS is not 1");
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let server = Server::with_our_kinds().await;
        // A panic must not leave anything in the cluster: the checks gather what is wrong instead.
        let mut wrong = server.refuses_every_variant().await;
        wrong.extend(server.takes_every_example().await);
        wrong.extend(server.takes_the_largest_journey().await);
        wrong.extend(server.never_seen_is_not_current().await);
        server.leave().await;
        assert!(
            wrong.is_empty(),
            "{} answers are not as they should be:\n{}",
            wrong.len(),
            wrong.join("\n")
        );
    });
}

/// An API server that knows our kinds, and a namespace in it.
struct Server {
    client: Client,
    namespace: String,
    kinds: Kinds,
}

impl Server {
    async fn with_our_kinds() -> Server {
        let client = Client::try_default().await.expect("KUBECONFIG leads to a cluster");
        let kinds = Kinds::bring(&client).await;
        let namespace = format!("journey-tests-{}", std::process::id());
        let server = Server {
            client,
            namespace,
            kinds,
        };
        let made = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": server.namespace}});
        server
            .namespaces()
            .create(&PostParams::default(), &serde_json::from_value(made).unwrap())
            .await
            .unwrap();
        server.wait_until_served().await;
        server
    }

    /// A new CRD is served a moment after it was accepted, each by its own schema.
    async fn wait_until_served(&self) {
        for base in bases().values() {
            for _ in 0..200 {
                match self.create(base).await {
                    Ok(()) => break,
                    Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
                }
            }
        }
    }

    async fn refuses_every_variant(&self) -> Vec<String> {
        let mut wrong = vec![];
        let bases = bases();
        for (name, base) in &bases {
            wrong.extend(
                self.create(base)
                    .await
                    .err()
                    .map(|said| format!("{name}, the base of variants, is refused: {said}")),
            );
        }
        let variants = variants();
        println!("{} variants", variants.len());
        for variant in variants {
            let answer = match variant.update {
                true => self.change(&bases[&variant.base], &variant.document).await,
                false => self.create(&variant.document).await,
            };
            match answer {
                Err(said) if said.contains(&variant.message) => {}
                Err(said) => wrong.push(format!("{}: refused with other words: {said}", variant.name)),
                Ok(()) => wrong.push(format!("{}: taken", variant.name)),
            }
            if !variant.update && self.apply(&variant.document).await.is_ok() {
                wrong.push(format!("{}: taken by server-side apply", variant.name));
            }
        }
        wrong
    }

    /// As `kubectl apply -k` sends them.
    async fn takes_every_example(&self) -> Vec<String> {
        let mut wrong = vec![];
        let folders = [
            "abandoned-cart/base",
            "abandoned-cart/demo",
            "onboarding/base",
            "onboarding/demo",
            "shop",
            "bank",
        ];
        for example in folders {
            let folder = package().join("examples").join(example);
            let kubectl = std::env::var_os("KUBECTL").unwrap_or_else(|| "kubectl".into());
            let built = Command::new(kubectl)
                .arg("kustomize")
                .arg(&folder)
                .output()
                .expect("kubectl is there");
            if !built.status.success() {
                wrong.push(format!(
                    "{}: {}",
                    folder.display(),
                    String::from_utf8_lossy(&built.stderr)
                ));
            }
            let text = String::from_utf8(built.stdout).unwrap();
            let objects: Vec<_> = documents(&text)
                .into_iter()
                .filter(|d| d["apiVersion"] == "journey.dev/v1alpha1")
                .collect();
            println!("{example}: {} objects", objects.len());
            if objects.len() < 10 {
                wrong.push(format!("{}: only {} objects", folder.display(), objects.len()));
            }
            for object in objects {
                let name = format!("{example} {} {}", object["kind"], object["metadata"]["name"]);
                for answer in [self.apply(&object).await, self.create(&object).await] {
                    wrong.extend(answer.err().map(|said| format!("{name}: {said}")));
                }
            }
        }
        wrong
    }

    /// 200 steps with every list full stay inside the server's budget for rules, and a fault in them is still named.
    async fn takes_the_largest_journey(&self) -> Vec<String> {
        let mut wrong = vec![];
        let mut journey = largest_journey();
        wrong.extend(
            self.create(&journey)
                .await
                .err()
                .map(|said| format!("the largest journey: {said}")),
        );
        wrong.extend(
            self.apply(&journey)
                .await
                .err()
                .map(|said| format!("the largest journey, applied: {said}")),
        );
        journey["spec"]["steps"][197]["next"] = "nowhere".into();
        match self.create(&journey).await {
            Err(said)
                if said.contains(&format!(
                    "step {}: next must name a step, and nowhere is none",
                    long("step", 197)
                )) => {}
            answer => wrong.push(format!("the largest journey with a way to nowhere: {answer:?}")),
        }
        wrong
    }

    /// kstatus takes an object without status for finished; the default says that nobody has looked at it yet.
    async fn never_seen_is_not_current(&self) -> Vec<String> {
        let expected = json!({"observedGeneration": -1});
        match self.keep(&bases()["Journey/abandoned-cart"]).await {
            Ok(made) if made.data["status"] == expected => vec![],
            Ok(made) => vec![format!("the status of a new object is {}", made.data["status"])],
            Err(said) => vec![format!("a journey cannot be made: {said}")],
        }
    }

    /// The server's answer to a strict create that is not kept.
    async fn create(&self, document: &Value) -> Result<(), String> {
        let params = PostParams {
            dry_run: true,
            ..PostParams::default()
        };
        let object = self.object(document);
        // kube's own parameters of a create have no field validation.
        let request =
            kube::core::Request::new(self.url(document)).create(&params, serde_json::to_vec(&object).unwrap());
        let mut request = request.map_err(|error| error.to_string())?;
        let strict = format!("{}&fieldValidation=Strict", request.uri());
        *request.uri_mut() = strict.parse().unwrap();
        self.client
            .request::<Value>(request)
            .await
            .map(drop)
            .map_err(|error| error.to_string())
    }

    /// The server's answer to a strict server-side apply that is not kept.
    async fn apply(&self, document: &Value) -> Result<(), String> {
        let object = self.object(document);
        let params = PatchParams::apply("journey-tests")
            .force()
            .dry_run()
            .validation_strict();
        let name = document["metadata"]["name"].as_str().unwrap();
        let answer = self.kind(document).patch(name, &params, &Patch::Apply(&object)).await;
        answer.map(drop).map_err(|error| error.to_string())
    }

    /// The server's answer when `before` is there and would become `after`.
    async fn change(&self, before: &Value, after: &Value) -> Result<(), String> {
        let made = self.keep(before).await?;
        let mut object = self.object(after);
        object["metadata"]["resourceVersion"] = made.resource_version().into();
        let object: DynamicObject = serde_json::from_value(object).unwrap();
        let params = PostParams {
            dry_run: true,
            ..PostParams::default()
        };
        let kind = self.kind(after);
        let answer = kind.replace(&made.name_any(), &params, &object).await;
        let gone = kind.delete(&made.name_any(), &DeleteParams::default()).await;
        gone.map_err(|error| error.to_string())?;
        answer.map(drop).map_err(|error| error.to_string())
    }

    /// Makes an object that stays until it or the namespace is deleted.
    async fn keep(&self, document: &Value) -> Result<DynamicObject, String> {
        let object = serde_json::from_value(self.object(document)).unwrap();
        let made = self.kind(document).create(&PostParams::default(), &object).await;
        made.map_err(|error| error.to_string())
    }

    fn object(&self, document: &Value) -> Value {
        let mut object = document.clone();
        object["metadata"]["namespace"] = self.namespace.clone().into();
        object
    }

    fn kind(&self, document: &Value) -> Api<DynamicObject> {
        let kind = document["kind"].as_str().unwrap();
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("journey.dev", "v1alpha1", kind));
        Api::namespaced_with(self.client.clone(), &self.namespace, &resource)
    }

    fn url(&self, document: &Value) -> String {
        self.kind(document).resource_url().to_owned()
    }

    fn namespaces(&self) -> Api<DynamicObject> {
        Api::all_with(
            self.client.clone(),
            &ApiResource::from_gvk(&GroupVersionKind::gvk("", "v1", "Namespace")),
        )
    }

    async fn leave(self) {
        // The namespace takes its journey along where a controller manager runs; where only an API server does, nobody else would.
        let journey = &bases()["Journey/abandoned-cart"];
        let gone = self
            .kind(journey)
            .delete("abandoned-cart", &DeleteParams::default())
            .await;
        gone.map(drop)
            .unwrap_or_else(|error| println!("the journey was gone before: {error}"));
        self.namespaces()
            .delete(&self.namespace, &DeleteParams::default())
            .await
            .unwrap();
        self.kinds.take_away().await;
    }
}

/// A name of 63 characters.
fn long(kind: &str, number: usize) -> String {
    format!("{kind}{}-{number:03}", "x".repeat(59 - kind.len()))
}

/// As large as the lists allow: 200 steps, 10 cases or signals each, long names and conditions, everything else full too.
fn largest_journey() -> Value {
    let last = long("step", 199);
    let condition = format!("customer.points > 0 && {}true", "1 == 1 && ".repeat(150));
    let event = format!("{}/skipped", long("touchpoint", 0));
    let step = |number: usize| {
        let name = long("step", number);
        let values: Value = (0..20)
            .map(|i| (format!("k{i}"), json!("v")))
            .collect::<serde_json::Map<_, _>>()
            .into();
        match number % 4 {
            _ if number == 199 => json!({"name": name, "exit": {"outcome": "Completed"}}),
            0 => {
                let case = json!({"when": if number < 40 { condition.as_str() } else { "true" }, "next": last});
                json!({"name": name, "branch": {"cases": vec![case; 10], "otherwise": last}})
            }
            1 => {
                json!({"name": name, "send": {"touchpoint": long("tp", 0), "with": values, "otherwise": last}, "next": last})
            }
            2 => {
                let until = json!({"event": event, "when": "true", "next": last});
                json!({"name": name, "wait": {"for": "9999d", "until": vec![until; 10]}, "next": last})
            }
            _ => json!({"name": name, "set": values, "next": last}),
        }
    };
    let goals: Vec<_> = (0..16)
        .map(|i| json!({"name": long("goal", i), "side": "Customer", "event": event, "when": condition, "within": "9999d"}))
        .collect();
    let kpis: Vec<_> = (0..32)
        .map(|i| json!({"name": long("kpi", i), "goal": {"name": long("goal", 15), "measure": "Rate"}, "window": "28d", "target": {"atLeast": "8%"}}))
        .collect();
    let exits: Vec<_> = (0..16)
        .map(|i| json!({"name": long("exit", i), "event": event, "when": condition, "outcome": "Failed"}))
        .collect();
    let mut steps: Vec<_> = (0..200).map(step).collect();
    // A step of every kind may carry `next` but a branch; the one before the last two is a wait, which the fault needs.
    steps[197] = json!({"name": long("step", 197), "wait": {"for": "1d"}, "next": last});
    json!({
        "apiVersion": "journey.dev/v1alpha1", "kind": "Journey", "metadata": {"name": "largest"},
        "spec": {
            "entry": {"triggers": vec![json!({"event": event, "when": condition}); 16], "key": "event.cartId"},
            "steps": steps, "exits": exits, "goals": goals, "kpis": kpis
        }
    })
}
