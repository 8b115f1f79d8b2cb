-- The first schema. Instants are microseconds since 1970 (UTC), customers are pseudonyms of 16 bytes, columns named `sealed` hold personal
-- data encrypted with the namespace's key. Every key is led by the namespace.

-- Versions of programs are never used twice, even by a namespace that is removed and made again.
CREATE SEQUENCE program_version;
-- Taken only while the customer's row is locked, so that the order of one customer's rows is the order of their acceptance.
CREATE SEQUENCE inbox_seq;
CREATE SEQUENCE quarantine_id;

CREATE TABLE namespace (
    namespace text PRIMARY KEY,
    version   bigint NOT NULL,
    settings  text
);

CREATE TABLE journey (
    namespace text    NOT NULL,
    journey   text    NOT NULL,
    current   text    NOT NULL,
    previous  text,
    stopped   boolean NOT NULL DEFAULT false,
    PRIMARY KEY (namespace, journey)
);

CREATE TABLE program (
    namespace text    NOT NULL,
    journey   text    NOT NULL,
    revision  text    NOT NULL,
    suspended boolean NOT NULL,
    listens   text[]  NOT NULL,
    body      text    NOT NULL,
    PRIMARY KEY (namespace, journey, revision)
);

-- Whoever changes anything of a customer holds the lock of this row.
CREATE TABLE customer (
    namespace text  NOT NULL,
    customer  bytea NOT NULL,
    sealed    bytea NOT NULL,
    PRIMARY KEY (namespace, customer)
) WITH (fillfactor = 80);

CREATE TABLE consent (
    namespace text    NOT NULL,
    customer  bytea   NOT NULL,
    purpose   text    NOT NULL,
    granted   boolean NOT NULL,
    at        bigint  NOT NULL,
    -- Where an imported consent comes from.
    sealed    bytea,
    PRIMARY KEY (namespace, customer, purpose)
) WITH (fillfactor = 90);

CREATE TABLE contact (
    namespace text   NOT NULL,
    customer  bytea  NOT NULL,
    message   bytea  NOT NULL,
    purpose   text   NOT NULL,
    channel   text   NOT NULL,
    at        bigint NOT NULL,
    PRIMARY KEY (namespace, customer, message)
);

-- Also what duplicates are found by; the day is that of the event's own time.
CREATE TABLE event (
    namespace   text    NOT NULL,
    day         integer NOT NULL,
    key         bytea   NOT NULL,
    customer    bytea   NOT NULL,
    name        text    NOT NULL,
    at          bigint  NOT NULL,
    accepted_at bigint  NOT NULL,
    sealed      bytea   NOT NULL,
    PRIMARY KEY (namespace, day, key)
);

CREATE TABLE quarantine (
    namespace text    NOT NULL,
    id        bigint  NOT NULL,
    reason    text    NOT NULL,
    detail    text    NOT NULL,
    source    text    NOT NULL,
    at        bigint  NOT NULL,
    -- Whether intake counts know it as quarantined; what a runner put aside they know as accepted.
    counted   boolean NOT NULL,
    sealed    bytea   NOT NULL,
    PRIMARY KEY (namespace, id)
);

CREATE TABLE import (
    namespace text   NOT NULL,
    file      text   NOT NULL,
    rows      bigint NOT NULL,
    PRIMARY KEY (namespace, file)
);

CREATE TABLE inbox (
    namespace text     NOT NULL,
    journey   text     NOT NULL,
    seq       bigint   NOT NULL,
    shard     smallint NOT NULL,
    customer  bytea    NOT NULL,
    sealed    bytea    NOT NULL,
    PRIMARY KEY (namespace, journey, seq)
);
CREATE INDEX inbox_customer ON inbox (namespace, journey, customer, seq);

-- A waiting enrollment is its own timer.
CREATE TABLE enrollment (
    namespace   text     NOT NULL,
    journey     text     NOT NULL,
    customer    bytea    NOT NULL,
    ordinal     bigint   NOT NULL,
    shard       smallint NOT NULL,
    revision    text     NOT NULL,
    active      boolean  NOT NULL,
    due_at      bigint,
    watch_until bigint   NOT NULL,
    sealed      bytea    NOT NULL,
    PRIMARY KEY (namespace, journey, customer, ordinal)
) WITH (fillfactor = 80);
CREATE INDEX enrollment_due ON enrollment (namespace, journey, shard, due_at) WHERE due_at IS NOT NULL;
CREATE INDEX enrollment_active ON enrollment (namespace, journey, revision) WHERE active;
CREATE INDEX enrollment_watched ON enrollment (namespace, journey, revision, watch_until) WHERE NOT active;

-- Held messages have due_at, claimed ones epoch and claimed_at.
CREATE TABLE outbox (
    namespace  text     NOT NULL,
    journey    text     NOT NULL,
    customer   bytea    NOT NULL,
    key        bytea    NOT NULL,
    shard      smallint NOT NULL,
    due_at     bigint,
    epoch      bigint,
    claimed_at bigint,
    sealed     bytea    NOT NULL,
    PRIMARY KEY (namespace, journey, customer, key),
    CHECK ((due_at IS NULL) = (epoch IS NOT NULL) AND (epoch IS NULL) = (claimed_at IS NULL))
) WITH (fillfactor = 80);
CREATE INDEX outbox_due ON outbox (namespace, journey, shard, due_at) WHERE due_at IS NOT NULL;
CREATE INDEX outbox_claimed ON outbox (namespace, journey, shard, epoch, claimed_at) WHERE epoch IS NOT NULL;

CREATE TABLE message (
    namespace  text    NOT NULL,
    key        bytea   NOT NULL,
    journey    text    NOT NULL,
    customer   bytea   NOT NULL,
    enrollment bigint  NOT NULL,
    step       text    NOT NULL,
    occurrence bigint  NOT NULL,
    touchpoint text    NOT NULL,
    purpose    text    NOT NULL,
    channel    text    NOT NULL,
    at         bigint  NOT NULL,
    -- Sent, Skipped or Failed; null while it is not known.
    outcome    text,
    reason     text,
    PRIMARY KEY (namespace, key)
);

CREATE TABLE lease (
    namespace text     NOT NULL,
    journey   text     NOT NULL,
    shard     smallint NOT NULL,
    epoch     bigint   NOT NULL DEFAULT 0,
    owner     uuid,
    until     bigint   NOT NULL DEFAULT 0,
    PRIMARY KEY (namespace, journey, shard)
) WITH (fillfactor = 50);

CREATE TABLE member (
    namespace text   NOT NULL,
    journey   text   NOT NULL,
    owner     uuid   NOT NULL,
    until     bigint NOT NULL,
    PRIMARY KEY (namespace, journey, owner)
) WITH (fillfactor = 50);

-- Counts by hour; the empty journey is the gateway. Several parts, so that writers do not wait for each other; readers add them up.
CREATE TABLE kpi (
    namespace text     NOT NULL,
    journey   text     NOT NULL,
    part      smallint NOT NULL,
    name      text     NOT NULL,
    bucket    bigint   NOT NULL,
    n         bigint   NOT NULL,
    PRIMARY KEY (namespace, journey, part, name, bucket)
) WITH (fillfactor = 50);
