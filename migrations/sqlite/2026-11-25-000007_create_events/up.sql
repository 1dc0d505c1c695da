-- The host's own part, beside those of plugins: what clients publish, and the replies to them.
INSERT INTO plugins (id, name) VALUES (0, '');

-- The log. The writer hands out `seq` in the order of commits and never twice. `stored_at_ms` is the time of the commit,
-- `time_ms` that of the event. `publisher` is the client of the host's events, '' of a plugin's. The payload comes last,
-- so that what stands before it is read without following its pages.
CREATE TABLE events (
    seq INTEGER NOT NULL PRIMARY KEY,
    plugin_id INTEGER NOT NULL REFERENCES plugins (id),
    publisher TEXT NOT NULL,
    is_given INTEGER NOT NULL,
    id TEXT NOT NULL,
    source TEXT NOT NULL,
    topic TEXT NOT NULL,
    key TEXT,
    lane INTEGER NOT NULL,
    time_ms INTEGER NOT NULL,
    stored_at_ms INTEGER NOT NULL,
    content_type TEXT NOT NULL,
    trace_parent TEXT,
    payload BLOB NOT NULL
) STRICT;

CREATE INDEX events_by_lane ON events (lane, seq);
-- An event whose id its publisher chose is kept once.
CREATE UNIQUE INDEX events_by_given_id ON events (plugin_id, publisher, source, id) WHERE is_given = 1;

-- What the log keeps of each publisher, none of one of whom it keeps nothing.
CREATE TABLE event_usage (
    plugin_id INTEGER NOT NULL REFERENCES plugins (id),
    publisher TEXT NOT NULL,
    events INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    PRIMARY KEY (plugin_id, publisher)
) STRICT, WITHOUT ROWID;
