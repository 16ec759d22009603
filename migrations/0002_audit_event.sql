-- What happened, who did it through which client, and why it was refused. `at` is unix microseconds; `detail` is JSON.
CREATE TABLE audit_event (
    id TEXT PRIMARY KEY,
    at BIGINT NOT NULL,
    action TEXT NOT NULL,
    outcome TEXT NOT NULL,
    reason TEXT,
    principal_id TEXT,
    client_id TEXT,
    connection_id TEXT,
    tool TEXT,
    trace_id TEXT,
    detail TEXT
);

CREATE INDEX audit_event_at ON audit_event (at);
CREATE INDEX audit_event_trace ON audit_event (trace_id);
