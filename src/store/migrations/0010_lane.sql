-- Held messages are found by the lane that they wait for, each lane's in the order in which they are due; and those that are over (their time to
-- live has ended, or they were dropped by hand) whatever their lane. Of those that were here before nobody knows the lane until they are looked at.
ALTER TABLE outbox ADD COLUMN adapter text NOT NULL DEFAULT '', ADD COLUMN over_at bigint;
CREATE INDEX outbox_lane ON outbox (namespace, journey, shard, adapter, due_at) WHERE due_at IS NOT NULL;
CREATE INDEX outbox_over ON outbox (namespace, journey, shard, over_at) WHERE over_at IS NOT NULL AND due_at IS NOT NULL;
