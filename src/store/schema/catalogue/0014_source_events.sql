-- Which events of sources are in a log: the keys of model/late.h. Each is stored once.
CREATE TABLE source_events(
  execution {integer} NOT NULL,
  event {bytes} NOT NULL,
  PRIMARY KEY(execution, event)
) {clustered};

--- way back
--- loses: which events of other systems are stored already, so that they would be taken twice
--- counted by: SELECT count(*) FROM source_events
DROP TABLE source_events;
