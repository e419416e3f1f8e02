-- Logs that are copied to another system (src/mirror): the records below `next` are there. `pending`: more is to come.
-- `time_ms` is when the next one was written, or before that: in this order they are copied.
CREATE TABLE mirrors(
  execution {integer} PRIMARY KEY,
  next {integer} NOT NULL,
  time_ms {integer} NOT NULL,
  pending {integer} NOT NULL
);
CREATE INDEX mirrors_pending ON mirrors(time_ms, execution) WHERE pending = 1;
-- Where it is found there: for each node the first and the last time, and how many lines. `labels`: enum loki_labels.
CREATE TABLE mirror_places(
  execution {integer} NOT NULL,
  node {text} NOT NULL,
  labels {integer} NOT NULL,
  from_ms {integer} NOT NULL,
  until_ms {integer} NOT NULL,
  lines {integer} NOT NULL,
  PRIMARY KEY(execution, node, labels)
) {clustered};

--- way back
--- loses: how far logs are mirrored in Loki, and where they are found there
--- counted by: SELECT count(*) FROM mirrors
DROP TABLE mirror_places;
DROP TABLE mirrors;
