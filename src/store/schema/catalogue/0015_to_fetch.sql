-- Logs that another system keeps, and that are fetched from it when somebody reads them first: 1 until that is done.
ALTER TABLE executions ADD COLUMN to_fetch {integer} NOT NULL DEFAULT 0;

--- way back
--- loses: which logs are still to be fetched from elsewhere
--- counted by: SELECT count(*) FROM executions WHERE to_fetch = 1
ALTER TABLE executions DROP COLUMN to_fetch;
