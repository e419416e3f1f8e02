-- What each server of a shared store has counted of accounts and addresses whose limits hold over all servers, for the
-- others: a text of server/tallies.h. It counts for as long as its node is heard of.
CREATE TABLE tallies(
  node {integer} PRIMARY KEY,
  tally {text} NOT NULL
);

--- works with: former
--- way back
DROP TABLE tallies;
