-- A client that registered itself may read, replace and delete its registration with a token of its own (RFC 7592), of
-- which only the hash is kept. Clients of earlier days have none.
ALTER TABLE oauth_client ADD COLUMN registration_hash TEXT;
