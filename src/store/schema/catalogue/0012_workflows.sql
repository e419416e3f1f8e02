-- Graphs of workflows, as they were set. One is never changed: a workflow gets another one, and its runs keep theirs.
-- It goes with the last row that names it.
CREATE TABLE graphs(
  id {numbered},
  graph {text} NOT NULL
);

-- What executions may be runs of. `job`: the template of what a worker runs; `retention`: the runs' own rules, a text of
-- model/retention.h; NULL: none.
CREATE TABLE workflows(
  id {numbered},
  account {integer} NOT NULL,
  workflow_id {text} NOT NULL,
  owner {text},
  name {text},
  description {text},
  graph {integer},
  job {text},
  metadata {text},
  retention {text},
  idempotency_key {text},
  request_hash {integer} NOT NULL,
  created_ms {integer} NOT NULL,
  updated_ms {integer} NOT NULL,
  UNIQUE(account, workflow_id)
);
CREATE INDEX workflows_by_account ON workflows(account, id);
CREATE INDEX workflows_by_owner ON workflows(account, owner, id) WHERE owner IS NOT NULL;
CREATE INDEX workflows_by_graph ON workflows(graph) WHERE graph IS NOT NULL;
CREATE INDEX workflows_retaining ON workflows(account, id) WHERE retention IS NOT NULL;
CREATE UNIQUE INDEX workflows_by_key ON workflows(account, idempotency_key) WHERE idempotency_key IS NOT NULL;

-- What an execution has as a run: JSON each. `waiting` is a text of model/waiting.h, and NULL while it does not wait, or
-- waits for nobody in particular; `waiting_until_ms`: when it has waited for long enough; 0: never.
CREATE TABLE run_details(
  execution {integer} PRIMARY KEY,
  inputs {text},
  config {text},
  graph {integer},
  waiting {text},
  waiting_until_ms {integer} NOT NULL DEFAULT 0
);
CREATE INDEX run_details_by_graph ON run_details(graph) WHERE graph IS NOT NULL;
CREATE INDEX run_details_until ON run_details(waiting_until_ms, execution) WHERE waiting_until_ms > 0;

-- What may go by the rules of its workflow.
CREATE INDEX executions_kept_of_workflow ON executions(account, workflow_id, sealed_ms, id)
  WHERE sealed = 1 AND purged = 0 AND pinned = 0 AND workflow_id IS NOT NULL;

--- way back
--- loses: workflows, and what runs were given
--- counted by: SELECT (SELECT count(*) FROM workflows) + (SELECT count(*) FROM run_details)
DROP INDEX executions_kept_of_workflow;
DROP TABLE run_details;
DROP TABLE workflows;
DROP TABLE graphs;
