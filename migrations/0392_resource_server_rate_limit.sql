-- Limits that an admin set for one user, client, server or connection, a minute; null where it sets none. Times are unix
-- microseconds.
CREATE TABLE rate_limit (
    subject_kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    calls BIGINT,
    calls_of_a_tool BIGINT,
    author TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (subject_kind, subject)
);
