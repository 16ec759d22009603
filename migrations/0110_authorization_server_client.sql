-- OAuth clients. `metadata` is JSON (RFC 7591 section 2), `resources` a JSON array, empty for all. A client that was
-- ever consented to is never swept; a removed one stays as a name for the paper trail.
CREATE TABLE oauth_client (
    id TEXT PRIMARY KEY,
    origin TEXT NOT NULL CHECK (origin IN ('admin', 'dynamic')),
    metadata TEXT NOT NULL,
    secret_hash TEXT,
    resources TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    consented_at BIGINT,
    removed_at BIGINT
);

CREATE INDEX oauth_client_unconsented ON oauth_client (created_at) WHERE consented_at IS NULL;
