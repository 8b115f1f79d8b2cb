-- Conditions: signals without an event.

-- What a journey's triggers last saw of a customer: names of the conditions that held, and when time may change one. Who has no row was
-- never seen, or seen with nothing to remember.
CREATE TABLE sighting (
    namespace text     NOT NULL,
    journey   text     NOT NULL,
    customer  bytea    NOT NULL,
    shard     smallint NOT NULL,
    look_at   bigint,
    held      text[]   NOT NULL,
    PRIMARY KEY (namespace, journey, customer)
) WITH (fillfactor = 80);
CREATE INDEX sighting_due ON sighting (namespace, journey, shard, look_at) WHERE look_at IS NOT NULL;

-- How far a visit of every customer has come, a shard at a time in the order of keys. Another version of a sweep begins anew.
CREATE TABLE sweep (
    namespace text     NOT NULL,
    journey   text     NOT NULL,
    sweep     text     NOT NULL,
    shard     smallint NOT NULL,
    version   text     NOT NULL,
    after     bytea    NOT NULL,
    done      boolean  NOT NULL,
    PRIMARY KEY (namespace, journey, sweep, shard)
) WITH (fillfactor = 80);

-- Who is to look at a customer whose attributes changed.
CREATE INDEX program_listens ON program USING gin (listens);
