-- What happens by the clock: up to when each schedule of a namespace was seen to. Another rule begins anew.
CREATE TABLE schedule (
    namespace  text   NOT NULL,
    touchpoint text   NOT NULL,
    rule       text   NOT NULL,
    since      bigint NOT NULL,
    PRIMARY KEY (namespace, touchpoint)
);
