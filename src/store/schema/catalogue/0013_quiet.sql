-- Logs that nobody ends: after how long without a record one is sealed; 0: never. `late`: its records come late from
-- elsewhere, so that the end that somebody tells is not yet that of the log.
ALTER TABLE executions ADD COLUMN quiet_ms {integer} NOT NULL DEFAULT 0;
ALTER TABLE executions ADD COLUMN late {integer} NOT NULL DEFAULT 0;
CREATE INDEX executions_quiet ON executions(id) WHERE sealed = 0 AND quiet_ms > 0;

--- way back
--- loses: which logs end when nothing comes any more
--- counted by: SELECT count(*) FROM executions WHERE sealed = 0 AND quiet_ms > 0
DROP INDEX executions_quiet;
ALTER TABLE executions DROP COLUMN quiet_ms;
ALTER TABLE executions DROP COLUMN late;
