"""`runnel worker`: real jobs, a real server, and what goes wrong between them."""

import json
import os
import pathlib
import signal
from datetime import datetime

import pytest
from support.api import eventually
from support.cli import Cli
from support.handout import Handout


@pytest.fixture
def handout(server):
    one = Handout(server)
    yield one
    one.close()


def sealed(api, id):
    """Its status once its log is closed."""
    return eventually(lambda: (status := api.status(id))["sealed"] and status, f"the seal of {id}", 90)


def said(api, id, *messages):
    eventually(lambda: api.messages(id) == list(messages), f"{messages} in {id}", 90)


class Here:
    """A worker with a folder of its own, which may be started again and again."""

    def __init__(self, cli, handout, data):
        self.cli, self.handout, self.data = cli, handout, data
        self.process = None

    def start(self, *flags, **env):
        env = {"RUNNEL_URL": self.handout.url, **env}
        self.process = self.cli.start("worker", "--data", self.data, "--slots", 8, *flags, env=env)
        self.process.err.wait_for(b'"message":"connected')
        return self

    def folder(self, id):
        return self.data / "spool" / id

    def gone(self, id):
        """Its folder is, as all of it is delivered."""
        eventually(lambda: not self.folder(id).exists(), f"the end of the folder of {id}", 90)

    def kill(self):
        self.process.signal(signal.SIGKILL)
        self.process.wait()


def runner_of(folder):
    """The process that records the job of that folder, or None."""
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if (process / "comm").read_text() == "runnel-job\n":
                if str(folder) in [os.readlink(fd) for fd in (process / "fd").iterdir()]:
                    return int(process.name)
        except OSError:
            pass
    return None


def has_ended(folder):
    """Whether how the job of that folder ended is saved: in its run.json, or as the second line of its job.json."""
    file = folder / "run.json"
    lines = (file if file.exists() else folder / "job.json").read_text().splitlines(keepends=True)
    return lines[-1].endswith("\n") and json.loads(lines[-1]).get("ended")


@pytest.fixture
def here(cli, handout, tmp_path):
    one = Here(cli, handout, tmp_path / "worker")
    yield one
    if one.process:
        one.process.kill()
    for folder in one.data.glob("spool/exec_*"):  # nothing of a test outlives it
        if pid := runner_of(folder):
            os.kill(pid, signal.SIGKILL)


def shell(script, **spec):
    return {"command": ["sh", "-c", script], **spec}


def test_a_job_runs_and_its_whole_log_is_delivered(api, handout, here):
    here.start()
    id = handout.job(api, shell("echo out; echo err >&2; printf end; exit 3"))
    status = sealed(api, id)
    assert status["status"] == "failed" and status["exit_code"] == 3
    assert sorted(api.messages(id)) == ["end", "err", "out"]
    here.gone(id)


def test_a_folder_that_a_killed_worker_has_half_made_is_not_in_the_way(api, handout, here):
    here.start()
    id = api.create()
    (here.folder(id) / "work").mkdir(parents=True)
    handout.job(api, shell("echo all of it"), id=id)
    assert sealed(api, id)["status"] == "completed" and api.messages(id) == ["all of it"]
    here.gone(id)


def test_many_jobs_share_the_socket(api, handout, here):
    here.start()
    ids = [handout.job(api, shell(f"seq {i}; echo last of {i}")) for i in range(40)]
    for i, id in enumerate(ids):
        sealed(api, id)
        assert api.messages(id, limit=1000) == [str(n) for n in range(1, i + 1)] + [f"last of {i}"]
        here.gone(id)
    assert len(handout.heard("hello")) == 1


def test_lines_come_while_the_job_goes_on(api, handout, here, tmp_path):
    here.start()
    go = tmp_path / "go"
    os.mkfifo(go)
    id = handout.job(api, shell(f"echo first; read x < {go}; echo second"))
    said(api, id, "first")
    go.write_text("on\n")
    sealed(api, id)
    assert api.messages(id) == ["first", "second"]


def test_scripts_run_by_their_runtime(api, handout, here):
    here.start()
    runtimes = handout.heard("hello")[-1]["runtimes"]
    assert any(name.startswith("python:3.") for name in runtimes) and "sh" in runtimes
    python = {
        "script_filename": "a/hello.py",
        "script": "import sys\nprint(sys.argv[1:], __file__.split('/')[-1])\n",
        "args": ["x", "y"],
    }
    by_shebang = {"script_filename": "run", "script": "#!/bin/sh\necho by shebang $0 $1\n", "args": ["z"]}
    cases = [
        (python, "['x', 'y'] hello.py"),
        (by_shebang, "by shebang ./run z"),
        ({"script_filename": "run", "script": "echo by name\n", "runtime": "bash"}, "by name"),
    ]
    for spec, line in cases:
        id = handout.job(api, spec)
        sealed(api, id)
        assert api.messages(id) == [line]


def test_a_runtime_that_is_not_there_is_said_by_the_log(api, handout, here):
    here.start()
    id = handout.job(api, {"script_filename": "x.py", "script": "print(1)\n", "runtime": "python:2.7"})
    status = sealed(api, id)
    assert status["status"] == "failed"
    assert 'there is no runtime "python:2.7" here; this worker has python:3.' in api.messages(id)[0]


def test_a_cancel_ends_the_job(api, handout, here):
    here.start()
    id = handout.job(api, shell("trap 'echo last; exit 1' TERM; echo ready; sleep 1000 & wait"))
    said(api, id, "ready")
    api.delete(f"/api/v1/executions/{id}")
    status = sealed(api, id)
    assert status["status"] == "cancelled"
    assert api.messages(id) == ["ready", "last"]
    here.gone(id)


def test_a_job_over_its_time_is_timed_out(api, handout, here):
    here.start()
    id = handout.job(api, shell("echo begun; exec sleep 1000", timeout_seconds=0.5))
    status = sealed(api, id)
    assert status["status"] == "timed_out"
    assert api.messages(id) == ["begun"]


def test_a_lost_connection_costs_no_line(api, handout, here):
    here.start()
    ids = [handout.job(api, shell("for i in $(seq 300); do echo $i; sleep 0.01; done")) for _ in range(4)]
    for _ in range(3):
        eventually(lambda: api.messages(ids[0], limit=1000), "a line", 90)
        handout.cut()
        handout.connected()
    for id in ids:
        sealed(api, id)
        assert api.messages(id, limit=1000) == [str(n) for n in range(1, 301)]
    assert len(handout.heard("hello")) >= 3


def test_jobs_outlive_a_worker_that_is_killed_and_the_next_one_finds_them(api, handout, here, tmp_path):
    here.start()
    go = tmp_path / "go"
    os.mkfifo(go)
    running = handout.job(api, shell(f"echo before; read x < {go}; echo after; exit 7"))
    said(api, running, "before")
    here.kill()
    here.start()
    held = handout.heard("hello")[-1]["held"]
    assert [one["execution_id"] for one in held] == [running]
    go.write_text("on\n")
    status = sealed(api, running)
    assert status["exit_code"] == 7 and api.messages(running) == ["before", "after"]
    here.gone(running)


def test_what_ended_while_there_was_no_worker_is_delivered_by_the_next(api, handout, here, tmp_path):
    here.start()
    go = tmp_path / "go"
    os.mkfifo(go)
    id = handout.job(api, shell(f"echo before; read x < {go}; echo after; exit 7"))
    said(api, id, "before")
    here.kill()
    go.write_text("on\n")
    eventually(lambda: has_ended(here.folder(id)), "its end", 90)
    here.start()
    status = sealed(api, id)
    assert status["exit_code"] == 7 and api.messages(id) == ["before", "after"]
    here.gone(id)


def test_a_job_whose_runner_is_killed_is_lost_with_what_it_had_said(api, handout, here):
    here.start()
    id = handout.job(api, shell("echo said; exec sleep 1000"))
    said(api, id, "said")
    os.kill(runner_of(here.folder(id)), signal.SIGKILL)
    status = sealed(api, id)
    assert status["status"] == "lost" and status["exit_code"] is None
    messages = api.messages(id)
    assert messages[0] == "said" and messages[1].startswith("The runner was interrupted")
    here.gone(id)


def alive(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_what_a_job_has_started_dies_with_its_runner_also_if_that_had_a_job_before(api, handout, here):
    here.start()
    # It is said by a process that neither the end of the runner nor that of the shell reaches, but for its group.
    stray = shell("setsid sh -c 'echo $$; exec sleep 1000' & wait")
    for _ in range(3):
        before = handout.job(api, shell("true"))
        sealed(api, before)
        here.gone(before)
        id = handout.job(api, stray)
        pid = int(eventually(lambda: api.messages(id), "its process", 90)[0])
        if not json.loads((here.folder(id) / "job.json").read_text().splitlines()[0]).get("cgroup"):
            os.kill(pid, signal.SIGKILL)
            pytest.skip("there are no control groups of version 2 here")
        os.kill(runner_of(here.folder(id)), signal.SIGKILL)
        assert sealed(api, id)["status"] == "lost"
        eventually(lambda: not alive(pid), "the end of its process", 90)


def test_a_worker_that_is_told_to_end_takes_no_more_and_ends_with_its_last_job(api, handout, here, tmp_path):
    here.start()
    go = tmp_path / "go"
    os.mkfifo(go)
    id = handout.job(api, shell(f"echo before; read x < {go}; echo after"))
    said(api, id, "before")
    here.process.signal(signal.SIGTERM)
    eventually(lambda: handout.heard("drain"), "the word that it drains", 90)
    other = handout.job(api, shell("echo never"))
    back = eventually(lambda: handout.heard("return"), "a job given back", 90)
    assert back[0]["execution_id"] == other and "takes no more jobs" in back[0]["reason"]
    assert here.process.popen.poll() is None
    go.write_text("on\n")
    assert here.process.finish(60) == 0
    assert api.status(id)["sealed"] and api.messages(id) == ["before", "after"]


def test_a_second_signal_ends_the_worker_alone(api, handout, here, tmp_path):
    here.start()
    go = tmp_path / "go"
    os.mkfifo(go)
    id = handout.job(api, shell(f"echo before; read x < {go}; echo after"))
    said(api, id, "before")
    here.process.signal(signal.SIGTERM)
    eventually(lambda: handout.heard("drain"), "the word that it drains", 90)
    here.process.signal(signal.SIGTERM)
    assert here.process.finish(60) == 0
    here.start()
    go.write_text("on\n")
    sealed(api, id)
    assert api.messages(id) == ["before", "after"]


def test_two_workers_do_not_share_a_folder(cli, handout, here):
    here.start()
    other = cli.run("worker", "--data", here.data, env={"RUNNEL_URL": handout.url})
    assert other.code == 1 and b"another worker has the folder" in other.err


def test_a_job_does_not_see_credentials(api, handout, here, tmp_path):
    here.start()
    (here.data / "secret").write_text("hidden\n")
    id = handout.job(api, shell(f"env; cat {here.data}/secret; cat ../job.json; echo done"))
    sealed(api, id)
    text = "\n".join(api.messages(id, limit=1000))
    assert "done" in text and "RUNNEL_EXECUTION_ID=" + id in text
    assert "RUNNEL_TOKEN" not in text and "hidden" not in text and '"token"' not in text


@pytest.mark.parametrize("flag", [False, True])
def test_what_a_worker_was_started_with_does_not_show_its_credential(handout, here, cli, flag):
    token = cli.env["RUNNEL_TOKEN"]
    here.start(*(["--token", token] if flag else []))
    for file in ("environ", "cmdline"):
        data = pathlib.Path(f"/proc/{here.process.popen.pid}/{file}").read_bytes()
        assert data and token.encode() not in data, file


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may read disks")
def test_a_job_of_root_reads_no_disks_and_not_with_what_others_were_started(api, handout, here):
    here.start()
    id = handout.job(
        api,
        shell(
            f"cat /proc/{here.process.popen.pid}/environ >/dev/null 2>&1 && echo read; ls /dev >/dev/null 2>&1 && echo seen;"
            "mknod disk b 7 0 2>/dev/null && echo made; head -c 4 /dev/urandom | wc -c; head -c 2 /dev/zero | wc -c;"
            "echo x >/dev/null && echo x >/dev/shm/$RUNNEL_EXECUTION_ID && rm /dev/shm/$RUNNEL_EXECUTION_ID && echo written"
        ),
    )
    sealed(api, id)
    assert api.messages(id) == ["4", "2", "written"]


def test_the_next_job_finds_nothing_of_the_one_before_it(api, handout, here):
    here.start()
    look = "ls -A; stat -c %a .; ls -A $RUNNEL_OUTPUTS; stat -c %a $RUNNEL_OUTPUTS"
    for leave in (
        "true",
        "echo x > left; mkdir a .b",
        "chmod 755 .",
        "chmod 755 $RUNNEL_OUTPUTS",
        "rmdir $RUNNEL_OUTPUTS",
    ):
        one = handout.job(api, shell(f"({leave}) 2>/dev/null; echo done"))
        sealed(api, one)
        assert api.messages(one) == ["done"]
        other = handout.job(api, shell(look))
        sealed(api, other)
        assert api.messages(other) == ["700", "700"], leave
        here.gone(one)
        here.gone(other)


def test_a_runner_that_waits_for_a_job_and_is_killed_costs_none(api, handout, here):
    here.start()
    for _ in range(3):
        one = handout.job(api, shell("echo $PPID"))
        sealed(api, one)
        pid = int(api.messages(one)[0])
        try:
            if pathlib.Path(f"/proc/{pid}/comm").read_text() == "runnel-job\n":
                os.kill(pid, signal.SIGKILL)
        except OSError:
            pass  # it has not waited for so long
        before = len(handout.heard("return"))
        other = handout.job(api, shell("echo next"))
        # One that dies just when it gets the job has not begun it: the job is given back, for the server to hand out.
        back = eventually(
            lambda: api.status(other)["sealed"] or handout.heard("return")[before:], f"the end of {other}", 90
        )
        assert back is True or [one["execution_id"] for one in back] == [other]
        if back is True:
            assert api.messages(other) == ["next"]


def test_a_folder_that_waited_for_a_job_goes_with_its_worker(api, handout, here):
    waiting = here.data / "spool" / ".spare.0123456789abcdef"
    (waiting / "work").mkdir(parents=True)
    (waiting / "job.json").write_text("{}\n")
    here.start()
    sealed(api, handout.job(api, shell("echo x")))
    assert not waiting.exists()
    here.process.signal(signal.SIGTERM)
    assert here.process.finish(60) == 0
    assert list((here.data / "spool").iterdir()) == []


@pytest.mark.parametrize("files", [[], ["data"]], ids=["without files", "with files"])
def test_a_job_whose_folder_is_somebody_elses_is_not_offered_again_at_once(own_server, tmp_path, files):
    """It is given back, and rests longer each time."""
    cli = Cli(tmp_path / "home", own_server)
    (tmp_path / "data").write_text("x")
    folder = tmp_path / "worker" / "spool" / "taken"
    folder.mkdir(parents=True)
    (folder / "run.json").write_text("{}")
    with cli.start("worker", "--data", tmp_path / "worker") as worker:
        inputs = [word for file in files for word in ("--input", tmp_path / file)]
        cli.ok("run", "-d", "--id", "taken", *inputs, "--", "true")

        def given_back(data):
            entries = [json.loads(line) for line in data.splitlines() if line.endswith(b"}")]
            return [
                datetime.fromisoformat(entry["timestamp"].replace("Z", "+00:00")).timestamp()
                for entry in entries
                if entry["message"] == "a job is given back"
            ]

        times = worker.err.wait(lambda data: len(given_back(data)) >= 3 and given_back(data), "three returns", 90)
    assert times[1] - times[0] > 0.99 and times[2] - times[1] > 1.99, times
