"""What is read afterwards, and requests."""

import signal
import time


def fill(bench, server, name, lines, path):
    """One sealed execution NAME0 of so many lines."""
    bench.load_ingest(server, sockets=1, lines=lines, prefix=name, file=path, window=32)
    return f"{name}0"


def read_million(bench):
    lines = 1_000_000 if not bench.quick else 300_000
    path = bench.corpus.sized(bench.pick(60_000_000, 250_000_000))
    scale = lines / 1_000_000
    with bench.server("read") as server:
        name = fill(bench, server, "read", lines, path)
        base = f"/api/v1/executions/{name}/logs"
        for form, goal in (("text", 0.25), ("ndjson", 0.5)):
            saved = bench.work / "answer"
            server.stop()
            server.start()  # nothing of it in the server's memory; the kernel's cache is as it is
            answers = [bench.load("http", **server.peer(), path=f"{base}?format={form}") for _ in range(4)]
            first, again = answers[0], sorted(answers[1:], key=lambda got: got["seconds"])[1]
            bench.load("http", **server.peer(), path=f"{base}?format={form}", save=saved)
            if first["newlines"] < lines:
                raise RuntimeError(f"{form}: {first['newlines']} lines instead of {lines}")
            with bench.raw("answer", saved) as raw:
                reference = sorted(bench.load("http", port=raw.port)["seconds"] for _ in range(3))[1]
            saved.unlink()
            bench.row(
                f"read {lines:,} lines as {form}",
                f"≤ {goal * scale:.3g} s",
                first["seconds"],
                "s",
                reference,
                "the same bytes bare, s",
                first["seconds"] / reference,
                first["seconds"] <= goal * scale,
            )
            bench.note(f"{form} again, from the server's memory: {again['seconds']:.3f} s")
        server.stop()
        server.start()
        pages = bench.load(
            "http", **server.peer(), path=f"{base}?limit=1000&cursor={{}}", step=1000, requests=lines // 1000
        )
        bench.row(
            f"read {lines:,} lines in pages of 1,000",
            f"≤ {1.5 * scale:.3g} s",
            pages["seconds"],
            "s",
            met=pages["seconds"] <= 1.5 * scale and pages["failed"] == 0,
        )
        for limit in (100, 1000):
            got = bench.load(
                "http",
                **server.peer(),
                path=f"{base}?limit={limit}&cursor={{}}",
                random=lines - limit,
                requests=bench.pick(1000, 5000),
            )
            bench.row(
                f"a page of {limit:,} at a random place, p99",
                "≤ 2 ms",
                got["answer_p99_ms"],
                "ms",
                got["answer_p50_ms"],
                "its p50, ms",
                met=got["answer_p99_ms"] <= 2 and got["failed"] == 0,
            )


def status_requests(bench):
    with bench.server("status") as server:
        server.create("one")
        path = "/api/v1/executions/one/status"
        saved = bench.work / "status"
        bench.load("http", **server.peer(), path=path, save=saved)
        requests = bench.pick(100_000, 400_000)
        got = bench.load("http", **server.peer(), path=path, connections=1000, requests=requests)
    with bench.raw("answer", saved) as raw:
        bare = bench.load("http", port=raw.port, pid=raw.pid, connections=1000, requests=requests)
    bench.row(
        "GET …/status, 1,000 connections: p99",
        "≤ 50 ms",
        got["answer_p99_ms"],
        "ms",
        bare["answer_p99_ms"],
        "bare answers, ms",
        got["answer_p99_ms"] / bare["answer_p99_ms"],
        got["answer_p99_ms"] <= 50,
    )
    bench.row(
        "GET …/status, 1,000 connections",
        "≥ 40,000 requests/s",
        got["per_second"],
        "requests/s",
        bare["per_second"],
        "bare answers/s",
        got["per_second"] / bare["per_second"],
        got["per_second"] >= 40_000 and got["failed"] == 0,
    )


def started(server, how):
    server.stop(how)
    server.start()
    return server.ready_seconds * 1000


def tail_and_start(bench):
    path = bench.corpus.sized(bench.pick(60_000_000, 250_000_000))
    goal_at = bench.pick(1_000_000, 10_000_000)
    for lines in bench.pick([100_000, 1_000_000], [100_000, 1_000_000, 10_000_000, 100_000_000]):
        with bench.server(f"tail-{lines}") as server:
            began = time.monotonic()
            name = fill(bench, server, "tail", lines, path)
            bench.grow("one execution taken in, with preparing it", f"{lines:,} lines", time.monotonic() - began, "s")
            base = f"/api/v1/executions/{name}/logs"
            tail = bench.load("http", **server.peer(), path=f"{base}?tail=10", requests=200)
            page = bench.load(
                "http",
                **server.peer(),
                path=f"{base}?limit=100&cursor={{}}",
                random=lines - 100,
                requests=bench.pick(500, 2000),
            )
            ready = sorted(started(server, signal.SIGTERM) for _ in range(5))
            killed = sorted(started(server, signal.SIGKILL) for _ in range(3))
            again = bench.load("http", **server.peer(), path=f"{base}?tail=10")
        for what, value in (
            ("last 10, p99", tail["answer_p99_ms"]),
            ("random page of 100, p99", page["answer_p99_ms"]),
            ("ready after exec", ready[2]),
            ("ready after kill -9", killed[1]),
        ):
            bench.grow(what, f"{lines:,} lines", value, "ms")
            bench.plot_point("growth", what, lines, value)
        if lines == goal_at:
            bench.row(
                f"last 10 of {lines:,} lines, p99",
                "≤ 5 ms",
                tail["answer_p99_ms"],
                "ms",
                met=tail["answer_p99_ms"] <= 5 and tail["failed"] == 0,
            )
            bench.row(f"ready after exec on a store of {lines:,} lines", "≤ 50 ms", ready[2], "ms", met=ready[2] <= 50)
            bench.note(
                f"first `tail=10` after a restart, nothing cached: {again['answer_max_ms']:.2f} ms; start after "
                f"kill -9: {killed[1]:.1f} ms; slowest start {max(ready):.1f} ms"
            )
