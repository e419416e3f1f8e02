"""A server whose connection to the database ends at a commit: before the database has it, or before its answer is back. Either way
what was written is there once, and whoever asked is told so."""

import concurrent.futures
import contextlib
import http.client
import pathlib
import tempfile

import pytest
from support import DEADLINE
from support.api import eventually
from support.cli import Cli
from support.cluster import Cluster
from support.gate import Gate
from support.postgres import shared
from support.ws import Follower, Runner

# What is cut: each answer, as an answer is enough to be asked for; of what did not happen each second one, or nothing ever would.
LOSSES = {"it happened": {"answers": True}, "it did not happen": {"every": 2}}


@pytest.fixture
def cluster(tmp_path):
    cluster = Cluster(tmp_path)
    yield cluster
    cluster.close()


@pytest.fixture
def way():
    """To the database, of the first server."""
    gate = Gate(lambda: [shared().socket])
    yield gate
    gate.close()


@pytest.fixture(params=LOSSES)
def losing(request, way):
    """Within it commits of the first server are lost."""

    @contextlib.contextmanager
    def lose(least):
        cutter = way.cut_at(b"COMMIT", **LOSSES[request.param])
        yield
        way.cut_at(None)
        assert cutter.done >= least, cutter.done

    return lose


@pytest.fixture
def traces():
    """A folder that a confined job may write to."""
    with tempfile.TemporaryDirectory(prefix="runnel-traces-", dir="/var/tmp") as folder:
        pathlib.Path(folder).chmod(0o777)
        yield pathlib.Path(folder)


def append_once(api, execution_id, number):
    path, key = f"/api/v1/executions/{execution_id}/logs", {"Idempotency-Key": f"append {number}"}
    return api.post(path, {"message": f"line {number}"}, headers=key)


def listed(server):
    return server.api().expect(200, "GET", "/api/v1/executions")["executions"]


def test_appends_and_seals_are_there_once_and_acknowledged(cluster, way, losing):
    here, there = cluster.add(way=way), cluster.add()
    api, lines = here.api(), [f"line {i}" for i in range(4)]
    asked, streamed = api.create(), api.create()
    followers = [Follower(server, id) for server in (here, there) for id in (asked, streamed)]
    runner = Runner(here, streamed)
    with losing(len(lines)):
        for number, line in enumerate(lines):
            assert append_once(api, asked, number).status == 201
            runner.lines([line])
        for status in ("running", "completed"):
            api.expect(200, "PATCH", f"/api/v1/executions/{asked}", {"status": status})
        assert runner.complete()["final_sequence"] == len(lines) - 1
        assert [append_once(api, asked, number).status for number in range(len(lines))] == [200] * len(lines)
    for follower in followers:
        records, complete = follower.rest()
        assert [record["message"] for record in records] == lines
        assert complete["final_sequence"] == len(lines) - 1
    for id in (asked, streamed):
        status = there.api().status(id)
        assert (status["status"], status["sealed"], status["last_index"]) == ("completed", True, len(lines))
        assert there.api().messages(id) == lines
        Cli(cluster.root / id, there).ok("verify", id)


def test_jobs_are_taken_and_run_once(cluster, way, losing, traces, tmp_path):
    """Two that are submitted one by one, and two in a batch."""
    here, there = cluster.add(way=way), cluster.add()
    api, commands = here.api(), [["sh", "-c", f"echo ran | tee -a {traces / str(number)}"] for number in range(4)]

    def submit(path, body, number):
        """Twice: the second time it is known."""
        for _ in range(2):
            answer = api.post(path, body, headers={"Idempotency-Key": f"submitted {number}"})
            assert answer.status in (200, 201), answer

    with losing(4), Cli(tmp_path / "worker", here).start("worker", "--slots", 2, "--data", tmp_path / "jobs"):
        for number, command in enumerate(commands[:2]):
            submit("/api/v1/executions", {"queue": True, "command": command}, number)
        batch = {"batch_id": "two", "jobs": [{"command": command} for command in commands[2:]]}
        submit("/api/v1/batches", batch, "batch")
        jobs = eventually(lambda: (found := listed(there)) and all(job["sealed"] for job in found) and found, "all end")
    assert len(jobs) == len(commands)
    for job in jobs:
        assert (job["status"], job["attempt"], job["reason"]) == ("completed", 1, None)
        assert there.api().messages(job["execution_id"]) == ["ran"]
    assert [path.read_text() for path in traces.iterdir()] == ["ran\n"] * len(commands)


def test_what_was_committed_is_a_repetition_when_its_server_has_gone_without_an_answer(cluster, way):
    here, there = cluster.add(way=way), cluster.add()
    execution_id = here.api().create()
    assert append_once(here.api(), execution_id, 0).status == 201
    way.targets = lambda: []  # it cannot ask what became of it
    cutter = way.cut_at(b"COMMIT", answers=True)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        unanswered = pool.submit(append_once, here.api(), execution_id, 1)
        eventually(lambda: there.api().messages(execution_id) == ["line 0", "line 1"], "it is there")
        here.kill()
        assert isinstance(unanswered.exception(DEADLINE), (OSError, http.client.HTTPException))
    assert cutter.done
    assert append_once(there.api(), execution_id, 1).status == 200
    assert there.api().messages(execution_id) == ["line 0", "line 1"]
