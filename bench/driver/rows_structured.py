"""Structured logs: pages through filters, the summary, recent logs, status; each beside databases with the same records."""

import datetime
import http.client
import json
import random
import time

from . import engines, rows_disk, rows_summary

PLACES = 100  # pages of each filter
BEGIN_MS = 1_767_225_600_000  # a record comes each ms from here on
FILTERS = {
    "level": "level=ERROR",
    "category": "category=business",
    "node": "node=node-3",
    "event type": "event_type=node_completed",
    "milestone": "milestone=true",
    "time": None,
}
COLUMNS = "created_at, event_type, level, message, user_friendly_message, data, node_id, node_name"
STATUS = """SELECT node_id, event_type, count(*), min(created_at), max(created_at)
FROM workflow_execution_logs WHERE execution_id = 'run' GROUP BY node_id, event_type"""
SUMMARY = """SELECT {group}, count(*), min(created_at), max(created_at)
FROM workflow_execution_logs WHERE execution_id = '{name}' GROUP BY {group}"""


def stamp(ms):
    return datetime.datetime.fromtimestamp(ms / 1000, datetime.timezone.utc).isoformat(timespec="milliseconds")


def event(number):
    ms = BEGIN_MS + number
    record = {**rows_summary.event(number), "is_milestone": number % 499 == 0, "time_ms": ms}
    return {**record, "timestamp": stamp(ms).replace("+00:00", "Z")}


def sent(number):
    record = event(number)
    del record["time_ms"]
    return record


class Reader:
    """Requests by one connection that stays open."""

    def __init__(self, server):
        self.connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        self.headers = {"Authorization": f"Bearer {server.key}"}

    def get(self, path):
        self.connection.request("GET", path, headers=self.headers)
        answer = self.connection.getresponse()
        text = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{path}: {answer.status} {text[:200]}")
        return json.loads(text)


def percentile(times, share):
    return sorted(times)[min(int(len(times) * share), len(times) - 1)] * 1000


def paged(ask, places):
    """(milliseconds at p95, the numbers of each page's records)"""
    times, pages = [], []
    for place in places:
        seconds, numbers = engines.timed(lambda: ask(place))
        times.append(seconds)
        pages.append(numbers)
    return percentile(times, 0.95), pages


def page_of(reader, query):
    def ask(place):
        until = f"&end_time={stamp(BEGIN_MS + place + 5000).replace('+00:00', 'Z')}" if query is None else f"&{query}"
        begin = f"since={stamp(BEGIN_MS + place).replace('+00:00', 'Z')}" if query is None else f"cursor={place}"
        answer = reader.get(f"/api/v1/executions/long/logs?limit=100&{begin}{until}")
        return [record["sequence_number"] for record in answer["logs"]]

    return ask


def page_in(database, what):
    def ask(place):
        begin, until = BEGIN_MS + place, BEGIN_MS + place + 5000
        rows = database.ask(
            f"SELECT {COLUMNS} FROM workflow_execution_logs WHERE execution_id = 'long' AND "
            f"{database.where(what, until)} AND created_at >= {database.time(begin)} ORDER BY created_at LIMIT 100"
        )
        return [number_of(row[0]) for row in rows]

    return ask


def number_of(created_at):
    ms = created_at.timestamp() * 1000 if isinstance(created_at, datetime.datetime) else int(created_at)
    return round(ms) - BEGIN_MS


def questions(reader, records):
    """What is asked once at a time: name, goal in ms, how Runnel and a database answer it, and what must be in both."""
    deep = records - 100
    log = "/v2/workflows/executions/long/logs?limit=100"

    def by_offset():
        return [int(entry["id"].rsplit(":", 1)[1]) for entry in reader.get(f"{log}&offset={deep}")["logs"]]

    def by_cursor():
        return [int(entry["id"].rsplit(":", 1)[1]) for entry in reader.get(f"{log}&cursor={deep}")["logs"]]

    if by_offset() != by_cursor():
        raise RuntimeError("a page by offset and the one by cursor are not the same")

    def summary_in(database, name="long"):
        counts = [database.ask(SUMMARY.format(group=group, name=name)) for group in ("level", "event_type", "node_id")]
        database.ask(
            f"SELECT created_at, message, event_type FROM workflow_execution_logs WHERE execution_id = '{name}' AND "
            f"{database.where('milestone', 0)} ORDER BY created_at LIMIT 1000"
        )
        return sum(int(row[1]) for row in counts[0])

    def recent_in(database):
        rows = database.ask(
            f"SELECT {COLUMNS} FROM workflow_execution_logs WHERE execution_id = 'long' "
            "ORDER BY created_at DESC LIMIT 100"
        )
        summary_in(database)
        return len(rows)

    def deep_in(database):
        rows = database.ask(
            f"SELECT {COLUMNS} FROM workflow_execution_logs WHERE execution_id = 'long' ORDER BY created_at "
            f"LIMIT 100 OFFSET {deep}"
        )
        return [number_of(row[0]) for row in rows]

    return [
        (f"a page at offset {deep:,} of {records:,}", 20, by_offset, deep_in),
        (f"the same page by cursor {deep:,}", 20, by_cursor, None),
        (
            f"summary of {records:,} records",
            20,
            lambda: reader.get("/v2/executions/long/logs/summary")["total_logs"],
            summary_in,
        ),
        (
            "recent_logs with the last 100 of a workflow's latest run",
            10,
            lambda: len(reader.get("/api/v1/app/executions/recent_logs?workflow_id=flow&limit=100")["logs"]),
            recent_in,
        ),
        (
            "status of a run with {events:,} trace events",
            20,
            lambda: len(reader.get("/api/v1/executions/run/nodes")["nodes"])
            and len(reader.get("/workflows/runs/run/status")) > 0,
            lambda database: len(database.ask(STATUS)) > 0,
        ),
    ]


def structured(bench):
    records, events = bench.pick(100_000, 1_000_000), bench.pick(10_000, 40_000)
    places = random.Random(3).sample(range(records * 9 // 10), PLACES)
    figures, answers = {}, {}
    with bench.server("structured") as server:
        began = time.monotonic()
        rows_summary.append(server, "run", events, sent)
        rows_summary.append(server, "long", records, sent, workflow_id="flow")
        bench.note(f"Runnel took {records + events:,} structured records by POST in {time.monotonic() - began:.0f} s")
        for name in ("run", "long"):
            for status in ("running", "completed"):
                server.send("PATCH", f"/api/v1/executions/{name}", {"status": status})
        rows_disk.settle(server)  # merged, as the databases are when they have been optimised
        reader = Reader(server)
        for what, query in FILTERS.items():
            figures[what], answers[what] = paged(page_of(reader, query), places)
        asked = questions(reader, records)
        for name, _, ours, _ in asked:
            ours()
            times = [engines.timed(ours)[0] for _ in range(20)]
            figures[name], answers[name] = percentile(times, 0.95), ours()
    beside = {}

    def use(database):
        began = time.monotonic()
        for name, count in (("run", events), ("long", records)):
            for first in range(0, count, 100_000):
                database.load(name, [event(number) for number in range(first, min(first + 100_000, count))])
        database.loaded()
        bench.note(
            f"{database.what} ({database.durability}) took them in {time.monotonic() - began:.0f} s, by COPY or bulk"
        )
        found = beside[database.what] = {}
        for what in FILTERS:
            found[what], pages = paged(page_in(database, what), places)
            if pages != answers[what]:
                raise RuntimeError(
                    f"{database.what} has other records by {what}: {pages[0][:5]} {answers[what][0][:5]}"
                )
        for name, _, _, theirs in asked:
            if theirs is None:
                continue
            if theirs(database) != answers[name]:
                raise RuntimeError(f"{database.what} has another answer for {name}")
            found[name] = percentile([engines.timed(lambda: theirs(database))[0] for _ in range(3)], 0.95)

    engines.each(bench, use)
    rows = [(what, f"a page of 100 of {records:,} by {what}, p95", 5) for what in FILTERS]
    rows += [(name, f"{name.format(events=events)}, p95", goal) for name, goal, _, _ in asked]
    for name, what, goal in rows:
        references = {engine: found.get(name) for engine, found in beside.items() if found.get(name)}
        first = next(iter(references.values()), None)
        bench.row(
            what,
            f"≤ {goal} ms",
            figures[name],
            "ms",
            first,
            engines.beside_text(references, "ms"),
            figures[name] / first if first else None,
            figures[name] <= goal,
        )
