-- The event log by day, so that a day that is over is dropped whole. What is there stays where it is, as everything up to today; days that nobody
-- has made a partition for (events that were old when they came, an operator that is away) go to event_other.
ALTER TABLE event RENAME TO event_before;
ALTER TABLE event_before RENAME CONSTRAINT event_pkey TO event_before_pkey;
CREATE TABLE event (LIKE event_before, PRIMARY KEY (namespace, day, key)) PARTITION BY RANGE (day);
DO $$ BEGIN
    EXECUTE format('ALTER TABLE event ATTACH PARTITION event_before FOR VALUES FROM (MINVALUE) TO (%s)',
        floor(extract(epoch FROM clock_timestamp()) / 86400)::integer + 1);
END $$;
CREATE TABLE event_other PARTITION OF event DEFAULT;

-- What is old is found without reading all of a table: rows lie about in the order of their times.
CREATE INDEX event_other_accepted ON event_other USING brin (accepted_at);
CREATE INDEX message_at ON message USING brin (at);
CREATE INDEX contact_at ON contact USING brin (at);
