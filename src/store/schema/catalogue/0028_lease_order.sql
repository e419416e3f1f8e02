-- When a lease's holder came last, by the clock of its own machine: what it asked another node for before that may come
-- later.
ALTER TABLE leases ADD COLUMN asked_ms {integer} NOT NULL DEFAULT 0;

--- works with: former
--- way back
ALTER TABLE leases DROP COLUMN asked_ms;
