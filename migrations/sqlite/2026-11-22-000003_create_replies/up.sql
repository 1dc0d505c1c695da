-- Answers to requests with an idempotency key. `headers` is a JSON array of [name, value].
CREATE TABLE replies (
    plugin_id INTEGER NOT NULL REFERENCES plugins (id),
    principal TEXT NOT NULL,
    route TEXT NOT NULL,
    key TEXT NOT NULL,
    fingerprint BLOB NOT NULL,
    status INTEGER NOT NULL,
    expires_at_ms INTEGER NOT NULL,
    headers TEXT NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (plugin_id, principal, route, key)
) STRICT;

CREATE INDEX replies_by_expiry ON replies (expires_at_ms);
