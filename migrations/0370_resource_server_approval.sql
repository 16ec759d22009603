-- A call that waits for a person, or waited. Times are unix microseconds. `digest` is a hash of everything that the approval
-- is for; `arguments` and `result` are sealed. Whoever may hold several rows of one kind at once is counted under the lock of
-- their row in `approval_holder`.
CREATE TABLE approval (
    id TEXT PRIMARY KEY,
    digest TEXT NOT NULL,
    principal_id TEXT NOT NULL,
    client_id TEXT NOT NULL,
    grant_id TEXT NOT NULL,
    connection_id TEXT NOT NULL,
    alias TEXT NOT NULL,
    server TEXT NOT NULL,
    account TEXT NOT NULL,
    tool TEXT NOT NULL,
    risk TEXT NOT NULL,
    rule TEXT NOT NULL,
    reason TEXT NOT NULL,
    level BIGINT NOT NULL,
    arguments TEXT NOT NULL,
    session_hash TEXT,
    state TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    shown_at BIGINT,
    decided_at BIGINT,
    decided_by TEXT,
    decided_how TEXT,
    decided_level BIGINT,
    consumed_at BIGINT,
    node TEXT,
    round BIGINT NOT NULL,
    ended_at BIGINT,
    result TEXT
);

-- The same call asks once.
CREATE UNIQUE INDEX approval_live ON approval (digest) WHERE state IN ('pending', 'approved');
CREATE INDEX approval_digest ON approval (digest, created_at);
CREATE INDEX approval_principal ON approval (principal_id, created_at);
CREATE INDEX approval_state ON approval (state, created_at);

CREATE TABLE approval_holder (
    principal_id TEXT PRIMARY KEY
);
