-- Marks the file as Backplane's ("BkPl"), so that no other program's database is taken for one.
PRAGMA application_id = 1114329196;

-- A plugin that ever kept something. Rows stay, so that an id never comes to mean another plugin.
CREATE TABLE plugins (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE
) STRICT;

-- Numbers that only grow. `sequence` is the version of the newest commit.
CREATE TABLE counters (
    name TEXT NOT NULL PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO counters (name, value) VALUES ('sequence', 0);
