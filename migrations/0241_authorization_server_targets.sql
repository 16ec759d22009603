-- What a request asks for beyond its first resource: JSON, each with its own scopes; none where there is only one.
ALTER TABLE authorization_request ADD COLUMN further TEXT;
ALTER TABLE device_authorization ADD COLUMN further TEXT;
