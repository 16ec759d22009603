-- Who the gateway is at an issuer that an upstream server names. `kind`: named by a document of ours, registered there, or
-- given by an admin; of several the latest is used, and the others while tokens of theirs live. `digest` stands for the
-- issuer in paths. `secret` is sealed. Times are unix microseconds.
CREATE TABLE upstream_client (
    server TEXT NOT NULL REFERENCES server (slug) ON DELETE CASCADE,
    issuer TEXT NOT NULL,
    client_id TEXT NOT NULL,
    digest TEXT NOT NULL,
    kind TEXT NOT NULL,
    method TEXT NOT NULL,
    secret TEXT,
    secret_expires_at BIGINT,
    redirect_uri TEXT NOT NULL,
    made_at BIGINT NOT NULL,
    PRIMARY KEY (server, issuer, client_id)
);

CREATE INDEX upstream_client_digest ON upstream_client (digest);
