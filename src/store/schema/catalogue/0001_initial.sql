CREATE TABLE accounts(
  id {numbered},
  name {text} NOT NULL UNIQUE,
  created_ms {integer} NOT NULL
);

CREATE TABLE api_keys(
  id {numbered},
  account {integer} NOT NULL,
  key_id {text} NOT NULL UNIQUE,
  name {text} NOT NULL,
  role {text} NOT NULL,
  hash {bytes} NOT NULL UNIQUE,
  created_ms {integer} NOT NULL,
  expires_ms {integer} NOT NULL,
  last_used_ms {integer} NOT NULL,
  revoked_ms {integer} NOT NULL
);
CREATE INDEX api_keys_by_account ON api_keys(account, id);

-- Narrow on purpose: next_sequence, digest and message_bytes are rewritten whenever hot chunks are merged, and may be
-- behind what the hot table says until then. Sealing brings them up to date.
CREATE TABLE executions(
  id {numbered},
  account {integer} NOT NULL,
  execution_id {text} NOT NULL,
  status {text} NOT NULL,
  sealed {integer} NOT NULL DEFAULT 0,
  purged {integer} NOT NULL DEFAULT 0,
  pinned {integer} NOT NULL DEFAULT 0,
  exit_code {integer},
  created_ms {integer} NOT NULL,
  started_ms {integer} NOT NULL DEFAULT 0,
  completed_ms {integer} NOT NULL DEFAULT 0,
  sealed_ms {integer} NOT NULL DEFAULT 0,
  next_sequence {integer} NOT NULL DEFAULT 0,
  first_sequence {integer} NOT NULL DEFAULT 0,
  restored_from {integer}, -- where an earlier incarnation may have had other records; NULL: nowhere
  epoch {integer} NOT NULL DEFAULT 0,
  digest {integer} NOT NULL DEFAULT 0,
  message_bytes {integer} NOT NULL DEFAULT 0,
  cancel_reason {text}, -- asked to cancel; its runner hears of it when it connects, if it has not yet
  owner {text},
  workflow_id {text},
  batch_id {text},
  worker_id {text},
  worker_hostname {text},
  script_filename {text},
  runtime {text},
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
  execution {integer} PRIMARY KEY,
  spec {text},
  metadata {text}
);

-- The scalar top-level members of the metadata, for lists filtered by them.
CREATE TABLE labels(
  account {integer} NOT NULL,
  name {text} NOT NULL,
  value {text} NOT NULL,
  execution {integer} NOT NULL,
  PRIMARY KEY(account, name, value, execution)
) {clustered};
CREATE INDEX labels_by_execution ON labels(execution);

CREATE TABLE idempotency(
  account {integer} NOT NULL,
  key {text} NOT NULL,
  request_hash {integer} NOT NULL,
  execution {integer} NOT NULL,
  created_ms {integer} NOT NULL,
  PRIMARY KEY(account, key)
) {clustered};
CREATE INDEX idempotency_by_age ON idempotency(created_ms);

--- no way back: everything
