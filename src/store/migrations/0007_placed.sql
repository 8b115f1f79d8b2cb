-- Messages that stay: cards and banners in a slot, memberships that a webhook keeps; until their time, their journey's end or consent's end.
CREATE TABLE placed (
    namespace text     NOT NULL,
    customer  bytea    NOT NULL,
    key       bytea    NOT NULL,
    journey   text     NOT NULL,
    shard     smallint NOT NULL,
    slot      text,
    -- When it is to be looked at: its time is over, or consent may be.
    due_at    bigint   NOT NULL,
    dismissed boolean  NOT NULL DEFAULT false,
    sealed    bytea    NOT NULL,
    PRIMARY KEY (namespace, customer, key)
) WITH (fillfactor = 90);
CREATE INDEX placed_due ON placed (namespace, journey, shard, due_at);
