-- What one principal allowed one client: the root of its codes, tokens and refresh family.
CREATE TABLE oauth_grant (
    id TEXT PRIMARY KEY,
    principal_id TEXT NOT NULL REFERENCES principal (id),
    client_id TEXT NOT NULL REFERENCES oauth_client (id),
    redirect_host TEXT NOT NULL,
    all_connections BOOLEAN NOT NULL,
    may_refresh BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    revoked_at BIGINT,
    revoked_because TEXT
);

CREATE INDEX oauth_grant_principal ON oauth_grant (principal_id);
CREATE INDEX oauth_grant_client ON oauth_grant (client_id);

CREATE TABLE grant_resource (
    grant_id TEXT NOT NULL REFERENCES oauth_grant (id),
    resource TEXT NOT NULL,
    scopes TEXT NOT NULL,
    PRIMARY KEY (grant_id, resource)
);

-- The connections that a grant reaches; they are the resource server's, so nothing refers to its table.
CREATE TABLE grant_connection (
    grant_id TEXT NOT NULL REFERENCES oauth_grant (id),
    connection_id TEXT NOT NULL,
    PRIMARY KEY (grant_id, connection_id)
);
