-- Values that jobs are given by name, each sealed (auth/keyring.h). `version` counts the values that it has had.
CREATE TABLE secrets(
  account {integer} NOT NULL,
  name {text} NOT NULL,
  sealed {bytes} NOT NULL,
  version {integer} NOT NULL,
  created_ms {integer} NOT NULL,
  changed_ms {integer} NOT NULL,
  used_ms {integer} NOT NULL, -- when a job was last given it; 0: never
  PRIMARY KEY(account, name)
) {clustered};
-- Which ones a job is given: NAME or NAME=VARIABLE, with spaces between them; NULL: none.
ALTER TABLE jobs ADD COLUMN secrets {text};

--- way back
--- loses: secrets, and which jobs have some
--- counted by: SELECT (SELECT count(*) FROM secrets) + (SELECT count(*) FROM jobs WHERE secrets IS NOT NULL)
DROP TABLE secrets;
ALTER TABLE jobs DROP COLUMN secrets;
