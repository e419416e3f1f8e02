-- The runs of a workflow that are there, and those of one user: what is purged stays as a row, and may be most of them.
DROP INDEX executions_by_workflow;
CREATE INDEX executions_of_workflow ON executions(account, workflow_id, id) WHERE purged = 0 AND workflow_id IS NOT NULL;
CREATE INDEX executions_of_workflow_own ON executions(account, workflow_id, owner, id)
  WHERE purged = 0 AND workflow_id IS NOT NULL AND owner IS NOT NULL;

--- works with: former
--- way back
DROP INDEX executions_of_workflow;
DROP INDEX executions_of_workflow_own;
CREATE INDEX executions_by_workflow ON executions(account, workflow_id, id) WHERE workflow_id IS NOT NULL;
