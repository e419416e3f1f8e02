"""Beside a row-per-line service: the same clients, the same durability."""

import json
import urllib.request

from . import rivals


def create(peer, name):
    request = urllib.request.Request(
        f"http://127.0.0.1:{peer['port']}/api/v1/executions",
        json.dumps({"execution_id": name}).encode(),
        {"Authorization": f"Bearer {peer['key']}", "Content-Type": "application/json"},
    )
    urllib.request.urlopen(request, timeout=30).read()


def rival_rows(bench):
    path = bench.corpus.sized(bench.pick(60_000_000, 250_000_000))
    lines = bench.pick(10_000, 50_000)
    figures = {}
    for name in ("runnel", "rows"):
        with bench.server("rival") if name == "runnel" else rivals.Rows(bench) as server:
            peer = {"port": server.port, "key": server.key if name == "runnel" else "none"}
            taken = bench.load(
                "ingest",
                **peer,
                format="json",
                lines=lines // 8,
                frame_lines=500,
                sockets=8,
                window=8,
                prefix="in",
                file=path,
                complete=0,
            )
            pages = bench.load(
                "http",
                **peer,
                path="/api/v1/executions/in0/logs?limit=1000&cursor={}",
                random=lines // 16,
                requests=bench.pick(20, 100),
            )
            create(peer, "live")
            live = bench.load(
                "follow",
                mode="fan",
                target="rows",
                **peer,
                pid=server.pid,
                id="live",
                followers=10,
                seconds=bench.pick(2, 8),
                window=1,
                file=path,
            )
        figures[name] = {
            "ingest": taken["lines_per_second"],
            "page": pages["answer_p50_ms"],
            "live": live["burst_p50_ms"],
            "live_p99": live["burst_p99_ms"],
        }
    ours, theirs = figures["runnel"], figures["rows"]
    bench.row(
        "beside row-per-line: ingest, 8 sockets, JSON arrays of 500",
        "",
        ours["ingest"],
        "lines/s",
        theirs["ingest"],
        "FastAPI + Redis + PostgreSQL",
        ours["ingest"] / theirs["ingest"],
    )
    bench.row(
        "beside row-per-line: a page of 1,000, p50",
        "",
        ours["page"],
        "ms",
        theirs["page"],
        "FastAPI + Redis + PostgreSQL, ms",
        ours["page"] / theirs["page"],
    )
    for name in ("live", "live_p99"):
        bench.row(
            f"beside row-per-line: 16 lines sent → 10 followers have them, {'p99' if 'p99' in name else 'p50'}",
            "",
            ours[name],
            "ms",
            theirs[name],
            "FastAPI + Redis + PostgreSQL, ms",
            ours[name] / theirs[name],
        )
