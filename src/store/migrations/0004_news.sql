-- News: what happened to no customer in particular. A row for each journey that listens, until it has come to everybody; how far it has
-- come is in sweep, under `news/SEQ`. In event its customer is empty.
CREATE TABLE news (
    namespace text   NOT NULL,
    journey   text   NOT NULL,
    seq       bigint NOT NULL,
    sealed    bytea  NOT NULL,
    PRIMARY KEY (namespace, journey, seq)
);
