"""One, two and three servers on one PostgreSQL, beside the embedded store and beside a row for each line."""

import contextlib
import json

from . import rivals
from .costs import Costs, cpu_text, wait_merged
from .rows_nodes import Database
from .rows_store import figures

SERVERS = (1, 2, 3)
EXECUTIONS = 48
ROW_THREADS = 4


@contextlib.contextmanager
def nodes(bench, database, count, *flags):
    """So many servers on one database; or one with a file of its own, if there is none."""
    store = ("--store", database.url) if database else ()
    with contextlib.ExitStack() as stack:
        first = stack.enter_context(bench.server("node-0", *store, *flags))
        others = [
            stack.enter_context(bench.server(f"node-{number}", *store, *flags, key=first.key))
            for number in range(1, count)
        ]
        yield [first, *others]


def begin(bench, server, name, **arguments):
    """A load that is connected, and waits for a word to begin."""
    return bench.load_ready("ingest", **server.peer(), prefix=name, hold=1, **arguments)


def together(bench, servers, database, sockets, **arguments):
    """The same load at all servers at the same time, shared among them, and what it has cost until it is acknowledged."""
    each = sockets // len(servers)
    loads = [begin(bench, server, f"many{i}-", sockets=each, **arguments) for i, server in enumerate(servers)]
    costs = Costs([server.pid for server in servers], database)
    for load in loads:
        load.stdin.write("go\n")
        load.stdin.flush()
    got = []
    for load in loads:
        out, errors = load.communicate(timeout=300)
        if load.returncode:
            raise RuntimeError(errors)
        got.append(json.loads(out))
    lines = sum(one["lines"] for one in got)
    return {
        "lines": lines,
        "per_second": lines / max(one["seconds"] for one in got),
        "p99": max(one["ack_p99_ms"] for one in got),
        "costs": costs,
        "acknowledged": cpu_text(costs.since(), lines / 1e6, database),
    }


def shapes(bench, path):
    """Name, goal of one server in lines/s, what is sent, and what a row for each line is given: logs, in flight, lines."""
    lines, count = bench.pick(10_000, 100_000), bench.pick(1_002, 10_002)  # which 2 and 3 divide
    seconds = bench.pick(5, 12)
    return (
        (
            f"{EXECUTIONS} executions, as the runner gathers lines",
            5_000_000,
            {"sockets": EXECUTIONS, "lines": lines, "file": path},
            (EXECUTIONS, EXECUTIONS, 256),
        ),
        (
            f"{EXECUTIONS} executions, chunks of 256 lines",
            None,
            {"sockets": EXECUTIONS, "lines": lines, "frame_lines": 256, "file": path},
            (EXECUTIONS, EXECUTIONS, 256),
        ),
        (
            f"{count:,} executions × 10 lines/s, ten at once",
            None,
            {"sockets": count, "rate": 10, "burst": 10, "seconds": seconds, "complete": 0, "file": path},
            (count, 200, 10),
        ),
    )


def measure(bench, count, what):
    """By so many servers; by 0: one with the embedded store."""
    with contextlib.ExitStack() as stack:
        database = stack.enter_context(Database(bench)) if count else None
        servers = stack.enter_context(nodes(bench, database, max(count, 1)))
        got = together(bench, servers, database, **what)
        if database and not wait_merged(database):
            bench.note("growth: what was sealed was not merged in time")
        got["text"] = got["costs"].text(got["lines"])
    return got


def rows_alone(bench, shape):
    """A row for each line by libpq alone: nothing is checked, numbered, shown or answered."""
    logs, in_flight, lines = shape
    with Database(bench) as database:
        costs = Costs((), database)
        tool = bench.tool.with_name("bench-append-postgres")
        seconds = bench.pick(3, 6)
        got = figures(tool, "rows", database.url, logs, in_flight, lines, seconds, ROW_THREADS)
        return got["lines_per_second"], costs.text(got["lines_per_second"] * seconds)


def grow_servers(bench):
    """What the same lines cost through more servers."""
    if Database.missing():
        bench.note(f"growth: {Database.missing()}")
        return
    path = bench.corpus.mixed(bench.pick(10_000, 100_000))
    for name, goal, what, row_shape in bench.pick(shapes(bench, path)[::2], shapes(bench, path)):
        embedded = measure(bench, 0, what)
        rows, rows_text = rows_alone(bench, row_shape)
        bench.grow(name, "the embedded store", embedded["per_second"], "lines/s", told(embedded))
        bench.grow(name, "a row for each line, by libpq alone", rows, "lines/s", rows_text)
        for count in bench.pick(SERVERS[::2], SERVERS):
            got = measure(bench, count, what)
            servers = f"{count} server{'s' if count > 1 else ''}"
            bench.grow(name, servers, got["per_second"], "lines/s", told(got))
            bench.row(
                f"{servers} on one PostgreSQL, {name}",
                f"≥ {goal:,} lines/s" if goal and count == 1 else "",
                got["per_second"],
                "lines/s",
                embedded["per_second"],
                "the embedded store, lines/s",
                got["per_second"] / embedded["per_second"],
                got["per_second"] >= goal if goal and count == 1 else None,
            )
    beside_service(bench, path)


def told(got):
    return f"ack p99 {got['p99']:.1f} ms; {got['acknowledged']} until acknowledged; with merging: {got['text']}"


def beside_service(bench, path):
    """A row for each line behind a service as one writes it, with the same clients."""
    lines = bench.pick(10_000, 50_000)
    with rivals.Rows(bench) as service:
        costs = Costs([service.pid], service)
        got = bench.load(
            "ingest",
            **service.peer(),
            format="json",
            lines=lines // 8,
            frame_lines=256,
            sockets=8,
            window=8,
            prefix="in",
            file=path,
            complete=0,
        )
        bench.grow(
            "8 executions, JSON arrays of 256",
            "FastAPI, a row for each line",
            got["lines_per_second"],
            "lines/s",
            f"ack p99 {got['ack_p99_ms']:.1f} ms; {costs.text(got['lines'])}",
        )
