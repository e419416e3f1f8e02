-- What the store knows of itself: incarnation, backup (its presence marks a copy), restored (it was one), merge_* (see docs/internals/store.md).
CREATE TABLE meta(
  name TEXT NOT NULL PRIMARY KEY,
  value
) WITHOUT ROWID;

CREATE TABLE accounts(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL UNIQUE,
  created_ms INTEGER NOT NULL
);

CREATE TABLE api_keys(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  account INTEGER NOT NULL,
  key_id TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL,
  role TEXT NOT NULL,
  hash BLOB NOT NULL UNIQUE,
  created_ms INTEGER NOT NULL,
  expires_ms INTEGER NOT NULL,
  last_used_ms INTEGER NOT NULL,
  revoked_ms INTEGER NOT NULL
);
CREATE INDEX api_keys_by_account ON api_keys(account, id);

-- Narrow on purpose: next_sequence, digest and message_bytes are rewritten whenever hot chunks are merged, and may be
-- behind what the hot table says until then. Sealing brings them up to date.
CREATE TABLE executions(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  account INTEGER NOT NULL,
  execution_id TEXT NOT NULL,
  status TEXT NOT NULL,
  sealed INTEGER NOT NULL DEFAULT 0,
  purged INTEGER NOT NULL DEFAULT 0,
  pinned INTEGER NOT NULL DEFAULT 0,
  exit_code INTEGER,
  created_ms INTEGER NOT NULL,
  started_ms INTEGER NOT NULL DEFAULT 0,
  completed_ms INTEGER NOT NULL DEFAULT 0,
  sealed_ms INTEGER NOT NULL DEFAULT 0,
  next_sequence INTEGER NOT NULL DEFAULT 0,
  first_sequence INTEGER NOT NULL DEFAULT 0,
  restored_from INTEGER, -- where an earlier incarnation may have had other records; NULL: nowhere
  epoch INTEGER NOT NULL DEFAULT 0,
  digest INTEGER NOT NULL DEFAULT 0,
  message_bytes INTEGER NOT NULL DEFAULT 0,
  cancel_reason TEXT, -- asked to cancel; its runner hears of it when it connects, if it has not yet
  owner TEXT,
  workflow_id TEXT,
  batch_id TEXT,
  worker_id TEXT,
  worker_hostname TEXT,
  script_filename TEXT,
  runtime TEXT,
  UNIQUE(account, execution_id)
);
CREATE INDEX executions_by_account ON executions(account, id, created_ms, purged);
CREATE INDEX executions_by_status ON executions(account, status, id);
CREATE INDEX executions_by_owner ON executions(account, owner, id) WHERE owner IS NOT NULL;
CREATE INDEX executions_by_workflow ON executions(account, workflow_id, id) WHERE workflow_id IS NOT NULL;
CREATE INDEX executions_by_batch ON executions(account, batch_id, id) WHERE batch_id IS NOT NULL;
CREATE INDEX executions_unsealed ON executions(account, id) WHERE sealed = 0;

-- The wide part of an execution, which hardly ever changes.
CREATE TABLE documents(
  execution INTEGER PRIMARY KEY,
  spec TEXT,
  metadata TEXT
);

-- The scalar top-level members of the metadata, for lists filtered by them.
CREATE TABLE labels(
  account INTEGER NOT NULL,
  name TEXT NOT NULL,
  value TEXT NOT NULL,
  execution INTEGER NOT NULL,
  PRIMARY KEY(account, name, value, execution)
) WITHOUT ROWID;
CREATE INDEX labels_by_execution ON labels(execution);

CREATE TABLE idempotency(
  account INTEGER NOT NULL,
  key TEXT NOT NULL,
  request_hash INTEGER NOT NULL,
  execution INTEGER NOT NULL,
  created_ms INTEGER NOT NULL,
  PRIMARY KEY(account, key)
) WITHOUT ROWID;
CREATE INDEX idempotency_by_age ON idempotency(created_ms);

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
