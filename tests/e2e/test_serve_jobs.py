"""`serve --jobs`: the worker within the server, and what survives the death of either."""

import signal

import pytest
from support.api import eventually
from support.cli import Cli


@pytest.fixture
def jobs_server(servers):
    return servers("--jobs", "2")


@pytest.fixture
def jobs_cli(jobs_server, tmp_path):
    return Cli(tmp_path / "home", jobs_server)


def test_a_script_travels_and_run_exits_with_its_code(jobs_cli, tmp_path):
    script = tmp_path / "hello.sh"
    script.write_text('#!/bin/sh\necho "hello $1 $2"\necho oops >&2\nexit 3\n')
    ran = jobs_cli.run("run", "-q", script, "a", "b")
    assert ran.code == 3, ran
    assert sorted(ran.out.splitlines()) == [b"hello a b", b"oops"]


def test_a_batch_is_watched_to_its_end_and_its_failures_are_told_by_kind(jobs_cli):
    command = 'echo job {}; [ $(({} % 5)) = 0 ] && { echo "bad row" >&2; exit 4; }; exit 0'
    ran = jobs_cli.run("run", "--range", "1-20", "--watch", "--", "sh", "-c", command)
    text = ran.text()
    assert ran.code == 1, ran
    assert "Batch complete: 16 succeeded, 4 failed\n" in text
    assert "  4 × exit code 4: bad row\n" in text


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGTERM])
def test_a_job_outlives_its_server_and_its_log_is_whole(jobs_server, jobs_cli, tmp_path, signum):
    gate = tmp_path / "gate"
    command = f"for i in $(seq 100); do echo line $i; done; while [ ! -e {gate} ]; do sleep 0.1; done; seq 100; exit 5"
    execution_id = jobs_cli.ok("run", "-d", "--", "sh", "-c", command).text().strip()
    api = jobs_server.api()
    eventually(lambda: api.status(execution_id)["last_index"] >= 100, "the first lines are shown")
    jobs_server.process.signal(signum)
    jobs_server.process.wait()
    gate.touch()
    jobs_server.start(listen=f"127.0.0.1:{jobs_server.port}")
    api = jobs_server.api()
    status = eventually(lambda: (s := api.status(execution_id))["sealed"] and s, "the job ends")
    assert (status["status"], status["exit_code"], status["attempt"]) == ("failed", 5, 1)
    lines = [f"line {i}" for i in range(1, 101)] + [str(i) for i in range(1, 101)]
    assert [record["message"] for record in api.page(execution_id, limit=1000)["logs"]] == lines


def test_a_job_whose_status_is_told_as_cancelled_is_ended(jobs_server, jobs_cli):
    api = jobs_server.api()
    id = api.create(
        command=["sh", "-c", "trap 'echo last; exit 9' TERM; echo up; while :; do sleep 0.1; done"], queue=True
    )
    eventually(lambda: api.messages(id) == ["up"], "it runs", 90)
    api.expect(200, "PATCH", f"/api/v1/executions/{id}", {"status": "cancelled"})
    status = eventually(lambda: (s := api.status(id))["sealed"] and s, "the job ends", 90)
    assert (status["status"], status["exit_code"], status["retried_as"]) == ("cancelled", 9, None)
    assert api.messages(id)[-1] == "last"


def test_a_job_that_no_worker_could_take_fails_and_the_next_one_runs(jobs_server, jobs_cli):
    api = jobs_server.api()
    large = {"command": ["echo", *["x" * 1_000_000] * 5], "queue": True}
    id = api.create(**large)
    status = eventually(lambda: (s := api.status(id))["sealed"] and s, "the job ends")
    assert (status["status"], status["exit_code"]) == ("failed", 126)
    (why,) = api.messages(id)
    assert why.startswith("it is larger than the 4 MiB that a worker takes")
    assert jobs_cli.run("run", "-q", "--", "echo", "next", expect=0).text() == "next\n"


def test_a_job_that_has_timed_out_is_told_by_124(jobs_server, jobs_cli):
    command = ["sh", "-c", "trap 'exit 3' TERM; echo begun; while :; do sleep 0.1; done"]
    assert jobs_cli.run("run", "-q", "--timeout", "1s", "--", *command).code == 124
    id = jobs_cli.ok("run", "-d", "--timeout", "1s", "--", "sleep", "600").text().strip()
    waited = jobs_cli.run("wait", id)
    assert (waited.code, waited.text()) == (124, f"{id}: timed_out\n")
    assert jobs_cli.run("logs", "-f", "--exit-status", id).code == 124
    status = jobs_server.api().status(id)
    assert (status["status"], status["exit_code"]) == ("timed_out", 143)
