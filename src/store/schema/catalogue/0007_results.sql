-- What runners tell at the end of how executions ran (an object), and what those left as their result (JSON).
CREATE TABLE results(
  execution {integer} PRIMARY KEY,
  details {text},
  result {text}
);

--- way back
--- loses: how executions ran, and their results
--- counted by: SELECT count(*) FROM results
DROP TABLE results;
