-- How one connection is handled where that differs from its server or from the default: what becomes of tools that nobody
-- reviewed (null: as the server says), and what becomes of arguments that are not as they should be.
ALTER TABLE connection ADD COLUMN new_tools TEXT;
ALTER TABLE connection ADD COLUMN arguments TEXT NOT NULL DEFAULT 'sanitise';
