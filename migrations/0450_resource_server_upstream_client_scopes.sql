-- What the gateway registered for at an authorization server, separated by spaces: some refuse to be asked for more.
ALTER TABLE upstream_client ADD COLUMN scopes TEXT NOT NULL DEFAULT '';
