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
            ours.append(timed([bench.runnel, "wrap", "-q", "--id", f"cat{i}", "--", "cat", str(path)], stdout=null,
                              env=server.environment))
            status = server.get(f"/api/v1/executions/cat{i}/status").decode()
            if '"sealed":true' not in status.replace(" ", ""):
                raise RuntimeError(f"not sealed: {status}")
    ours.sort(), theirs.sort()
    figure, reference = ours[len(ours) // 2], theirs[len(theirs) // 2]
    bench.row(f"runnel wrap -- cat, {size / 1e6:.0f} MB, durable", "≤ 2.5 × reference", figure, "s", reference,
              "cat | zstd -1; sync", figure / reference, figure <= 2.5 * reference)


def ingest_sockets(bench):
    path = bench.corpus.sized(bench.pick(60_000_000, 250_000_000))
    # The reference: the same bytes, from memory to disk by one process, compressed the same way.
    reference = timed(["sh", "-c", f"zstd -1 -q -f -c '{path}' > '{bench.work}/ref' && sync '{bench.work}/ref'"])
    lines_of = bench.count_lines(path)
    for form, lines, frame_lines, goal in (("binary", bench.pick(300_000, 1_500_000), 1 << 20, 1_500_000),
                                           ("json", bench.pick(60_000, 400_000), 500, 500_000)):
        with bench.server(f"ingest-{form}") as server:
            got = bench.load_ingest(server, format=form, lines=lines, frame_lines=frame_lines, sockets=8, prefix="in",
                                    file=path)
        what = "binary chunks" if form == "binary" else "JSON arrays of 500"
        bench.row(f"ingest, 8 runner sockets, {what}", f"≥ {goal:,} lines/s", got["lines_per_second"], "lines/s",
                  lines_of / reference, "zstd -1; sync, lines/s", got["lines_per_second"] / (lines_of / reference),
                  got["lines_per_second"] >= goal)
        bench.note(f"ingest {form}: {got['lines']:,} lines, {got['bytes'] / got['seconds'] / 1e6:.0f} MB/s of text, "
                   f"server CPU {got['server_cpu_seconds']:.2f} s, clients {got['client_cpu_seconds']:.2f} s, "
                   f"ack p50 {got['ack_p50_ms']:.1f} ms, p99 {got['ack_p99_ms']:.1f} ms")


STORE_METRICS = ("runnel_store_commits_total", "runnel_commit_seconds_sum", "runnel_fsync_seconds_sum",
                 "runnel_fsync_seconds_count")


def paced(bench, server, count, seconds, path):
    """Each of so many executions writes 10 lines a second; what is measured begins once all are connected."""
    arguments = {**server.peer(), "sockets": count, "rate": 10, "seconds": seconds, "prefix": "many", "file": path,
                 "complete": 0, "hold": 1}
    load = subprocess.Popen(bench.command("ingest", **arguments), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True)
    if load.stdout.readline() != "ready\n":
        raise RuntimeError(load.stderr.read())
    time.sleep(3)  # a checkpoint of what connecting has written is not part of it
    written, before = server.written_bytes(), [server.metric(name) for name in STORE_METRICS]
    out, errors = load.communicate("go\n", timeout=300)
    if load.returncode:
        raise RuntimeError(errors)
    after = [server.metric(name) for name in STORE_METRICS]
    commits, commit, fsync, fsyncs = (b - a for a, b in zip(before, after))
    return {**json.loads(out), "written_bytes": server.written_bytes() - written, "commits": commits,
            "commit_ms": commit / max(commits, 1) * 1000, "fsync_ms": fsync / max(fsyncs, 1) * 1000}


def many_executions(bench):
    path = bench.corpus.sized(bench.pick(60_000_000, 250_000_000))
    seconds = bench.pick(5, 15)
    for count in bench.pick((100, 10_000), (10, 100, 1_000, 10_000)):
        probe = bench.probe()
        with bench.server(f"many-{count}") as server:
            got = paced(bench, server, count, seconds, path)
        written, commits = got["written_bytes"], got["commits"]
        bench.grow("active executions, 10 lines/s each: ack p99", count, got["ack_p99_ms"], "ms",
                   f"server CPU {got['server_cpu_seconds'] / got['seconds']:.2f} cores, "
                   f"{written / got['bytes']:.2f} × raw written; {commits:.0f} commits of {got['commit_ms']:.1f} ms, "
                   f"their fsync {got['fsync_ms']:.1f} ms")
        bench.plot_point("executions", "p99", count, got["ack_p99_ms"])
        bench.plot_point("executions", "p50", count, got["ack_p50_ms"])
        if count == 10_000:
            bench.row("10,000 executions × 10 lines/s: ack p99", "≤ 50 ms", got["ack_p99_ms"], "ms",
                      probe["fdatasync_p99_ms"], "fdatasync p99, ms", got["ack_p99_ms"] / probe["fdatasync_p99_ms"],
                      got["ack_p99_ms"] <= 50)
            bench.row("10,000 executions × 10 lines/s: bytes written", "≤ 3 × raw", written / 1e6, "MB",
                      got["bytes"] / 1e6, "raw, MB", written / got["bytes"], written <= 3 * got["bytes"])
            bench.note(f"10,000 executions: all {got['lines']:,} lines acknowledged; in {got['seconds']:.1f} s of "
                       f"{seconds} s; server {got['server_cpu_seconds'] / got['seconds']:.2f} cores, clients "
                       f"{got['client_cpu_seconds'] / got['seconds']:.2f} cores")
