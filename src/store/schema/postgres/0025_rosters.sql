-- Nothing wrote to the table that the view showed. It is replaced, not dropped: who may read it stays as it was.
CREATE OR REPLACE VIEW runnel_sql.workers WITH (security_barrier) AS
SELECT (w.value -> 'worker' ->> 'worker_id') COLLATE "C" AS worker_id,
  (w.value -> 'worker' ->> 'hostname') COLLATE "C" AS hostname,
  (w.value -> 'worker' ->> 'heard_at')::timestamptz AS seen_at
FROM rosters r JOIN nodes n ON n.id = r.node AND n.fenced_ms = 0, json_array_elements(r.roster::json) AS w
WHERE (w.value ->> 'account')::bigint IN (0, (SELECT runnel_sql.account()));
DROP TABLE workers;

--- works with: former
--- way back
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
CREATE OR REPLACE VIEW runnel_sql.workers WITH (security_barrier) AS
SELECT worker_id, hostname, to_timestamp(seen_ms / 1000.0) AS seen_at FROM workers
WHERE account = (SELECT runnel_sql.account());
