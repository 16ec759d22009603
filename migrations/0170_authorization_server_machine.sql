-- Machines: the principal of a client that acts for itself (client_credentials), one a client. Scopes are space-delimited.
CREATE TABLE machine_account (
    principal_id TEXT PRIMARY KEY REFERENCES principal (id),
    client_id TEXT NOT NULL UNIQUE REFERENCES oauth_client (id),
    permissions TEXT NOT NULL
);

-- The one standing grant of a machine for a resource: its tokens stem from it, so that a token costs one row and no grant.
CREATE TABLE machine_grant (
    principal_id TEXT NOT NULL REFERENCES machine_account (principal_id),
    resource TEXT NOT NULL,
    grant_id TEXT NOT NULL REFERENCES oauth_grant (id),
    PRIMARY KEY (principal_id, resource)
);

-- Since when an admin lets a client do nothing; unix microseconds.
ALTER TABLE oauth_client ADD COLUMN disabled_at BIGINT;
