-- Messages that failed are kept as they were asked for, sealed, so that they can be tried again by hand; and are found by when they failed.
ALTER TABLE message ADD COLUMN sealed bytea;
CREATE INDEX message_failed ON message (namespace, journey, at, key) WHERE outcome = 'Failed';
