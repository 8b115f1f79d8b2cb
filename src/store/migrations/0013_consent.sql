-- What a consent is besides yes or no: Withdrawn, Denied, Pending or Granted (null: written before this), for which address it was confirmed (empty:
-- for any), and when a no is over. `granted` goes on saying whether it is a yes, for what writes by the schema before.
ALTER TABLE consent ADD COLUMN state text, ADD COLUMN confirmed bytea, ADD COLUMN until bigint;

-- Addresses that get nothing, by keyed hash: they outlive their customers. Found by a round for the addresses that it may send to.
CREATE TABLE suppression (
    namespace text   NOT NULL,
    address   bytea  NOT NULL,
    why       text   NOT NULL,
    -- Where it comes from, without personal data.
    source    text   NOT NULL,
    at        bigint NOT NULL,
    PRIMARY KEY (namespace, address)
);

-- Where a message went, so that what its provider says of it reaches the address.
ALTER TABLE message ADD COLUMN address bytea;
