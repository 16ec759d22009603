-- Groups of users and machines, for policies. A name holds no space. Times are unix microseconds.
CREATE TABLE principal_group (
    name TEXT PRIMARY KEY,
    about TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE principal_group_member (
    principal_id TEXT NOT NULL REFERENCES principal (id),
    group_name TEXT NOT NULL REFERENCES principal_group (name),
    added_at BIGINT NOT NULL,
    PRIMARY KEY (principal_id, group_name)
);

CREATE INDEX principal_group_member_of ON principal_group_member (group_name);
