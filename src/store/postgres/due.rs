//! When time brings a runner something to do.

use crate::{
    clock::Micros,
    store::{Admissions, Hold, Next, Result, RoundRequest, rules},
};
use deadpool_postgres::Object;

/// The first of each shard, by index; a kind that is not looked for is given no shards.
const NEXT: &str = "SELECT n.now, least( \
    (SELECT min(d.due_at) FROM unnest($3::smallint[]) s (shard) CROSS JOIN LATERAL (SELECT due_at FROM enrollment \
        WHERE namespace = $1 AND journey = $2 AND shard = s.shard AND due_at IS NOT NULL AND (active OR watch_until > n.now) \
        AND NOT revision = ANY($4) ORDER BY due_at LIMIT 1) d), \
    (SELECT min(d.look_at) FROM unnest($5::smallint[]) s (shard) CROSS JOIN LATERAL (SELECT look_at FROM sighting \
        WHERE namespace = $1 AND journey = $2 AND shard = s.shard AND look_at IS NOT NULL ORDER BY look_at LIMIT 1) d), \
    (SELECT min(d.due_at) FROM unnest($6::smallint[]) s (shard) CROSS JOIN LATERAL (SELECT due_at FROM outbox \
        WHERE namespace = $1 AND journey = $2 AND shard = s.shard AND due_at IS NOT NULL \
        AND (adapter = ANY($13) OR ($14 AND NOT adapter = ANY($15))) ORDER BY due_at LIMIT 1) d), \
    (SELECT min(d.over_at) FROM unnest($6::smallint[]) s (shard) CROSS JOIN LATERAL (SELECT over_at FROM outbox \
        WHERE namespace = $1 AND journey = $2 AND shard = s.shard AND over_at IS NOT NULL AND due_at IS NOT NULL AND due_at <= n.now \
        ORDER BY over_at LIMIT 1) d), \
    (SELECT min(d.due_at) FROM unnest($7::smallint[]) s (shard) CROSS JOIN LATERAL (SELECT due_at FROM placed \
        WHERE namespace = $1 AND journey = $2 AND shard = s.shard ORDER BY due_at LIMIT 1) d), \
    (SELECT min(CASE WHEN d.epoch < l.epoch THEN d.claimed_at ELSE d.claimed_at + $10 END) \
        FROM unnest($8::smallint[], $9::bigint[]) l (shard, epoch) CROSS JOIN LATERAL (SELECT epoch, claimed_at FROM outbox \
        WHERE namespace = $1 AND journey = $2 AND shard = l.shard AND epoch IS NOT NULL ORDER BY epoch, claimed_at LIMIT 1) d), \
    (SELECT n.now + $12 WHERE EXISTS (SELECT FROM enrollment \
        WHERE namespace = $1 AND journey = $2 AND paced AND shard = ANY($11)))) \
    FROM (SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now OFFSET 0) n";

pub(super) async fn next(client: &mut Object, hold: &Hold, request: &RoundRequest) -> Result<Next> {
    let statement = client.prepare_cached(NEXT).await?;
    let shards: Vec<i16> = hold.shards.iter().map(|lease| i16::from(lease.shard)).collect();
    let only = |asked: bool| if asked { shards.as_slice() } else { &[] };
    let claims = request.in_flight.is_empty();
    let epochs = hold.shards.iter().filter(|_| claims).map(|lease| lease.epoch);
    let epochs: Vec<i64> = epochs.collect();
    let moves = request.current.as_ref().is_none_or(|current| !current.suspended);
    let paced = matches!(request.admissions, Some(Admissions::Paced(_)));
    let lanes: Vec<&str> = request.room.lanes.keys().map(String::as_str).collect();
    let with_room = lanes.iter().copied().filter(|lane| request.room.has_any(lane));
    let with_room: Vec<&str> = with_room.collect();
    let stuck: Vec<&str> = request.stuck.iter().map(String::as_str).collect();
    let told = client
        .query_one(
            &statement,
            &[
                &hold.namespace,
                &hold.journey,
                &only(moves),
                &stuck,
                &only(moves && request.looks),
                &only(true),
                &only(true),
                &only(claims),
                &epochs,
                &rules::ORPHAN_AFTER,
                &only(moves && paced),
                &rules::AT_THE_DOOR,
                &with_room,
                &(request.room.others != Some(0)),
                &lanes,
            ],
        )
        .await?;
    Ok(Next {
        now: told.get::<_, Micros>(0),
        due: told.get(1),
    })
}
