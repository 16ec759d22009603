-- Proofs of possession that were used (RFC 9449 §11.1), by a hash of key, target and jti, as long as one could be taken for
-- fresh. The gateway's are here too: a proof is used up at every node and every endpoint.
CREATE TABLE dpop_proof (
    hash TEXT PRIMARY KEY,
    fresh_until BIGINT NOT NULL
);

CREATE INDEX dpop_proof_fresh ON dpop_proof (fresh_until);
