"""Batches of short jobs: while their server and its worker are killed at random moments, and jobs that say something
right before they end."""

import json
import os
import signal
import subprocess

import pytest
from support import DEADLINE
from support.api import eventually
from support.faults import chance, rounds
from support.process import BIN
from support.server import clean_env

JOBS = rounds(500, least=60)
KILLS = rounds(40, least=4)
ENDS = rounds(1000, least=100)  # of each kind
LINES = 20
LONG = 20 * DEADLINE  # for all of a batch, on a machine that does much else


class Within:
    """The worker within the server."""

    def __init__(self, servers, slots):
        self.server = servers("--jobs", str(slots))

    def pid(self):
        """None between two of them."""
        pid = self.server.process.popen.pid
        with open(f"/proc/{pid}/task/{pid}/children") as file:
            found = [int(child) for child in file.read().split()]
        return found[0] if found else None

    def kill(self):
        try:
            os.kill(self.pid() or 0x7FFFFFF0, signal.SIGKILL)
        except ProcessLookupError:
            pass  # it has ended by itself

    def stop(self):
        pass


class Beside:
    """A worker of its own."""

    def __init__(self, servers, slots):
        self.server = servers()
        root = self.server.root / "worker"
        root.mkdir()
        self.command = [BIN, "worker", "--slots", str(slots), "--data", str(root / "data")]
        self.env = clean_env(root, RUNNEL_URL=self.server.url, RUNNEL_TOKEN=self.server.operator_key)
        self.start()

    def start(self):
        self.process = subprocess.Popen(self.command, env=self.env, stderr=subprocess.DEVNULL)

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.start()

    def stop(self):
        self.process.terminate()
        self.process.wait(LONG)


@pytest.fixture(params=[Within, Beside])
def worker(request, servers):
    made = request.param(servers, slots=4)
    yield made
    made.stop()


def submit(api, scripts, **common):
    jobs = [{"command": ["sh", "-c", script], "name": str(number)} for number, script in enumerate(scripts)]
    return api.expect(201, "POST", "/api/v1/batches", {"job": common, "jobs": jobs})["batch_id"]


def ended(api, batch_id):
    status = api.expect(200, "GET", f"/api/v1/batches/{batch_id}/status")
    return status["completed_count"] + status["failed_count"]


def executions(api, batch_id, **query):
    """All of a batch, oldest first."""
    found, cursor = [], {}
    while cursor is not None:
        page = api.expect(
            200, "GET", "/api/v1/executions", query={"batch_id": batch_id, "limit": 1000, **query, **cursor}
        )
        found += page["executions"]
        cursor = page["next_cursor"] and {"cursor": page["next_cursor"]}
    return found[::-1]


@pytest.mark.timeout(3600)
def test_every_job_ends_as_it_did_and_has_its_whole_log(worker):
    source, server = chance(), worker.server
    script = f"i=0; while [ $i -lt {LINES} ]; do echo line $i of %d; i=$((i+1)); done; exit %d"
    batch_id = submit(server.api(), [script % (number, number % 3) for number in range(JOBS)])
    killed = []
    for step in range(KILLS):
        wanted = source.randrange(JOBS * step // (KILLS + 1), JOBS * (step + 1) // (KILLS + 1))
        eventually(lambda: ended(server.api(), batch_id) >= wanted, f"{wanted} have ended; killed {killed}", LONG)
        killed.append(source.choice(("server", "worker")))
        if killed[-1] == "worker":
            worker.kill()
        else:
            server.kill()
            server.restart()
    eventually(lambda: ended(server.api(), batch_id) == JOBS, f"the batch ends; killed {killed}", LONG)
    api = server.api()
    found = executions(api, batch_id)
    assert len(found) == JOBS, killed
    for number, execution in enumerate(found):
        assert execution["status"] == ("failed" if number % 3 else "completed"), (killed, execution)
        assert (execution["exit_code"], execution["attempt"]) == (number % 3, 1), (killed, execution)
        lines = api.messages(execution["execution_id"])
        assert lines == [f"line {i} of {number}" for i in range(LINES)], (killed, execution)


# --- The last lines

# Says its last line when it is told to end. It has as long as its time limit to get ready.
WAITS = "trap 'echo last %d; exit 0' TERM; echo ready; sleep 3600 & wait"


@pytest.fixture
def house(servers):
    return Within(servers, slots=100).server.api()


def assert_said(api, batch_id, status, first):
    found = executions(api, batch_id)
    assert len(found) == ENDS
    for number, execution in enumerate(found):
        whole = json.dumps(execution)  # of which pytest shows all
        assert execution["status"] == status, whole
        assert api.messages(execution["execution_id"], stream="stdout") == [first, f"last {number}"], whole


@pytest.mark.timeout(3600)
def test_the_last_line_right_before_an_exit_is_in_the_log(house):
    batch_id = submit(house, [f"echo ready; printf 'last {number}\\n'; exit 1" for number in range(ENDS)])
    eventually(lambda: ended(house, batch_id) == ENDS, "all have ended", LONG)
    assert_said(house, batch_id, "failed", "ready")


@pytest.mark.timeout(3600)
def test_the_last_line_right_before_a_time_out_is_in_the_log(house):
    batch_id = submit(house, [WAITS % number for number in range(ENDS)], timeout_seconds=20)
    eventually(lambda: ended(house, batch_id) == ENDS, "all are timed out", LONG)
    assert_said(house, batch_id, "timed_out", "ready")


@pytest.mark.timeout(3600)
def test_the_last_line_right_before_a_cancel_is_in_the_log(house):
    batch_id = submit(house, [WAITS % number for number in range(ENDS)])
    cancelled = set()

    def cancel_what_is_ready():
        for execution in executions(house, batch_id, status="running"):
            if execution["last_index"] > 0 and execution["execution_id"] not in cancelled:
                cancelled.add(execution["execution_id"])
                house.delete(f"/api/v1/executions/{execution['execution_id']}")
        return ended(house, batch_id) == ENDS

    eventually(cancel_what_is_ready, "all are cancelled", LONG)
    assert_said(house, batch_id, "cancelled", "ready")
