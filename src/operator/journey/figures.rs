//! Numbers of the status: how many customers, how the KPIs stand, how much waits. Rounded, and read from the store at most once an interval:
//! each write of a status wakes everybody who watches.

use super::{dereference::Facts, group::Group, validate::Judged};
use crate::{
    api::{
        measure::{Kpi, Target},
        status::{KpiState, KpiStatus, Population},
    },
    clock,
    engine::state::Ending,
    kpi::{self, Count, Counts, KpiSpec, Measure, State, round_two_digits, show},
    operator::{context::Context, error::Error, unit::Unit},
    store::Backlog,
};
use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard},
    time::Duration,
};
use tokio::time::Instant;

/// What is told of a journey in numbers.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Figures {
    pub population: Option<Population>,
    pub kpis: Vec<KpiStatus>,
    pub backlog: Option<i64>,
}

/// The figures of the last interval.
#[derive(Debug, Default)]
pub struct Numbers(Mutex<HashMap<Unit, (Instant, Figures)>>);

impl Numbers {
    pub fn forget(&self, unit: &Unit) {
        self.lock().remove(unit);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Unit, (Instant, Figures)>> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// The figures as of now, or of less than an interval ago. Where the store does not answer, those that the status has.
pub async fn read(context: &Context, unit: &Unit, facts: &Facts, judged: &Judged) -> Figures {
    // A little less than the interval, or a pass that comes a moment early would skip a whole one.
    let fresh = context
        .settings
        .status_interval
        .saturating_sub(Duration::from_millis(500));
    let known = context.numbers.lock().get(unit).cloned();
    if let Some((at, figures)) = known
        && at.elapsed() < fresh
        && same_kpis(&figures, facts)
    {
        return figures;
    }
    match ask(context, facts, judged).await {
        Ok(figures) => {
            context
                .numbers
                .lock()
                .insert(unit.clone(), (Instant::now(), figures.clone()));
            figures
        }
        Err(error) => {
            tracing::debug!(journey = %unit, %error, "figures were not read");
            told(facts)
        }
    }
}

async fn ask(context: &Context, facts: &Facts, judged: &Judged) -> Result<Figures, Error> {
    let store = context.store()?;
    let counts = store.counts(&facts.namespace, &facts.name).await?;
    let backlog = store.backlog(&facts.namespace, &facts.name).await?;
    let group = Group::of(&facts.snapshot.manifests, &facts.name);
    let kpis = match &judged.compiled {
        Some(compiled) => {
            let now = clock::now();
            let measured = measure(&counts, &compiled.program.kpis, now, group);
            context.metrics.kpis(&facts.namespace, &facts.name, &measured);
            told_of(&measured, &facts.journey.spec.kpis, &counts, now, group)
        }
        None => told(facts).kpis,
    };
    let Backlog {
        active,
        inbox,
        outbox,
        overdue,
        paced,
        news: _,
        oldest: _,
    } = backlog;
    context.metrics.backlog(&facts.namespace, &facts.name, &backlog);
    // Beyond what is counted row by row the books tell.
    let active = if active + paced > Backlog::MOST {
        counts.total(&Count::Entered.name()) - counts.total_of("ended:")
    } else {
        active
    };
    Ok(Figures {
        population: Some(population(&counts, active, paced, group)),
        kpis,
        backlog: Some(round_two_digits(inbox + outbox + overdue)),
    })
}

/// A KPI that was added or dropped is told of at once.
fn same_kpis(figures: &Figures, facts: &Facts) -> bool {
    figures
        .kpis
        .iter()
        .map(|kpi| kpi.name.as_str())
        .eq(facts.journey.spec.kpis.iter().map(|kpi| kpi.name.as_str()))
}

/// What the status says already.
fn told(facts: &Facts) -> Figures {
    let Some(status) = &facts.journey.status else {
        return Figures::default();
    };
    Figures {
        population: status.population.clone(),
        kpis: status.kpis.clone(),
        backlog: status.runner.as_ref().and_then(|runner| runner.backlog),
    }
}

fn population(counts: &Counts, active: i64, paced: i64, group: Group) -> Population {
    let total = |count: Count| group.count(counts.total(&count.name()));
    Population {
        entered: total(Count::Entered),
        active: group.count(active),
        paced: group.count(paced),
        completed: total(Count::Ended(Ending::Completed)),
        converted: total(Count::Ended(Ending::Converted)),
        disqualified: total(Count::Ended(Ending::Disqualified)),
        opted_out: total(Count::Ended(Ending::OptedOut)),
        merged: total(Count::Ended(Ending::Merged)),
        failed: total(Count::Ended(Ending::Failed)),
    }
}

/// As far as they may be told.
fn measure<'k>(counts: &Counts, specs: &'k [KpiSpec], now: clock::Micros, group: Group) -> Vec<(&'k KpiSpec, Measure)> {
    specs
        .iter()
        .map(|spec| (spec, group.measure(kpi::measure(counts, spec, now))))
        .collect()
}

fn told_of(
    measured: &[(&KpiSpec, Measure)],
    declared: &[Kpi],
    counts: &Counts,
    now: clock::Micros,
    group: Group,
) -> Vec<KpiStatus> {
    let told = |(spec, measure): &(&KpiSpec, Measure)| {
        let target = declared
            .iter()
            .find(|kpi| kpi.name.as_str() == spec.name)
            .and_then(|kpi| kpi.target.as_ref());
        KpiStatus {
            reason: group.reason(measure),
            lift: kpi::lift(counts, spec, now)
                .filter(|_| group.reason(measure).is_none())
                .and_then(|lift| group.lift(lift)),
            ..status_of(spec, target, *measure)
        }
    };
    measured.iter().map(told).collect()
}

fn status_of(spec: &KpiSpec, target: Option<&Target>, measure: Measure) -> KpiStatus {
    let Measure {
        value,
        low,
        high,
        sample,
        state,
    } = measure;
    let text = |value| show(spec.statistic, value);
    KpiStatus {
        name: spec.name.clone(),
        value: value.map(text),
        low: low.map(text),
        high: high.map(text),
        sample: round_two_digits(sample),
        target: target.and_then(|target| match (&target.at_least, &target.at_most) {
            (Some(least), _) => Some(format!(">= {least}")),
            (None, Some(most)) => Some(format!("<= {most}")),
            (None, None) => None,
        }),
        state: match state {
            State::Met => KpiState::Met,
            State::Missed => KpiState::Missed,
            State::Unknown => KpiState::Unknown,
        },
        reason: None,
        lift: None,
    }
}
