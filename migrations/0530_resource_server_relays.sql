-- What a server may ask clients for on its own account, beside what it asks their users: `sampling`, `roots`, separated by
-- spaces. Nothing, until an admin says so.
ALTER TABLE server ADD COLUMN relays TEXT NOT NULL DEFAULT '';
