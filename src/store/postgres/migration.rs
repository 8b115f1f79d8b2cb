//! The schema, embedded: applied in order, once, under a lock, by the role that owns it. Expand, then contract: the version before runs on
//! the schema of the next.

use crate::store::{Result, StoreError};
use deadpool_postgres::Object;

struct Migration {
    version: i32,
    name: &'static str,
    sql: &'static str,
}

const MIGRATIONS: &[Migration] = &[
    Migration {
        version: 1,
        name: "start",
        sql: include_str!("../migrations/0001_start.sql"),
    },
    Migration {
        version: 2,
        name: "pace",
        sql: include_str!("../migrations/0002_pace.sql"),
    },
    Migration {
        version: 3,
        name: "look",
        sql: include_str!("../migrations/0003_look.sql"),
    },
    Migration {
        version: 4,
        name: "news",
        sql: include_str!("../migrations/0004_news.sql"),
    },
    Migration {
        version: 5,
        name: "schedule",
        sql: include_str!("../migrations/0005_schedule.sql"),
    },
    Migration {
        version: 6,
        name: "alias",
        sql: include_str!("../migrations/0006_alias.sql"),
    },
    Migration {
        version: 7,
        name: "placed",
        sql: include_str!("../migrations/0007_placed.sql"),
    },
    Migration {
        version: 8,
        name: "failed",
        sql: include_str!("../migrations/0008_failed.sql"),
    },
    Migration {
        version: 9,
        name: "day",
        sql: include_str!("../migrations/0009_day.sql"),
    },
    Migration {
        version: 10,
        name: "lane",
        sql: include_str!("../migrations/0010_lane.sql"),
    },
    Migration {
        version: 11,
        name: "member",
        sql: include_str!("../migrations/0011_member.sql"),
    },
    Migration {
        version: 12,
        name: "order",
        sql: include_str!("../migrations/0012_order.sql"),
    },
    Migration {
        version: 13,
        name: "consent",
        sql: include_str!("../migrations/0013_consent.sql"),
    },
    Migration {
        version: 14,
        name: "ack",
        sql: include_str!("../migrations/0014_ack.sql"),
    },
];

/// The role of gateways and runners: it reads and writes rows, and cannot change the schema.
const DATA_ROLE: &str = "journey_data";

const GRANTS: &str = "GRANT USAGE ON SCHEMA journey TO journey_data;
    GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA journey TO journey_data;
    REVOKE INSERT, UPDATE, DELETE ON journey.migration FROM journey_data;
    GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA journey TO journey_data";

/// Any number, the same in every version: who holds it migrates.
const LOCK: i64 = 0x006a_6f75_726e_6579;

pub(super) async fn migrate(client: &mut Object) -> Result<()> {
    let tx = client.transaction().await?;
    tx.batch_execute(super::connection::UNHURRIED).await?;
    tx.execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK]).await?;
    if tx
        .query_opt("SELECT FROM pg_namespace WHERE nspname = 'journey'", &[])
        .await?
        .is_none()
    {
        tx.batch_execute("CREATE SCHEMA journey").await?;
    }
    tx.batch_execute(
        "CREATE TABLE IF NOT EXISTS journey.migration \
         (version integer PRIMARY KEY, name text NOT NULL, checksum text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())",
    )
    .await?;
    for migration in MIGRATIONS {
        let checksum = checksum(migration.sql);
        let known = tx
            .query_opt(
                "SELECT checksum FROM journey.migration WHERE version = $1",
                &[&migration.version],
            )
            .await?;
        match known.map(|row| row.get::<_, String>(0)) {
            Some(known) if known == checksum => {}
            Some(_) => {
                let what = format!(
                    "schema version {} ({}) is not the one that this version made",
                    migration.version, migration.name
                );
                return Err(StoreError::Unreadable(what.into()));
            }
            None => {
                tx.batch_execute(migration.sql).await?;
                let values: [&(dyn tokio_postgres::types::ToSql + Sync); 3] =
                    [&migration.version, &migration.name, &checksum];
                tx.execute(
                    "INSERT INTO journey.migration (version, name, checksum) VALUES ($1, $2, $3)",
                    &values,
                )
                .await?;
                tracing::info!(version = migration.version, name = migration.name, "schema migrated");
            }
        }
    }
    if tx
        .query_opt("SELECT FROM pg_roles WHERE rolname = $1", &[&DATA_ROLE])
        .await?
        .is_some()
    {
        tx.batch_execute(GRANTS).await?;
    }
    tx.commit().await?;
    Ok(())
}

fn checksum(sql: &str) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, sql.as_bytes());
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}
