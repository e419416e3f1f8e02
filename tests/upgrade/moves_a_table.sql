-- The former version's servers would find no tickets.
ALTER TABLE tickets RENAME TO moved_tickets;

--- works with: itself
--- way back
ALTER TABLE moved_tickets RENAME TO tickets;
