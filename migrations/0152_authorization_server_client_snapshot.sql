-- What a client was when somebody was asked about it, so that a document that changes afterwards changes nothing that was
-- given: a fingerprint while the question is open, the metadata (JSON) with the grant.
ALTER TABLE authorization_request ADD COLUMN client_fingerprint TEXT;
ALTER TABLE oauth_grant ADD COLUMN client_metadata TEXT;
