-- Exchanged tokens (RFC 8693): whom they were issued to when that is not the grant's client, which token they came from
-- (by hash), and through whom they act (JSON).
ALTER TABLE access_token ADD COLUMN client_id TEXT REFERENCES oauth_client (id);
ALTER TABLE access_token ADD COLUMN exchanged_from TEXT;
ALTER TABLE access_token ADD COLUMN act TEXT;

CREATE INDEX access_token_exchanged ON access_token (exchanged_from) WHERE exchanged_from IS NOT NULL;
CREATE INDEX access_token_client ON access_token (client_id) WHERE client_id IS NOT NULL;
CREATE INDEX access_token_lent ON access_token (grant_id) WHERE client_id IS NOT NULL;
