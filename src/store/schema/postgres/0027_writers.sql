-- The last transaction of each server, by the server's own count, written by that transaction first. So a server whose
-- COMMIT was not answered learns what became of it, also from a database that has crashed, or another one that took over.
CREATE TABLE writers(
  sender BIGINT PRIMARY KEY, -- a process, by a random number
  number BIGINT NOT NULL,
  touched_ms BIGINT NOT NULL
) WITH (fillfactor = 20, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

--- works with: former
--- way back
DROP TABLE writers;
