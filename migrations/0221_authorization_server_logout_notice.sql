-- Clients that are still to be told that a session, or with no `sid` every session of the person, is over (OpenID Connect
-- Back-Channel Logout). `id` is the `jti` of the token that tells it, at each attempt. Times are unix microseconds.
CREATE TABLE logout_notice (
    id TEXT PRIMARY KEY,
    client_id TEXT NOT NULL REFERENCES oauth_client (id),
    principal_id TEXT NOT NULL REFERENCES principal (id),
    sid TEXT,
    created_at BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    due_at BIGINT NOT NULL
);

CREATE INDEX logout_notice_due ON logout_notice (due_at);
