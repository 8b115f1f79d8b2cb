//! What was found, as JSON.

use super::{each, percentiles};
use crate::{
    bench::{
        Books, Found, churn::Churn, events::Intake, idle::Idle, journeys::Phase, policy::Policy, takeover::Takeover,
        timers::Timers, usage::Cores,
    },
    store::postgres::measure::TableSize,
};
use hdrhistogram::Histogram;
use serde_json::{Map, Value, json};

pub fn json(found: &Found) -> Value {
    let Found {
        intake,
        phases,
        takeover,
        timers,
        policy,
        churn,
        idle,
        books,
        gateway_bytes,
        runner_bytes,
        tables,
    } = found;
    json!({
        "events": intake.iter().map(of_intake).collect::<Vec<_>>(),
        "journeys": phases.iter().map(of_phase).collect::<Vec<_>>(),
        "takeover": takeover.as_ref().map(of_takeover),
        "timers": timers.as_ref().map(of_timers),
        "policy": policy.as_ref().map(of_policy),
        "churn": churn.as_ref().map(of_churn),
        "idle": idle.as_ref().map(of_idle),
        "tables": of_tables(tables),
        "books": of_books(books),
        "residentBytes": {"gateway": gateway_bytes, "runner": runner_bytes},
    })
}

fn of_intake(one: &Intake) -> Value {
    let Intake {
        batch,
        senders,
        returning,
        per_second,
        cores,
    } = one;
    json!({"batch": batch, "senders": senders, "returningCustomers": returning, "acceptedPerSecond": per_second,
        "cores": of_cores(cores), "processorMicroseconds": of_each(cores, *per_second)})
}

fn of_phase(phase: &Phase) -> Value {
    let Phase {
        name,
        offered,
        per_second,
        latency,
        cores,
    } = phase;
    json!({"name": name, "offeredPerSecond": offered, "donePerSecond": per_second, "latencyMilliseconds": of_latency(latency),
        "cores": of_cores(cores), "processorMicroseconds": of_each(cores, *per_second)})
}

fn of_takeover(takeover: &Takeover) -> Value {
    let Takeover {
        rate,
        longest,
        shards,
        repeated,
    } = takeover;
    let seconds: Vec<f64> = longest.iter().map(|micros| *micros as f64 / 1e6).collect();
    json!({"journeysPerSecond": rate, "shards": shards, "longestWaitSeconds": seconds,
        "mostSeconds": seconds.iter().copied().fold(0.0, f64::max), "handedOverAgain": repeated})
}

fn of_timers(timers: &Timers) -> Value {
    let Timers {
        parked,
        parked_per_second,
        runner_before,
        runner_parked,
        due,
        lateness,
        early,
        due_cores,
        drained,
        drained_per_second,
        drained_cores,
        behind,
    } = timers;
    json!({
        "parked": parked,
        "parkedPerSecond": parked_per_second,
        "runnerResidentBytes": {"before": runner_before, "parked": runner_parked},
        "duePerSecond": due,
        "latenessMilliseconds": of_latency(lateness),
        "early": early,
        "dueCores": of_cores(due_cores),
        "drained": drained,
        "drainedPerSecond": drained_per_second,
        "drainedCores": of_cores(drained_cores),
        "drainedProcessorMicroseconds": of_each(drained_cores, *drained_per_second),
        "customersOutOfOrder": behind,
    })
}

fn of_policy(policy: &Policy) -> Value {
    let turns = policy.turns.iter();
    let turns = turns.map(|(plain, full)| json!({"onePurposePerSecond": plain, "everyRulePerSecond": full}));
    json!({"turns": turns.collect::<Vec<_>>(), "everyRuleToOnePurpose": policy.ratio()})
}

fn of_churn(churn: &Churn) -> Value {
    let slices = churn.slices.iter().map(|slice| {
        json!({"seconds": slice.length.as_secs_f64(), "donePerSecond": slice.per_second, "cores": of_cores(&slice.cores)})
    });
    json!({"slices": slices.collect::<Vec<_>>(), "lastToFirst": churn.ratio(), "tablesBefore": of_tables(&churn.before),
        "tablesAfter": of_tables(&churn.after)})
}

fn of_idle(idle: &Idle) -> Value {
    let Idle {
        runners,
        postgres,
        runner,
        resident,
        own,
        transactions_per_second,
        statements_per_second,
        seconds,
    } = idle;
    json!({"runners": runners, "seconds": seconds, "postgresCores": postgres, "runnersCores": runner, "runnerResidentBytes": resident, "runnerOwnBytes": own,
        "transactionsPerSecond": transactions_per_second, "statementsPerSecond": statements_per_second})
}

fn of_tables(tables: &[TableSize]) -> Value {
    let tables = tables.iter().map(|size| {
        let TableSize {
            table,
            rows,
            bytes,
            index_bytes,
        } = size;
        json!({"table": table, "rows": rows, "bytes": bytes, "indexBytes": index_bytes})
    });
    tables.collect::<Vec<_>>().into()
}

fn of_books(books: &Books) -> Value {
    let Books {
        accepted,
        due,
        told,
        reached,
        repeated,
        again,
        completed,
    } = books;
    json!({"accepted": accepted, "due": due, "told": told, "reached": reached, "repeated": repeated, "again": again,
        "completed": completed, "balance": books.balance()})
}

fn of_cores(cores: &Cores) -> Value {
    let Cores {
        gateway,
        runner,
        postgres,
        load,
    } = cores;
    json!({"gateway": gateway, "runner": runner, "postgres": postgres, "load": load})
}

fn of_each(cores: &Cores, per_second: f64) -> Value {
    let [gateway, runner, postgres, load] = each(cores, per_second);
    json!({"gateway": gateway, "runner": runner, "postgres": postgres, "load": load})
}

fn of_latency(latency: &Histogram<u64>) -> Value {
    let Some(at) = percentiles(latency) else {
        return Value::Null;
    };
    let at = at.into_iter().map(|(name, ms)| (name.to_owned(), ms.into()));
    at.collect::<Map<String, Value>>().into()
}
