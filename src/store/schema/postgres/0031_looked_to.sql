-- How far a log was looked through for what is to be merged, so that the next look begins there.
ALTER TABLE unmerged ADD COLUMN looked_to BIGINT NOT NULL DEFAULT 0;
ALTER TABLE unmerged ADD COLUMN looked_sealed BOOLEAN NOT NULL DEFAULT false; -- when it was sealed already

--- works with: former
--- way back
ALTER TABLE unmerged DROP COLUMN looked_sealed;
ALTER TABLE unmerged DROP COLUMN looked_to;
