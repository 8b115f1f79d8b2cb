-- Who waits at the door of a journey with a pace, and how many came in of late.

ALTER TABLE enrollment ADD COLUMN paced boolean NOT NULL DEFAULT false;
CREATE INDEX enrollment_paced ON enrollment (namespace, journey, ordinal) WHERE paced;

-- Admissions, counted together by stretches of the period; at is the end of the stretch.
CREATE TABLE pace (
    namespace text   NOT NULL,
    journey   text   NOT NULL,
    at        bigint NOT NULL,
    n         bigint NOT NULL,
    PRIMARY KEY (namespace, journey, at)
);
