-- Chunks are kept in parts, one for each day on which executions were made: an execution's number carries the number of
-- its day, id >> 32, and the part is called chunks_DAY. All that there was before is the first part, as it is.
ALTER TABLE chunks RENAME TO chunks_0;
ALTER INDEX chunks_pkey RENAME TO chunks_0_pkey;
CREATE TABLE chunks(LIKE chunks_0 INCLUDING STORAGE INCLUDING INDEXES) PARTITION BY RANGE(execution);
-- begun_ms: from when on executions get numbers of that day; NULL: not yet. kept_from: the executions before it are purged.
CREATE TABLE chunk_days(
  number BIGINT PRIMARY KEY,
  begun_ms BIGINT,
  kept_from BIGINT NOT NULL DEFAULT 0
);
INSERT INTO chunk_days(number, begun_ms) VALUES(0, 1);
DO $$ BEGIN
  EXECUTE format('ALTER TABLE chunks ATTACH PARTITION chunks_0 FOR VALUES FROM (MINVALUE) TO (%s)',
    (coalesce(pg_sequence_last_value(pg_get_serial_sequence('executions', 'id')::regclass), 0) >> 32) + 1 << 32);
END $$;
ALTER TABLE chunks_0 DROP CONSTRAINT chunks_first;
-- Before that they are not deleted one by one, as the whole part may be dropped until then.
ALTER TABLE purging ADD COLUMN due_ms BIGINT NOT NULL DEFAULT 0;
CREATE INDEX purging_due ON purging(due_ms);

--- beforehand
-- What shows later that all chunks belong into the first part, so that nobody waits while that is found out.
DO $$ BEGIN
  PERFORM pg_advisory_xact_lock(8269514);
  PERFORM set_config('lock_timeout', '2s', true);
  IF NOT EXISTS (SELECT FROM pg_constraint WHERE conname = 'chunks_first')
    AND EXISTS (SELECT FROM pg_class WHERE oid = 'chunks'::regclass AND relkind = 'r') THEN
    EXECUTE format('ALTER TABLE chunks ADD CONSTRAINT chunks_first CHECK (execution < %s) NOT VALID',
      (coalesce(pg_sequence_last_value(pg_get_serial_sequence('executions', 'id')::regclass), 0) >> 32) + 1 << 32);
  END IF;
END $$;
--- beforehand
DO $$ BEGIN
  PERFORM pg_advisory_xact_lock(8269514);
  PERFORM set_config('lock_timeout', '2s', true);
  IF EXISTS (SELECT FROM pg_constraint WHERE conname = 'chunks_first' AND NOT convalidated) THEN
    ALTER TABLE chunks VALIDATE CONSTRAINT chunks_first;
  END IF;
END $$;

--- works with: former
--- way back
DROP INDEX purging_due;
ALTER TABLE purging DROP COLUMN due_ms;
ALTER TABLE chunks RENAME TO chunks_in_days;
ALTER INDEX chunks_pkey RENAME TO chunks_in_days_pkey;
CREATE TABLE chunks(LIKE chunks_in_days INCLUDING STORAGE INCLUDING INDEXES);
DO $$ BEGIN
  IF to_regclass('chunks_0') IS NOT NULL THEN
    ALTER TABLE chunks_in_days DETACH PARTITION chunks_0;
    DROP TABLE chunks;
    ALTER TABLE chunks_0 RENAME TO chunks;
    ALTER INDEX chunks_0_pkey RENAME TO chunks_pkey;
  END IF;
END $$;
INSERT INTO chunks SELECT * FROM chunks_in_days;
DROP TABLE chunks_in_days;
DROP TABLE chunk_days;
