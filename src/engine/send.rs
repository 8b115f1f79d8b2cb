//! A send: what it asks for, by which of its candidates it may go, and what it is told.

use super::{
    program::{Candidate, Program, Step, StepAction},
    sight::Sight,
    state::{Action, Customer, Enrollment, Outcome, StepResult},
    walk::{Move, Told, Walk},
};
use crate::{
    clock::Micros,
    expression::{self, Fault},
    kpi::Count,
    personal::Personal,
};
use std::cmp::Reverse;

/// By which touchpoints a send may go.
#[derive(Debug, PartialEq)]
pub struct Candidates<'p> {
    /// Those whose `when` holds, the highest score first, those of one score as written.
    pub order: Vec<&'p str>,
    /// Conditions that could not be evaluated and were taken as false.
    pub faults: u32,
}

/// By which touchpoints the send at `step` may go for this customer, now.
///
/// # Errors
/// A score that cannot be made: the send has failed with it.
pub fn candidates<'p>(
    program: &'p Program,
    step: &str,
    enrollment: &Enrollment,
    customer: &Customer,
    now: Micros,
) -> Result<Candidates<'p>, Fault> {
    let mut found = Candidates {
        order: vec![],
        faults: 0,
    };
    let Some(StepAction::Send { candidates, .. }) = program.step(step).map(|step| &step.action) else {
        return Ok(found);
    };
    let sight = Sight::of_step(
        program,
        enrollment,
        customer.id.expose(),
        customer.attributes.expose(),
        now,
    );
    let mut scored = vec![];
    for candidate in candidates {
        match sight.holds(candidate.when.as_ref()) {
            Ok(true) => scored.push((score(&sight, candidate)?, candidate.touchpoint.as_str())),
            Ok(false) => {}
            Err(_) => found.faults += 1,
        }
    }
    scored.sort_by_key(|(score, _)| Reverse(Ordered(*score)));
    found.order = scored.into_iter().map(|(_, touchpoint)| touchpoint).collect();
    Ok(found)
}

fn score(sight: &Sight<'_>, candidate: &Candidate) -> Result<f64, Fault> {
    match &candidate.score {
        None => Ok(0.0),
        Some(score) => sight.value(score)?.as_f64().ok_or(Fault::Missing),
    }
}

/// Scores are finite numbers: they have an order.
#[derive(PartialEq)]
struct Ordered(f64);

impl Eq for Ordered {}

impl PartialOrd for Ordered {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Ordered {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        // Zero is zero, whatever its sign.
        (self.0 + 0.0).total_cmp(&(other.0 + 0.0))
    }
}

impl Walk<'_, '_, '_> {
    /// Asks for a message, and stands until it is known what became of it.
    pub(super) fn request(
        &mut self,
        step: &Step,
        candidates: &[Candidate],
        with: &[(String, expression::Program)],
        otherwise: Option<usize>,
    ) -> Move {
        let touchpoint = candidates
            .first()
            .map(|candidate| candidate.touchpoint.clone())
            .unwrap_or_default();
        self.round.count(Count::Requested {
            touchpoint: touchpoint.clone(),
        });
        let result = self.result(step);
        result.touchpoint = (candidates.len() == 1).then(|| touchpoint.clone());
        let (occurrence, now) = (result.count, self.round.now);
        match self.values(with) {
            Ok(with) => {
                self.round.actions.push(Action::Send {
                    enrollment: self.enrollment.ordinal,
                    step: step.name.clone(),
                    occurrence,
                    touchpoint,
                    with: Personal::new(with),
                });
                Move::Stand(super::state::Standing::Sending {
                    step: step.name.clone(),
                    since: now,
                    occurrence,
                })
            }
            Err(fault) => {
                // Nothing goes out with a value that could not be made: the message has failed before it was one.
                let why = fault.name().to_owned();
                self.round.count(Count::Failed {
                    touchpoint: touchpoint.clone(),
                    reason: why.clone(),
                });
                let told = Told {
                    touchpoint: &touchpoint,
                    outcome: &Outcome::Failed(why),
                    response: &Personal::default(),
                };
                record(self.result(step), told);
                Move::Go(after_send(step, otherwise, false))
            }
        }
    }
}

/// `otherwise` for what was skipped or failed, else `next`.
pub(super) fn after_send(step: &Step, otherwise: Option<usize>, sent: bool) -> Option<usize> {
    if sent { step.next } else { otherwise.or(step.next) }
}

pub(super) fn record(result: &mut StepResult, told: Told<'_>) {
    let (name, reason) = match told.outcome {
        Outcome::Sent => ("Sent", None),
        Outcome::Skipped(why) => ("Skipped", Some(why.clone())),
        Outcome::Failed(why) => ("Failed", Some(why.clone())),
    };
    result.outcome = Some(name.into());
    result.reason = reason;
    result.touchpoint = Some(told.touchpoint.to_owned());
    result.response = match told.outcome {
        Outcome::Sent => told.response.clone(),
        Outcome::Skipped(_) | Outcome::Failed(_) => Personal::default(),
    };
}
