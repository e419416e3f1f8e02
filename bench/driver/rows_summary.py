"""What is counted of structured logs: the summary of a long one, the nodes and the status of a run of many events."""

import json
import time
import urllib.request

BATCH = 2000
NODES = 16
TYPES = ["node_started", "node_progress", "step_output", "node_progress", "node_completed"]


def event(number):
    return {
        "timestamp": f"2026-01-02T{number // 60_000 % 24:02d}:{number // 1000 % 60:02d}:00Z",
        "message": f"GET /catalogue?page={number} 200",
        "level": "error" if number % 1000 == 999 else "info",
        "event_type": TYPES[number // NODES % len(TYPES)],
        "category": "business" if number % 4 == 0 else "technical",
        "node_id": f"node-{number % NODES}",
        "node_name": f"Fetch part {number % NODES}",
        "node_type": "http",
        "step_number": number % NODES,
        "user_friendly_message": f"Fetched page {number} of the catalogue",
        "data": {"page": number, "bytes": number * 7},
    }


def append(server, name, count, make=event, **fields):
    """In batches, over one connection each; returns records a second."""
    server.create(name, **fields)
    began = time.monotonic()
    for first in range(0, count, BATCH):
        lines = b"\n".join(json.dumps(make(number)).encode() for number in range(first, min(first + BATCH, count)))
        request = urllib.request.Request(
            f"http://127.0.0.1:{server.port}/api/v1/executions/{name}/logs",
            lines,
            {"Authorization": f"Bearer {server.key}", "Content-Type": "application/x-ndjson"},
        )
        urllib.request.urlopen(request, timeout=60).read()
    return count / (time.monotonic() - began)


def asked(server, path):
    """Milliseconds of the first answer, and of the median of later ones; and what was answered."""
    times = []
    for _ in range(8):
        began = time.monotonic()
        answer = server.get(path)
        times.append((time.monotonic() - began) * 1000)
    return times[0], sorted(times[1:])[3], json.loads(answer)


def judge(bench, what, path, server, goal, holds):
    for when in ("right behind its last record", "after kill -9"):
        first, later, answer = asked(server, path)
        if not holds(answer):
            raise RuntimeError(f"{what}: counted wrong: {str(answer)[:200]}")
        bench.row(f"{what}, {when}", f"≤ {goal} ms", first, "ms", later, "asked again, ms", met=first <= goal)
        server.stop(9)
        server.start()


def summaries(bench):
    records, events = bench.pick(200_000, 1_000_000), bench.pick(10_000, 40_000)
    with bench.server("summary") as server:
        bench.note(f"structured records by POST, in batches of {BATCH:,}: {append(server, 'long', records):,.0f}/s")
        judge(
            bench,
            f"summary of {records:,} structured records",
            "/api/v1/executions/long/logs/summary",
            server,
            20,
            lambda answer: answer["total_logs"] == records and len(answer["nodes"]) == NODES,
        )
        append(server, "run", events)
        judge(
            bench,
            f"nodes of a run with {events:,} trace events",
            "/api/v1/executions/run/nodes",
            server,
            20,
            lambda answer: sum(node["records"] for node in answer["nodes"]) == events,
        )
        judge(
            bench,
            f"status of a run with {events:,} trace events",
            "/workflows/runs/run/status",
            server,
            20,
            lambda answer: answer["runId"] == "run" and "completedActions" in answer["progress"],
        )
