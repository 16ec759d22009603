-- The key that a request, its code and its tokens are bound to (RFC 9449), by thumbprint.
ALTER TABLE authorization_request ADD COLUMN dpop_jkt TEXT;
ALTER TABLE authorization_code ADD COLUMN dpop_jkt TEXT;
ALTER TABLE access_token ADD COLUMN dpop_jkt TEXT;
ALTER TABLE refresh_token ADD COLUMN dpop_jkt TEXT;
