-- Executions that a worker is to run. `state` is enum job_state (model/job.h): 0 held, 1 delayed, 2 ready, 3 claimed,
-- 4 lost, 5 over, 6 ended. `rank` is the priority with its sign turned; a line is sorted by rank, turn, execution.
CREATE TABLE jobs(
  execution {integer} PRIMARY KEY,
  account {integer} NOT NULL,
  state {integer} NOT NULL,
  demand {text} NOT NULL,
  rank {integer} NOT NULL,
  turn {integer} NOT NULL,
  waits_for {integer} NOT NULL, -- rows of it in `dependencies`
  root {integer} NOT NULL, -- its first attempt, which others depend on
  attempt {integer} NOT NULL,
  tries {integer} NOT NULL, -- attempts since it was last queued by hand
  retry_of {integer} NOT NULL, -- the attempt before; 0: none
  superseded_by {integer} NOT NULL, -- the attempt after; 0: none
  batch {integer} NOT NULL, -- 0: none
  batch_index {integer} NOT NULL,
  not_before_ms {integer} NOT NULL,
  failed_ms {integer} NOT NULL, -- when it failed, if no attempt follows; 0: it did not
  timeout_ms {integer} NOT NULL,
  rate_micros {integer} NOT NULL,
  trusted {integer} NOT NULL,
  retries {integer} NOT NULL,
  retry_delay_ms {integer} NOT NULL,
  retry_on {text} NOT NULL,
  reason {text}
);
CREATE INDEX jobs_ready ON jobs(account, demand, rank, turn, execution) WHERE state = 2;
CREATE INDEX jobs_delayed ON jobs(not_before_ms, execution) WHERE state = 1;
CREATE INDEX jobs_queued ON jobs(account) WHERE state < 3;
CREATE INDEX jobs_by_batch ON jobs(batch, batch_index, attempt) WHERE batch > 0;
CREATE INDEX jobs_live ON jobs(batch, state, waits_for, batch_index, execution) WHERE batch > 0 AND state < 6;
CREATE INDEX jobs_failed ON jobs(batch, failed_ms, execution) WHERE failed_ms > 0;

-- What jobs wait for. kind 0: `parent` is an execution, of a job its first attempt; 1: a batch. `wish` is enum
-- dependency_wish. A row goes when it is satisfied, or when the child ends.
CREATE TABLE dependencies(
  child {integer} NOT NULL,
  kind {integer} NOT NULL,
  parent {integer} NOT NULL,
  wish {integer} NOT NULL,
  PRIMARY KEY(child, kind, parent, wish)
) {clustered};
CREATE INDEX dependencies_by_parent ON dependencies(kind, parent, child, wish);

-- Executions (kind 0) and batches (1) whose consequences are to be drawn.
CREATE TABLE endings(
  kind {integer} NOT NULL,
  subject {integer} NOT NULL,
  PRIMARY KEY(kind, subject)
) {clustered};

-- Counts are those of struct batch_counts; `active` are the ready and claimed ones.
CREATE TABLE batches(
  id {numbered},
  account {integer} NOT NULL,
  batch_id {text} NOT NULL,
  owner {text},
  name {text},
  metadata {text},
  idempotency_key {text},
  request_hash {integer} NOT NULL,
  created_ms {integer} NOT NULL,
  parallel {integer} NOT NULL,
  max_fails {integer}, -- NULL: any number
  max_fails_percent {integer} NOT NULL,
  rate_micros {integer} NOT NULL,
  expected {integer} NOT NULL,
  open {integer} NOT NULL,
  cancelled {integer} NOT NULL DEFAULT 0,
  stopped {integer} NOT NULL DEFAULT 0,
  turn {integer} NOT NULL DEFAULT 0, -- the last that one of its jobs was given
  active {integer} NOT NULL DEFAULT 0,
  queued {integer} NOT NULL DEFAULT 0,
  running {integer} NOT NULL DEFAULT 0,
  waiting {integer} NOT NULL DEFAULT 0,
  paused {integer} NOT NULL DEFAULT 0,
  completed {integer} NOT NULL DEFAULT 0,
  failed {integer} NOT NULL DEFAULT 0,
  cancelled_count {integer} NOT NULL DEFAULT 0,
  timed_out {integer} NOT NULL DEFAULT 0,
  skipped {integer} NOT NULL DEFAULT 0,
  lost {integer} NOT NULL DEFAULT 0,
  ended {integer} NOT NULL DEFAULT 0,
  ended_ms_sum {integer} NOT NULL DEFAULT 0,
  running_started_sum {integer} NOT NULL DEFAULT 0,
  cost_micros {integer} NOT NULL DEFAULT 0,
  first_started_ms {integer} NOT NULL DEFAULT 0,
  last_ended_ms {integer} NOT NULL DEFAULT 0,
  UNIQUE(account, batch_id)
);
CREATE INDEX batches_by_account ON batches(account, id);
CREATE INDEX batches_by_owner ON batches(account, owner, id) WHERE owner IS NOT NULL;
CREATE UNIQUE INDEX batches_by_key ON batches(account, idempotency_key) WHERE idempotency_key IS NOT NULL;

CREATE TABLE workers(
  account {integer} NOT NULL,
  worker_id {text} NOT NULL,
  hostname {text},
  offer {text} NOT NULL,
  connected {integer} NOT NULL,
  first_ms {integer} NOT NULL,
  seen_ms {integer} NOT NULL,
  PRIMARY KEY(account, worker_id)
) {clustered};
CREATE INDEX workers_by_age ON workers(seen_ms);

--- way back
--- loses: jobs and batches
--- counted by: SELECT (SELECT count(*) FROM jobs) + (SELECT count(*) FROM batches)
DROP TABLE jobs;
DROP TABLE dependencies;
DROP TABLE endings;
DROP TABLE batches;
DROP TABLE workers;
