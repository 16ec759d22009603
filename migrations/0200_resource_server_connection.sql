-- A principal's connection to one upstream server, under the principal's own name for it. Times are unix microseconds.
CREATE TABLE connection (
    id TEXT PRIMARY KEY,
    principal_id TEXT NOT NULL,
    alias TEXT NOT NULL,
    server TEXT NOT NULL,
    label TEXT NOT NULL,
    status TEXT NOT NULL,
    status_reason TEXT,
    since BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    UNIQUE (principal_id, alias)
);
