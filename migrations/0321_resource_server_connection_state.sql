-- How a connection signs in at its server, and what is known of it. `settings` holds what its owner filled in that is no
-- secret, as JSON; `credential_version` counts how often its owner gave other credentials. Times are unix microseconds.
ALTER TABLE connection ADD COLUMN auth TEXT NOT NULL DEFAULT 'none';
ALTER TABLE connection ADD COLUMN credential_version BIGINT NOT NULL DEFAULT 1;
ALTER TABLE connection ADD COLUMN settings TEXT NOT NULL DEFAULT '{}';
ALTER TABLE connection ADD COLUMN status_code TEXT;
ALTER TABLE connection ADD COLUMN last_error TEXT;
ALTER TABLE connection ADD COLUMN last_error_at BIGINT;
ALTER TABLE connection ADD COLUMN revision TEXT;
ALTER TABLE connection ADD COLUMN tested_at BIGINT;
ALTER TABLE connection ADD COLUMN last_used_at BIGINT;

CREATE INDEX connection_server ON connection (server);
