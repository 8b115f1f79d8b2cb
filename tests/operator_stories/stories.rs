//! What users can rely on, told by doing it.

use super::{
    Outcome, Stage,
    manifests::{everything, everything_but, hello, log, mail, policy_with, profile, web, welcome},
    must, secret, until,
};
use journey::{
    api::{ChannelAdapter, CustomerProfile, Journey, PrivacyPolicy, Touchpoint},
    store::Store,
};
use k8s_openapi::api::{
    apps::v1::Deployment,
    coordination::v1::Lease,
    core::v1::{Secret, Service},
    policy::v1::PodDisruptionBudget,
};
use kube::{
    ResourceExt,
    api::{DeleteParams, Patch, PatchParams},
};
use serde_json::json;
use std::time::Duration;

/// One for each story.
pub const NAMESPACES: [&str; 12] = [
    "journey-test-touchpoint",
    "journey-test-expression",
    "journey-test-template",
    "journey-test-secret",
    "journey-test-adapter",
    "journey-test-repair",
    "journey-test-last-good",
    "journey-test-gateway",
    "journey-test-deletion",
    "journey-test-profile",
    "journey-test-policy",
    "journey-test-residency",
];
const RUNNER: &str = "welcome-runner";

/// Every story but those that shake the whole stage; the answers are what went wrong.
pub async fn all(stage: &Stage) -> Vec<String> {
    let [
        touchpoint,
        expression,
        template,
        login,
        adapter,
        repair,
        good,
        gateway,
        deletion,
        profiles,
        policies,
        residency,
    ] = NAMESPACES;
    let outcomes = tokio::join!(
        an_unknown_touchpoint_is_told_and_clears_when_it_appears(stage, touchpoint),
        a_bad_expression_is_told_with_its_path_and_clears_when_it_is_mended(stage, expression),
        a_template_with_an_undefined_variable_is_told_where_it_is(stage, template),
        a_missing_secret_is_told_and_the_journey_runs_once_it_is_there(stage, login),
        a_missing_adapter_is_told_and_clears_when_it_appears(stage, adapter),
        what_is_edited_or_deleted_comes_back_and_nothing_is_written_at_rest(stage, repair),
        a_broken_edit_leaves_the_last_good_revision_running(stage, good),
        a_gateway_comes_with_the_first_door_and_goes_with_the_last(stage, gateway),
        a_deleted_journey_leaves_nothing_behind(stage, deletion),
        a_second_profile_is_refused_and_the_first_holds(stage, profiles),
        a_policy_is_programmed_once_every_runner_says_so(stage, policies),
        a_journey_that_leaves_its_regions_is_told_so_and_its_pods_are_bound_to_them(stage, residency),
    );
    let (a, b, c, d, e, f, g, h, i, j, k, l) = outcomes;
    [a, b, c, d, e, f, g, h, i, j, k, l]
        .into_iter()
        .filter_map(Outcome::err)
        .collect()
}

async fn programmed(stage: &Stage, namespace: &str) -> Outcome {
    stage
        .condition::<Journey>(namespace, "welcome", "Programmed", "True", "Programmed", &[])
        .await
        .map(drop)
}

async fn told(stage: &Stage, namespace: &str, subject: &str, reason: &str, parts: &[&str]) -> Outcome {
    stage
        .condition::<Journey>(namespace, "welcome", subject, "False", reason, parts)
        .await?;
    let status = stage.status(namespace, "welcome").await;
    let stalled = status
        .conditions
        .iter()
        .any(|condition| condition.type_ == "Stalled" && condition.status == "True");
    must(stalled, || {
        format!("{namespace}: somebody must do something, and Stalled does not say so")
    })
}

async fn an_unknown_touchpoint_is_told_and_clears_when_it_appears(stage: &Stage, namespace: &str) -> Outcome {
    stage.apply(namespace, &everything_but("hello")).await?;
    told(
        stage,
        namespace,
        "ResolvedRefs",
        "ReferenceNotFound",
        &["spec.steps[0].send.touchpoint", "hello"],
    )
    .await?;
    let runner = stage
        .api::<Deployment>(namespace)
        .get_opt(RUNNER)
        .await
        .map_err(|error| error.to_string())?;
    must(runner.is_none(), || {
        "a journey that never compiled has a runner".to_owned()
    })?;
    stage.apply(namespace, &[hello("log", "Hello")]).await?;
    programmed(stage, namespace).await
}

async fn a_bad_expression_is_told_with_its_path_and_clears_when_it_is_mended(
    stage: &Stage,
    namespace: &str,
) -> Outcome {
    stage.apply(namespace, &everything_but("welcome")).await?;
    stage.apply(namespace, &[welcome("customer.orders ==")]).await?;
    told(
        stage,
        namespace,
        "Accepted",
        "InvalidExpression",
        &["spec.entry.triggers[0].when"],
    )
    .await?;
    stage.apply(namespace, &[welcome("customer.orders == 'many'")]).await?;
    told(
        stage,
        namespace,
        "Accepted",
        "InvalidExpression",
        &["spec.entry.triggers[0].when"],
    )
    .await?;
    stage.apply(namespace, &[welcome("customer.orders == 0")]).await?;
    programmed(stage, namespace).await
}

async fn a_template_with_an_undefined_variable_is_told_where_it_is(stage: &Stage, namespace: &str) -> Outcome {
    stage.apply(namespace, &everything_but("hello")).await?;
    stage
        .apply(namespace, &[hello("log", "Hello {{ customer.firstNam }}")])
        .await?;
    let place = &["spec.outbound.content.text"];
    stage
        .condition::<Touchpoint>(namespace, "hello", "Accepted", "False", "InvalidTemplate", place)
        .await?;
    stage
        .condition::<Journey>(namespace, "welcome", "Programmed", "False", "NotProgrammed", &[])
        .await?;
    stage.apply(namespace, &[hello("log", "Hello")]).await?;
    stage
        .condition::<Touchpoint>(namespace, "hello", "Ready", "True", "Ready", &[])
        .await?;
    programmed(stage, namespace).await
}

async fn a_missing_secret_is_told_and_the_journey_runs_once_it_is_there(stage: &Stage, namespace: &str) -> Outcome {
    stage.apply(namespace, &everything_but("hello")).await?;
    stage.apply(namespace, &[mail(), hello("mail", "Hello")]).await?;
    let path = "spec.smtp.credentials.secretRef";
    told(
        stage,
        namespace,
        "ResolvedRefs",
        "SecretNotFound",
        &[path, "kubectl", "mail-login"],
    )
    .await?;
    stage
        .condition::<ChannelAdapter>(namespace, "mail", "ResolvedRefs", "False", "SecretNotFound", &[])
        .await?;
    stage.apply(namespace, &[secret("mail-login", &["username"])]).await?;
    told(
        stage,
        namespace,
        "ResolvedRefs",
        "SecretKeyNotFound",
        &[path, "password"],
    )
    .await?;
    stage
        .apply(namespace, &[secret("mail-login", &["username", "password"])])
        .await?;
    programmed(stage, namespace).await?;
    stage
        .condition::<ChannelAdapter>(namespace, "mail", "Ready", "True", "Ready", &[])
        .await?;
    let runner = stage.api::<Deployment>(namespace);
    let mounts = async || {
        let pod = runner
            .get_opt(RUNNER)
            .await
            .ok()
            .flatten()
            .and_then(|runner| runner.spec?.template.spec);
        let mounts = pod
            .into_iter()
            .flat_map(|pod| pod.containers)
            .flat_map(|container| container.volume_mounts.unwrap_or_default());
        mounts
            .into_iter()
            .any(|mount| mount.mount_path == "/etc/journey/secrets/mail-login")
    };
    until("the runner has the Secret mounted", mounts).await
}

async fn a_missing_adapter_is_told_and_clears_when_it_appears(stage: &Stage, namespace: &str) -> Outcome {
    stage.apply(namespace, &everything_but("log")).await?;
    told(
        stage,
        namespace,
        "ResolvedRefs",
        "ReferenceNotFound",
        &["spec.outbound.adapter", "log"],
    )
    .await?;
    stage.apply(namespace, &[log()]).await?;
    programmed(stage, namespace).await
}

async fn what_is_edited_or_deleted_comes_back_and_nothing_is_written_at_rest(
    stage: &Stage,
    namespace: &str,
) -> Outcome {
    stage.apply(namespace, &everything()).await?;
    programmed(stage, namespace).await?;
    let runners = stage.api::<Deployment>(namespace);
    until("there is a runner", async || {
        matches!(runners.get_opt(RUNNER).await, Ok(Some(_)))
    })
    .await?;
    let image = async || {
        let pod = runners
            .get_opt(RUNNER)
            .await
            .ok()
            .flatten()
            .and_then(|runner| runner.spec?.template.spec);
        pod.and_then(|pod| pod.containers.first()?.image.clone())
            .unwrap_or_default()
    };
    let (wanted, user) = (image().await, PatchParams::apply("user").force());
    let edit = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": RUNNER, "annotations": {"team": "growth"}},
        "spec": {"selector": {"matchLabels": {"journey.dev/journey": "welcome"}}, "template": {"spec": {"containers": [{"name": "runner", "image": "other"}]}}}});
    runners
        .patch(RUNNER, &user, &Patch::Apply(&edit))
        .await
        .map_err(|error| format!("the edit: {error}"))?;
    until("the image is the operator's again", async || image().await == wanted).await?;
    let annotations = runners
        .get(RUNNER)
        .await
        .map(|runner| runner.annotations().clone())
        .unwrap_or_default();
    must(annotations.get("team").is_some_and(|team| team == "growth"), || {
        "a field of somebody else was taken".to_owned()
    })?;

    let old = runners.get(RUNNER).await.map_err(|error| error.to_string())?.uid();
    runners
        .delete(RUNNER, &DeleteParams::background())
        .await
        .map_err(|error| error.to_string())?;
    let anew = async || {
        runners
            .get_opt(RUNNER)
            .await
            .ok()
            .flatten()
            .is_some_and(|runner| runner.uid() != old)
    };
    until("the runner is back", anew).await?;

    let scale = json!({"spec": {"runner": {"replicas": 2}}});
    let journeys = stage.api::<Journey>(namespace);
    let merge = Patch::Merge(&scale);
    journeys
        .patch("welcome", &PatchParams::default(), &merge)
        .await
        .map_err(|error| error.to_string())?;
    let two = async || {
        runners
            .get(RUNNER)
            .await
            .is_ok_and(|runner| runner.spec.is_some_and(|spec| spec.replicas == Some(2)))
    };
    until("there are two runners", two).await?;
    let budgets = stage.api::<PodDisruptionBudget>(namespace);
    until("two runners have a budget", async || {
        matches!(budgets.get_opt(RUNNER).await, Ok(Some(_)))
    })
    .await?;

    // The pods have no image and do not come up; once that is told, nothing is written any more.
    let version = async || {
        journeys
            .get("welcome")
            .await
            .ok()
            .and_then(|journey| journey.resource_version())
    };
    let calm = async || {
        let before = version().await;
        tokio::time::sleep(Duration::from_secs(5)).await;
        before.is_some() && before == version().await
    };
    until("two intervals pass without a write", calm).await
}

async fn a_broken_edit_leaves_the_last_good_revision_running(stage: &Stage, namespace: &str) -> Outcome {
    stage.apply(namespace, &everything()).await?;
    programmed(stage, namespace).await?;
    let good = stage.status(namespace, "welcome").await.revision;
    stage.apply(namespace, &[welcome("customer.nobody == 0")]).await?;
    let message = stage
        .condition::<Journey>(namespace, "welcome", "Programmed", "True", "LastGoodRevision", &[])
        .await?;
    let stable = good
        .as_ref()
        .and_then(|revision| revision.stable.clone())
        .unwrap_or_default();
    must(!stable.is_empty() && message.contains(&stable), || {
        format!("{message:?} does not name revision {stable:?}")
    })?;
    must(stage.status(namespace, "welcome").await.revision == good, || {
        "the revision changed".to_owned()
    })?;

    let runners = stage.api::<Deployment>(namespace);
    runners
        .delete(RUNNER, &DeleteParams::background())
        .await
        .map_err(|error| error.to_string())?;
    until("the last good runner is back", async || matches!(runners.get_opt(RUNNER).await, Ok(Some(runner)) if runner.metadata.deletion_timestamp.is_none())).await?;

    let suspend = json!({"spec": {"suspend": true}});
    let journeys = stage.api::<Journey>(namespace);
    journeys
        .patch("welcome", &PatchParams::default(), &Patch::Merge(&suspend))
        .await
        .map_err(|error| error.to_string())?;
    let suspended = async || {
        let programs = stage
            .store
            .programs(namespace, -1)
            .await
            .ok()
            .flatten()
            .unwrap_or_default();
        programs
            .journeys
            .iter()
            .any(|journey| journey.current && journey.row.suspended)
    };
    until("a journey that is broken can be suspended", suspended).await
}

async fn a_gateway_comes_with_the_first_door_and_goes_with_the_last(stage: &Stage, namespace: &str) -> Outcome {
    stage.apply(namespace, &[secret("web-key", &["key"]), web()]).await?;
    let (gateways, services) = (stage.api::<Deployment>(namespace), stage.api::<Service>(namespace));
    let there = async || {
        matches!(gateways.get_opt("journey-gateway").await, Ok(Some(_)))
            && matches!(services.get_opt("journey-gateway").await, Ok(Some(_)))
    };
    until("there is a gateway", there).await?;
    stage
        .condition::<ChannelAdapter>(namespace, "web", "Ready", "False", "GatewayStarting", &[])
        .await?;
    let secrets = stage.api::<Secret>(namespace);
    let keys = secrets
        .get("journey-store")
        .await
        .map_err(|error| error.to_string())?
        .data
        .unwrap_or_default();
    must(keys.keys().eq(["mac", "seal", "url"]), || {
        format!("journey-store has {:?}", keys.keys())
    })?;
    let doors = stage.api::<ChannelAdapter>(namespace);
    doors
        .delete("web", &DeleteParams::default())
        .await
        .map_err(|error| error.to_string())?;
    let gone = async || {
        matches!(gateways.get_opt("journey-gateway").await, Ok(None))
            && matches!(secrets.get_opt("journey-store").await, Ok(None))
    };
    until("gateway and Secret are gone", gone).await
}

async fn a_deleted_journey_leaves_nothing_behind(stage: &Stage, namespace: &str) -> Outcome {
    stage.apply(namespace, &everything()).await?;
    programmed(stage, namespace).await?;
    let (runners, secrets) = (stage.api::<Deployment>(namespace), stage.api::<Secret>(namespace));
    until("there is a runner", async || {
        matches!(runners.get_opt(RUNNER).await, Ok(Some(_)))
    })
    .await?;
    let journeys = stage.api::<Journey>(namespace);
    journeys
        .delete("welcome", &DeleteParams::default())
        .await
        .map_err(|error| error.to_string())?;
    until("the journey is gone", async || {
        matches!(journeys.get_opt("welcome").await, Ok(None))
    })
    .await?;
    until("its runner is gone", async || {
        matches!(runners.get_opt(RUNNER).await, Ok(None))
    })
    .await?;
    until("the Secret is gone", async || {
        matches!(secrets.get_opt("journey-store").await, Ok(None))
    })
    .await?;
    let programs = stage
        .store
        .programs(namespace, -1)
        .await
        .map_err(|error| error.to_string())?
        .unwrap_or_default();
    must(programs.journeys.is_empty(), || {
        format!("the store still has {:?}", programs.journeys)
    })?;
    let counts = stage
        .store
        .counts(namespace, "welcome")
        .await
        .map_err(|error| error.to_string())?;
    must(counts.0.is_empty(), || format!("the store still counts {counts:?}"))
}

async fn a_second_profile_is_refused_and_the_first_holds(stage: &Stage, namespace: &str) -> Outcome {
    stage.apply(namespace, &everything()).await?;
    programmed(stage, namespace).await?;
    // Made in a later second: the first is the older.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    stage.apply(namespace, &[profile("another")]).await?;
    let which = &["shop"];
    stage
        .condition::<CustomerProfile>(namespace, "another", "Accepted", "False", "DuplicateProfile", which)
        .await?;
    stage
        .condition::<CustomerProfile>(namespace, "shop", "Ready", "True", "Ready", &[])
        .await?;
    programmed(stage, namespace).await
}

/// PostgreSQL goes away and comes back: it is told, runners are still repaired, and what was declared meanwhile comes to be.
pub async fn outage(stage: &mut Stage) -> Outcome {
    let namespace = NAMESPACES[0];
    stage.stop_database();
    stage.apply(namespace, &[welcome("customer.orders == 1")]).await?;
    stage
        .condition::<Journey>(namespace, "welcome", "Programmed", "False", "StoreUnavailable", &[])
        .await?;
    let runners = stage.api::<Deployment>(namespace);
    runners
        .delete(RUNNER, &DeleteParams::background())
        .await
        .map_err(|error| error.to_string())?;
    until("the runner is back, store or not", async || matches!(runners.get_opt(RUNNER).await, Ok(Some(runner)) if runner.metadata.deletion_timestamp.is_none())).await?;
    stage.start_database();
    programmed(stage, namespace).await
}

/// kill -9 of the leader: the one that stood by takes over.
pub async fn succession(stage: &mut Stage) -> Outcome {
    let leases = stage.api::<Lease>(super::HOME);
    let holder = async || {
        leases
            .get("journey-operator")
            .await
            .ok()
            .and_then(|lease| lease.spec?.holder_identity)
    };
    let first = holder().await;
    must(first.is_some(), || "nobody holds the Lease".to_owned())?;
    stage.start_operator();
    tokio::time::sleep(Duration::from_secs(3)).await;
    must(holder().await == first, || {
        "a second operator took the Lease from the first".to_owned()
    })?;
    stage.kill_leader();
    until("the one that stood by leads", async || {
        holder().await.is_some_and(|now| Some(now) != first)
    })
    .await?;
    stage.apply(NAMESPACES[1], &[welcome("customer.orders == 2")]).await?;
    programmed(stage, NAMESPACES[1]).await
}

async fn a_policy_is_programmed_once_every_runner_says_so(stage: &Stage, namespace: &str) -> Outcome {
    let says = async |status, reason| {
        let said = stage.condition::<PrivacyPolicy>(namespace, "shop", "Programmed", status, reason, &[]);
        said.await.map(drop)
    };
    let policies = stage.api::<PrivacyPolicy>(namespace);
    stage.apply(namespace, &[policy_with(json!({}))]).await?;
    says("True", "NoJourneys").await?;
    stage.apply(namespace, &everything()).await?;
    says("True", "Programmed").await?;
    // With no runner there the policy may be, before the journey is.
    programmed(stage, namespace).await?;
    // No kubelet runs the pod: this is its registration, and what it would say.
    let (owner, long) = (uuid::Uuid::from_u128(7), Duration::from_secs(300));
    let store = &stage.store;
    let joined = store
        .join(namespace, "welcome", owner, long)
        .await
        .map_err(|error| error.to_string())?;
    must(!joined.shards.is_empty(), || {
        "the journey is not in the store".to_owned()
    })?;
    let changed = policy_with(json!({"retention": {"messages": "30d"}, "reporting": {"minimumGroup": 10}}));
    stage.apply(namespace, &[changed]).await?;
    says("False", "NotAcknowledged").await?;
    let status = async || {
        let policy = policies.get("shop").await.map_err(|error| error.to_string())?;
        policy.status.ok_or("the policy has no status".to_owned())
    };
    let told = status().await?;
    must(told.journeys == 1, || format!("it governs one journey: {told:?}"))?;
    let hash = told.hash.ok_or("it has no hash")?;
    store
        .acknowledge(namespace, "welcome", owner, &hash)
        .await
        .map_err(|error| error.to_string())?;
    says("True", "Programmed").await?;
    stage
        .condition::<PrivacyPolicy>(namespace, "shop", "Conflicted", "False", "NoConflict", &[])
        .await?;
    let mut other =
        policy_with(json!({"purposes": [{"name": "service", "basis": "Consent", "attributes": ["email", "orders"]}]}));
    other["metadata"]["name"] = "strict".into();
    stage.apply(namespace, &[other]).await?;
    let parts = ["'service'", "Contract", "strict"];
    stage
        .condition::<PrivacyPolicy>(namespace, "shop", "Conflicted", "True", "BasesDiffer", &parts)
        .await?;
    says("False", "NotAcknowledged").await?;
    store
        .leave(namespace, "welcome", owner)
        .await
        .map_err(|error| error.to_string())?;
    says("True", "Programmed").await
}

async fn a_journey_that_leaves_its_regions_is_told_so_and_its_pods_are_bound_to_them(
    stage: &Stage,
    namespace: &str,
) -> Outcome {
    let satisfied = async |status, reason| {
        let said = stage.condition::<Journey>(namespace, "welcome", "ResidencySatisfied", status, reason, &[]);
        said.await.map(drop)
    };
    stage.apply(namespace, &everything()).await?;
    satisfied("True", "NotRestricted").await?;
    let bound = async |regions: Option<&[&str]>| {
        let deployment = stage.api::<Deployment>(namespace).get_opt(RUNNER).await.ok().flatten();
        let template = deployment
            .and_then(|deployment| deployment.spec)
            .map(|spec| spec.template);
        let affinity = template.and_then(|template| template.spec).and_then(|pod| pod.affinity);
        let text = serde_json::to_string(&affinity).unwrap_or_default();
        match regions {
            Some(regions) => {
                text.contains("topology.kubernetes.io/region") && regions.iter().all(|region| text.contains(region))
            }
            None => affinity.is_none(),
        }
    };
    until("the runner may run anywhere", async || bound(None).await).await?;
    let regions = policy_with(json!({"residency": {"regions": ["eu-central-1"]}}));
    stage.apply(namespace, &[regions]).await?;
    satisfied("True", "RegionsKept").await?;
    until("the runner is bound to the region", async || {
        bound(Some(&["eu-central-1"])).await
    })
    .await?;
    let desk = |processor: serde_json::Value| {
        let spec = json!({"webhook": {"url": "https://desk.example/in"}, "processor": processor});
        json!({"apiVersion": "journey.dev/v1alpha1", "kind": "ChannelAdapter", "metadata": {"name": "desk"}, "spec": spec})
    };
    let processor = |regions: &[&str]| json!({"name": "Desk Inc.", "regions": regions});
    stage
        .apply(
            namespace,
            &[desk(processor(&["eu-central-1", "us-east-1"])), hello("desk", "Hello")],
        )
        .await?;
    satisfied("False", "ProcessorElsewhere").await?;
    stage.apply(namespace, &[desk(processor(&["eu-central-1"]))]).await?;
    satisfied("True", "RegionsKept").await
}
