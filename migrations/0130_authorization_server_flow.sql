-- An authorization request between its arrival and its answer, bound to one browser.
CREATE TABLE authorization_request (
    hash TEXT PRIMARY KEY,
    browser TEXT NOT NULL,
    client_id TEXT NOT NULL REFERENCES oauth_client (id),
    redirect_uri TEXT NOT NULL,
    state TEXT,
    code_challenge TEXT NOT NULL,
    resource TEXT NOT NULL,
    scope TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    decided_at BIGINT
);

CREATE INDEX authorization_request_expires ON authorization_request (expires_at);
CREATE INDEX authorization_request_client ON authorization_request (client_id);

CREATE TABLE authorization_code (
    hash TEXT PRIMARY KEY,
    grant_id TEXT NOT NULL REFERENCES oauth_grant (id),
    redirect_uri TEXT NOT NULL,
    code_challenge TEXT NOT NULL,
    resource TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    failed_attempts BIGINT NOT NULL,
    redeemed_at BIGINT
);

CREATE INDEX authorization_code_expires ON authorization_code (expires_at);

CREATE TABLE access_token (
    hash TEXT PRIMARY KEY,
    grant_id TEXT NOT NULL REFERENCES oauth_grant (id),
    resource TEXT NOT NULL,
    scope TEXT NOT NULL,
    issued_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at BIGINT,
    revoked_at BIGINT
);

CREATE INDEX access_token_grant ON access_token (grant_id);
CREATE INDEX access_token_expires ON access_token (expires_at);

-- One generation of a refresh family. `successor` is sealed under a key derived from the token itself, which is not here.
CREATE TABLE refresh_token (
    hash TEXT PRIMARY KEY,
    grant_id TEXT NOT NULL REFERENCES oauth_grant (id),
    resource TEXT NOT NULL,
    idle_expires_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    rotated_at BIGINT,
    successor TEXT,
    successor_hash TEXT,
    access_hash TEXT
);

CREATE INDEX refresh_token_grant ON refresh_token (grant_id);
CREATE INDEX refresh_token_expires ON refresh_token (expires_at);
