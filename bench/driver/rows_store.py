"""The stores, each in a process of its own: chunks that are ready, appended as fast as commits come back."""

import json
import shutil
import subprocess

from .rows_nodes import Database

# Appends in flight, logs, lines in a chunk.
SHAPES = ((8, 8, 256), (64, 64, 256), (200, 10_000, 10), (2_000, 10_000, 1))
BARE_THREADS = (1, 4)


def figures(*command):
    return json.loads(
        subprocess.run([str(word) for word in command], check=True, capture_output=True, text=True).stdout
    )


def per_second(*command):
    return figures(*command)["lines_per_second"]


def best_of_threads(tool, form, database, shape, seconds):
    in_flight, logs, lines = shape
    return max(
        per_second(tool, form, database.url, logs, in_flight, lines, seconds, threads) for threads in BARE_THREADS
    )


def embedded(bench, tool, shape, seconds):
    in_flight, logs, lines = shape
    folder = bench.work / "embedded"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return per_second(tool, folder, logs, in_flight, lines, seconds)


def shared_store(bench):
    """The store on PostgreSQL beside libpq alone, beside a row for each line, and beside the embedded store."""
    if Database.missing():
        bench.note(f"the store on PostgreSQL: {Database.missing()}")
        return
    store, bare = (bench.tool.with_name(name) for name in ("bench-store", "bench-append-postgres"))
    seconds = bench.pick(3, 8)
    for shape in bench.pick(SHAPES[1::2], SHAPES):
        in_flight, logs, lines = shape
        runs = []
        for _ in range(bench.pick(1, 3)):
            with Database(bench) as database:
                reference = best_of_threads(bare, "chunks", database, shape, seconds)
                rows = best_of_threads(bare, "rows", database, shape, seconds)
                got = per_second(store, database.url, logs, in_flight, lines, seconds)
            runs.append((got / reference, got, reference, rows, embedded(bench, store, shape, seconds)))
        ratio, got, reference, rows, alone = sorted(runs)[len(runs) // 2]
        what = f"{in_flight:,} appends of {lines:,} lines in flight, {logs:,} logs"
        bench.row(
            f"the store on PostgreSQL, {what}",
            "≥ 0.8 × libpq alone" + (", ≥ 5,000,000 lines/s" if shape == SHAPES[1] else ""),
            got,
            "lines/s",
            reference,
            "libpq alone, lines/s",
            ratio,
            ratio >= 0.8 and (shape != SHAPES[1] or got >= 5_000_000),
        )
        bench.note(f"{what}: a row for each line, by libpq alone {rows:,.0f} lines/s; the embedded store {alone:,.0f}")
