-- Keys that wrap data keys. One is current; the others are being replaced and go once nothing hangs on them. Times are
-- unix microseconds.
CREATE TABLE encryption_key (
    id TEXT PRIMARY KEY,
    is_current BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE UNIQUE INDEX encryption_key_current ON encryption_key (is_current) WHERE is_current;

-- The same key sealed by a master key, once for each master key that is in use: two while one replaces the other.
-- `master` is that key's name, which tells nothing of it. `sealed` is the text of a `SealingKey`.
CREATE TABLE encryption_key_seal (
    encryption_key TEXT NOT NULL REFERENCES encryption_key (id) ON DELETE CASCADE,
    master TEXT NOT NULL,
    sealed TEXT NOT NULL,
    PRIMARY KEY (encryption_key, master)
);

-- The key under which one connection's credentials are sealed (`holder` is its id), and one of the server itself
-- (`server`). An encryption key cannot go while one of these is wrapped by it.
CREATE TABLE data_key (
    holder TEXT PRIMARY KEY,
    encryption_key TEXT NOT NULL REFERENCES encryption_key (id),
    wrapped TEXT NOT NULL
);

CREATE INDEX data_key_encryption_key ON data_key (encryption_key, holder);
