-- Tries to sign in that failed, in a row: one bucket an account for browsers that nobody knows, and one for each browser
-- that its owner signed in with. `name` holds a SHA-256, never an address; times are unix microseconds.
CREATE TABLE sign_in_bucket (
    name TEXT PRIMARY KEY,
    principal_id TEXT,
    -- In a row, the try that is under way included.
    failures BIGINT NOT NULL,
    -- Those of them that no calm day lies between.
    streak BIGINT NOT NULL,
    failed_at BIGINT NOT NULL,
    retry_at BIGINT NOT NULL
);

CREATE INDEX sign_in_bucket_principal ON sign_in_bucket (principal_id);
CREATE INDEX sign_in_bucket_failed ON sign_in_bucket (failed_at);

-- Browsers in which somebody signed in. The cookie's value is stored as a hash only.
CREATE TABLE known_browser (
    hash TEXT NOT NULL,
    principal_id TEXT NOT NULL REFERENCES principal (id),
    created_at BIGINT NOT NULL,
    seen_at BIGINT NOT NULL,
    PRIMARY KEY (hash, principal_id)
);

CREATE INDEX known_browser_principal ON known_browser (principal_id);
CREATE INDEX known_browser_seen ON known_browser (seen_at);
