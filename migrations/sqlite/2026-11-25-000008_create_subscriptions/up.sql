-- Which plugin takes which topics. An id never comes twice. `epoch` counts the times that its progress was set by
-- something else than a delivery; `paused` is the reason, as one word; `closed_at_ms` is since when nobody declares it.
CREATE TABLE subscriptions (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    plugin TEXT NOT NULL,
    pattern TEXT NOT NULL,
    epoch INTEGER NOT NULL,
    paused TEXT,
    closed_at_ms INTEGER,
    UNIQUE (plugin, pattern)
) STRICT;

CREATE INDEX subscriptions_by_closing ON subscriptions (closed_at_ms) WHERE closed_at_ms IS NOT NULL;

-- For each lane of the log the last event that is behind a subscription.
CREATE TABLE cursors (
    subscription INTEGER NOT NULL REFERENCES subscriptions (id),
    lane INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (subscription, lane)
) STRICT, WITHOUT ROWID;

-- Events that failed and are tried again, and those that wait behind one that did. The log keeps them.
CREATE TABLE retries (
    subscription INTEGER NOT NULL REFERENCES subscriptions (id),
    seq INTEGER NOT NULL,
    key TEXT,
    attempts INTEGER NOT NULL,
    due_ms INTEGER NOT NULL,
    code TEXT,
    message TEXT,
    PRIMARY KEY (subscription, seq)
) STRICT, WITHOUT ROWID;

CREATE INDEX retries_by_event ON retries (seq);

-- Events that nobody tries any more unless a person says so. The log keeps them.
CREATE TABLE dead_letters (
    subscription INTEGER NOT NULL REFERENCES subscriptions (id),
    seq INTEGER NOT NULL,
    key TEXT,
    attempts INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    code TEXT NOT NULL,
    message TEXT NOT NULL,
    PRIMARY KEY (subscription, seq)
) STRICT, WITHOUT ROWID;

CREATE INDEX dead_letters_by_event ON dead_letters (seq);
