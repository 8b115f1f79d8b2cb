-- By which policies runners and gateways run: the hash that each of them computed. A gateway is registered under the empty journey. Who is of the
-- version before says nothing.
ALTER TABLE member ADD COLUMN policy text;

-- That retention ran: when it last ran through in a namespace, and how many rows of each kind it has removed there so far.
CREATE TABLE forgotten (
    namespace text   NOT NULL,
    kind      text   NOT NULL,
    last_run  bigint NOT NULL,
    removed   bigint NOT NULL,
    PRIMARY KEY (namespace, kind)
);
