//! Our kinds on a cluster that others may be using too: a test brings the definitions that are missing, and afterwards takes away those of them
//! that nobody has come to rely on. Definitions that were there are looked at and never changed.

use journey::api;
use kube::{
    Api, Client, ResourceExt,
    api::{ApiResource, DeleteParams, DynamicObject, ListParams, PostParams},
    core::GroupVersionKind,
};
use serde_json::Value;
use std::time::Duration;

pub struct Kinds {
    client: Client,
    /// Names of the definitions that were not there before.
    brought: Vec<String>,
}

impl Kinds {
    /// Brings what is missing and waits until it is served. Panics when a definition is there and is of another version.
    pub async fn bring(client: &Client) -> Self {
        let definitions = definitions(client);
        let mut kinds = Self {
            client: client.clone(),
            brought: vec![],
        };
        let mut missing = vec![];
        for (plural, crd) in api::crds() {
            let name = format!("{plural}.journey.dev");
            match settled(&definitions, &name).await {
                None => missing.push((name, crd)),
                Some(there) => assert!(
                    plain(&there.data["spec"]["versions"][0]["schema"]) == plain(&crd["spec"]["versions"][0]["schema"]),
                    "the cluster has {name} of another version: install the chart of this one, or remove that"
                ),
            }
        }
        for (name, crd) in missing {
            let crd = serde_json::from_value(crd).unwrap();
            let made = definitions.create(&PostParams::default(), &crd).await;
            made.unwrap_or_else(|error| panic!("the definition {name} is refused: {error}"));
            kinds.brought.push(name);
        }
        for (plural, _) in api::crds() {
            kinds.wait_until_established(&format!("{plural}.journey.dev")).await;
        }
        kinds
    }

    async fn wait_until_established(&self, name: &str) {
        for _ in 0..200 {
            let found = definitions(&self.client).get(name).await.ok();
            let conditions = found.and_then(|found| found.data.pointer("/status/conditions").cloned());
            let established = conditions
                .as_ref()
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .any(|condition| condition["type"] == "Established" && condition["status"] == "True");
            if established {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("the definition {name} is not established");
    }

    /// Takes away what this test brought, unless somebody uses it now: with a definition go all objects of its kind.
    pub async fn take_away(&self) {
        for name in &self.brought {
            let Ok(definition) = definitions(&self.client).get(name).await else {
                continue;
            };
            // Whoever installs the chart meanwhile makes the definition theirs.
            let installed = definition.labels().contains_key("app.kubernetes.io/managed-by")
                || definition.annotations().contains_key("meta.helm.sh/release-name");
            if !installed && self.is_unused(&definition).await {
                drop(
                    definitions(&self.client)
                        .delete(name, &DeleteParams::background())
                        .await,
                );
            }
        }
    }

    async fn is_unused(&self, definition: &DynamicObject) -> bool {
        let kind = definition.data.pointer("/spec/names/kind").and_then(Value::as_str);
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(
            "journey.dev",
            "v1alpha1",
            kind.unwrap_or_default(),
        ));
        let objects: Api<DynamicObject> = Api::all_with(self.client.clone(), &resource);
        let some = objects.list(&ListParams::default().limit(1)).await;
        some.is_ok_and(|list| list.items.is_empty())
    }
}

/// The same with every number as a float: the server gives 1 back where 1.0 was sent.
fn plain(value: &Value) -> Value {
    match value {
        Value::Number(number) => number.as_f64().into(),
        Value::Array(items) => items.iter().map(plain).collect(),
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| (name.clone(), plain(value)))
            .collect(),
        Value::Null | Value::Bool(_) | Value::String(_) => value.clone(),
    }
}

/// A definition as it is, once it is not on its way out any more: a test before this one may just have taken it away.
async fn settled(definitions: &Api<DynamicObject>, name: &str) -> Option<DynamicObject> {
    for _ in 0..300 {
        match definitions.get_opt(name).await.unwrap() {
            Some(found) if found.metadata.deletion_timestamp.is_some() => {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            found => return found,
        }
    }
    panic!("the definition {name} is being deleted and does not go");
}

fn definitions(client: &Client) -> Api<DynamicObject> {
    let resource = GroupVersionKind::gvk("apiextensions.k8s.io", "v1", "CustomResourceDefinition");
    Api::all_with(client.clone(), &ApiResource::from_gvk(&resource))
}
