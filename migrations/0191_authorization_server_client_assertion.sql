-- Assertions with which clients proved themselves (private_key_jwt), so that each proves once: SHA-256 of `client_id` and
-- `jti`. A row is worth nothing after `expires_at`, unix microseconds.
CREATE TABLE client_assertion (
    hash TEXT PRIMARY KEY,
    expires_at BIGINT NOT NULL
);

CREATE INDEX client_assertion_expires ON client_assertion (expires_at);

-- 'token-url': the client may name the token endpoint as the audience of its assertions; null: the issuer alone.
ALTER TABLE oauth_client ADD COLUMN assertion_audience TEXT;
