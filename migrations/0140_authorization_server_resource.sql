-- Resource servers beyond our own gateway. `scopes` is JSON: a name, a sentence for people, and whether it is given when
-- a request names no scope. `access_token_seconds` is null for this server's default. Each has an OAuth client of its
-- own, which may introspect the tokens that are for it. A removed one stays as a name for the paper trail.
CREATE TABLE oauth_resource (
    client_id TEXT PRIMARY KEY REFERENCES oauth_client (id),
    uri TEXT NOT NULL,
    name TEXT NOT NULL,
    scopes TEXT NOT NULL,
    token_format TEXT NOT NULL CHECK (token_format IN ('opaque', 'jwt')),
    access_token_seconds BIGINT,
    created_at BIGINT NOT NULL,
    removed_at BIGINT
);

CREATE UNIQUE INDEX oauth_resource_uri ON oauth_resource (uri) WHERE removed_at IS NULL;

CREATE INDEX grant_resource_resource ON grant_resource (resource);
