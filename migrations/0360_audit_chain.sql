-- The chain that ties each node's events together, and more of what an event can say. A row without a `sequence` was committed
-- within a transaction and waits for its place. `hash` covers the place, what happened and `payload_hash`; `payload_hash` covers
-- everything else behind `salt`, which goes with a person's data. `duration_us` is microseconds.
ALTER TABLE audit_event ADD COLUMN node TEXT;
ALTER TABLE audit_event ADD COLUMN sequence BIGINT;
ALTER TABLE audit_event ADD COLUMN hash TEXT;
ALTER TABLE audit_event ADD COLUMN payload_hash TEXT;
ALTER TABLE audit_event ADD COLUMN salt TEXT;
ALTER TABLE audit_event ADD COLUMN erased_by TEXT;
ALTER TABLE audit_event ADD COLUMN email TEXT;
ALTER TABLE audit_event ADD COLUMN server_kind TEXT;
ALTER TABLE audit_event ADD COLUMN session TEXT;
ALTER TABLE audit_event ADD COLUMN client_address TEXT;
ALTER TABLE audit_event ADD COLUMN user_agent TEXT;
ALTER TABLE audit_event ADD COLUMN result_kind TEXT;
ALTER TABLE audit_event ADD COLUMN policy_version TEXT;
ALTER TABLE audit_event ADD COLUMN duration_us BIGINT;

-- Of two that would continue a chain at the same place, one is refused.
CREATE UNIQUE INDEX audit_event_chain ON audit_event (node, sequence) WHERE sequence IS NOT NULL;
CREATE INDEX audit_event_waiting ON audit_event (at) WHERE sequence IS NULL;

-- Where the rest of a chain begins after its oldest records were deleted: the last record that was. `at` is unix microseconds.
CREATE TABLE audit_base (
    node TEXT PRIMARY KEY,
    sequence BIGINT NOT NULL,
    hash TEXT NOT NULL,
    at BIGINT NOT NULL,
    signature TEXT NOT NULL
);
