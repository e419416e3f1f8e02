-- Servers, and others that hold leases. A new row for each start. heartbeat_ms is by the store's own clock; fenced_ms:
-- since then it holds nothing any more; 0: it does. Node 0 is nobody's.
CREATE TABLE nodes(
  id {numbered},
  kind {integer} NOT NULL,
  address {text},
  started_ms {integer} NOT NULL,
  heartbeat_ms {integer} NOT NULL,
  fenced_ms {integer} NOT NULL DEFAULT 0
);
CREATE INDEX nodes_fenced ON nodes(id) WHERE fenced_ms > 0;
INSERT INTO nodes(id, kind, started_ms, heartbeat_ms, fenced_ms) VALUES(0, 1, 0, 0, 1);

-- What only one node looks after at a time. kind 1: a runner's execution, until it is sealed.
CREATE TABLE leases(
  kind {integer} NOT NULL,
  subject {integer} NOT NULL,
  node {integer} NOT NULL,
  epoch {integer} NOT NULL,
  deadline_ms {integer} NOT NULL, -- it has run out by then; 0: it lasts for as long as its node is heard of
  PRIMARY KEY(kind, subject)
) {clustered};
CREATE INDEX leases_by_node ON leases(node, kind, subject);

-- Runners that were there before: whichever server starts first takes them over. A lost one's lease has run out.
INSERT INTO leases(kind, subject, node, epoch, deadline_ms)
  SELECT 1, id, 0, epoch, CASE WHEN status = 'lost' THEN 1 ELSE 0 END FROM executions
  WHERE sealed = 0 AND purged = 0 AND epoch <> 0;

--- way back
DROP TABLE leases;
DROP TABLE nodes;
