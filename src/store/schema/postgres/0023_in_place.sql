-- What an append changes must be in no index, nor in the condition of one: then its row is rewritten in place. A log is
-- long once and stays so, but for cuts.
DROP INDEX executions_long;
DROP INDEX executions_long_own;
ALTER TABLE executions ADD COLUMN is_long BOOLEAN NOT NULL
  GENERATED ALWAYS AS (next_sequence - first_sequence > 1000 OR message_bytes - cut_bytes > 65536) STORED;
CREATE INDEX executions_long ON executions(account, id) WHERE purged = 0 AND pinned = 0 AND is_long;
CREATE INDEX executions_long_own ON executions(account, id) WHERE purged = 0 AND pinned = 0 AND is_long
  AND (log_records > 0 OR log_bytes > 0);

--- works with: former
--- way back
DROP INDEX executions_long;
DROP INDEX executions_long_own;
ALTER TABLE executions DROP COLUMN is_long;
CREATE INDEX executions_long ON executions(account, id) WHERE purged = 0 AND pinned = 0
  AND (next_sequence - first_sequence > 1000 OR message_bytes - cut_bytes > 65536);
CREATE INDEX executions_long_own ON executions(account, id) WHERE purged = 0 AND pinned = 0
  AND (next_sequence - first_sequence > 1000 OR message_bytes - cut_bytes > 65536) AND (log_records > 0 OR log_bytes > 0);
