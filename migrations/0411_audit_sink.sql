-- How far each sink took each chain: the place of the last record that it has.
CREATE TABLE audit_sink (
    sink TEXT NOT NULL,
    chain TEXT NOT NULL,
    sequence BIGINT NOT NULL,
    PRIMARY KEY (sink, chain)
);

-- Which node gives a sink its records that all nodes share, and until when, in unix microseconds, unless it is heard of again.
CREATE TABLE audit_sink_turn (
    sink TEXT PRIMARY KEY,
    holder TEXT NOT NULL,
    until BIGINT NOT NULL
);
