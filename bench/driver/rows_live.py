"""What followers see."""

import json
import subprocess
import time

from . import rivals
from .rows_read import fill


def fan_out(bench):
    path = bench.corpus.sized(bench.pick(60_000_000, 250_000_000))
    seconds = bench.pick(2, 6)
    burst = bench.work / "burst"
    for followers in bench.pick((10, 1000), (10, 100, 1000, 5000)):
        measured = {}
        for name, window in (("lockstep", 1), ("saturated", 16)):
            with bench.server(f"fan-{followers}-{name}") as server:
                server.create("fan")
                measured[name] = bench.load(
                    "follow",
                    mode="fan",
                    **server.peer(),
                    id="fan",
                    followers=followers,
                    seconds=seconds,
                    window=window,
                    file=path,
                    save=burst,
                    save_from=160,
                    save_to=176,
                )
            with bench.raw("burst", burst) as raw:
                measured["raw " + name] = bench.load(
                    "follow",
                    mode="fan",
                    target="raw",
                    port=raw.port,
                    pid=raw.pid,
                    followers=followers,
                    seconds=seconds,
                    window=window,
                    file=path,
                )
        nchan_fan_out(bench, followers, seconds, path, burst, measured["saturated"])
        for name in ("lockstep", "saturated"):
            ours = measured[name]["deliveries_per_cpu_second"]
            theirs = measured["raw " + name]["deliveries_per_cpu_second"]
            how = "one burst under way" if name == "lockstep" else "16 bursts under way"
            bench.row(
                f"fan-out to {followers:,}, {how}: deliveries per server-CPU-second",
                "≥ 80 % of reference" if name == "saturated" else "",
                ours,
                "",
                theirs,
                "epoll + send",
                ours / theirs,
                ours >= 0.8 * theirs if name == "saturated" else None,
            )
            bench.plot_point("fan-out", name, followers, ours)
            bench.plot_point("fan-out", f"epoll + send, {name}", followers, theirs)
            bench.grow(
                f"fan-out, {name}: deliveries/s",
                f"{followers:,} followers",
                measured[name]["deliveries_per_second"],
                "/s",
                f"epoll + send: {measured['raw ' + name]['deliveries_per_second']:,.0f}; burst to all p99 "
                f"{measured[name]['burst_p99_ms']:.1f} ms, {measured['raw ' + name]['burst_p99_ms']:.1f} ms",
            )


def events_fan_out(bench):
    """As fan_out, by server-sent events."""
    path = bench.corpus.sized(bench.pick(60_000_000, 250_000_000))
    followers, burst = bench.pick(100, 1000), bench.work / "events"
    common = {"mode": "fan", "events": 1, "followers": followers, "file": path, "seconds": bench.pick(2, 6)}
    for name, window in (("one burst under way", 1), ("16 bursts under way", 16)):
        with bench.server("events") as server:
            server.create("fan")
            saved = {"save": burst, "save_from": 160, "save_to": 176}
            ours = bench.load("follow", **server.peer(), id="fan", window=window, **common, **saved)
        with bench.raw("burst", burst) as raw:
            theirs = bench.load("follow", target="raw", port=raw.port, pid=raw.pid, window=window, **common)
        figure, reference = ours["deliveries_per_cpu_second"], theirs["deliveries_per_cpu_second"]
        bench.row(
            f"fan-out to {followers:,} by server-sent events, {name}: deliveries per server-CPU-second",
            "≥ 80 % of reference" if window > 1 else "",
            figure,
            "",
            reference,
            "epoll + send",
            figure / reference,
            figure >= 0.8 * reference if window > 1 else None,
        )


def nchan_fan_out(bench, followers, seconds, path, burst, ours):
    """The rival: the same frames published to nchan, which keeps them in memory alone and makes nothing durable."""
    server = (
        "location = /publish { nchan_publisher; nchan_channel_id fan; nchan_message_buffer_length 1000; } "
        "location = /follow { nchan_subscriber websocket; nchan_channel_id fan; "
        "nchan_subscriber_first_message newest; }"
    )
    if not (rivals.MODULES / "ngx_nchan_module.so").exists():
        bench.note("nchan is not installed, so not measured")
        return
    with rivals.Nginx(bench.work / "nchan", "nchan_shared_memory_size 256m;", server, ["ngx_nchan_module.so"]) as nginx:
        theirs = bench.load(
            "follow",
            mode="fan",
            target="nchan",
            port=nginx.port,
            pid=nginx.worker,
            followers=followers,
            seconds=seconds,
            window=16,
            publish="/publish",
            subscribe="/follow",
            frames=burst,
            file=path,
        )
    bench.row(
        f"fan-out to {followers:,}, beside nchan (not durable): deliveries per server-CPU-second",
        "",
        ours["deliveries_per_cpu_second"],
        "",
        theirs["deliveries_per_cpu_second"],
        f"nchan; {theirs['deliveries_per_second']:,.0f}/s",
        ours["deliveries_per_cpu_second"] / theirs["deliveries_per_cpu_second"],
    )
    bench.plot_point("fan-out", "nchan", followers, theirs["deliveries_per_cpu_second"])


def live_run(bench, server, name, rate, seconds, light, path, reader_at=None):
    """A job under `runnel wrap`, one `runnel logs -f` behind a pipe, maybe at another server, and light followers."""
    wait_ms = 1500
    server.create(name)
    child = [
        bench.runnel,
        "wrap",
        "-q",
        "--id",
        name,
        "--",
        *bench.command("child", rate=rate, seconds=seconds, file=path, wait_ms=wait_ms),
    ]
    others = None
    if light:
        others = subprocess.Popen(
            bench.command("follow", mode="drain", port=server.port, key=server.key, id=name, followers=light),
            stdout=subprocess.PIPE,
            text=True,
        )
    logs = subprocess.Popen(
        [bench.runnel, "logs", "-f", name], stdout=subprocess.PIPE, env=(reader_at or server).environment
    )
    reader = subprocess.Popen(
        bench.command("reader", skip_ms=500), stdin=logs.stdout, stdout=subprocess.PIPE, text=True
    )
    logs.stdout.close()
    job = subprocess.Popen(child, stdout=subprocess.DEVNULL, env=server.environment)
    job.wait(seconds + 120)
    got = json.loads(reader.communicate(timeout=120)[0])
    logs.wait(60)
    if others:
        counted = json.loads(others.communicate(timeout=120)[0])
        if counted["complete"] != light:
            raise RuntimeError(f"{light - counted['complete']} light followers were not told the end")
    return got


def latency(bench):
    path = bench.corpus.sized(bench.pick(60_000_000, 250_000_000))
    seconds = bench.pick(3, 15)
    for rate, light in bench.pick(((1_000, 99), (20_000, 0)), ((10, 99), (1_000, 99), (5_000, 99), (20_000, 0))):
        probe = bench.probe()["fdatasync_p99_ms"]
        limit = 3 * probe + 5
        with bench.server(f"latency-{rate}") as server:
            got = live_run(bench, server, "live", rate, seconds, light, path)
        sent = rate * seconds
        beside = f"{light} light followers" if light else "alone"
        bench.row(
            f"write → read, {rate:,} lines/s, {beside}: p99",
            f"≤ 3 × fdatasync p99 + 5 ms = {limit:.1f} ms",
            got["latency_p99_ms"],
            "ms",
            probe,
            "fdatasync p99, ms",
            got["latency_p99_ms"] / probe,
            got["latency_p99_ms"] <= limit and got["lines"] == sent,
        )
        if got["lines"] != sent:
            bench.note(f"at {rate:,} lines/s {got['lines']:,} of {sent:,} lines came")
        for name in ("p50", "p99", "p999"):
            bench.plot_point("latency", name, rate, got[f"latency_{name}_ms"])
        bench.plot_point("latency", "3 × fdatasync p99 + 5 ms", rate, limit)
    with bench.server("sustained") as server:
        got = live_run(bench, server, "fast", 0, seconds, 0, path)
    figure = got["lines"] / got["seconds"]
    bench.row("sustained to one `logs -f`", "≥ 300,000 lines/s", figure, "lines/s", met=figure >= 300_000)


def join_old(bench):
    lines = 100_000
    path = bench.corpus.sized(bench.pick(60_000_000, 250_000_000))
    saved = bench.work / "joined"
    for followers in bench.pick((10, 100), (10, 100, 1000)):
        with bench.server(f"join-{followers}") as server:
            name = fill(bench, server, "old", lines, path)
            bench.load("follow", mode="drain", **server.peer(), id=name, followers=1, save=saved)
            server.stop()
            server.start()  # nothing in memory
            got = bench.load("follow", mode="drain", **server.peer(), id=name, followers=followers)
        if got["least"] != lines or got["complete"] != followers:
            raise RuntimeError(f"not all were served: {got}")
        with bench.raw("stream", saved) as raw:
            bare = bench.load("follow", mode="drain", target="raw", port=raw.port, pid=raw.pid, followers=followers)
        ratio = got["seconds"] / bare["seconds"]
        bench.grow(
            f"followers joining one old run of {lines:,} lines",
            f"{followers:,} followers",
            got["seconds"],
            "s",
            f"bare bytes {bare['seconds']:.2f} s; server CPU {got['server_cpu_seconds']:.2f} s, bare "
            f"{bare['server_cpu_seconds']:.2f} s",
        )
    bench.row(
        f"{followers:,} followers joining one old run of {lines:,} lines",
        "≤ 2 × bare bytes",
        got["seconds"],
        "s",
        bare["seconds"],
        f"{got['bytes'] / 1e9:.1f} GB bare, s",
        ratio,
        ratio <= 2,
    )


def memory(bench):
    with bench.server("memory") as server:
        time.sleep(1)
        idle = server.rss_bytes()
        bench.row("memory, idle", "≤ 15 MB", idle / 1e6, "MB", met=idle <= 15e6)
        server.create("idle")
        for count in bench.pick((100, 1000, 10_000), (10, 100, 1000, 10_000)):
            before = server.rss_bytes()
            holder = bench.idle_followers(server, "idle", count)
            time.sleep(2)
            held = server.rss_bytes()
            holder.communicate("", timeout=60)
            bench.grow("memory of idle followers", f"{count:,} followers", (held - before) / 1e6, "MB more")
            bench.plot_point("memory", "resident", count, held / 1e6)
        bench.row(
            "10,000 idle followers",
            "≤ 100 MB more",
            (held - idle) / 1e6,
            "MB",
            idle / 1e6,
            "idle, MB",
            held / idle,
            held - idle <= 100e6,
        )
