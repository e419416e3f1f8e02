-- What the store knows of itself: incarnation, backup (its presence marks a copy), restored (it was one), merge_* (see docs/internals/store.md).
CREATE TABLE meta(
  name TEXT NOT NULL PRIMARY KEY,
  value
) WITHOUT ROWID;

-- next: the producer's next counter. last_counter, last_sequence: where its last append began, by its count and by ours.
CREATE TABLE producers(
  execution INTEGER NOT NULL,
  producer TEXT NOT NULL,
  next INTEGER NOT NULL,
  last_hash INTEGER NOT NULL,
  last_counter INTEGER NOT NULL,
  last_sequence INTEGER NOT NULL,
  PRIMARY KEY(execution, producer)
) WITHOUT ROWID;

-- Fresh appends, keyed by arrival. A row is a pack: the appends of one transaction, or a part of them. meta says of each
-- what it holds and the state that it led to, so that an append writes nothing else; body has their chunks.
CREATE TABLE hot(
  id INTEGER PRIMARY KEY,
  meta BLOB NOT NULL,
  body BLOB NOT NULL
);

-- Packs of which something could not be read when they were merged, as they were; nothing reads them but a repair.
CREATE TABLE damaged(
  id INTEGER PRIMARY KEY,
  pack INTEGER NOT NULL,
  meta BLOB NOT NULL,
  body BLOB NOT NULL
);

-- Appended in the order of merging; found by the index, which holds all but the body.
CREATE TABLE chunks(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  execution INTEGER NOT NULL,
  first INTEGER NOT NULL,
  count INTEGER NOT NULL,
  time_min INTEGER NOT NULL,
  time_max INTEGER NOT NULL,
  raw INTEGER NOT NULL,
  body BLOB NOT NULL
);
CREATE UNIQUE INDEX chunks_by_sequence ON chunks(execution, first, count, time_max, raw);

-- Purged executions whose chunks are not all gone yet.
CREATE TABLE purging(
  execution INTEGER PRIMARY KEY
);

--- no way back
