"""What clients can take from the server and from each other."""

import json
import subprocess
import time

from . import hinder
from .rows_read import fill

MIB = 1 << 20


def idle_connections(bench):
    """What a connection costs that does nothing, and what clients without a credential can move beyond that."""
    count = 2000
    folder = bench.work / "tls"
    folder.mkdir()
    subprocess.run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-keyout",
            folder / "key",
            "-out",
            folder / "cert",
            "-days",
            "2",
            "-subj",
            "/CN=localhost",
        ],
        check=True,
        capture_output=True,
    )
    for name, tls, goal in (("plain", False, 16), ("TLS", True, 64)):
        flags = ("--tls-cert", folder / "cert", "--tls-key", folder / "key") if tls else ()
        with bench.server(f"idle-{name}", *flags) as server:
            connections = [hinder.connect(server.port, tls=tls) for _ in range(20)]
            before = server.rss_bytes()
            connections += [hinder.connect(server.port, tls=tls) for _ in range(count)]
            for connection in connections:
                connection.sendall(hinder.head("GET /health"))
                connection.recv(4096)
            each = (server.rss_bytes() - before) / count
        bench.row(
            f"memory of an idle connection, {name}, of {count:,}",
            f"≤ {goal} KiB",
            each / 1024,
            "KiB",
            met=each <= goal * 1024,
        )


def strangers(bench):
    count = 1500
    with bench.server("strangers") as server:
        hinder.call(server.port, "GET", "/metrics")
        before, most = server.rss_bytes(), 0
        with hinder.Load(hinder.strangers, server.port, count):
            end = time.monotonic() + bench.pick(3, 10)
            while time.monotonic() < end:
                most = max(most, server.rss_bytes())
                hinder.call(server.port, "GET", "/health")
        moved = most - before - count * 16 * 1024
    bench.row(
        f"memory that {count:,} connections without a credential move, beyond 16 KiB each",
        "≤ 64 MiB",
        max(moved, 0) / MIB,
        "MiB",
        met=moved <= 64 * MIB,
    )


def account_key(server, account, role):
    hinder.call(server.port, "POST", "/api/v1/accounts", server.key, {"name": account})
    status, _, text = hinder.call(
        server.port, "POST", "/api/v1/keys", server.key, {"name": account, "role": role, "account": account}
    )
    if status != 201:
        raise RuntimeError(f"no key for {account}: {status} {text[:200]}")
    return json.loads(text)["key"]


def percentile(values, part):
    return sorted(values)[min(len(values) - 1, int(len(values) * part))]


def neighbour(bench, server, key, seconds):
    """p99 in milliseconds of another account's pages and posts."""
    pages, posts = [], []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for method, body, seen in (("GET", None, pages), ("POST", {"message": "x"}, posts)):
            status, took, text = hinder.call(server.port, method, "/api/v1/executions/mine/logs", key, body)
            if status not in (200, 201):
                raise RuntimeError(f"{method} of the other account: {status} {text[:200]}")
            seen.append(took * 1000)
    return percentile(pages, 0.99), percentile(posts, 0.99), len(pages)


def neighbours(bench):
    """One account's worst, and what it leaves to another."""
    lines = bench.pick(300_000, 3_000_000)
    path = bench.corpus.sized(bench.pick(60_000_000, 250_000_000))
    with bench.server("neighbours", "--followers-max", "1000") as server:
        hog, other = account_key(server, "hog", "admin"), account_key(server, "other", "admin")
        hinder.call(server.port, "POST", "/api/v1/executions", other, {"execution_id": "mine"})
        for _ in range(20):
            hinder.call(server.port, "POST", "/api/v1/executions/mine/logs", other, [{"message": "x"}] * 50)
        operator, server.key = server.key, hog
        name = fill(bench, server, "big", lines, path)
        hinder.call(server.port, "POST", "/api/v1/executions", hog, {"execution_id": "posted"})
        loads = (
            ("nothing", None, ()),
            ("20 searches through all of a log", hinder.pages_with_filters, (name,)),
            ("900 followers with filters", hinder.followers_with_filters, (name,)),
            ("900 followers that do not read", hinder.followers_that_do_not_read, (name, lines)),
            ("200 answers that nobody reads", hinder.answers_that_nobody_reads, (name,)),
            ("32 posts of 8 MiB at once", hinder.posts_of_the_largest_size, ("posted",)),
            ("100 runners that flood", hinder.runners_that_flood, (100,)),
        )
        for what, load, arguments in loads:
            seconds = bench.pick(4, 12)
            if load:
                with hinder.Load(load, server.port, hog, *arguments):
                    page, post, count = neighbour(bench, server, other, seconds)
            else:
                page, post, count = neighbour(bench, server, other, seconds)
            resident = server.rss_bytes() / MIB
            bench.row(
                f"another account's page, p99, beside {what} of {lines:,} lines"
                if load
                else "a page, p99, beside nothing",
                "≤ 250 ms",
                page,
                "ms",
                met=page <= 250,
            )
            bench.row(
                f"its post, p99, beside the same; {count:,} of each, the server holds {resident:.0f} MiB",
                "≤ 500 ms",
                post,
                "ms",
                met=post <= 500,
            )
        server.key = operator
