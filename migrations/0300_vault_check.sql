-- One value sealed with the master key at the first start: tells at every later start whether key and database belong
-- together. `sealed` is the text of a `SealingKey`.
CREATE TABLE vault_check (
    name TEXT PRIMARY KEY,
    sealed TEXT NOT NULL
);
