-- OpenID Connect. Of a request: `nonce` and `login_hint` as the client sent them; the sign-in that stood when it came and
-- does not do (`stale_sign_in`, unix microseconds, 0 when nobody was signed in; null when any does), unless it is not older
-- than `max_age` seconds. Of a grant that tells its client who the person is: when they had proven it, the session (`sid`)
-- in which they did, and since when that session is over.
ALTER TABLE authorization_request ADD COLUMN nonce TEXT;
ALTER TABLE authorization_request ADD COLUMN login_hint TEXT;
ALTER TABLE authorization_request ADD COLUMN stale_sign_in BIGINT;
ALTER TABLE authorization_request ADD COLUMN max_age BIGINT;

ALTER TABLE authorization_code ADD COLUMN nonce TEXT;

ALTER TABLE oauth_grant ADD COLUMN authenticated_at BIGINT;
ALTER TABLE oauth_grant ADD COLUMN sid TEXT;
ALTER TABLE oauth_grant ADD COLUMN signed_out_at BIGINT;

CREATE INDEX oauth_grant_sid ON oauth_grant (sid) WHERE sid IS NOT NULL;
