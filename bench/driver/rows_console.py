"""The console in a real browser: its log pane (jumps, work for each frame, memory; at device ratios 1 and 2), large graphs and batches."""

import json
import shutil
import subprocess
import threading
import time
import urllib.request

RATE = 20_000
LISTED = 10_000_000  # lines of the page with a virtual list, which makes them up
BATCH = 2_000
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


class Flood:
    """A log that grows by RATE lines a second, or as fast as the server takes them, until the end of the block."""

    def __init__(self, server, name):
        self.url = f"http://127.0.0.1:{server.port}/api/v1/executions/{name}/logs"
        self.headers = {"Authorization": f"Bearer {server.key}", "Content-Type": "application/x-ndjson"}
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.pour)
        server.create(name)

    def pour(self):
        began, sent = time.monotonic(), 0
        while not self.ended.wait(max(0, began + sent / RATE - time.monotonic())):
            lines = (
                f'{{"message":"{sent + i} a line of a log that goes on and on, took 12 ms"}}' for i in range(BATCH)
            )
            request = urllib.request.Request(self.url, "\n".join(lines).encode(), self.headers)
            urllib.request.urlopen(request, timeout=60).read()
            sent += BATCH

    def __enter__(self):
        self.thread.start()

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()


def script_bytes(bench):
    """All scripts of the console, as they are sent."""
    folder = bench.work / "console"
    built = subprocess.run(
        ["node", bench.root / "console" / "build.mjs", folder], capture_output=True, text=True, check=True, timeout=120
    )
    files = [line.split() for line in built.stdout.splitlines()]
    return sum(int(size) for name, _, size, _ in files if name.endswith(".js"))


def look(bench, server, ratio, **what):
    """What the browser found."""
    question = {"url": f"http://127.0.0.1:{server.port}", "key": server.key, "ratio": ratio, **what}
    found = subprocess.run(
        ["node", bench.root / "bench" / "console.mjs", json.dumps(question)],
        capture_output=True,
        text=True,
        timeout=600,
    )
    if found.returncode != 0:
        raise RuntimeError(found.stderr.strip()[-800:])
    return json.loads(found.stdout)


def need_browser(bench):
    if not any(map(shutil.which, BROWSERS)) or not (bench.root / "console/node_modules/playwright-core").exists():
        raise RuntimeError("no browser, or no playwright-core: npm ci in console/")


def graph_of(nodes):
    """Each leads to three others."""
    edges = [[f"n{(i - 1) // 3}", f"n{i}"] for i in range(1, nodes)]
    return {"nodes": [{"id": f"n{i}", "name": f"Node {i}"} for i in range(nodes)], "edges": edges}


def console_drawn(bench):
    """How long a run's graph and a batch's cells take from the navigation until they are seen."""
    need_browser(bench)
    nodes, cells = 1_000, 10_000
    with bench.server("console-drawn") as server:
        server.send("POST", "/api/v1/workflows", {"workflow_id": "large", "graph": graph_of(nodes)})
        server.create("large-run", workflow_id="large")
        events = [
            {"event_type": kind, "node_id": f"n{i}", "message": "a line"}
            for i in range(nodes // 2)
            for kind in ("node_started", "node_completed")
        ]
        server.send("POST", "/api/v1/executions/large-run/logs", events)
        server.send("POST", "/api/v1/batches", {"batch_id": "large", "jobs": [{"command": ["true"]}] * cells})
        pages = [
            {"name": "nodes", "path": "/ui/runs/large-run", "nodes": nodes},
            {"name": "cells", "path": "/ui/batches/large", "cells": cells},
        ]
        found = look(bench, server, 1, pages=pages)
    for name, count in (("nodes", nodes), ("cells", cells)):
        took = found[name]
        bench.row(
            f"console: {count:,} {'nodes of a graph' if name == 'nodes' else 'cells of a batch'} drawn, from the navigation",
            "≤ 2 s",
            took["p50"],
            "ms",
            took["max"],
            "at most, ms",
            met=took["max"] <= 2000,
        )


def console(bench):
    need_browser(bench)
    lines = bench.pick(500_000, 10_000_000)
    with bench.server("console") as server:
        path = bench.corpus.sized(bench.pick(60_000_000, 250_000_000))
        bench.load_ingest(server, sockets=1, lines=lines, prefix="console", file=path, window=32)
        for ratio in (1, 2):
            found = look(bench, server, ratio, id="console0", lines=lines)
            with Flood(server, f"console-live{ratio}"):
                grown = look(bench, server, ratio, live=f"console-live{ratio}")
            where = f"console, {lines:,} lines, device ratio {ratio}"
            jump = found["jump"]
            bench.row(
                f"{where}: any line by link, End, Home",
                "≤ 150 ms",
                jump["max"],
                "ms",
                jump["p50"],
                "median, ms",
                met=jump["max"] <= 150,
            )
            for what in ("wheel", "drag", "stream", "paused"):
                work = (found | grown)[what]
                bench.row(
                    f"{where}: main thread for a frame, {what}, p95",
                    "≤ 8 ms",
                    work["p95"],
                    "ms",
                    100 * work["own"],
                    "frames dropped by it, %",
                    met=work["p95"] <= 8 and work["own"] <= 0.01,
                )
                bench.note(
                    f"{where}, {what}: {work['count']} frames, median {work['p50']:.1f} ms of the page; "
                    f"{100 * work['dropped']:.1f} % of all frames dropped, most for painting without a graphics card"
                )
            heap = max(found["heap"], grown["heap"])
            bench.row(f"{where}: heap, {found['rows']} rows", "≤ 150 MB", heap, "MB", met=heap <= 150)
            bench.row(f"{where}: first paint", "≤ 500 ms", found["paint"], "ms", met=found["paint"] <= 500)
            hit = found["hit"]
            bench.row(
                f"{where}: first hit of a search, shown",
                "≤ 300 ms",
                hit["max"],
                "ms",
                hit["none"],
                "that there is none, ms",
                met=hit["max"] <= 300,
            )
            bench.note(f"{where}: {grown['stream']['rate']:,.0f} lines/s shown as they came, of {RATE:,}")
            rival = look(bench, server, ratio, rival=LISTED)
            bench.row(
                f"console, device ratio {ratio}: last line of {LISTED:,} that can be reached",
                "",
                lines,
                "",
                rival["last"],
                "in a common virtual list",
            )
            bench.note(
                f"{where}, the virtual list (@tanstack/virtual-core): a jump to {round(100 * 0.7345678)} % misses by "
                f"{rival['missed']:,} lines, wheel p95 {rival['wheel']['p95']:.1f} ms, heap {rival['heap']:.1f} MB"
            )
        log, every = found["bytes"] / 1000, script_bytes(bench) / 1000
        met = log <= 60 and every <= 250
        bench.row("console: script of the log's page", "≤ 60 KB", log, "KB", every, "all, ≤ 250 KB", met=met)
