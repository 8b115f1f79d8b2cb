-- Names of a customer besides the one that their rows are kept by: identifiers that were joined. One step leads to the customer, always.
CREATE TABLE alias (
    namespace text  NOT NULL,
    alias     bytea NOT NULL,
    customer  bytea NOT NULL,
    PRIMARY KEY (namespace, alias)
);
CREATE INDEX alias_customer ON alias (namespace, customer);
