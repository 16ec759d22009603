-- What a decision of the policy stood on, so that another policy can decide it again: sealed by whoever assembles the server,
-- in the event of that decision, and part of what its payload hash covers.
ALTER TABLE audit_event ADD COLUMN request TEXT;

-- Who asked, as far as policies saw them, once for all their calls: sealed too. `id` is the hash of what is sealed; `used_at` is
-- unix microseconds, a day behind at most.
CREATE TABLE audit_snapshot (
    id TEXT PRIMARY KEY,
    principal_id TEXT NOT NULL,
    sealed TEXT NOT NULL,
    used_at BIGINT NOT NULL
);

CREATE INDEX audit_snapshot_principal ON audit_snapshot (principal_id);
CREATE INDEX audit_snapshot_used ON audit_snapshot (used_at);
