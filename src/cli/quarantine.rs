//! `journey quarantine list|show|replay|drop`: events that were put aside, why, and once more after the cause is mended.

use super::{Output, store_args::Place, table::table};
use crate::{
    clock::Micros,
    gateway::{Replayed, View, replay},
    keys::Keys,
    store::{Quarantined, Store},
};
use anyhow::{Context, bail};
use serde_json::{Value, json};
use std::{
    io::{self, Write},
    process::ExitCode,
};

#[derive(Debug, clap::Args)]
pub struct QuarantineArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Lists what was put aside, oldest first
    List {
        #[command(flatten)]
        which: Which,
        /// Rows at most
        #[arg(long, default_value = "100")]
        limit: usize,
        #[arg(long, short, value_enum, default_value_t)]
        output: Output,
        #[command(flatten)]
        place: Place,
    },
    /// Shows one event's reason and, with --personal, the event itself
    Show {
        id: i64,
        /// Print the event too: it may hold personal data
        #[arg(long)]
        personal: bool,
        #[arg(long, short, value_enum, default_value_t)]
        output: Output,
        #[command(flatten)]
        place: Place,
    },
    /// Offers events again by the same checks as new ones; what a journey's round put aside, the journey gets again
    Replay {
        #[arg(required_unless_present = "all", conflicts_with_all = ["all", "reason", "source"])]
        id: Option<i64>,
        /// All of them
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        place: Place,
    },
    /// Forgets events for good; they stay counted as quarantined
    Drop {
        #[arg(required_unless_present = "all", conflicts_with_all = ["all", "reason", "source"])]
        id: Option<i64>,
        /// All of them
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        place: Place,
    },
}

/// Which rows.
#[derive(Debug, Clone, Default, clap::Args)]
struct Which {
    /// Only with this reason: Malformed, NoTouchpoint, NotFrom, SchemaViolation, NoCustomer, Panicked, Unreadable, ...
    #[arg(long)]
    reason: Option<String>,
    /// Only what came by this adapter, or what a journey's round put aside: journey/NAME
    #[arg(long)]
    source: Option<String>,
}

impl Which {
    fn takes(&self, row: &Quarantined) -> bool {
        self.reason.as_ref().is_none_or(|reason| row.reason == *reason)
            && self.source.as_ref().is_none_or(|source| row.source == *source)
    }
}

/// Rows read at a time.
const PAGE: u32 = 500;

/// Exit code 1: not found, or what was replayed is in the quarantine again.
pub async fn run(args: QuarantineArgs) -> anyhow::Result<ExitCode> {
    let out = &mut io::stdout().lock();
    match args.command {
        Command::List {
            which,
            limit,
            output,
            place,
        } => {
            let (namespace, _, store) = place.open()?;
            list(store.as_ref(), &namespace, &which, limit, output, out).await
        }
        Command::Show {
            id,
            personal,
            output,
            place,
        } => {
            let (namespace, _, store) = place.open()?;
            show(store.as_ref(), &namespace, id, personal, output, out).await
        }
        Command::Replay {
            id,
            all: _,
            which,
            place,
        } => {
            let (namespace, keys, store) = place.open()?;
            replay_some(store.as_ref(), &keys, &namespace, id, &which, out).await
        }
        Command::Drop {
            id,
            all: _,
            which,
            place,
        } => {
            let (namespace, _, store) = place.open()?;
            drop_some(store.as_ref(), &namespace, id, &which, out).await
        }
    }
}

/// Oldest first, `limit` at most.
async fn rows(
    store: &dyn Store,
    namespace: &str,
    which: &Which,
    limit: usize,
) -> anyhow::Result<Vec<(i64, Quarantined)>> {
    let (mut found, mut after) = (Vec::new(), 0);
    while found.len() < limit {
        let page = store.quarantined(namespace, after, PAGE).await?;
        let Some((last, _)) = page.last() else { break };
        after = *last;
        found.extend(page.into_iter().filter(|(_, row)| which.takes(row)));
    }
    found.truncate(limit);
    Ok(found)
}

/// That one, or all of which.
async fn ids(store: &dyn Store, namespace: &str, id: Option<i64>, which: &Which) -> anyhow::Result<Vec<i64>> {
    match id {
        Some(id) => Ok(vec![id]),
        None => {
            let rows = rows(store, namespace, which, usize::MAX).await?;
            Ok(rows.into_iter().map(|(id, _)| id).collect())
        }
    }
}

async fn list(
    store: &dyn Store,
    namespace: &str,
    which: &Which,
    limit: usize,
    output: Output,
    out: &mut impl Write,
) -> anyhow::Result<ExitCode> {
    let rows = rows(store, namespace, which, limit).await?;
    match output {
        Output::Json => {
            let all: Vec<Value> = rows.iter().map(|(id, row)| as_json(*id, row)).collect();
            writeln!(out, "{}", serde_json::to_string_pretty(&all)?)?;
        }
        Output::Table if rows.is_empty() => {
            writeln!(out, "Nothing is in the quarantine of namespace {namespace}.")?;
        }
        Output::Table => {
            let cells = |(id, row): &(i64, Quarantined)| {
                vec![
                    id.to_string(),
                    second(row.at),
                    row.source.clone(),
                    row.reason.clone(),
                    row.detail.clone(),
                ]
            };
            let rows: Vec<Vec<String>> = rows.iter().map(cells).collect();
            writeln!(out, "{}", table(&["ID", "AT", "SOURCE", "REASON", "DETAIL"], &rows))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Without the event.
fn as_json(id: i64, row: &Quarantined) -> Value {
    let Quarantined {
        reason,
        detail,
        source,
        at,
        event: _,
    } = row;
    json!({"id": id, "at": second(*at), "source": source, "reason": reason, "detail": detail})
}

async fn show(
    store: &dyn Store,
    namespace: &str,
    id: i64,
    personal: bool,
    output: Output,
    out: &mut impl Write,
) -> anyhow::Result<ExitCode> {
    let found = store.quarantined(namespace, id.saturating_sub(1), 1).await?;
    let Some((_, row)) = found.into_iter().find(|(found, _)| *found == id) else {
        bail!("nothing with the id {id} is in the quarantine of namespace {namespace}");
    };
    match output {
        Output::Json => {
            let mut all = as_json(id, &row);
            if personal {
                all["event"] = row.event.expose().clone();
            }
            writeln!(out, "{}", serde_json::to_string_pretty(&all)?)?;
        }
        Output::Table => {
            let Quarantined {
                reason,
                detail,
                source,
                at,
                event,
            } = row;
            writeln!(
                out,
                "id:      {id}\nat:      {}\nsource:  {source}\nreason:  {reason}\ndetail:  {detail}",
                second(at)
            )?;
            if personal {
                writeln!(out, "event:\n{}", serde_json::to_string_pretty(event.expose())?)?;
            } else {
                writeln!(out, "event:   hidden, it may hold personal data; --personal shows it")?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn replay_some(
    store: &dyn Store,
    keys: &Keys,
    namespace: &str,
    id: Option<i64>,
    which: &Which,
    out: &mut impl Write,
) -> anyhow::Result<ExitCode> {
    let programs = store
        .programs(namespace, -1)
        .await?
        .context("the store gave no programs")?;
    if programs.settings.is_none() {
        bail!(
            "namespace {namespace} has no programs in the store: is the operator running, and are Touchpoints applied?"
        );
    }
    let view = View::of_programs(&programs).context("the namespace's programs cannot be read")?;
    let (mut accepted, mut duplicate, mut back, mut again, mut left) = (0_u64, 0_u64, 0_u64, 0_u64, 0_u64);
    // What fails again gets a new id: the ids are read before the first replay.
    for id in ids(store, namespace, id, which).await? {
        match replay(store, keys, namespace, &view, id).await? {
            Replayed::Accepted => accepted += 1,
            Replayed::Duplicate => duplicate += 1,
            Replayed::PutBack => back += 1,
            Replayed::Quarantined { reason, detail } => {
                again += 1;
                writeln!(out, "{id}: {reason} again: {detail}")?;
            }
            Replayed::Gone => {
                left += 1;
                writeln!(out, "{id}: is not in the quarantine")?;
            }
            Replayed::NoJourney => {
                left += 1;
                writeln!(out, "{id}: its journey is not there: it stays in the quarantine")?;
            }
            Replayed::Ended => {
                left += 1;
                writeln!(
                    out,
                    "{id}: is an enrollment, which has ended as Failed: it stays to be looked at, until it is dropped"
                )?;
            }
        }
    }
    writeln!(
        out,
        "{accepted} accepted, {duplicate} were accepted before, {back} given to their journey again, {again} put aside again, {left} not replayed"
    )?;
    Ok(exit(again + left == 0))
}

async fn drop_some(
    store: &dyn Store,
    namespace: &str,
    id: Option<i64>,
    which: &Which,
    out: &mut impl Write,
) -> anyhow::Result<ExitCode> {
    let (mut dropped, mut gone) = (0_u64, 0_u64);
    for id in ids(store, namespace, id, which).await? {
        match store.discard(namespace, id).await? {
            Some(_) => dropped += 1,
            None => {
                gone += 1;
                writeln!(out, "{id}: is not in the quarantine")?;
            }
        }
    }
    writeln!(out, "{dropped} dropped, {gone} not found")?;
    Ok(exit(gone == 0))
}

fn exit(good: bool) -> ExitCode {
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

pub(super) fn second(at: Micros) -> String {
    jiff::Timestamp::from_second(at.div_euclid(crate::clock::SECOND))
        .map(|at| at.to_string())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{clock::SystemClock, compile::Manifests, kpi::IntakeCount, store::memory::Memory};
    use serde_json::json;
    use std::sync::Arc;

    const NAMESPACE: &str = "shop";
    const TOUCHPOINT: &str = r#"
apiVersion: journey.dev/v1alpha1
kind: CustomerProfile
metadata: {name: shop}
spec: {attributes: {orders: {type: integer, default: 0}}}
---
apiVersion: journey.dev/v1alpha1
kind: Touchpoint
metadata: {name: order-placed}
spec:
  channel: Web
  inbound:
    event: order.placed
    customer: event.userId
    schema: {type: object, required: [userId], properties: {userId: {type: string}}}
    attributes: {orders: "${customer.orders + 1}"}
"#;

    /// Two events that came before their touchpoint was there; one of them breaks its schema.
    async fn store() -> Memory {
        let store = Memory::new(Arc::new(SystemClock));
        let rows: Vec<_> = [json!("secret-customer"), json!(7)]
            .into_iter()
            .enumerate()
            .map(|(n, customer)| Quarantined {
                reason: "NoTouchpoint".into(),
                detail: "no inbound Touchpoint has this event".into(),
                source: "web".into(),
                at: 1_795_507_200_000_000,
                event: json!({"specversion": "1.0", "id": n.to_string(), "source": "/s", "type": "order.placed", "data": {"userId": customer}}).into(),
            })
            .collect();
        store.quarantine(NAMESPACE, &rows).await.unwrap();
        store
    }

    async fn mend(store: &Memory) {
        let mut manifests = Manifests {
            namespace: NAMESPACE.into(),
            ..Manifests::default()
        };
        manifests.read(TOUCHPOINT, "shop.yaml").unwrap();
        store
            .put_settings(NAMESPACE, &serde_json::to_value(manifests).unwrap())
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn listing_and_showing_hide_the_event_until_it_is_asked_for() {
        let store = store().await;
        let mut out = vec![];
        let with = |reason: &str| Which {
            reason: Some(reason.into()),
            source: None,
        };
        list(&store, NAMESPACE, &with("NoTouchpoint"), 10, Output::Table, &mut out)
            .await
            .unwrap();
        let (id, _) = store.quarantined(NAMESPACE, 0, 1).await.unwrap()[0].clone();
        show(&store, NAMESPACE, id, false, Output::Table, &mut out)
            .await
            .unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(
            text.contains("2026-11-24T08:00:00Z") && text.contains("web") && text.contains("no inbound Touchpoint"),
            "{text}"
        );
        assert!(!text.contains("secret-customer"));

        let mut out = vec![];
        show(&store, NAMESPACE, id, true, Output::Table, &mut out)
            .await
            .unwrap();
        assert!(String::from_utf8(out).unwrap().contains("secret-customer"));
        assert!(
            show(&store, NAMESPACE, 999, true, Output::Json, &mut vec![])
                .await
                .is_err()
        );
        let mut out = vec![];
        list(&store, NAMESPACE, &with("NotFrom"), 10, Output::Table, &mut out)
            .await
            .unwrap();
        assert!(String::from_utf8(out).unwrap().starts_with("Nothing"));

        let mut out = vec![];
        let all = Which::default();
        list(&store, NAMESPACE, &all, 10, Output::Json, &mut out).await.unwrap();
        let listed: Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(
            (listed.as_array().unwrap().len(), &listed[0]["reason"]),
            (2, &json!("NoTouchpoint"))
        );
        assert!(!listed.to_string().contains("secret-customer"));
    }

    #[tokio::test]
    async fn what_is_dropped_is_gone_and_stays_counted() {
        let store = store().await;
        let mut out = vec![];
        let none = Which {
            source: Some("app".into()),
            ..Which::default()
        };
        drop_some(&store, NAMESPACE, None, &none, &mut out).await.unwrap();
        assert_eq!(store.quarantined(NAMESPACE, 0, 10).await.unwrap().len(), 2);
        drop_some(&store, NAMESPACE, None, &Which::default(), &mut out)
            .await
            .unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(
            text.contains("0 dropped") && text.contains("2 dropped, 0 not found"),
            "{text}"
        );
        assert!(store.quarantined(NAMESPACE, 0, 10).await.unwrap().is_empty());
        let counts = store.intake_counts(NAMESPACE).await.unwrap();
        assert_eq!(counts.total("quarantined:NoTouchpoint"), 2);
    }

    #[tokio::test]
    async fn after_the_cause_is_mended_a_replay_takes_what_is_good_and_puts_the_rest_aside_again() {
        let (store, keys) = (store().await, Keys::ephemeral());
        assert!(
            replay_some(&store, &keys, NAMESPACE, None, &Which::default(), &mut vec![])
                .await
                .is_err(),
            "there are no programs yet"
        );
        mend(&store).await;
        let mut out = vec![];
        let code = replay_some(&store, &keys, NAMESPACE, None, &Which::default(), &mut out)
            .await
            .unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(
            text.contains("1 accepted") && text.contains("1 put aside again") && text.contains("SchemaViolation again"),
            "{text}"
        );
        assert_eq!(code, ExitCode::FAILURE);

        let counts = store.intake_counts(NAMESPACE).await.unwrap();
        assert_eq!(counts.total(&IntakeCount::Accepted.name()), 1);
        assert_eq!(counts.total("quarantined:NoTouchpoint"), 0);
        assert_eq!(counts.total("quarantined:SchemaViolation"), 1);
        let left = store.quarantined(NAMESPACE, 0, 10).await.unwrap();
        assert_eq!((left.len(), left[0].1.reason.as_str()), (1, "SchemaViolation"));

        let gone = replay_some(&store, &keys, NAMESPACE, Some(1), &Which::default(), &mut vec![])
            .await
            .unwrap();
        assert_eq!(gone, ExitCode::FAILURE);
    }
}
