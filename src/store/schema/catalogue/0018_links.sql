-- What jobs depend on, as long as they are known; columns as in `dependencies`, whose rows go when they are satisfied. Of a
-- job that was tried again they are the first attempt's.
CREATE TABLE links(
  child {integer} NOT NULL,
  kind {integer} NOT NULL,
  parent {integer} NOT NULL,
  wish {integer} NOT NULL,
  PRIMARY KEY(child, kind, parent, wish)
) {clustered};
CREATE INDEX links_by_parent ON links(kind, parent, child, wish);
INSERT INTO links(child, kind, parent, wish) SELECT child, kind, parent, wish FROM dependencies;

--- way back
--- loses: what jobs that do not wait any more have depended on
--- counted by: SELECT (SELECT count(*) FROM links) - (SELECT count(*) FROM dependencies)
DROP TABLE links;
