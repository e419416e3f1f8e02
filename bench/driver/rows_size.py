"""A store in PostgreSQL that grows: what it costs to append, read, list, find and start when there is ten and a hundred
times as much. All of it should stay as it was; what does not is told by its ratio."""

import json
import pathlib
import random
import signal
import time
import urllib.parse

from .costs import Costs, cpu_seconds, wait_merged
from .rows_growth import nodes
from .rows_nodes import Database
from .rows_read import started

EACH = 2_000  # lines of an execution
MANY, EACH_OF_MANY = 100_000_000, 10_000  # of so many lines, those of an execution
BATCH = 500  # executions that are made together
LONG_SHARE = 0.1  # of all lines: those of one execution that is long
TIMES_MAX = 2  # what still counts as flat
ROUNDS = 3  # of each question; the cheapest counts, as others on the machine make it dearer
MERGE_SECONDS = 600  # for each 10 million lines
SIZES = (1_000_000, 10_000_000, 100_000_000)
UNCACHED = ("--cache-bytes", "1048576")  # so that what is small does not lie in the server's memory


class Filled:
    """What is in the store."""

    def __init__(self, bench, server, path):
        self.bench, self.server, self.path = bench, server, path
        self.batches, self.lines, self.long = [], 0, ""

    def ingest(self, name, sockets, lines):
        self.bench.load_ingest(
            self.server, sockets=sockets, lines=lines, prefix=name, file=self.path, window=8, timeout=900
        )
        self.lines += sockets * lines

    def fill(self, size):
        long_lines, each = int((size - self.lines) * LONG_SHARE), EACH if size < MANY else EACH_OF_MANY
        while self.lines < size - long_lines:
            count = min(BATCH, -(-(size - long_lines - self.lines) // each))
            self.batches.append((f"job-{len(self.batches):05}-", count))
            self.ingest(self.batches[-1][0], count, each)
        self.long, self.long_lines = f"long-{size}-", long_lines
        self.ingest(self.long, 1, long_lines)

    def paths(self, count, make):
        """A file of requests, each about an execution that is drawn."""
        dice = random.Random(count)
        names = (dice.choice(self.batches) for _ in range(count))
        out = pathlib.Path(self.bench.work / "paths")
        out.write_text("".join(make(prefix, dice.randrange(of)) + "\n" for prefix, of in names))
        return out


def logs_of(prefix, number, how):
    return f"/api/v1/executions/{prefix}{number}/logs?{how}"


def middle_of_list(filled):
    """The cursor of a page behind half of all executions."""
    passed, cursor, half = 0, "", sum(count for _, count in filled.batches) // 2
    while passed < half:
        answer = json.loads(filled.server.get(f"/api/v1/executions?limit={min(1000, half)}{cursor}"))
        passed += len(answer["executions"])
        cursor = "&cursor=" + urllib.parse.quote(answer["next_cursor"])
    return cursor


def asked(filled, count, path=None, make=None):
    where = {"path": path} if path else {"paths": filled.paths(count, make)}
    return {"requests": count, **where}


# What is asked, and for how long it may be asked.
QUESTIONS = (
    ("the last 10 lines of a run", 500, lambda f, n: asked(f, n, make=lambda p, i: logs_of(p, i, "tail=10"))),
    (
        "a page of 100 lines in the middle of a run",
        500,
        lambda f, n: asked(f, n, make=lambda p, i: logs_of(p, i, "limit=100&cursor=950")),
    ),
    (
        "a page of 100 lines anywhere in the longest run",
        500,
        lambda f, n: asked(f, n, logs_of(f.long, 0, "limit=100&cursor={}")) | {"random": f.long_lines - 100},
    ),
    ("the status of a run", 500, lambda f, n: asked(f, n, make=lambda p, i: f"/api/v1/executions/{p}{i}/status")),
    ("the newest 50 runs", 1000, lambda f, n: asked(f, n, "/api/v1/executions?limit=50")),
    ("50 runs behind half of all", 300, lambda f, n: asked(f, n, "/api/v1/executions?limit=50" + middle_of_list(f))),
    ("50 runs that are going on, of none", 1000, lambda f, n: asked(f, n, "/api/v1/executions?limit=50&status=running")),
    ("50 runs that failed, of none", 1000, lambda f, n: asked(f, n, "/api/v1/executions?limit=50&status=failed")),
    ("50 runs whose name begins with …, of some", 300, lambda f, n: asked(f, n, make=lambda p, i: f"/api/v1/executions?limit=50&id_prefix={p}7")),
    ("50 runs whose name begins with …, of nearly all", 200, lambda f, n: asked(f, n, "/api/v1/executions?limit=50&id_prefix=job-")),
)  # fmt: skip


class Sizes:
    """Figures by what they are of and by size; rows tell each as a ratio to that at the smallest size."""

    def __init__(self, bench):
        self.bench, self.first, self.smallest = bench, {}, 0

    def take(self, what, size, figure, unit, note=""):
        first = self.first.setdefault(what, figure)
        self.smallest = self.smallest or size
        ratio = figure / first if first else 0
        self.bench.grow(f"a growing store: {what}", f"{size:,} lines", figure, unit, f"{ratio:.2f} × the first; {note}")
        return ratio


def ask(bench, filled, database, count, arguments):
    """Processor time of server and database for a request, and how long it takes by the clock (p50, ms)."""
    before = sum(cpu_seconds([filled.server.pid], database))
    got = bench.load("http", **filled.server.peer(), **arguments)
    if got["failed"]:
        raise RuntimeError(f"{arguments}: {got['failed']} of {count} requests failed")
    return (sum(cpu_seconds([filled.server.pid], database)) - before) / count, got["answer_p50_ms"]


def ask_all(bench, filled, database, size, sizes):
    worst = []
    for what, count, how in QUESTIONS:
        arguments = how(filled, count)
        spent, clock_ms = min(ask(bench, filled, database, count, arguments) for _ in range(ROUNDS))
        note = f"CPU of server and database; by the clock p50 {clock_ms:.2f} ms"
        ratio = sizes.take(what, size, spent * 1000, "ms", note)
        worst.append((ratio, what, spent * 1000))
    return worst


def append_more(bench, filled, database, size, sizes):
    lines = bench.pick(25_000, 100_000)
    costs = Costs([filled.server.pid], database)
    got = bench.load_ingest(
        filled.server, sockets=8, lines=lines, prefix=f"more-{size}-", file=filled.path, frame_lines=256
    )
    spent, millions = costs.since(), got["lines"] / 1e6
    cpu = (spent["servers"] + spent["database"]) / millions
    sizes.take("CPU for a million lines appended", size, cpu, "s", f"{got['lines_per_second']:,.0f} lines/s")
    sizes.take("WAL of a line", size, spent["wal"] / got["lines"], "bytes")


def start_again(filled, size, sizes):
    for what, how in (("ready after exec", signal.SIGTERM), ("ready after kill -9", signal.SIGKILL)):
        sizes.take(what, size, sorted(started(filled.server, how) for _ in range(3))[1], "ms")


def grow_lines(bench):
    if Database.missing():
        bench.note(f"a growing store: {Database.missing()}")
        return
    path = bench.corpus.mixed(bench.pick(10_000, 100_000))
    sizes, worst = Sizes(bench), []
    with Database(bench) as database, nodes(bench, database, 1, *UNCACHED) as (server,):
        filled = Filled(bench, server, path)
        for size in bench.pick((100_000, 1_000_000), tuple(size for size in SIZES if size <= bench.lines_max)):
            began, costs, before = time.monotonic(), Costs([server.pid], database), filled.lines
            filled.fill(size)
            if not wait_merged(database, MERGE_SECONDS * max(1, size // 10_000_000)):
                bench.note(f"a growing store: what was sealed was not merged in time at {size:,} lines")
            bench.say(f"filled in {time.monotonic() - began:.0f} s, {costs.text(filled.lines - before)}")
            sizes.take("room of a line", size, database.database_bytes() / filled.lines, "bytes")
            start_again(filled, size, sizes)
            worst = ask_all(bench, filled, database, size, sizes)
            append_more(bench, filled, database, size, sizes)
    ratio, what, figure = max(worst)
    bench.row(
        f"a store of {size:,} lines beside one of {sizes.smallest:,}: what grows most, {what}",
        f"≤ {TIMES_MAX} ×",
        figure,
        "ms of CPU",
        figure / ratio if ratio else 0,
        "in the small one, ms",
        ratio,
        ratio <= TIMES_MAX,
    )
