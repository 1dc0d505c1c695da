DROP TABLE counters;
DROP TABLE plugins;
PRAGMA application_id = 0;
