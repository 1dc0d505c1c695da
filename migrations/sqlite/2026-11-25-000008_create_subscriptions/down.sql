DROP TABLE dead_letters;
DROP TABLE retries;
DROP TABLE cursors;
DROP TABLE subscriptions;
