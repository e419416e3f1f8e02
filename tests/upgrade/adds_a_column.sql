-- As most migrations are: the former version's servers go on.
ALTER TABLE executions ADD COLUMN of_the_next_version {integer} NOT NULL DEFAULT 0;

--- works with: former
--- way back
ALTER TABLE executions DROP COLUMN of_the_next_version;
