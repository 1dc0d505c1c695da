-- Keys that sign access tokens. `wrapped` is the private key, encrypted under a master key that is not in here.
CREATE TABLE signing_keys (
    kid TEXT NOT NULL PRIMARY KEY,
    algorithm TEXT NOT NULL,
    wrapped BLOB NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('next', 'active', 'retired', 'revoked')),
    changed_at_ms INTEGER NOT NULL
) STRICT;
