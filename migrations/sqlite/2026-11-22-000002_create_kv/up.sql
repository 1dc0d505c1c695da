-- The keys of plugins. The value comes last: what stands before it is read without following a large value's pages.
-- With a rowid: without one, a value of 1 to 4 KiB goes to a page of its own beside the key's, which costs up to three
-- times the space and half of the speed. In exchange a listing of small values under random keys has to fetch each row.
CREATE TABLE kv (
    plugin_id INTEGER NOT NULL REFERENCES plugins (id),
    bucket TEXT NOT NULL,
    key BLOB NOT NULL,
    version INTEGER NOT NULL,
    expires_at_ms INTEGER,
    value BLOB NOT NULL,
    PRIMARY KEY (plugin_id, bucket, key)
) STRICT;

CREATE INDEX kv_by_expiry ON kv (expires_at_ms) WHERE expires_at_ms IS NOT NULL;

-- What a plugin keeps, in keys and in replies, as its quota counts it.
CREATE TABLE usage (
    plugin_id INTEGER NOT NULL PRIMARY KEY REFERENCES plugins (id),
    keys INTEGER NOT NULL,
    bytes INTEGER NOT NULL
) STRICT;
