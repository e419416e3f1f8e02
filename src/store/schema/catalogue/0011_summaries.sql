-- What is counted of logs (model/summary.h), up to the record `next`. What follows it is counted by who reads it.
CREATE TABLE summaries(
  execution {integer} PRIMARY KEY,
  next {integer} NOT NULL,
  body {bytes} NOT NULL
);

--- way back
DROP TABLE summaries;
