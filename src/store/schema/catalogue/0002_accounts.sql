-- Accounts that can be suspended and deleted. 0: it is not, or never was. The name of a deleted one stays taken.
ALTER TABLE accounts ADD COLUMN suspended_ms {integer} NOT NULL DEFAULT 0;
ALTER TABLE accounts ADD COLUMN resumed_ms {integer} NOT NULL DEFAULT 0;
ALTER TABLE accounts ADD COLUMN deleted_ms {integer} NOT NULL DEFAULT 0;

-- Deleted accounts whose executions are not all purged yet.
CREATE TABLE purging_accounts(
  account {integer} PRIMARY KEY
);

--- no way back: which accounts are suspended or deleted
