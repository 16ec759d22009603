-- A name that a connection gave up, by being deleted or renamed. What was granted for the name ends before the name can
-- be used again: `settled_at` tells that it did. Times are unix microseconds.
CREATE TABLE alias_tombstone (
    principal_id TEXT NOT NULL,
    alias TEXT NOT NULL,
    connection_id TEXT NOT NULL,
    deleted BOOLEAN NOT NULL,
    ended_at BIGINT NOT NULL,
    settled_at BIGINT,
    PRIMARY KEY (principal_id, alias)
);

CREATE INDEX alias_tombstone_ended ON alias_tombstone (ended_at);
