"""Signals for a command line that follows a job, and what cannot be queued or run."""

import json
import os
import signal

import pytest
from support.api import eventually
from support.cli import Cli
from support.process import BIN
from support.server import Server
from support.terminal import Terminal

PATH = "/api/v1/executions"


@pytest.fixture(scope="module")
def jobs_server(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("signals"), flags=["--jobs", "4"]).start()
    yield server
    server.close()


@pytest.fixture
def cli(jobs_server, tmp_path):
    return Cli(tmp_path / "home", jobs_server)


def ends(api, execution_id):
    return eventually(lambda: (s := api.status(execution_id))["sealed"] and s, f"the end of {execution_id}")


# --- Signals


def test_ctrl_c_on_a_terminal_ends_the_following_and_not_the_job(jobs_server, cli, tmp_path):
    api, gate = jobs_server.api(), tmp_path / "gate"
    script = f"echo begun; while [ ! -e {gate} ]; do sleep 0.1; done; echo ended"
    with Terminal([BIN, "run", "--id", "keeps-on", "--", "sh", "-c", script], {**cli.env, "TERM": "xterm"}) as terminal:
        terminal.wait_for(b"begun")
        terminal.type(b"\x03")
        pid, status = os.waitpid(terminal.pid, 0)
        assert os.waitstatus_to_exitcode(status) in (130, -signal.SIGINT)
        terminal.pid = os.spawnlp(os.P_NOWAIT, "sleep", "sleep", "3600")  # what leaving it ends
    assert api.status("keeps-on")["status"] == "running"
    gate.touch()
    assert ends(api, "keeps-on")["exit_code"] == 0
    assert api.messages("keeps-on") == ["begun", "ended"]


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_for_the_command_line_does_not_reach_the_job(jobs_server, cli, tmp_path, signum):
    api, gate, execution_id = jobs_server.api(), tmp_path / "gate", f"outlives-{signum.name}"
    script = f"echo begun; while [ ! -e {gate} ]; do sleep 0.1; done"
    with cli.start("run", "-q", "--id", execution_id, "--", "sh", "-c", script) as process:
        process.out.wait_for(b"begun\n")
        process.signal(signum)
        assert process.finish() in (130, -signum)
    assert api.status(execution_id)["status"] == "running"
    gate.touch()
    assert ends(api, execution_id)["status"] == "completed"


# --- Workers


def test_the_workers_that_are_connected_are_listed(jobs_server, cli, tmp_path):
    eventually(lambda: cli.ok("worker", "list", "-o", "json").out, "the worker within is connected")
    [worker] = [json.loads(line) for line in cli.ok("worker", "list", "-o", "json").out.splitlines()]
    assert worker["slots"] == 4 and "process" in worker["executors"]
    title, row = cli.ok("worker", "list").text().splitlines()
    assert title.split() == "WORKER HOST FREE SINCE HEARD LABELS EXECUTORS RUNTIMES VERSION".split()
    assert row.split()[:2] == [worker["worker_id"], worker["hostname"]] and "/4 " in row
    assert b"it takes options, or `list`, `drain ID` or `resume ID`" in cli.run("worker", "lost", expect=2).err


def test_a_server_without_workers_says_how_to_get_one(server, tmp_path):
    alone = Cli(tmp_path / "home", server)
    alone.env["RUNNEL_TOKEN"] = server.api().key("service")["key"]
    listed = alone.ok("worker", "list")
    assert listed.out or b"no worker is connected; `runnel worker` starts one" in listed.err


# --- What cannot be queued or run


def test_a_script_that_is_not_there_is_refused_before_anything_is_queued(jobs_server, cli):
    said = cli.run("run", "--id", "no-script", "there-is-none.py", "x", expect=2).err
    assert b"there-is-none.py: there is no such script; `runnel run -- there-is-none.py" in said
    assert jobs_server.api().get(f"{PATH}/no-script").status == 404


def test_a_program_that_is_not_there_fails_with_127_and_its_log_says_so(jobs_server, cli):
    ran = cli.run("run", "-q", "--id", "no-program", "--", "/there/is/none", "x", expect=127)
    status = ends(jobs_server.api(), "no-program")
    assert (status["status"], status["exit_code"]) == ("failed", 127), ran
    assert status["reason"] == "the program cannot be run: /there/is/none: No such file or directory"
    [record] = jobs_server.api().page("no-program")["logs"]
    assert (record["event_type"], record["message"]) == ("job_not_started", status["reason"])


def test_a_runtime_that_no_worker_has_is_said_by_the_status(jobs_server, cli, tmp_path):
    script = tmp_path / "job.cob"
    script.write_text("DISPLAY 'x'.\n")
    execution_id = cli.ok("run", "-d", "--runtime", "cobol:85", script).text().strip()
    api = jobs_server.api()
    # Before the worker within is connected, there is none at all.
    waiting = eventually(
        lambda: (w := api.status(execution_id).get("waiting")) and "cobol:85" in w["detail"] and w, "it says why"
    )
    assert waiting["reason"] == "no_worker"
    api.delete(f"{PATH}/{execution_id}")
    assert api.status(execution_id)["status"] == "cancelled"


def test_a_batch_of_a_million_is_refused_whole(jobs_server, cli):
    said = cli.run("run", "--range", "1-1000000", "--", "true", expect=2).err
    assert b"100000" in said or b"100,000" in said, said
    assert jobs_server.api().expect(200, "GET", "/api/v1/batches")["batches"] == []


def test_a_huge_environment_is_refused_or_given_whole(jobs_server, cli):
    """What the kernel does not take is no job that hangs, but one that has failed and says why."""
    api = jobs_server.api()
    fits = {f"V{i}": "x" * 1000 for i in range(1000)}
    execution_id = api.create(command=["sh", "-c", 'echo "${#V999}"; env | grep -c ^V'], env=fits, queue=True)
    assert ends(api, execution_id)["status"] == "completed"
    assert api.messages(execution_id) == ["1000", "1000"]
    execution_id = api.create(command=["true"], env={"V": "x" * 200000}, queue=True)
    status = ends(api, execution_id)
    assert (status["status"], status["exit_code"]) == ("failed", 126)
    assert "Argument list too long" in status["reason"]
    many = {f"V{i}": "x" for i in range(1025)}
    assert api.request("POST", PATH, {"command": ["true"], "env": many, "queue": True}).code == "invalid"


@pytest.mark.parametrize("field", ["name", "runtime", "cwd", "script_filename"])
def test_names_with_a_nul_are_refused(jobs_server, field):
    answer = jobs_server.api().request("POST", PATH, {"command": ["true"], "queue": True, field: "a\0b"})
    assert (answer.status, answer.code) == (422, "invalid")
