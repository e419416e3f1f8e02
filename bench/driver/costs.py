"""What lines cost besides time, which on a machine that others use says little: processor time, WAL and room."""

import time

from . import rivals

SETTLE_SECONDS = 120


def cpu_seconds(pids, database):
    """Of servers, and of the database, so far."""
    return sum(rivals.cpu_of_all(pid) for pid in pids), database.database_cpu_seconds() if database else 0


class Costs:
    """Of some servers and of the database below them, counted from when this is made. Either may be missing."""

    def __init__(self, pids=(), database=None):
        self.pids, self.database = pids, database
        self.before = self.now()

    def now(self):
        servers, engine = cpu_seconds(self.pids, self.database)
        return {
            "servers": servers,
            "database": engine,
            "wal": self.database.database_wal_bytes() if self.database else 0,
            "stored": self.database.database_bytes() if self.database else 0,
        }

    def since(self):
        now = self.now()
        return {what: now[what] - self.before[what] for what in now}

    def text(self, lines):
        """For each million lines, and for each line."""
        spent, millions = self.since(), lines / 1e6
        parts = [f"CPU s for each million lines: {cpu_text(spent, millions, self.database)}"]
        if self.database:
            parts += [f"{spent[what] / lines:.1f} bytes a line {name}" for what, name in BYTES]
        return "; ".join(parts)


BYTES = (("wal", "of WAL"), ("stored", "stored"))


def cpu_text(spent, millions, database):
    servers, engine = spent["servers"] / millions, spent["database"] / millions
    return f"{servers:.2f} servers" + (f" + {engine:.2f} database" if database else "")


def wait_merged(database, deadline=SETTLE_SECONDS):
    """Until nothing more is merged soon; False if that takes too long. What is open stays listed, as more may come."""
    end = time.monotonic() + deadline
    waits = "SELECT count(*) FROM unmerged u JOIN executions e ON e.id = u.execution WHERE e.sealed = 1"
    while int(database.ask(waits)[0][0]):
        if time.monotonic() > end:
            return False
        time.sleep(2)  # asking costs the database, too
    return True
