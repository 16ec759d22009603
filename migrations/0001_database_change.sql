-- Facts that caches must forget; polled by every process. `at` is unix microseconds.
CREATE TABLE change (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    at BIGINT NOT NULL
);

CREATE INDEX change_at ON change (at);
