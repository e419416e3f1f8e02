-- What accounts have uploaded. `refs`: rows of inputs and artifacts that name it; `wanted_ms`: when it was uploaded, or
-- last asked for. `key` is the content's, and never used again.
CREATE TABLE blobs(
  id {numbered},
  account {integer} NOT NULL,
  hash {bytes} NOT NULL,
  size {integer} NOT NULL,
  key {text} NOT NULL UNIQUE,
  refs {integer} NOT NULL DEFAULT 0,
  wanted_ms {integer} NOT NULL,
  UNIQUE(account, hash)
);
CREATE INDEX blobs_unused ON blobs(wanted_ms, id) WHERE refs = 0;

CREATE TABLE blob_bytes(
  account {integer} PRIMARY KEY,
  bytes {integer} NOT NULL
);

-- Files of executions. kind 0: an input; 1: an artifact.
CREATE TABLE files(
  execution {integer} NOT NULL,
  kind {integer} NOT NULL,
  name {text} NOT NULL,
  blob {integer} NOT NULL,
  mode {integer} NOT NULL,
  created_ms {integer} NOT NULL,
  PRIMARY KEY(execution, kind, name)
) {clustered};

ALTER TABLE executions ADD COLUMN artifacts {integer} NOT NULL DEFAULT 0;
ALTER TABLE executions ADD COLUMN artifact_bytes {integer} NOT NULL DEFAULT 0;

--- way back
--- loses: inputs and artifacts
--- counted by: SELECT (SELECT count(*) FROM blobs) + (SELECT count(*) FROM files)
ALTER TABLE executions DROP COLUMN artifacts;
ALTER TABLE executions DROP COLUMN artifact_bytes;
DROP TABLE files;
DROP TABLE blob_bytes;
DROP TABLE blobs;
