CREATE INDEX events_by_lane ON events (lane, seq);
