-- By which key, and as which epoch, its runner has claimed it: execution_claim_mark.
ALTER TABLE executions ADD COLUMN claim {integer};

--- works with: former
--- way back
ALTER TABLE executions DROP COLUMN claim;
