-- A lease lasts as long as its owner's registration, so that a heartbeat writes one row, and leases are written when shards change hands only.
ALTER TABLE lease DROP COLUMN until;
