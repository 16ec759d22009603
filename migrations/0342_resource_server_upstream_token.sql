-- What is known of a connection's tokens, which are credentials. `revision` counts them; `scopes_wanted` is what the
-- upstream asked for since, beyond what was granted. `expires_at` is null where the issuer did not say. Times are unix
-- microseconds.
CREATE TABLE upstream_token (
    connection_id TEXT PRIMARY KEY REFERENCES connection (id) ON DELETE CASCADE,
    issuer TEXT NOT NULL,
    client_id TEXT NOT NULL,
    token_endpoint TEXT NOT NULL,
    resource TEXT NOT NULL,
    scopes_requested TEXT NOT NULL,
    scopes_granted TEXT NOT NULL,
    scopes_wanted TEXT NOT NULL,
    revision BIGINT NOT NULL,
    obtained_at BIGINT NOT NULL,
    expires_at BIGINT,
    refreshable BOOLEAN NOT NULL,
    failures BIGINT NOT NULL,
    retry_at BIGINT
);

CREATE INDEX upstream_token_retry ON upstream_token (retry_at);

-- Who is refreshing a connection's tokens just now, on whichever node: a refresh token that rotates is good for one of them.
CREATE TABLE upstream_refresh_lease (
    connection_id TEXT PRIMARY KEY REFERENCES connection (id) ON DELETE CASCADE,
    holder TEXT NOT NULL,
    until BIGINT NOT NULL
);
