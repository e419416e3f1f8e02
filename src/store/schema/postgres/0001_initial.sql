-- What the store knows of itself: incarnation, secret.
CREATE TABLE meta(
  name TEXT COLLATE "C" PRIMARY KEY,
  value TEXT NOT NULL
);

-- As in the embedded store; digest: the running digest of the producer's records, NULL: not known.
CREATE TABLE producers(
  execution BIGINT NOT NULL,
  producer TEXT COLLATE "C" NOT NULL,
  next BIGINT NOT NULL,
  last_hash BIGINT NOT NULL,
  last_counter BIGINT NOT NULL,
  last_sequence BIGINT NOT NULL,
  digest BIGINT,
  PRIMARY KEY(execution, producer)
) WITH (fillfactor = 70);

-- A row for what one transaction appended to one log; merged into larger ones later. The bodies are compressed already.
CREATE TABLE chunks(
  execution BIGINT NOT NULL,
  first BIGINT NOT NULL,
  count INTEGER NOT NULL,
  time_min BIGINT NOT NULL,
  time_max BIGINT NOT NULL,
  raw BIGINT NOT NULL,
  merged BOOLEAN NOT NULL, -- and has what searches need
  body BYTEA NOT NULL,
  PRIMARY KEY(execution, first) INCLUDE (count, time_max, raw, merged)
);
ALTER TABLE chunks ALTER COLUMN body SET STORAGE EXTERNAL;

-- Purged executions whose chunks are not all gone yet.
CREATE TABLE purging(
  execution BIGINT PRIMARY KEY
);

-- Logs that may have small chunks to be merged, and when to look next.
CREATE TABLE unmerged(
  execution BIGINT PRIMARY KEY,
  due_ms BIGINT NOT NULL
);
CREATE INDEX unmerged_due ON unmerged(due_ms);

-- Its rows are rewritten with every append: in place, as no index holds what an append changes.
ALTER TABLE executions SET (fillfactor = 70);

--- no way back
