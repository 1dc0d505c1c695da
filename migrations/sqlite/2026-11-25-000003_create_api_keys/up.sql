-- Keys of programs. `digest` is SHA-256 of the key's secret.
CREATE TABLE api_keys (
    id TEXT NOT NULL PRIMARY KEY,
    subject TEXT NOT NULL REFERENCES users (subject),
    name TEXT NOT NULL,
    digest BLOB NOT NULL,
    scopes TEXT NOT NULL,
    created_at_ms INTEGER NOT NULL,
    expires_at_ms INTEGER,
    revoked_at_ms INTEGER,
    last_used_at_ms INTEGER
) STRICT;

CREATE INDEX api_keys_by_subject ON api_keys (subject, id);
CREATE INDEX api_keys_by_expiry ON api_keys (expires_at_ms) WHERE expires_at_ms IS NOT NULL;
CREATE INDEX api_keys_by_revocation ON api_keys (revoked_at_ms) WHERE revoked_at_ms IS NOT NULL;
