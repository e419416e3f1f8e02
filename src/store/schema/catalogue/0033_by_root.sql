-- The later attempts of a job by its first one, which others depend on and which may be purged before them.
CREATE INDEX jobs_by_root ON jobs(root) WHERE retry_of <> 0;

--- works with: 31
--- way back
DROP INDEX jobs_by_root;
