"""Logs that were moved to S3: what reading them costs beside reading the same from the store."""

import contextlib
import re
import shutil
import subprocess
import time
import urllib.request

from .rows_read import fill

DEADLINE = 120


@contextlib.contextmanager
def s3(bench):
    """npm's s3rver, on this machine: an S3 without a way to it."""
    folder = bench.work / "s3"
    folder.mkdir()
    program = bench.root / "tests" / "npm" / "s3.mjs"
    process = subprocess.Popen(
        ["node", "--openssl-legacy-provider", "--no-warnings", program, folder, "bench"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    port = int(re.match(r"listening (\d+)", process.stdout.readline())[1])
    keys = folder / "keys"
    keys.write_text("[default]\naws_access_key_id = S3RVER\naws_secret_access_key = S3RVER\n")
    yield ["--cold", "s3://bench/logs", "--s3-endpoint", f"http://127.0.0.1:{port}", "--s3-credentials", keys]
    process.kill()
    process.wait()
    shutil.rmtree(folder, ignore_errors=True)


def wait_moved(server):
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/metrics") as answer:
            found = dict(re.findall(r"^runnel_cold_(\w+) (\S+)$", answer.read().decode(), re.M))
        if float(found["moved_chunks_total"]) > 0 and float(found["waiting"]) == 0:
            return
        time.sleep(0.5)
    raise RuntimeError(f"the log was not moved in {DEADLINE} s")


def read_cold(bench):
    if not (bench.root / "tests" / "npm" / "node_modules" / "s3rver").is_dir():
        bench.note("cold logs: s3rver is not installed (npm --prefix tests/npm ci --ignore-scripts)")
        return
    lines = 100_000
    path = bench.corpus.sized(bench.pick(60_000_000, 250_000_000))
    with s3(bench) as where, bench.server("cold", *where) as server:
        ask = {"path": f"/api/v1/executions/{fill(bench, server, 'cold', lines, path)}/logs?format=ndjson"}

        def first_read():
            server.stop()
            server.start()  # nothing of it in the server's memory
            return bench.load("http", **server.peer(), **ask)["seconds"]

        time.sleep(8)  # it is merged
        warm = sorted(first_read() for _ in range(3))[1]
        server.stop()
        server.flags = (*where, "--cold-after", "1s")
        server.start()
        wait_moved(server)
        cold = sorted(first_read() for _ in range(3))[1]
        bench.row(
            f"read {lines:,} lines that lie in S3, as ndjson",
            "no goal: S3 on this machine, without a way to it",
            cold,
            "s",
            warm,
            "from the store, s",
            cold / warm,
        )
