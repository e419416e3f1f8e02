-- Tickets of streams, where several servers share the store; one that has it alone keeps them in memory. id: SHA-256 of
-- the ticket, in hex. kind 0: not bound to a stream yet. until_ms is by the store's clock.
CREATE TABLE tickets(
  id {text} NOT NULL PRIMARY KEY,
  account {integer} NOT NULL,
  key_row {integer} NOT NULL, -- 0: it was not made with a key
  principal {text} NOT NULL,  -- as JSON; the server's own form
  kind {integer} NOT NULL DEFAULT 0,
  execution_id {text} NOT NULL DEFAULT '',
  until_ms {integer} NOT NULL
);
CREATE INDEX tickets_by_account ON tickets(account, until_ms);
CREATE INDEX tickets_by_time ON tickets(until_ms);
CREATE INDEX tickets_by_key ON tickets(key_row);

--- way back
DROP TABLE tickets;
