-- Who did what, from where, and what came of it. It names users and what they changed, and outlives both.
CREATE TABLE audit (
    seq INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    at_ms INTEGER NOT NULL,
    actor TEXT,
    actor_name TEXT,
    kind TEXT NOT NULL,
    address TEXT,
    action TEXT NOT NULL,
    target TEXT,
    result TEXT NOT NULL,
    request_id TEXT,
    detail TEXT
) STRICT;

CREATE INDEX audit_by_actor ON audit (actor, seq) WHERE actor IS NOT NULL;
CREATE INDEX audit_by_actor_name ON audit (actor_name, seq) WHERE actor_name IS NOT NULL;
CREATE INDEX audit_by_action ON audit (action, seq);
