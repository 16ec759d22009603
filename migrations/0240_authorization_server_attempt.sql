-- What authorization attempts met at each of their steps, for a week: one row a request ("leg"), several to an attempt.
-- `steps` is JSON: step, expected, got, and the reason where it was refused; no secret is in it. `stranger`: nobody answers
-- for it, so what is kept of all of them together is bounded. `number` orders the legs of one microsecond.
CREATE TABLE attempt_leg (
    attempt TEXT NOT NULL,
    id TEXT NOT NULL,
    at BIGINT NOT NULL,
    number BIGINT NOT NULL,
    stage TEXT NOT NULL,
    outcome TEXT NOT NULL CHECK (outcome IN ('waiting', 'done', 'refused')),
    reason TEXT,
    client_id TEXT,
    principal_id TEXT,
    stranger BOOLEAN NOT NULL,
    trace_id TEXT,
    steps TEXT NOT NULL,
    PRIMARY KEY (attempt, id)
);

CREATE INDEX attempt_leg_at ON attempt_leg (at);
CREATE INDEX attempt_leg_strangers ON attempt_leg (at) WHERE stranger;

-- The attempt that they belong to; none in rows of an older release.
ALTER TABLE authorization_request ADD COLUMN attempt TEXT;
ALTER TABLE pushed_request ADD COLUMN attempt TEXT;
ALTER TABLE device_authorization ADD COLUMN attempt TEXT;
ALTER TABLE oauth_grant ADD COLUMN attempt TEXT;
