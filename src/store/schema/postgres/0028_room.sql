-- Executions that are made together are appended to together: all the rows of a page are written anew in one transaction.
-- Those that find no room in their page go to another one, and into every index.
ALTER TABLE executions SET (fillfactor = 45);
ALTER TABLE producers SET (fillfactor = 45);

--- works with: former
--- way back
ALTER TABLE executions SET (fillfactor = 70);
ALTER TABLE producers SET (fillfactor = 70);
