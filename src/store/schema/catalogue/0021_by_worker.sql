-- What a worker that comes back may still have, without a look at all jobs.
CREATE INDEX executions_by_worker ON executions(worker_id, id) WHERE sealed = 0 AND worker_id IS NOT NULL;

--- way back
DROP INDEX executions_by_worker;
