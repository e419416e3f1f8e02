"""What comes in."""

import json
import subprocess
import time


def timed(command, **options):
    began = time.monotonic()
    subprocess.run(command, check=True, **options)
    return time.monotonic() - began


def wrap_cat(bench):
    size = bench.pick(200_000_000, 1_000_000_000)
    path = bench.corpus.sized(size)
    ours, theirs = [], []
    out = bench.work / "cat.zst"
    with open(path, "rb") as file:  # into the page cache, for both
        while file.read(1 << 24):
            pass
    for i in range(bench.pick(1, 3)):
        theirs.append(timed(["sh", "-c", f"cat '{path}' | zstd -1 -q -f > '{out}' && sync '{out}'"]))
        out.unlink()
        with bench.server("wrap") as server, open("/dev/null", "wb") as null:
            ours.append(
                timed(
                    [bench.runnel, "wrap", "-q", "--id", f"cat{i}", "--", "cat", str(path)],
                    stdout=null,
                    env=server.environment,
                )
            )
            status = server.get(f"/api/v1/executions/cat{i}/status").decode()
            if '"sealed":true' not in status.replace(" ", ""):
                raise RuntimeError(f"not sealed: {status}")
    ours.sort(), theirs.sort()
    figure, reference = ours[len(ours) // 2], theirs[len(theirs) // 2]
    bench.row(
        f"runnel wrap -- cat, {size / 1e6:.0f} MB, durable",
        "≤ 2.5 × reference",
        figure,
        "s",
        reference,
        "cat | zstd -1; sync",
        figure / reference,
        figure <= 2.5 * reference,
    )


def ingest_sockets(bench):
    path = bench.corpus.sized(bench.pick(60_000_000, 250_000_000))
    # The reference: the same bytes, from memory to disk by one process, compressed the same way.
    reference = timed(["sh", "-c", f"zstd -1 -q -f -c '{path}' > '{bench.work}/ref' && sync '{bench.work}/ref'"])
    lines_of = bench.count_lines(path)
    for form, lines, frame_lines, goal in (
        ("binary", bench.pick(300_000, 1_500_000), 1 << 20, 1_500_000),
        ("json", bench.pick(60_000, 400_000), 500, 500_000),
    ):
        with bench.server(f"ingest-{form}") as server:
            got = bench.load_ingest(
                server, format=form, lines=lines, frame_lines=frame_lines, sockets=8, prefix="in", file=path
            )
        what = "binary chunks" if form == "binary" else "JSON arrays of 500"
        bench.row(
            f"ingest, 8 runner sockets, {what}",
            f"≥ {goal:,} lines/s",
            got["lines_per_second"],
            "lines/s",
            lines_of / reference,
            "zstd -1; sync, lines/s",
            got["lines_per_second"] / (lines_of / reference),
            got["lines_per_second"] >= goal,
        )
        bench.note(
            f"ingest {form}: {got['lines']:,} lines, {got['bytes'] / got['seconds'] / 1e6:.0f} MB/s of text, "
            f"server CPU {got['server_cpu_seconds']:.2f} s, clients {got['client_cpu_seconds']:.2f} s, "
            f"ack p50 {got['ack_p50_ms']:.1f} ms, p99 {got['ack_p99_ms']:.1f} ms"
        )


STORE_METRICS = (
    "runnel_store_commits_total",
    "runnel_commit_seconds_sum",
    "runnel_fsync_seconds_sum",
    "runnel_fsync_seconds_count",
)


def paced(bench, server, count, seconds, path, burst, rate=10):
    """Each of so many executions writes `rate` lines a second, each on a socket of its own."""
    return held(bench, server, "ingest", seconds, path, sockets=count, rate=rate, complete=0, burst=burst)


def held(bench, server, generator, seconds, path, **arguments):
    """What is measured begins once all are connected."""
    arguments |= {**server.peer(), "seconds": seconds, "prefix": "many", "file": path, "hold": 1}
    load = bench.load_ready(generator, **arguments)
    time.sleep(3)  # a checkpoint of what connecting has written is not part of it
    written, before = server.written_bytes(), [server.metric(name) for name in STORE_METRICS]
    out, errors = load.communicate("go\n", timeout=300)
    if load.returncode:
        raise RuntimeError(errors)
    after = [server.metric(name) for name in STORE_METRICS]
    commits, commit, fsync, fsyncs = (b - a for a, b in zip(before, after))
    return {
        **json.loads(out),
        "written_bytes": server.written_bytes() - written,
        "commits": commits,
        "commit_ms": commit / max(commits, 1) * 1000,
        "fsync_ms": fsync / max(fsyncs, 1) * 1000,
    }


def paced_figures(got):
    return (
        f"{got['lines_per_second']:,.0f} lines/s; server CPU {got['server_cpu_seconds'] / got['seconds']:.2f} cores, "
        f"clients {got['client_cpu_seconds'] / got['seconds']:.2f}; "
        f"{got['written_bytes'] / got['bytes']:.2f} × raw written; {got['commits']:.0f} commits of "
        f"{got['commit_ms']:.1f} ms, their fsync {got['fsync_ms']:.1f} ms"
    )


def many_executions(bench):
    path = bench.corpus.sized(bench.pick(60_000_000, 250_000_000))
    seconds = bench.pick(5, 12)
    for count in bench.pick((100,), (10, 100, 1_000)):
        with bench.server(f"many-{count}") as server:
            got = paced(bench, server, count, seconds, path, 1)
        bench.grow(
            "active executions, 10 lines/s each, evenly: ack p99", count, got["ack_p99_ms"], "ms", paced_figures(got)
        )
        bench.plot_point("executions", "p99", count, got["ack_p99_ms"])
        bench.plot_point("executions", "p50", count, got["ack_p50_ms"])
    for rate in bench.pick((), (1, 5)):
        with bench.server(f"many-rate-{rate}") as server:
            got = paced(bench, server, 10_000, seconds, path, 1, rate)
        bench.grow(
            "10,000 active executions, evenly: ack p99",
            f"{rate} lines/s each",
            got["ack_p99_ms"],
            "ms",
            paced_figures(got),
        )
    ten_thousand(bench, path, seconds, 10)
    ten_thousand(bench, path, seconds, 1)


SHARED_SOCKETS = 8


def shared_sockets(bench):
    """10,000 × 10 lines/s, a line every 100 ms, on a few workers' sockets instead of one for each execution."""
    path = bench.corpus.sized(bench.pick(60_000_000, 250_000_000))
    seconds = bench.pick(5, 12)
    probe = bench.probe()["fdatasync_p99_ms"]
    with bench.server("ten-thousand-shared") as server:
        got = held(bench, server, "shared", seconds, path, sockets=SHARED_SOCKETS, executions=10_000, rate=10)
    bench.row(
        f"10,000 executions × 10 lines/s, evenly, on {SHARED_SOCKETS} workers' sockets: ack p99",
        "≤ 50 ms",
        got["ack_p99_ms"],
        "ms",
        probe,
        "fdatasync p99, ms",
        got["ack_p99_ms"] / probe,
        got["ack_p99_ms"] <= 50,
    )
    bench.grow(
        "10,000 active executions, 10 lines/s each: ack p99",
        f"evenly, on {SHARED_SOCKETS} workers' sockets",
        got["ack_p99_ms"],
        "ms",
        paced_figures(got),
    )


def ten_thousand(bench, path, seconds, burst):
    """10,000 × 10 lines/s: each second's ten at once, or one every 100 ms, each a frame and an ack of its own."""
    how = "evenly" if burst == 1 else "ten at once"
    with bench.raw("ack", path) as raw:
        bare = bench.load(
            "ingest",
            port=raw.port,
            pid=raw.pid,
            bare=1,
            sockets=10_000,
            rate=10,
            burst=burst,
            seconds=bench.pick(3, 6),
            file=path,
            complete=0,
        )
    with bench.server(f"ten-thousand-{burst}") as server:
        got = paced(bench, server, 10_000, seconds, path, burst)
    written = got["written_bytes"]
    bench.row(
        f"10,000 executions × 10 lines/s, {how}: ack p99",
        "≤ 50 ms",
        got["ack_p99_ms"],
        "ms",
        bare["ack_p99_ms"],
        "bare answers, ms",
        got["ack_p99_ms"] / bare["ack_p99_ms"],
        got["ack_p99_ms"] <= 50,
    )
    bench.row(
        f"10,000 executions × 10 lines/s, {how}: bytes written",
        "≤ 3 × raw",
        written / 1e6,
        "MB",
        got["bytes"] / 1e6,
        "raw, MB",
        written / got["bytes"],
        written <= 3 * got["bytes"],
    )
    bench.grow("10,000 active executions, 10 lines/s each: ack p99", how, got["ack_p99_ms"], "ms", paced_figures(got))
    bench.note(
        f"10,000 executions × 10 lines/s, {how}: all {got['lines']:,} lines acknowledged in {got['seconds']:.1f} s "
        f"of {seconds} s; a program that only answers each frame: {bare['lines_per_second']:,.0f} lines/s, CPU "
        f"{bare['server_cpu_seconds'] / bare['seconds']:.2f} cores, clients "
        f"{bare['client_cpu_seconds'] / bare['seconds']:.2f}"
    )
    if burst == 1:
        bench.plot_point("executions", "p99", 10_000, got["ack_p99_ms"])
        bench.plot_point("executions", "p50", 10_000, got["ack_p50_ms"])
