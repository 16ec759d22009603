-- Invitations: initial access tokens (RFC 7591 section 3), each good for so many registrations until it expires. Only
-- hashes are kept.
CREATE TABLE registration_invitation (
    id TEXT PRIMARY KEY,
    hash TEXT NOT NULL UNIQUE,
    note TEXT NOT NULL,
    uses_left BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
