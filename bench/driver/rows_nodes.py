"""Several servers on one PostgreSQL: what a follower waits for that is at another server, and what followers cost the database
in which nothing happens."""

import contextlib
import pathlib
import shutil
import time

from . import rivals
from .rows_live import live_run


class Database(rivals.Programs):
    """A PostgreSQL of its own, durable as it comes."""

    @staticmethod
    def missing():
        return "" if list(pathlib.Path("/usr/lib/postgresql").glob("*/bin/postgres")) else "postgresql is not installed"

    def __init__(self, bench, *settings):
        super().__init__(bench, "database")
        port = rivals.free_port()
        self.start_postgres(port, "shared_buffers=1GB", "max_connections=200", *settings)
        self.url = f"postgres://bench@127.0.0.1:{port}/postgres"


class Redis(rivals.Programs):
    """By which servers tell each other, instead of by the database."""

    def __init__(self, bench):
        super().__init__(bench, "redis")
        port = rivals.free_port()
        self.url = f"redis://127.0.0.1:{port}"
        self.spawn(["redis-server", "--bind", "127.0.0.1", "--port", port, "--save", "", "--dir", self.folder], port)


def across(bench, here, there, rate, seconds, path, by):
    same = live_run(bench, here, f"same-{by}-{rate}", rate, seconds, 0, path)
    other = live_run(bench, here, f"{by}-{rate}", rate, seconds, 0, path, reader_at=there)
    more = other["latency_p99_ms"] - same["latency_p99_ms"]
    whole = other["lines"] == same["lines"] == rate * seconds
    bench.row(
        f"write → read at another server by {by}, {rate:,} lines/s: p99",
        "≤ 10 ms more than at the same server",
        other["latency_p99_ms"],
        "ms",
        same["latency_p99_ms"],
        "at the same server, ms",
        other["latency_p99_ms"] / same["latency_p99_ms"],
        more <= 10 and whole,
    )
    if not whole:
        bench.note(
            f"by {by} at {rate:,} lines/s {same['lines']:,} and {other['lines']:,} of {rate * seconds:,} lines came"
        )


def cpu_over(database, seconds):
    before = database.database_cpu_seconds()
    time.sleep(seconds)
    return database.database_cpu_seconds() - before


def idle_followers(bench, database, here, there):
    count, seconds = bench.pick((1_000, 10), (10_000, 60))
    for number in range(count):
        here.create(f"idle-{number}")
    time.sleep(10)
    alone = cpu_over(database, seconds)
    holder = bench.idle_followers(there, "idle-*", count)
    time.sleep(5)
    followed = cpu_over(database, seconds)
    holder.communicate("", timeout=60)
    share = (followed - alone) / seconds
    bench.row(
        f"{count:,} idle followers, an execution each, of one server: CPU of the database more",
        "≤ 5 % of a core",
        100 * share,
        "% of a core",
        100 * alone / seconds,
        "without them",
        followed / max(alone, 0.01),
        share <= 0.05,
    )


@contextlib.contextmanager
def servers(bench, database, bus):
    name = bus.partition(":")[0]
    flags = ("--store", database.url, "--bus", bus)
    with bench.server(f"{name}-a", *flags) as here, bench.server(f"{name}-b", *flags, key=here.key) as there:
        yield here, there


def across_rates(bench, here, there, path, by):
    for rate in bench.pick((1_000,), (1_000, 20_000)):
        across(bench, here, there, rate, bench.pick(3, 15), path, by)


def many_servers(bench):
    if Database.missing():
        bench.note(f"many servers: {Database.missing()}")
        return
    path = bench.corpus.sized(bench.pick(60_000_000, 250_000_000))
    with Database(bench) as database:
        with servers(bench, database, "notify") as (here, there):
            across_rates(bench, here, there, path, "NOTIFY")
            idle_followers(bench, database, here, there)
        if not shutil.which("redis-server"):
            bench.note("many servers: redis-server is not installed")
            return
        with Redis(bench) as redis, servers(bench, database, redis.url) as (here, there):
            across_rates(bench, here, there, path, "Redis")
