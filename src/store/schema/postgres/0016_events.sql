-- Structured records as rows beside their chunk, if the server keeps them (`event_rows`): events, and all that have fields.
-- `fields` are those of docs/execution-contract.md, without what JSONB cannot hold (store/postgres/event_rows.h).
CREATE TABLE events(
  execution BIGINT NOT NULL,
  sequence BIGINT NOT NULL,
  time_ms BIGINT NOT NULL,
  stream TEXT COLLATE "C" NOT NULL,
  level TEXT COLLATE "C" NOT NULL,
  message TEXT COLLATE "C" NOT NULL,
  fields JSONB NOT NULL,
  PRIMARY KEY(execution, sequence)
);

-- What the roles of the database may see that do not own the tables; docs/postgres.md. `owner`: whose executions; NULL: all
-- of the account. `by_claims`: whose, its settings say, as it is a gateway that verifies who asks.
CREATE TABLE sql_roles(
  role NAME PRIMARY KEY,
  account BIGINT NOT NULL,
  owner TEXT COLLATE "C",
  by_claims BOOLEAN NOT NULL DEFAULT false
);

-- As Supabase has them; where they are there already, those count.
CREATE SCHEMA IF NOT EXISTS auth;
DO $make$ BEGIN
  IF to_regprocedure('auth.uid()') IS NULL THEN
    GRANT USAGE ON SCHEMA auth TO PUBLIC;
    CREATE FUNCTION auth.uid() RETURNS text STABLE LANGUAGE sql AS $$
      SELECT coalesce(nullif(current_setting('request.jwt.claim.sub', true), ''),
                      nullif(current_setting('request.jwt.claims', true), '')::json ->> 'sub') $$;
  END IF;
  IF to_regprocedure('auth.role()') IS NULL THEN
    CREATE FUNCTION auth.role() RETURNS text STABLE LANGUAGE sql AS $$
      SELECT coalesce(nullif(current_setting('request.jwt.claim.role', true), ''),
                      nullif(current_setting('request.jwt.claims', true), '')::json ->> 'role') $$;
  END IF;
END $make$;

-- Not called as the server's role might be: the schema of a role's name is looked into first.
CREATE SCHEMA runnel_sql;

-- Who asks: the role that has logged in, whatever it becomes later. NULL: nobody.
CREATE FUNCTION runnel_sql.account() RETURNS BIGINT STABLE SECURITY DEFINER LANGUAGE sql
BEGIN ATOMIC
  SELECT account FROM sql_roles WHERE role = session_user;
END;
-- NULL: it sees those of all.
CREATE FUNCTION runnel_sql.owner() RETURNS TEXT STABLE SECURITY DEFINER LANGUAGE sql
BEGIN ATOMIC
  SELECT CASE WHEN NOT by_claims THEN owner WHEN auth.role() = 'service_role' THEN NULL
         ELSE coalesce(auth.uid()::text, '') END FROM sql_roles WHERE role = session_user;
END;

-- A text that is JSON. What JSONB cannot hold becomes a string.
CREATE FUNCTION runnel_sql.json(value TEXT) RETURNS JSONB IMMUTABLE LANGUAGE plpgsql AS $$
BEGIN
  RETURN value::jsonb;
EXCEPTION WHEN others THEN
  RETURN to_jsonb(value);
END $$;

CREATE VIEW runnel_sql.executions WITH (security_barrier) AS
SELECT e.id, e.execution_id, e.status, e.owner AS user_id, e.workflow_id, e.batch_id, e.script_filename, e.runtime,
  to_timestamp(e.created_ms / 1000.0) AS created_at,
  to_timestamp(nullif(e.started_ms, 0) / 1000.0) AS started_at,
  to_timestamp(nullif(e.completed_ms, 0) / 1000.0) AS completed_at,
  CASE WHEN e.started_ms > 0 AND e.completed_ms > 0 THEN ((e.completed_ms - e.started_ms) / 1000)::integer END
    AS duration_seconds,
  e.exit_code::integer AS exit_code, e.worker_id, e.worker_hostname, e.artifacts::integer AS artifacts_count,
  runnel_sql.json(d.metadata) AS execution_metadata
FROM executions e LEFT JOIN documents d ON d.execution = e.id
WHERE e.purged = 0 AND e.account = (SELECT runnel_sql.account())
  AND ((SELECT runnel_sql.owner()) IS NULL OR e.owner = (SELECT runnel_sql.owner()));

CREATE VIEW runnel_sql.workers WITH (security_barrier) AS
SELECT worker_id, hostname, to_timestamp(seen_ms / 1000.0) AS seen_at FROM workers
WHERE account = (SELECT runnel_sql.account());

ALTER TABLE events ENABLE ROW LEVEL SECURITY;
CREATE POLICY "Users can view their own execution logs" ON events FOR SELECT USING (
  EXISTS (SELECT 1 FROM runnel_sql.executions we WHERE we.id = events.execution)
);
-- Nobody is granted that; who is must be the service of an account too.
CREATE POLICY "Service can insert execution logs" ON events FOR INSERT WITH CHECK (
  auth.role() = 'service_role' AND EXISTS (SELECT 1 FROM runnel_sql.executions we WHERE we.id = events.execution)
);
CREATE POLICY "Service can update execution logs" ON events FOR UPDATE USING (
  auth.role() = 'service_role' AND EXISTS (SELECT 1 FROM runnel_sql.executions we WHERE we.id = events.execution)
);

CREATE TYPE runnel_sql.log_level_enum AS ENUM ('DEBUG', 'INFO', 'WARNING', 'ERROR', 'CRITICAL');

CREATE VIEW runnel_sql.workflow_execution_logs WITH (security_invoker) AS
SELECT md5(e.execution_id || ':' || v.sequence)::uuid AS id, e.execution_id, v.sequence AS sequence_number,
  coalesce(v.fields ->> 'category', 'technical') AS log_category,
  coalesce(v.fields ->> 'event_type', 'log') AS event_type, v.level::runnel_sql.log_level_enum AS level, v.message,
  coalesce(v.fields -> 'data', '{}') AS data,
  v.fields ->> 'node_id' AS node_id, v.fields ->> 'node_name' AS node_name, v.fields ->> 'node_type' AS node_type,
  (v.fields ->> 'step_number')::numeric AS step_number, (v.fields ->> 'total_steps')::numeric AS total_steps,
  (v.fields ->> 'progress_percentage')::numeric(5, 2) AS progress_percentage,
  CASE WHEN jsonb_typeof(v.fields -> 'duration_seconds') = 'number' THEN (v.fields ->> 'duration_seconds')::numeric END
    AS duration_seconds,
  v.fields ->> 'user_friendly_message' AS user_friendly_message,
  coalesce((v.fields ->> 'display_priority')::integer, 5) AS display_priority,
  coalesce((v.fields ->> 'is_milestone')::boolean, false) AS is_milestone,
  coalesce(v.fields -> 'technical_details', '{}') AS technical_details, v.fields ->> 'stack_trace' AS stack_trace,
  coalesce(v.fields -> 'performance_metrics', '{}') AS performance_metrics,
  to_timestamp(v.time_ms / 1000.0) AS created_at
FROM events v JOIN runnel_sql.executions e ON e.id = v.execution;

CREATE VIEW runnel_sql.execution_logs WITH (security_invoker) AS
SELECT 'log_' || md5(e.execution_id || ':' || v.sequence)::uuid AS log_id, e.execution_id,
  v.sequence AS sequence_number, to_timestamp(v.time_ms / 1000.0) AS timestamp, v.stream, v.message
FROM events v JOIN runnel_sql.executions e ON e.id = v.execution;

CREATE VIEW runnel_sql.workflow_traces WITH (security_invoker) AS
SELECT v.sequence::text AS id, e.execution_id AS run_id, e.workflow_id, t.type,
  coalesce(v.fields ->> 'node_id', v.fields ->> 'node_name') AS node_ref,
  to_timestamp(v.time_ms / 1000.0) AS timestamp, nullif(v.message, '') AS message,
  coalesce(v.fields -> 'technical_details' -> 'error', CASE WHEN t.type = 'FAILED' THEN
    jsonb_strip_nulls(jsonb_build_object('message', v.message, 'stack', v.fields -> 'stack_trace')) END) AS error,
  v.fields -> 'technical_details' -> 'outputSummary' AS output_summary,
  CASE v.level WHEN 'DEBUG' THEN 'debug' WHEN 'INFO' THEN 'info' WHEN 'WARNING' THEN 'warn' ELSE 'error' END AS level,
  v.fields -> 'data' AS data, v.sequence
FROM events v JOIN runnel_sql.executions e ON e.id = v.execution
JOIN (VALUES ('node_started', 'STARTED'), ('node_progress', 'PROGRESS'), ('node_completed', 'COMPLETED'),
  ('node_failed', 'FAILED'), ('node_awaiting_input', 'AWAITING_INPUT'), ('node_skipped', 'SKIPPED'),
  ('step_started', 'STARTED'), ('step_completed', 'COMPLETED'), ('step_error', 'FAILED')) AS t(event_type, type)
  ON t.event_type = v.fields ->> 'event_type'
WHERE e.workflow_id IS NOT NULL;

--- way back
--- loses: structured records as rows, and who may read them by SQL
--- counted by: SELECT (SELECT count(*) FROM events) + (SELECT count(*) FROM sql_roles)
DROP VIEW runnel_sql.workflow_traces, runnel_sql.execution_logs, runnel_sql.workflow_execution_logs;
DROP TABLE events;
DROP SCHEMA runnel_sql CASCADE;
DROP TABLE sql_roles;
