-- Bodies of chunks that lie in objects elsewhere (docs/internals/cold.md). A chunk whose body is empty in `chunks` has a
-- row of `cold_chunks`. bytes: of the bodies that were put into the pack; live_bytes, live_chunks: of those still wanted.
CREATE TABLE cold_packs(
  id {numbered},
  object {text} NOT NULL,
  made_ms {integer} NOT NULL,
  bytes {integer} NOT NULL,
  live_bytes {integer} NOT NULL,
  live_chunks {integer} NOT NULL
);
CREATE UNIQUE INDEX cold_packs_by_object ON cold_packs(object);
CREATE INDEX cold_packs_sparse ON cold_packs(id) WHERE live_bytes * 2 < bytes;
CREATE TABLE cold_chunks(
  execution {integer} NOT NULL,
  first {integer} NOT NULL,
  count {integer} NOT NULL,
  raw {integer} NOT NULL,
  pack {integer} NOT NULL,
  place {integer} NOT NULL,
  length {integer} NOT NULL,
  checksum {integer} NOT NULL,
  PRIMARY KEY(execution, first)
) {clustered};
CREATE INDEX cold_chunks_by_pack ON cold_chunks(pack, place);
-- cold = 1: nothing of its log is left to be moved. Who moves the first one raises the minimum of schema_reader.
ALTER TABLE executions ADD COLUMN cold {integer} NOT NULL DEFAULT 0;
CREATE INDEX executions_warm ON executions(sealed_ms, id) WHERE sealed = 1 AND purged = 0 AND cold = 0;

--- works with: former
--- way back
--- loses: records that lie in S3
--- counted by: SELECT count(*) FROM cold_chunks
DROP INDEX executions_warm;
ALTER TABLE executions DROP COLUMN cold;
DROP TABLE cold_chunks;
DROP TABLE cold_packs;
