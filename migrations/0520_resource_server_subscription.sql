-- A resource of which the client of a session wants to know when it changes, by the name that the client knows, which leads
-- to this connection; as long as both are there. A name may be longer than an index takes, so its hash stands for it.
-- `created_at` is unix microseconds.
CREATE TABLE mcp_subscription (
    session_hash TEXT NOT NULL REFERENCES mcp_session (id_hash) ON DELETE CASCADE,
    uri_hash TEXT NOT NULL,
    uri TEXT NOT NULL,
    connection_id TEXT NOT NULL REFERENCES connection (id) ON DELETE CASCADE,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (session_hash, uri_hash)
);

CREATE INDEX mcp_subscription_connection ON mcp_subscription (connection_id);
