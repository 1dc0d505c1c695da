-- What is believed no more, for servers that look for what is new. `seq` never comes twice, also after its row is gone.
CREATE TABLE revocations (
    seq INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL CHECK (kind IN ('session', 'subject', 'api-key')),
    name TEXT NOT NULL,
    at_ms INTEGER NOT NULL
) STRICT;

CREATE INDEX revocations_by_time ON revocations (at_ms);
