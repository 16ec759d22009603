-- Identity providers whose word about a user is taken (ID-JAG). `tenant` is empty for an issuer that has none; `keys` is
-- JSON, `jwks` or `jwks_uri`. Times are unix microseconds.
CREATE TABLE trusted_issuer (
    issuer TEXT NOT NULL,
    tenant TEXT NOT NULL,
    keys TEXT NOT NULL,
    link_by_email BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (issuer, tenant)
);

-- Who somebody is at an issuer. The same subject at another issuer, or in another tenant, is somebody else.
CREATE TABLE federated_identity (
    issuer TEXT NOT NULL,
    tenant TEXT NOT NULL,
    subject TEXT NOT NULL,
    principal_id TEXT NOT NULL REFERENCES principal (id),
    linked_at BIGINT NOT NULL,
    PRIMARY KEY (issuer, tenant, subject)
);

CREATE INDEX federated_identity_principal ON federated_identity (principal_id);

-- The one standing grant of what an issuer vouched for. A grant that its user ended stays here, and keeps the next
-- assertion from beginning another one.
CREATE TABLE enterprise_grant (
    principal_id TEXT NOT NULL REFERENCES principal (id),
    client_id TEXT NOT NULL REFERENCES oauth_client (id),
    resource TEXT NOT NULL,
    issuer TEXT NOT NULL,
    tenant TEXT NOT NULL,
    grant_id TEXT NOT NULL UNIQUE REFERENCES oauth_grant (id),
    PRIMARY KEY (principal_id, client_id, resource, issuer, tenant)
);
