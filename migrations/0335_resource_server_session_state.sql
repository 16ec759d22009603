-- What a session's client said of itself, which log messages it wants, and when it was used last (to ten minutes; unix
-- microseconds).
ALTER TABLE mcp_session ADD COLUMN capabilities TEXT NOT NULL DEFAULT '{}';
ALTER TABLE mcp_session ADD COLUMN log_level TEXT;
ALTER TABLE mcp_session ADD COLUMN used_at BIGINT NOT NULL DEFAULT 0;
UPDATE mcp_session SET used_at = created_at;
CREATE INDEX mcp_session_used_at ON mcp_session (used_at);
