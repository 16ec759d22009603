-- Who acts: users and machines. Times are unix microseconds, scopes are space-delimited.
CREATE TABLE principal (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('user', 'machine')),
    created_at BIGINT NOT NULL
);

-- `email` is lower case; `password_hash` is a PHC string (argon2id).
CREATE TABLE user_account (
    principal_id TEXT PRIMARY KEY REFERENCES principal (id),
    email TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    admin BOOLEAN NOT NULL,
    permissions TEXT NOT NULL,
    password_hash TEXT,
    disabled_at BIGINT
);

-- One-time links that let their bearer create the first admin.
CREATE TABLE setup_link (
    hash TEXT PRIMARY KEY,
    expires_at BIGINT NOT NULL,
    used_at BIGINT
);
