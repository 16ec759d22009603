-- A pushed authorization request (RFC 9126) between its arrival and the decision about it. `parameters` is the form as it
-- was pushed, without what authenticated the client. The request that a browser began with it names it in `pushed`.
CREATE TABLE pushed_request (
    hash TEXT PRIMARY KEY,
    client_id TEXT NOT NULL,
    parameters TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at BIGINT
);

CREATE INDEX pushed_request_expires ON pushed_request (expires_at);

ALTER TABLE authorization_request ADD COLUMN pushed TEXT;

CREATE INDEX authorization_request_pushed ON authorization_request (pushed) WHERE pushed IS NOT NULL;
