-- What retention has cut off the front of a log, below first_sequence: the bytes of its messages, and the running digest
-- of its records, from which the digest of the rest goes on; NULL: nothing is cut, or some of it could not be read.
ALTER TABLE executions ADD COLUMN cut_bytes {integer} NOT NULL DEFAULT 0;
ALTER TABLE executions ADD COLUMN cut_digest {integer};
-- Its own limits of records and of bytes; 0: none; NULL: as the rules say.
ALTER TABLE executions ADD COLUMN log_records {integer};
ALTER TABLE executions ADD COLUMN log_bytes {integer};

-- What may be cut: no limit is smaller than these (model/retention.h). The second one: by limits of its own.
CREATE INDEX executions_long ON executions(account, id) WHERE purged = 0 AND pinned = 0
  AND (next_sequence - first_sequence > 1000 OR message_bytes - cut_bytes > 65536);
CREATE INDEX executions_long_own ON executions(account, id) WHERE purged = 0 AND pinned = 0
  AND (next_sequence - first_sequence > 1000 OR message_bytes - cut_bytes > 65536)
  AND (log_records > 0 OR log_bytes > 0);

-- Of all jobs of a batch that say nothing else: a text of model/retention.h, NULL: none; and whether they are pinned.
ALTER TABLE batches ADD COLUMN retention {text};
ALTER TABLE batches ADD COLUMN pinned {integer} NOT NULL DEFAULT 0;

--- way back
--- loses: what was cut off logs, limits of logs, and how long batches are kept
--- counted by: SELECT (SELECT count(*) FROM executions WHERE purged = 0 AND first_sequence > 0) + (SELECT count(*) FROM executions WHERE log_records IS NOT NULL OR log_bytes IS NOT NULL) + (SELECT count(*) FROM accounts WHERE retention LIKE '%log%') + (SELECT count(*) FROM batches WHERE retention IS NOT NULL OR pinned = 1)
DROP INDEX executions_long;
DROP INDEX executions_long_own;
ALTER TABLE executions DROP COLUMN cut_bytes;
ALTER TABLE executions DROP COLUMN cut_digest;
ALTER TABLE executions DROP COLUMN log_records;
ALTER TABLE executions DROP COLUMN log_bytes;
ALTER TABLE batches DROP COLUMN retention;
ALTER TABLE batches DROP COLUMN pinned;
