-- When a password was set last, and since when it has to be changed at the next sign-in. Unix microseconds.
ALTER TABLE user_account ADD COLUMN password_changed_at BIGINT;
ALTER TABLE user_account ADD COLUMN password_expired_at BIGINT;
