-- The last versions of a plugin. `hash` names the content, in hex; the greatest `deployment` is the latest.
CREATE TABLE versions (
    plugin_id INTEGER NOT NULL REFERENCES plugins (id),
    hash TEXT NOT NULL,
    deployment INTEGER NOT NULL,
    version TEXT NOT NULL,
    file TEXT NOT NULL,
    sidecar TEXT,
    loaded_at_ms INTEGER NOT NULL,
    PRIMARY KEY (plugin_id, hash)
) STRICT, WITHOUT ROWID;

-- Which version of a plugin is live, and the operator's choice of another one than the one in the folder.
CREATE TABLE choices (
    plugin_id INTEGER NOT NULL PRIMARY KEY REFERENCES plugins (id),
    live TEXT,
    pin_chosen TEXT,
    pin_instead_of TEXT,
    FOREIGN KEY (plugin_id, live) REFERENCES versions (plugin_id, hash),
    FOREIGN KEY (plugin_id, pin_chosen) REFERENCES versions (plugin_id, hash),
    CHECK ((pin_chosen IS NULL) = (pin_instead_of IS NULL))
) STRICT;
