"""Batches of short jobs, while their server and its worker are killed at random moments."""

import os
import random
import signal

from support import DEADLINE
from support.api import eventually
from support.cli import Cli

LINES = 20
KILLS = 4


def worker_of(server):
    """The process of the worker within, or None between two of them."""
    pid = server.process.popen.pid
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        found = [int(child) for child in file.read().split()]
    return found[0] if found else None


def kill_one(server, rng):
    worker = worker_of(server)
    if worker and rng.random() < 0.5:
        try:
            os.kill(worker, signal.SIGKILL)
        except ProcessLookupError:
            pass  # it has ended by itself
        return "worker"
    server.kill()
    server.restart()
    return "server"


def test_every_job_ends_as_it_did_and_has_its_whole_log(servers, tmp_path):
    seed = random.randrange(2**32)
    rng = random.Random(seed)
    jobs = 60
    server = servers("--jobs", "4")
    command = f"i=0; while [ $i -lt {LINES} ]; do echo line $i of {{}}; i=$((i+1)); done; exit $(({{}} % 3))"
    cli = Cli(tmp_path / "home", server)
    batch_id = cli.ok("run", "--range", f"1-{jobs}", "--", "sh", "-c", command).text().strip()
    path = f"/api/v1/batches/{batch_id}/status"

    def ended():
        counts = server.api().expect(200, "GET", path)
        return counts["completed_count"] + counts["failed_count"]

    killed = []
    for step in range(1, KILLS + 1):
        eventually(lambda: ended() >= jobs * step // (KILLS + 2), f"a part of the batch ends; seed {seed}")
        killed.append(kill_one(server, rng))
    eventually(lambda: ended() == jobs, f"the batch ends; seed {seed}, killed {killed}", 2 * DEADLINE)
    api = server.api()
    seen = {}
    for number, execution in jobs_of(api, batch_id):
        assert (execution["status"] == "completed") == (number % 3 == 0), (seed, killed, execution)
        assert execution["exit_code"] == number % 3, (seed, killed, execution)
        lines = [record["message"] for record in api.page(execution["execution_id"], limit=1000)["logs"]]
        assert lines == [f"line {i} of {number}" for i in range(LINES)], (seed, killed, execution)
        seen[number] = execution["execution_id"]
    assert sorted(seen) == list(range(1, jobs + 1)), (seed, killed)


def jobs_of(api, batch_id):
    """(number, execution) of each of its jobs."""
    cursor = ""
    while cursor is not None:
        page = api.expect(
            200,
            "GET",
            "/api/v1/executions",
            query={"batch_id": batch_id, "limit": 100, **({"cursor": cursor} if cursor else {})},
        )
        for execution in page["executions"]:
            yield int(execution["command"][2].split(" of ")[1].split(";")[0]), execution
        cursor = page["next_cursor"]
