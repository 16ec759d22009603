-- What the tools of each connection were when they were accepted, and what its server lists now. A tool without
-- `accepted_hash` was never accepted; one without `accepted_by` was taken as the server's rule for new tools says; one
-- without `seen_hash` is no longer listed. The definitions are JSON, and absent where they are too long to be kept. Times
-- are unix microseconds.
CREATE TABLE tool_pin (
    connection_id TEXT NOT NULL REFERENCES connection (id) ON DELETE CASCADE,
    tool TEXT NOT NULL,
    accepted_hash TEXT,
    accepted TEXT,
    accepted_by TEXT,
    accepted_at BIGINT,
    seen_hash TEXT,
    seen TEXT,
    seen_at BIGINT NOT NULL,
    PRIMARY KEY (connection_id, tool)
);
