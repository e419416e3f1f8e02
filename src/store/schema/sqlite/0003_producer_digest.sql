-- Running digest of the producer's records; NULL: not known, as for those that had begun before this column.
ALTER TABLE producers ADD COLUMN digest INTEGER;

--- no way back: the digests that prove to runners that all of their records are there
