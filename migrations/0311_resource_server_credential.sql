-- What a connection shows its upstream server, sealed under the connection's data key for exactly this owner, connection,
-- field and version. `set_at` is unix microseconds.
CREATE TABLE credential (
    connection_id TEXT NOT NULL REFERENCES connection (id),
    field TEXT NOT NULL,
    version BIGINT NOT NULL,
    sealed TEXT NOT NULL,
    set_at BIGINT NOT NULL,
    PRIMARY KEY (connection_id, field)
);
