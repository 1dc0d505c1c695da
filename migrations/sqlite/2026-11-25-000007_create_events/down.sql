DELETE FROM counters WHERE name = 'events_kept_from';
DROP TABLE event_usage;
DROP TABLE events;
DELETE FROM replies WHERE plugin_id = 0;
DELETE FROM usage WHERE plugin_id = 0;
DELETE FROM plugins WHERE id = 0;
