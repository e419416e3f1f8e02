-- What is counted of logs (model/summary.h), up to the record `next`. What follows it is counted by who reads it. `next`
-- is at most the number of the first record that is not merged.
CREATE TABLE summaries(
  execution {integer} PRIMARY KEY,
  next {integer} NOT NULL,
  body {bytes} NOT NULL
);

--- way back
DROP TABLE summaries;
