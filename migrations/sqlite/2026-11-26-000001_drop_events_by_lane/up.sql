-- Every batch of events wrote a page of this index for nearly each lane that it touched, more than the events themselves.
-- Whoever reads one lane reads the log in its order, and passes the other lanes by.
DROP INDEX events_by_lane;
