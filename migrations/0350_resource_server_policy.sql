-- Versions of the policy: the newest holds, and none is ever changed or deleted. A rollback is a new version with an old
-- text. Times are unix microseconds.
CREATE TABLE policy_version (
    version BIGINT PRIMARY KEY,
    text TEXT NOT NULL,
    author TEXT NOT NULL,
    note TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

-- Tools that an administrator blocked: at one connection, at every connection to one server, or (both empty) anywhere.
CREATE TABLE tool_block (
    tool TEXT NOT NULL,
    server TEXT NOT NULL,
    connection_id TEXT NOT NULL,
    author TEXT NOT NULL,
    note TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (tool, server, connection_id),
    CHECK (server = '' OR connection_id = '')
);
