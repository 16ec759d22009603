-- The keys that sign tokens. `public` is a JWK; `private` is PKCS #8, sealed by the master key for this very row. The
-- newest active key of an algorithm signs; older ones stay published until their last token has expired. `needed`: made
-- because a token needed it, not by a rotation. Times are unix microseconds.
CREATE TABLE signing_key (
    kid TEXT PRIMARY KEY,
    algorithm TEXT NOT NULL,
    public TEXT NOT NULL,
    private TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    activates_at BIGINT NOT NULL,
    retired_at BIGINT,
    needed BOOLEAN NOT NULL
);

-- Of many that find no key and need one, one makes it.
CREATE UNIQUE INDEX signing_key_needed ON signing_key (algorithm) WHERE needed AND retired_at IS NULL;
