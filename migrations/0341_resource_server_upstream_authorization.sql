-- What a browser was sent away with to an upstream's authorization server: one for each connection at most, redeemed by
-- being deleted. `browser` is the hash of the mark of the browser that began it; `verifier` is sealed. Times are unix
-- microseconds.
CREATE TABLE upstream_authorization (
    state_hash TEXT PRIMARY KEY,
    connection_id TEXT NOT NULL UNIQUE REFERENCES connection (id) ON DELETE CASCADE,
    principal_id TEXT NOT NULL,
    browser TEXT NOT NULL,
    issuer TEXT NOT NULL,
    digest TEXT NOT NULL,
    promises_iss BOOLEAN NOT NULL,
    token_endpoint TEXT NOT NULL,
    client_id TEXT NOT NULL,
    redirect_uri TEXT NOT NULL,
    verifier TEXT NOT NULL,
    resource TEXT NOT NULL,
    scopes TEXT NOT NULL,
    expires_at BIGINT NOT NULL
);
