-- What an admin holds of a document's URL, known as a client or not. 'asked' waits for the admin.
CREATE TABLE client_trust (
    client_id TEXT PRIMARY KEY,
    verdict TEXT NOT NULL CHECK (verdict IN ('asked', 'trusted', 'blocked')),
    at BIGINT NOT NULL
);

CREATE INDEX client_trust_asked ON client_trust (at) WHERE verdict = 'asked';
