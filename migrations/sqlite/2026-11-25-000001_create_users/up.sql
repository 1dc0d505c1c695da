-- Who can sign in. `subject` is the id, for ever; `name` is what somebody types. `roles` and `scopes` are names with
-- single spaces between them, as OAuth writes a `scope`.
CREATE TABLE users (
    subject TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    password_hash TEXT NOT NULL,
    roles TEXT NOT NULL,
    scopes TEXT NOT NULL,
    disabled_at_ms INTEGER,
    created_at_ms INTEGER NOT NULL,
    last_login_at_ms INTEGER
) STRICT;

-- `users.roles`, one row for each name: an index of it, which SQL cannot make of a text by itself.
CREATE TABLE role_holders (
    role TEXT NOT NULL,
    subject TEXT NOT NULL REFERENCES users (subject) ON DELETE CASCADE,
    PRIMARY KEY (role, subject)
) STRICT, WITHOUT ROWID;

CREATE INDEX role_holders_by_subject ON role_holders (subject);
