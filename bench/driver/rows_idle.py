"""What servers on one PostgreSQL tell each other: how soon a hint is heard, and what the database does for three servers that
have nothing to do, or much."""

import contextlib
import shutil
import time

from .rows_growth import begin, nodes
from .rows_nodes import Database, Redis
from .rows_store import figures

HINT_GOAL_MS = 10
SERVERS = 3
IDLE_GOAL = 0.01  # of a core
COUNTED = "shared_preload_libraries=pg_stat_statements"
# What a statement is for, by a word in it, the first that fits; what has none of them is the work itself.
PURPOSES = (
    ("tallies", "tallies"),
    ("rosters", "rosters"),
    ("news", "news"),
    ("leases and heartbeats", "leases"),
    ("leases and heartbeats", "nodes"),
    ("jobs", "jobs"),
    ("hints", "notify"),
    ("merging", "unmerged"),
    ("days", "chunk_days"),
    ("purging", "purging"),
    ("what is quiet", "quiet_ms"),
    ("counting", "select count(*)"),
)


def hints(bench):
    """From the answer for an append at one server to the moment at which another one hears of it."""
    if Database.missing():
        bench.note(f"hints: {Database.missing()}")
        return
    tool, count = bench.tool.with_name("bench-hints"), bench.pick(200, 2_000)
    with contextlib.ExitStack() as stack:
        database = stack.enter_context(Database(bench))
        carriers = [("NOTIFY", "notify")]
        if shutil.which("redis-server"):
            carriers.append(("Redis", stack.enter_context(Redis(bench)).url))
        for name, bus in carriers:
            got = figures(tool, database.url, bus, count, 7)
            bench.row(
                f"an append is answered → another server hears of it by {name}: p99",
                f"≤ {HINT_GOAL_MS} ms",
                got["p99_ms"],
                "ms",
                got["p50_ms"],
                f"its p50, ms; {got['lost']} of {count} not heard within 1 s",
                met=got["p99_ms"] <= HINT_GOAL_MS and got["lost"] == 0,
            )


def purpose(statement):
    text = statement.lower()
    return next((name for name, word in PURPOSES if word in text), "the work itself")


def statements(database):
    """By purpose: how many were run, and for how long, in ms."""
    found = {}
    for query, calls, ms in database.ask(
        "SELECT regexp_replace(query, '\\s+', ' ', 'g'), calls, total_exec_time + total_plan_time FROM pg_stat_statements"
    ):
        before = found.get(purpose(query), (0, 0))
        found[purpose(query)] = (before[0] + int(calls), before[1] + float(ms))
    return found


def watched(database, seconds):
    """Cores of the database's processor time, and statements by purpose, over so many seconds."""
    database.ask("SELECT pg_stat_statements_reset()")
    before, began = database.database_cpu_seconds(), time.monotonic()
    time.sleep(seconds)
    used, passed = database.database_cpu_seconds() - before, time.monotonic() - began
    return used / passed, {what: (calls / passed, ms / passed) for what, (calls, ms) in statements(database).items()}


def told(by_purpose):
    ordered = sorted(by_purpose.items(), key=lambda item: -item[1][1])
    return "; ".join(f"{what} {calls:.1f}/s, {ms:.2f} ms/s" for what, (calls, ms) in ordered if calls >= 0.05)


def idle_servers(bench):
    if Database.missing():
        bench.note(f"idle servers: {Database.missing()}")
        return
    path = bench.corpus.mixed(bench.pick(10_000, 100_000))
    seconds = bench.pick(10, 30)
    with Database(bench, COUNTED) as database:
        database.ask("CREATE EXTENSION pg_stat_statements")
        time.sleep(5)
        alone = watched(database, seconds)[0]
        with nodes(bench, database, SERVERS) as servers:
            time.sleep(10)
            cores, by_purpose = watched(database, seconds)
            share = cores - alone
            bench.row(
                f"{SERVERS} idle servers: CPU of the database more",
                f"≤ {100 * IDLE_GOAL:.0f} % of a core",
                100 * share,
                "% of a core",
                100 * alone,
                "without them",
                met=share <= IDLE_GOAL,
            )
            total = sum(calls for calls, _ in by_purpose.values())
            bench.note(f"{SERVERS} idle servers, {total:.1f} statements/s: {told(by_purpose)}")
            loaded(bench, database, servers, path, seconds)


def loaded(bench, database, servers, path, seconds):
    """Each has executions that write, ten lines at once, once a second."""
    count = bench.pick(100, 1_000)
    load = {"rate": 10, "burst": 10, "seconds": seconds + 5, "complete": 0, "file": path}
    loads = [begin(bench, server, f"loaded{i}-", sockets=count, **load) for i, server in enumerate(servers)]
    for one in loads:
        one.stdin.write("go\n")
        one.stdin.flush()
    time.sleep(2)
    cores, by_purpose = watched(database, seconds)
    for one in loads:
        _, errors = one.communicate(timeout=300)
        if one.returncode:
            raise RuntimeError(errors)
    talk = {what: figure for what, figure in by_purpose.items() if what != "the work itself"}
    bench.row(
        f"{SERVERS} servers with {count:,} executions × 10 lines/s each: the database's time for what is not the work itself",
        "",
        sum(ms for _, ms in talk.values()) / 10,
        "% of a core",
        100 * cores,
        "CPU of the database in all, % of a core",
    )
    bench.note(f"{SERVERS} loaded servers: {told(by_purpose)}")
