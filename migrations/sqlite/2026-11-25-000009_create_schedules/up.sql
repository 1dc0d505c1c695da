-- Handlers that run by the clock. An id never comes twice. Every slot up to `done_to_ms` is dealt with; what is kept of
-- the last run is when it was, and its problem where it had one.
CREATE TABLE schedules (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    plugin TEXT NOT NULL,
    handler TEXT NOT NULL,
    timing TEXT NOT NULL,
    done_to_ms INTEGER NOT NULL,
    last_run_ms INTEGER,
    last_code TEXT,
    last_message TEXT,
    UNIQUE (plugin, handler)
) STRICT;
