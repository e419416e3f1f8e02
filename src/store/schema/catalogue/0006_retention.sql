-- How long executions are kept. `retention` of an account: its own rules, a text of model/retention.h; NULL: the server's.
ALTER TABLE accounts ADD COLUMN retention {text};
-- How long after its seal this one is kept; 0: for ever; NULL: as the rules say.
ALTER TABLE executions ADD COLUMN retention_ms {integer};

-- What may go, by account from the oldest on; and what has an age of its own, by the time at which it goes.
CREATE INDEX executions_kept ON executions(account, sealed_ms, id) WHERE sealed = 1 AND purged = 0 AND pinned = 0;
CREATE INDEX executions_kept_for ON executions((sealed_ms + retention_ms), id)
  WHERE sealed = 1 AND purged = 0 AND pinned = 0 AND retention_ms > 0;

--- way back
--- loses: how long single accounts and executions are kept
--- counted by: SELECT (SELECT count(*) FROM accounts WHERE retention IS NOT NULL) + (SELECT count(*) FROM executions WHERE retention_ms IS NOT NULL)
DROP INDEX executions_kept;
DROP INDEX executions_kept_for;
ALTER TABLE accounts DROP COLUMN retention;
ALTER TABLE executions DROP COLUMN retention_ms;
DELETE FROM leases WHERE kind = 2;
