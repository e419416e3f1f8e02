-- Nothing wrote to it.
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
