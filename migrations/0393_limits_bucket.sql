-- Buckets that several nodes share: when each would be empty again if nothing more came (unix microseconds), and whether the
-- last request of it was allowed.
CREATE TABLE rate_bucket (
    key TEXT PRIMARY KEY,
    empty_at BIGINT NOT NULL,
    allowed BOOLEAN NOT NULL
);

CREATE INDEX rate_bucket_idle ON rate_bucket (empty_at);
