-- A server that appends to the same logs all the time writes to its journal where they end, one row a transaction, and to
-- the rows of executions and producers once in ten seconds. Whoever else wants to change such an execution brings that home first.
ALTER TABLE executions ADD COLUMN journal BIGINT NOT NULL DEFAULT 0; -- the sender whose journal may be ahead of this row
ALTER TABLE writers ADD COLUMN settled BIGINT NOT NULL DEFAULT 0;    -- so often others have brought its journal home
CREATE TABLE journals(
  sender BIGINT NOT NULL,
  number BIGINT NOT NULL, -- of the transaction, by the sender's count
  body BYTEA NOT NULL,
  PRIMARY KEY(sender, number)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
ALTER TABLE journals ALTER COLUMN body SET STORAGE EXTERNAL;
-- The end of a log by its chunks, of which a part is named: a plan for all parts would lock all of them.
CREATE FUNCTION log_end(log bigint) RETURNS bigint LANGUAGE plpgsql STABLE AS $$
DECLARE ret bigint;
BEGIN
  IF to_regclass('chunks_' || (log >> 32)) IS NOT NULL THEN
    EXECUTE format('SELECT first + count FROM chunks_%s WHERE execution = $1 ORDER BY first DESC LIMIT 1', log >> 32)
      INTO ret USING log;
  END IF;
  RETURN ret;
END $$;

--- works with: itself
--- way back
--- loses: the last ten seconds of the states of logs, of servers that were killed
--- counted by: SELECT count(*) FROM journals
DROP FUNCTION log_end(bigint);
DROP TABLE journals;
ALTER TABLE writers DROP COLUMN settled;
ALTER TABLE executions DROP COLUMN journal;
