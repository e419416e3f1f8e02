"""Jobs: a batch of trivial ones beside what else runs many commands, and how long one waits."""

import json
import shutil
import subprocess
import time
import urllib.request
from datetime import datetime

SLOTS = 8


def ask(server, method, path, body=None):
    request = urllib.request.Request(
        f"http://127.0.0.1:{server.port}{path}",
        json.dumps(body).encode() if body is not None else None,
        {"Authorization": f"Bearer {server.key}", "Content-Type": "application/json"},
        method=method,
    )
    return json.loads(urllib.request.urlopen(request, timeout=60).read())


def timed(command, **options):
    began = time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options)
    return time.monotonic() - began


def with_xargs(bench, count):
    return timed(f"seq {count} | xargs -P{SLOTS} -n1 true", shell=True)


def with_parallel(bench, count):
    results = bench.work / "parallel"
    shutil.rmtree(results, ignore_errors=True)
    results.mkdir()
    taken = timed(
        f"seq {count} | parallel -j{SLOTS} --joblog {results}/joblog --results {results}/out/{{}} true {{}}", shell=True
    )
    shutil.rmtree(results)
    return taken


def with_task_spooler(bench, count):
    folder = bench.work / "tsp"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    environment = {"PATH": "/usr/bin:/bin", "TS_SOCKET": f"{folder}/socket", "TMPDIR": str(folder)}
    script = f"tsp -S {SLOTS}; for i in $(seq {count}); do tsp true; done >/dev/null; tsp -w; tsp -K"
    taken = timed(["sh", "-c", script], env={**environment, "TS_MAXFINISHED": "100"})
    shutil.rmtree(folder)
    return taken


def run_batch(bench, server, count):
    command = [bench.runnel, "run", "--range", f"1-{count}", "--watch", "--", "true"]
    return timed(command, env=server.environment)


def wait_for_worker(server):
    while not ask(server, "GET", "/api/v1/workers")["workers"]:
        time.sleep(0.05)


def ended(server, batch_id):
    while ask(server, "GET", f"/api/v1/batches/{batch_id}")["status"] != "completed":
        time.sleep(0.05)


def seconds_between(status, earlier, later):
    moments = [datetime.fromisoformat(status[name].replace("Z", "+00:00")) for name in (earlier, later)]
    return (moments[1] - moments[0]).total_seconds()


def submit_row(bench, server, count):
    body = {"job": {"command": ["true"]}, "jobs": [{"args": [str(i)]} for i in range(count)]}
    began = time.monotonic()
    batch = ask(server, "POST", "/api/v1/batches", body)
    taken = time.monotonic() - began
    goal = 3 * count / 10_000
    bench.row(f"{count:,} jobs submitted as a batch", f"≤ {goal:g} s", taken, "s", met=taken <= goal)
    path = f"/api/v1/batches/{batch['batch_id']}/status"
    got = bench.load("http", **server.peer(), path=path, requests=bench.pick(200, 1000))
    bench.row(
        f"status of a batch of {count:,}, p99",
        "≤ 20 ms",
        got["answer_p99_ms"],
        "ms",
        met=got["answer_p99_ms"] <= 20 and got["failed"] == 0,
    )
    ask(server, "POST", f"/api/v1/batches/{batch['batch_id']}/cancel")


def files_rows(bench, server, count):
    """A batch of small files, none of which the server has, and once more when it has all of them."""
    folder = bench.work / "batch-files"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for i in range(count):
        (folder / f"{i:05}.csv").write_text(f"{i},{'x' * 200}"[:200])
    goal = 3 * count / 10_000
    command = [bench.runnel, "run", "-d", "--batch", f"{folder}/*.csv", "--", "true"]
    for which in ("", ", all of them there already"):
        taken = timed(command, env=server.environment)
        what = f"a batch of {count:,} files of 200 bytes submitted{which}"
        bench.row(what, f"≤ {goal:g} s", taken, "s", met=taken <= goal)
    shutil.rmtree(folder)


def claim_row(bench, server):
    waits = []
    for _ in range(bench.pick(100, 500)):
        job = ask(server, "POST", "/api/v1/executions", {"queue": True, "command": ["true"]})
        path = f"/api/v1/executions/{job['execution_id']}"
        status = ask(server, "GET", path)
        while not status["sealed"]:
            status = ask(server, "GET", path)
        waits.append(1000 * seconds_between(status, "created_at", "started_at"))
    p99 = sorted(waits)[len(waits) * 99 // 100]
    bench.row("from a job's submission to its claim, p99", "≤ 20 ms", p99, "ms", met=p99 <= 20)


def behind_row(bench, server, count):
    body = {"job": {"command": ["sleep", "0.02"]}, "jobs": [{} for _ in range(count)]}
    batch = ask(server, "POST", "/api/v1/batches", body)
    job = ask(server, "POST", "/api/v1/executions", {"queue": True, "command": ["true"]})
    status = job
    while not status["started_at"]:
        status = ask(server, "GET", f"/api/v1/executions/{job['execution_id']}")
    wait = seconds_between(status, "created_at", "started_at")
    bench.row(f"a single run behind a batch of {count:,} starts after", "≤ 1 s", wait, "s", met=wait <= 1)
    ask(server, "POST", f"/api/v1/batches/{batch['batch_id']}/cancel")


def jobs(bench):
    count = bench.pick(1000, 10_000)
    with bench.server("jobs", "--jobs", "0") as server:
        submit_row(bench, server, bench.pick(2000, 10_000))
    with bench.server("files", "--jobs", "0") as server:
        files_rows(bench, server, bench.pick(2000, 10_000))
    with bench.server("jobs", "--jobs", str(SLOTS)) as server:
        wait_for_worker(server)
        claim_row(bench, server)
        ours = run_batch(bench, server, count)
        behind_row(bench, server, bench.pick(2000, 10_000))
    for name, run, goal in (
        ("GNU parallel --joblog --results", with_parallel, 3),
        ("task-spooler", with_task_spooler, 1),
        ("xargs -P8, which keeps nothing", with_xargs, None),
    ):
        theirs = run(bench, count)
        bench.row(
            f"{count:,} jobs of `true` at {SLOTS} slots, beside {name}",
            f"≥ {goal}× as fast" if goal else "",
            count / ours,
            "jobs/s",
            count / theirs,
            name,
            theirs / ours,
            theirs / ours >= goal if goal else None,
        )
