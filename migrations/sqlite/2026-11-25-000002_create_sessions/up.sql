-- Families of refresh tokens. `subject` is NULL of one that nobody has any more: its rows go in small steps, like those
-- of one that expired. `tokens` counts all that it ever had. `scopes` is NULL where the session has all of its account's.
CREATE TABLE sessions (
    id TEXT NOT NULL PRIMARY KEY,
    subject TEXT REFERENCES users (subject),
    client_id TEXT NOT NULL,
    tokens INTEGER NOT NULL,
    expires_at_ms INTEGER NOT NULL,
    revoked_at_ms INTEGER,
    scopes TEXT
) STRICT;

CREATE INDEX sessions_by_subject ON sessions (subject, expires_at_ms);
CREATE INDEX sessions_by_expiry ON sessions (expires_at_ms);

-- `digest` is SHA-256 of the token's secret, `parent` that of the token which it replaced.
CREATE TABLE refresh_tokens (
    digest BLOB NOT NULL PRIMARY KEY,
    session_id TEXT NOT NULL REFERENCES sessions (id),
    parent BLOB,
    issued_at_ms INTEGER NOT NULL,
    used_at_ms INTEGER,
    uses INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX refresh_tokens_by_session ON refresh_tokens (session_id);
-- Whether a token's successor was used is asked at every refresh.
CREATE INDEX refresh_tokens_by_parent ON refresh_tokens (parent) WHERE used_at_ms IS NOT NULL;
