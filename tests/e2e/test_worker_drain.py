"""A worker that is to take no more jobs, because somebody asked its server for that."""

import json

import pytest
from support.api import eventually
from support.cli import Cli
from support.job_worker import JobWorker

PATH = "/api/v1/executions"


@pytest.fixture
def house(own_server, tmp_path):
    return own_server, own_server.api(), Cli(tmp_path / "home", own_server)


def seen(api, id="w"):
    """What is told of the worker, once it is listed."""
    return eventually(
        lambda: next((one for one in api.get("/api/v1/workers").json()["workers"] if one["worker_id"] == id), None),
        f"{id} is connected",
    )


def queue(api, *command):
    return api.create(command=list(command) or ["true"], queue=True)


def waits_for_one_that_drains(api, id):
    def look():
        found = api.status(id).get("waiting") or {}
        return found.get("reason") == "no_worker" and "which drain" in found["detail"]

    eventually(look, "it waits for a worker that drains")


def test_it_finishes_what_it_has_and_gets_more_when_it_is_resumed(house):
    server, api, cli = house
    with JobWorker(server, worker_id="w") as worker:
        before = seen(api)
        assert (before["draining"], before["jobs"], before["slots_free"]) == (False, 0, 4)
        assert before["connected_at"] <= before["heard_at"]
        queue(api)
        job = worker.take()
        assert cli.ok("worker", "drain", "w").out == b"w takes no more jobs; those that it has go on\n"
        worker.expect("drain")
        now = seen(api)
        assert (now["draining"], now["jobs"], now["slots_free"]) == (True, 1, 0)
        assert b" 0/4 draining " in cli.ok("worker", "list").out
        next = queue(api)
        waits_for_one_that_drains(api, next)
        job.end()
        assert api.status(job.id)["status"] == "completed" and worker.quiet() == []
        answer = cli.ok("worker", "drain", "w", "--undo", "-o", "json").out
        assert json.loads(answer) == {"worker_id": "w", "draining": False}
        worker.expect("resume")
        assert worker.take().end().id == next


def test_one_that_comes_back_hears_it_again_also_what_it_missed(house):
    server, api, cli = house
    with JobWorker(server, worker_id="w"):
        seen(api)
        cli.ok("worker", "drain", "w")
    with JobWorker(server, worker_id="w") as worker:  # it has forgotten it
        worker.expect("drain")
        assert seen(api)["draining"]
        id = queue(api)
        waits_for_one_that_drains(api, id)
        cli.ok("worker", "resume", "w")
    with JobWorker(server, worker_id="w", drained=True) as worker:  # it did not hear the last word
        worker.expect("resume")
        assert worker.take().end().id == id


def test_it_says_itself_that_it_drains_to_a_server_that_was_started_again(house):
    server, api, cli = house
    server.stop()
    server.restart()
    with JobWorker(server, worker_id="w", drained=True) as worker:
        assert seen(api)["draining"]
        id = queue(api)
        waits_for_one_that_drains(api, id)
        cli.ok("worker", "resume", "w")
        assert worker.take().end().id == id
    with JobWorker(server, worker_id="w", drained=True) as worker:
        worker.expect("resume")


def test_who_is_not_there_or_ends_is_not_asked(house):
    server, api, cli = house
    missing = cli.run("worker", "drain", "nobody", expect=3)
    assert b"no such worker is connected" in missing.err
    with JobWorker(server, worker_id="w") as worker:
        seen(api)
        worker.send({"type": "drain"})  # as one does that was told to end
        eventually(lambda: seen(api)["draining"], "it drains")
        assert b"takes no more jobs" in cli.run("worker", "resume", "w", expect=1).err
    assert b"name one worker" in cli.run("worker", "drain", expect=2).err
    assert b"cannot be the identifier" in cli.run("worker", "drain", "a/b", expect=2).err


def test_another_accounts_worker_is_not_there(house):
    server, api, cli = house
    api.expect(201, "POST", "/api/v1/accounts", {"name": "other"})
    with JobWorker(server, api.key("service", account="other")["key"], worker_id="theirs"):
        mine = JobWorker(server, worker_id="mine")
        seen(api, "mine")
        assert api.post("/api/v1/workers/theirs/drain").status == 404
        mine.close()


def test_a_real_worker_goes_on_with_what_it_runs_and_says_why_it_takes_nothing(house, tmp_path):
    server, api, cli = house
    gate = tmp_path / "gate"
    with cli.start("worker", "--data", tmp_path / "worker", "--name", "w", "--slots", 2) as worker:
        seen(api)
        first = queue(api, "sh", "-c", f"echo begun; while [ ! -e {gate} ]; do sleep 0.1; done; echo ended")
        eventually(lambda: api.messages(first) == ["begun"], "it runs", 90)
        cli.ok("worker", "drain", "w")
        worker.err.wait_for(b"takes no more jobs, as the server has been asked for")
        next = queue(api, "echo", "later")
        waits_for_one_that_drains(api, next)
        server.stop()
        server.restart()
        eventually(lambda: seen(api)["draining"], "it says so to the next server", 90)
        gate.touch()
        eventually(lambda: api.status(first)["sealed"], "the end of the first", 90)
        assert api.messages(first) == ["begun", "ended"] and api.status(next)["status"] == "queued"
        cli.ok("worker", "resume", "w")
        worker.err.wait_for(b"takes jobs again")
        eventually(lambda: api.status(next)["sealed"], "the end of the next", 90)
        assert api.messages(next) == ["later"]
