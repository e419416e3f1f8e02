-- What each server of a shared store says of the workers that are connected to it, for the others: a JSON text of
-- jobs/roster.h. It counts for as long as its node is heard of.
CREATE TABLE rosters(
  node {integer} PRIMARY KEY,
  roster {text} NOT NULL
);

--- works with: former
--- way back
DROP TABLE rosters;
