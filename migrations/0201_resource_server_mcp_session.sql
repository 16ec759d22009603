-- An MCP session (revisions up to 2025-11-25), known by the hash of its id. `created_at` is unix microseconds.
CREATE TABLE mcp_session (
    id_hash TEXT PRIMARY KEY,
    principal_id TEXT NOT NULL,
    client_id TEXT NOT NULL,
    resource TEXT NOT NULL,
    protocol_version TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE INDEX mcp_session_created_at ON mcp_session (created_at);
CREATE INDEX mcp_session_holder ON mcp_session (principal_id, client_id);
