-- A device's request (RFC 8628) between its arrival and its tokens. Times are unix microseconds, the interval seconds.
-- `user_code` and `handle` are hashes; `sealed_code` is the user code, readable only with the handle in hand. `peer` is
-- where the device asked from. A decided request that has no grant was denied.
CREATE TABLE device_authorization (
    hash TEXT PRIMARY KEY,
    user_code TEXT NOT NULL UNIQUE,
    client_id TEXT NOT NULL REFERENCES oauth_client (id),
    resource TEXT NOT NULL,
    scope TEXT NOT NULL,
    peer TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    poll_interval BIGINT NOT NULL,
    polled_at BIGINT,
    too_fast BOOLEAN NOT NULL,
    handle TEXT UNIQUE,
    sealed_code TEXT,
    browser TEXT,
    claimed_by TEXT REFERENCES principal (id),
    decided_at BIGINT,
    grant_id TEXT REFERENCES oauth_grant (id),
    redeemed_at BIGINT
);

CREATE INDEX device_authorization_expires ON device_authorization (expires_at);
CREATE INDEX device_authorization_client ON device_authorization (client_id, peer);
