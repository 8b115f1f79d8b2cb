//! What is said of a journey: conditions, the revision, the runner, the figures.

use super::{apply::Programmed, build, dereference::Facts, figures::Figures, validate::Judged};
use crate::{
    api::{
        Journey,
        status::{JourneyStatus, KpiState, RevisionStatus, RunnerStatus},
    },
    clock,
    operator::{
        condition::{self, Truth, Verdict, whole},
        context::Context,
        error::Error,
        reason::{Reason, Subject},
        status,
        unit::Unit,
    },
};
use k8s_openapi::api::apps::v1::{Deployment, DeploymentStatus};

pub async fn write(
    context: &Context,
    unit: &Unit,
    facts: &Facts,
    judged: &Judged,
    programmed: &Programmed,
    figures: &Figures,
) -> Result<(), Error> {
    let before = status::before(context, unit, &facts.journey);
    let meta = &facts.journey.metadata;
    let verdicts = verdicts(facts, judged, programmed, figures);
    let conditions = condition::conditions(&before.conditions, &verdicts, meta.generation, clock::now());
    let stable = match programmed {
        Programmed::Now { revision } => Some(revision.clone()),
        Programmed::LastGood { row } => Some(row.revision.clone()),
        Programmed::Never => None,
        Programmed::StoreDown { revision, .. } => revision.clone(),
    };
    let pods = facts
        .deployment
        .as_ref()
        .and_then(|deployment| deployment.status.clone())
        .unwrap_or_default();
    let status = JourneyStatus {
        observed_generation: meta.generation,
        conditions: conditions.clone(),
        revision: stable.map(|stable| RevisionStatus { stable: Some(stable) }),
        runner: Some(RunnerStatus {
            replicas: pods.replicas.unwrap_or(0),
            ready_replicas: pods.ready_replicas.unwrap_or(0),
            selector: Some(build::selector_text(&facts.name)),
            backlog: figures.backlog,
        }),
        population: figures.population.clone(),
        kpis: figures.kpis.clone(),
    };
    status::write::<Journey>(context, unit, meta, &before, serde_json::to_value(status)?, &conditions).await
}

fn verdicts(facts: &Facts, judged: &Judged, programmed: &Programmed, figures: &Figures) -> Vec<Verdict> {
    let programmed = programmed_verdict(programmed);
    let available = runner_verdict(facts.deployment.as_deref(), build::replicas(facts));
    let (good, praise) = if facts.journey.spec.suspend {
        (
            Reason::Suspended,
            "suspended: nobody enters and nothing is sent; exits and goals count",
        )
    } else {
        (Reason::Ready, "customers walk the present spec")
    };
    // A last good revision is programmed, and yet the present spec is not in use: the part that fails says why.
    let mut ready = whole(
        &[
            &judged.accepted,
            &judged.resolved,
            &judged.compliant,
            &judged.residency,
            &programmed,
            &available,
        ],
        good,
        praise,
    );
    let mut all = vec![
        judged.accepted.clone(),
        judged.resolved.clone(),
        judged.compliant.clone(),
        judged.residency.clone(),
        programmed,
        available,
    ];
    all.append(&mut ready);
    all.push(objectives(figures));
    all
}

fn programmed_verdict(programmed: &Programmed) -> Verdict {
    let say = |truth, reason, message: String| Verdict::new(Subject::Programmed, truth, reason, message);
    match programmed {
        Programmed::Now { revision } => say(
            Truth::True,
            Reason::Programmed,
            format!("revision {revision} is in the store"),
        ),
        Programmed::LastGood { row } => say(
            Truth::True,
            Reason::LastGoodRevision,
            format!("revision {} runs on; the present spec is not in use", row.revision),
        ),
        Programmed::Never => say(
            Truth::False,
            Reason::NotProgrammed,
            "nothing runs until the present spec can".into(),
        ),
        Programmed::StoreDown { error, .. } => say(
            Truth::False,
            Reason::StoreUnavailable,
            format!("{error}; it is tried again, and nothing is lost meanwhile"),
        ),
    }
}

fn runner_verdict(deployment: Option<&Deployment>, wanted: i32) -> Verdict {
    let say = |truth, reason, message: String| Verdict::new(Subject::RunnerAvailable, truth, reason, message);
    let Some(deployment) = deployment else {
        return say(Truth::False, Reason::NoRunner, "there is no Deployment yet".into());
    };
    if wanted == 0 {
        return say(
            Truth::False,
            Reason::ScaledToZero,
            "spec.runner.replicas is 0: nobody moves".into(),
        );
    }
    let DeploymentStatus {
        ready_replicas,
        conditions,
        ..
    } = deployment.status.clone().unwrap_or_default();
    if ready_replicas.unwrap_or(0) > 0 {
        // Not how many: the number is in status.runner, and a rollout would write one message after the other.
        return say(Truth::True, Reason::RunnerReady, "at least one runner is ready".into());
    }
    let failing = conditions
        .iter()
        .flatten()
        .find(|condition| match condition.type_.as_str() {
            "ReplicaFailure" => condition.status == "True",
            "Progressing" => condition.status == "False",
            _ => false,
        });
    match failing {
        Some(failing) => say(
            Truth::False,
            Reason::RunnerFailing,
            failing.message.clone().unwrap_or_default(),
        ),
        None => say(Truth::False, Reason::RunnerStarting, "no runner is ready yet".into()),
    }
}

fn objectives(figures: &Figures) -> Verdict {
    let aims: Vec<_> = figures.kpis.iter().filter(|kpi| kpi.target.is_some()).collect();
    let named = |state: KpiState| {
        let of_state = aims.iter().filter(|kpi| kpi.state == state);
        of_state
            .map(|kpi| format!("{} {}", kpi.name, kpi.target.as_deref().unwrap_or_default()))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let say = |truth, reason, message: String| Verdict::new(Subject::ObjectivesMet, truth, reason, message);
    if aims.is_empty() {
        say(Truth::Unknown, Reason::NoObjectives, "no KPI has a target".into())
    } else if aims.iter().any(|kpi| kpi.state == KpiState::Missed) {
        say(
            Truth::False,
            Reason::ObjectiveMissed,
            format!("missed: {}", named(KpiState::Missed)),
        )
    } else if aims.iter().any(|kpi| kpi.state == KpiState::Unknown) {
        say(
            Truth::Unknown,
            Reason::NotEnoughData,
            format!("not enough data yet: {}", named(KpiState::Unknown)),
        )
    } else {
        say(
            Truth::True,
            Reason::ObjectivesMet,
            format!("met: {}", named(KpiState::Met)),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::status::KpiStatus;
    use k8s_openapi::api::apps::v1::DeploymentCondition;

    fn kpi(target: Option<&str>, state: KpiState) -> KpiStatus {
        KpiStatus {
            name: "conversion".into(),
            value: None,
            low: None,
            high: None,
            sample: 0,
            target: target.map(Into::into),
            state,
            reason: None,
            lift: None,
        }
    }

    fn met(kpis: Vec<KpiStatus>) -> (Truth, Reason) {
        let verdict = objectives(&Figures {
            kpis,
            ..Figures::default()
        });
        (verdict.truth, verdict.reason)
    }

    #[test]
    fn objectives_are_unknown_until_all_are_known_and_one_that_is_missed_decides() {
        let aim = Some(">= 8%");
        assert_eq!(
            met(vec![kpi(None, KpiState::Unknown)]),
            (Truth::Unknown, Reason::NoObjectives)
        );
        assert_eq!(
            met(vec![kpi(aim, KpiState::Met), kpi(aim, KpiState::Unknown)]),
            (Truth::Unknown, Reason::NotEnoughData)
        );
        assert_eq!(
            met(vec![kpi(aim, KpiState::Missed), kpi(aim, KpiState::Unknown)]),
            (Truth::False, Reason::ObjectiveMissed)
        );
        assert_eq!(
            met(vec![kpi(aim, KpiState::Met), kpi(None, KpiState::Unknown)]),
            (Truth::True, Reason::ObjectivesMet)
        );
    }

    #[test]
    fn a_runner_that_cannot_start_says_why() {
        let condition = DeploymentCondition {
            type_: "ReplicaFailure".into(),
            status: "True".into(),
            message: Some("exceeded quota".into()),
            ..Default::default()
        };
        let status = DeploymentStatus {
            conditions: Some(vec![condition]),
            ..Default::default()
        };
        let failing = Deployment {
            status: Some(status),
            ..Default::default()
        };
        let verdict = runner_verdict(Some(&failing), 1);
        assert_eq!(
            (verdict.reason, verdict.message.as_str()),
            (Reason::RunnerFailing, "exceeded quota")
        );
        assert_eq!(
            runner_verdict(Some(&Deployment::default()), 1).reason,
            Reason::RunnerStarting
        );
        assert_eq!(runner_verdict(Some(&failing), 0).reason, Reason::ScaledToZero);
        assert_eq!(runner_verdict(None, 1).reason, Reason::NoRunner);
    }
}
