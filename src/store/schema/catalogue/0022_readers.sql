-- Servers of two versions may use one database while the first are replaced by the second. `minimum`: the oldest schema
-- that a program must know to work on this one, by the migrations' own word. `knows`: the newest that a node knows.
CREATE TABLE schema_reader(minimum {integer} NOT NULL);
INSERT INTO schema_reader(minimum) VALUES(21);
ALTER TABLE nodes ADD COLUMN knows {integer} NOT NULL DEFAULT 21;

--- works with: 21
--- way back
ALTER TABLE nodes DROP COLUMN knows;
DROP TABLE schema_reader;
