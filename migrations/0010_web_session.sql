-- Browser sessions. The id is stored as a hash only; `data` is JSON; times are unix microseconds.
CREATE TABLE web_session (
    id_hash TEXT PRIMARY KEY,
    principal_id TEXT,
    data TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    last_seen_at BIGINT NOT NULL
);

CREATE INDEX web_session_principal ON web_session (principal_id);
CREATE INDEX web_session_last_seen ON web_session (last_seen_at);
CREATE INDEX web_session_created ON web_session (created_at);
