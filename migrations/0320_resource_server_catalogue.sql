-- The upstream servers that an admin offers. `template` (stdio) and `parameters` are JSON; `auth` names, separated by
-- spaces, the ways to sign in there that are offered. Times are unix microseconds.
CREATE TABLE server (
    slug TEXT PRIMARY KEY,
    title TEXT NOT NULL,
    kind TEXT NOT NULL,
    url TEXT,
    legacy_sse BOOLEAN NOT NULL,
    private_network BOOLEAN NOT NULL,
    template TEXT,
    parameters TEXT NOT NULL,
    auth TEXT NOT NULL,
    header_name TEXT NOT NULL,
    header_format TEXT NOT NULL,
    new_tools TEXT NOT NULL,
    for_everyone BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    disabled_at BIGINT
);

-- Who may connect to a server that is not for everyone.
CREATE TABLE server_user (
    slug TEXT NOT NULL REFERENCES server (slug),
    principal_id TEXT NOT NULL,
    PRIMARY KEY (slug, principal_id)
);

-- The built-in one, which can be switched off and not removed.
INSERT INTO server (slug, title, kind, legacy_sse, private_network, parameters, auth, header_name, header_format, new_tools,
    for_everyone, created_at)
VALUES ('sandbox', 'Sandbox', 'sandbox', FALSE, FALSE, '[]', 'none', 'Authorization', 'Bearer {}', 'allow_read', TRUE, 0);
