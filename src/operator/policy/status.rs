//! What is said of a policy: conditions, how many journeys it governs and by what, and that retention ran.

use super::{dereference::Facts, validate::Judged};
use crate::{
    api::{
        PrivacyPolicy,
        status::{PolicyStatus, RetentionStatus},
    },
    clock::{self, HOUR},
    compile,
    kpi::round_two_digits,
    operator::{condition, context::Context, error::Error, status, unit::Unit},
    store::Ran,
};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

pub async fn write(
    context: &Context,
    unit: &Unit,
    policy: &PrivacyPolicy,
    facts: &Facts,
    judged: &Judged,
) -> Result<(), Error> {
    let before = status::before(context, unit, policy);
    let meta = &policy.metadata;
    let Judged {
        accepted,
        resolved,
        conflicted,
        programmed,
        ready,
    } = judged;
    let mut verdicts = vec![
        accepted.clone(),
        resolved.clone(),
        conflicted.clone(),
        programmed.clone(),
    ];
    verdicts.extend(ready.iter().cloned());
    let conditions = condition::conditions(&before.conditions, &verdicts, meta.generation, clock::now());
    let hashes = facts.governed.iter();
    let told = policy.status.as_ref().and_then(|status| status.retention.clone());
    let retention = match &facts.seen {
        Ok(seen) => seen.ran.as_ref().map(ran),
        Err(_) => told,
    };
    let status = PolicyStatus {
        observed_generation: meta.generation,
        conditions: conditions.clone(),
        journeys: i64::try_from(facts.governed.len()).unwrap_or(i64::MAX),
        hash: compile::joint_hash(hashes.map(|(journey, hash)| (journey.as_str(), hash.as_str()))),
        retention: retention.filter(|_| policy.spec.retention.is_some()),
    };
    status::write::<PrivacyPolicy>(context, unit, meta, &before, serde_json::to_value(status)?, &conditions).await
}

/// To the hour, so that no status is written more often for it.
fn ran(ran: &Ran) -> RetentionStatus {
    let hour = ran.at.div_euclid(HOUR).saturating_mul(HOUR);
    RetentionStatus {
        last_run: Timestamp::from_microsecond(hour).ok().map(Time),
        removed: round_two_digits(ran.removed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retention_is_told_to_the_hour_and_rounded() {
        let told = ran(&Ran {
            at: 7 * HOUR + 5,
            removed: 1_234,
        });
        assert_eq!(told.removed, 1_200);
        assert_eq!(told.last_run.unwrap().0.as_microsecond(), 7 * HOUR);
    }
}
