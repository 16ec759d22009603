-- Clients whose `client_id` is the URL of a document about them (Client ID Metadata Documents). `document_read_at` says
-- that a client is one; its column `origin` stays 'dynamic', what it means is the same: nobody vouches for it. Times are
-- unix microseconds.
ALTER TABLE oauth_client ADD COLUMN document_etag TEXT;
ALTER TABLE oauth_client ADD COLUMN document_read_at BIGINT;
ALTER TABLE oauth_client ADD COLUMN document_fresh_until BIGINT;
