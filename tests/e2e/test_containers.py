"""Jobs in containers of a real engine. Where none can run, these are skipped."""

import contextlib
import os
import re
import signal

import pytest
from support.api import eventually
from support.containers import House, runner_of
from support.engine import IMAGE, NoEngine, Podman
from support.server import Server

TIMES = 24  # containers whose last lines must be there
KILLED_TIMES = 8  # the same of those that are told to end


@pytest.fixture
def house(engine, own_server, tmp_path):
    """One whose worker may be killed."""
    one = House(own_server, tmp_path, engine.socket).start()
    yield one
    one.close()


@pytest.fixture(scope="module")
def long_house(podman, tmp_path_factory):
    folder = tmp_path_factory.mktemp("containers")
    server = Server(folder).start()
    one = House(server, folder, podman.socket).start()
    yield one
    one.close()
    server.close()


@pytest.fixture
def shared(engine, long_house):
    """One for tests that leave its worker alone."""
    return long_house


def test_a_container_runs_with_what_is_the_jobs_own_and_run_exits_with_its_code(shared):
    script = "pwd; echo $RUNNEL_ATTEMPT $RUNNEL_OUTPUTS $FRUIT; cat; touch here $RUNNEL_OUTPUTS/left; exit 3"
    ran = shared.run("sh", "-c", script, flags=("-e", "FRUIT=pear", "--stdin", "-"), input=b"given\n")
    assert (ran.code, ran.out.splitlines()) == (3, [b"/runnel/work", b"1 /runnel/outputs pear", b"given"])


def test_stdout_and_stderr_are_kept_apart(shared):
    id = shared.begin("sh", "-c", "echo out; echo err >&2; printf unfinished")
    shared.sealed(id)
    records = shared.api.page(id, limit=10)["logs"]
    assert sorted((record["stream"], record["message"]) for record in records) == [
        ("stderr", "err"),
        ("stdout", "out"),
        ("stdout", "unfinished"),
    ]


def test_the_last_lines_of_every_container_are_there(shared):
    command = "seq 200; echo to stderr >&2; echo last {}; exit $(({} % 3))"
    batch = shared.cli.ok("run", "-d", "--image", IMAGE, "--range", f"1-{TIMES}", "--", "sh", "-c", command)
    id = batch.text().strip()
    shared.cli.run("wait", id, timeout=280)
    found = shared.api.get(f"/api/v1/batches/{id}/executions", query={"limit": 1000}).json()["executions"]
    assert len(found) == TIMES
    for execution in found:
        index = int(re.search(r"last (\d+)", execution["command"][-1]).group(1))
        messages = shared.api.messages(execution["execution_id"], limit=1000)
        assert [text for text in messages if text.isdigit()] == [str(i) for i in range(1, 201)]
        assert len(messages) == 202 and "to stderr" in messages and f"last {index}" in messages, messages[-3:]
        assert execution["exit_code"] == index % 3


def test_a_flood_is_kept_whole_and_in_order(shared):
    id = shared.begin("seq", "300000")
    status = shared.sealed(id)
    assert (status["status"], status["last_index"]) == ("completed", 300000)
    tail = shared.api.messages(id, limit=1000, tail=1000)
    assert tail == [str(i) for i in range(299001, 300001)]


def test_two_floods_at_once_are_kept_whole_and_apart(shared):
    id = shared.begin("sh", "-c", "seq 100000 & seq 100001 200000 >&2; wait")
    assert shared.sealed(id)["last_index"] == 200000
    streams = {"stdout": [], "stderr": []}
    for record in shared.api.logs(id, limit=10000):
        streams[record["stream"]].append(int(record["message"]))
    assert streams == {"stdout": list(range(1, 100001)), "stderr": list(range(100001, 200001))}


LAST_WORDS = "trap 'seq 100; echo to stderr >&2; printf last; exit 9' TERM; echo up; while :; do sleep 0.1; done"


def assert_last_words(house, id, status):
    ended = house.sealed(id)
    assert (ended["status"], ended["exit_code"]) == (status, 9)
    messages = house.api.messages(id, limit=1000)
    assert [text for text in messages if text != "to stderr"] == ["up", *map(str, range(1, 101)), "last"]
    assert messages.count("to stderr") == 1


def test_the_last_lines_right_before_a_time_out_are_there(shared):
    begun = [shared.begin("sh", "-c", LAST_WORDS, flags=("--timeout", "5s")) for _ in range(KILLED_TIMES)]
    for id in begun:
        assert_last_words(shared, id, "timed_out")


def test_the_last_lines_right_before_a_cancel_are_there(shared):
    begun = [shared.begin("sh", "-c", LAST_WORDS) for _ in range(KILLED_TIMES)]
    for id in begun:
        shared.shows(id, "up")
        shared.api.expect(202, "DELETE", f"/api/v1/executions/{id}")
        assert_last_words(shared, id, "cancelled")


def test_it_has_no_privileges_and_sees_nothing_of_the_machine(shared):
    ran = shared.run(
        "sh",
        "-c",
        "grep -E 'CapEff|CapBnd|NoNewPrivs' /proc/self/status; ls /; ls -A /runnel/work; ls /runnel; "
        f"[ -e {shared.data} ] && echo seen; true",
    )
    lines = ran.out.decode().split("\n")
    assert "CapEff:\t0000000000000000" in lines and "CapBnd:\t0000000000000000" in lines
    assert "NoNewPrivs:\t1" in lines
    assert "seen" not in lines and "home" not in lines and "job.json" not in lines


def test_a_job_speaks_into_its_own_log_from_within(shared):
    id = shared.begin("say", '{"message":"from within","level":"WARNING"}')
    assert shared.sealed(id)["status"] == "completed"
    records = shared.api.page(id, limit=10)["logs"]
    assert ("from within", "WARNING") in [(record["message"], record.get("level")) for record in records]
    assert '{"ok":true}' in [record["message"] for record in records]


def test_a_script_runs_by_the_interpreter_of_the_image(shared, tmp_path):
    script = tmp_path / "hello.sh"
    script.write_text('echo "$0 $1"\n')
    ran = shared.cli.run("run", "-q", "--image", IMAGE, "--cwd", "/tmp", script, "a", timeout=280)
    assert (ran.code, ran.out) == (0, b"/runnel/work/hello.sh a\n"), ran
    script.rename(tmp_path / "hello")
    ran = shared.cli.run("run", "-q", "--image", IMAGE, "--runtime", "sh", tmp_path / "hello", "b", timeout=280)
    assert (ran.code, ran.out) == (0, b"/runnel/work/hello b\n"), ran
    ran = shared.cli.run("run", "--image", IMAGE, "--runtime", "sh:5.2", tmp_path / "hello", "b", timeout=280)
    assert ran.code == 2 and b"the image" in ran.err, ran


@pytest.mark.parametrize("how", ["DELETE", "PATCH"])
def test_a_cancel_is_heard_within_and_what_it_says_then_is_kept(shared, how):
    script = "trap 'echo last words; exit 9' TERM; echo up; while :; do sleep 0.1; done"
    id = shared.begin("sh", "-c", script)
    shared.shows(id, "up")
    shared.api.request(how, f"/api/v1/executions/{id}", {"status": "cancelled"} if how == "PATCH" else None)
    status = shared.sealed(id)
    assert (status["status"], status["exit_code"]) == ("cancelled", 9)
    assert shared.api.messages(id) == ["up", "last words"]


def test_a_time_limit_kills_what_does_not_listen(shared):
    script = "trap '' TERM; echo up; (while :; do sleep 1; done) & while :; do sleep 0.1; done"
    id = shared.begin("sh", "-c", script, flags=("--timeout", "1s"))
    status = shared.sealed(id)
    assert (status["status"], status["exit_code"]) == ("timed_out", 137)
    assert shared.api.messages(id) == ["up"]


def test_an_image_that_cannot_be_had_fails_the_job_with_the_engines_words(shared):
    id = shared.begin("true", image="localhost:1/nowhere/none:7")
    status = shared.sealed(id)
    assert (status["status"], status["exit_code"]) == ("failed", 126)
    (refusal,) = shared.events(id, "job_not_started")
    assert "there is no image localhost:1/nowhere/none:7 here, and it cannot be pulled: " in refusal["message"]
    assert "localhost:1" in refusal["message"].partition("pulled: ")[2]


def test_a_program_that_the_image_does_not_have_fails_the_job(shared):
    id = shared.begin("no-such-program")
    status = shared.sealed(id)
    assert (status["status"], status["exit_code"]) == ("failed", 127)
    (refusal,) = shared.events(id, "job_not_started")
    assert "no-such-program" in refusal["message"]


def test_the_container_of_a_runner_that_is_killed_is_removed_before_its_job_is_lost(house, engine):
    id = house.begin("sh", "-c", "echo up; sleep 1000")
    house.shows(id, "up")
    os.kill(runner_of(house.data / "spool" / id), signal.SIGKILL)
    eventually(lambda: house.api.status(id)["status"] == "lost", "the loss", 90)
    assert engine.containers() == []
    assert house.api.messages(id)[0] == "up"


def test_a_container_outlives_its_worker_and_the_next_one_has_its_whole_log(house, tmp_path):
    id = house.begin("sh", "-c", "echo before; until [ -e go ]; do sleep 0.1; done; seq 100; echo after")
    house.shows(id, "before")
    house.process.kill()
    (house.data / "spool" / id / "work" / "go").touch()
    house.start()
    assert house.sealed(id)["status"] == "completed"
    assert house.api.messages(id, limit=1000) == ["before", *map(str, range(1, 101)), "after"]


def kill_all(house, *ids):
    """The worker, what starts its runners, and the runners: as when the session of the machine is ended with -9."""
    processes = [runner_of(house.data / "spool" / id) for id in ids]
    processes += children_of(house.process.pid)
    house.process.kill()  # first: it would begin to look after what its runner has left
    for process in processes:
        with contextlib.suppress(ProcessLookupError):  # what starts the runners ends with the worker
            os.kill(process, signal.SIGKILL)


def children_of(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as children:
        return [int(child) for child in children.read().split()]


def test_what_dead_runners_have_left_is_removed_when_the_worker_is_back(house, engine):
    id = house.begin("sh", "-c", "echo up; sleep 1000")
    house.shows(id, "up")
    kill_all(house, id)
    assert len(engine.containers()) == 1
    house.start()
    eventually(lambda: engine.containers() == [], "its container is removed", 90)
    assert house.sealed(id)["status"] == "lost"


def test_a_lost_job_is_run_again_only_when_its_container_is_gone(house, engine):
    id = house.begin("sh", "-c", "echo up; sleep 1000", flags=("--retries", "1", "--retry-on", "lost"))
    house.shows(id, "up")
    kill_all(house, id)
    house.start()
    assert house.sealed(id)["status"] == "lost"
    again = eventually(lambda: house.api.status(id).get("retried_as"), "the second attempt", 90)
    house.shows(again, "up")
    (container,) = engine.containers()
    assert container["Labels"]["runnel.execution_id"] == again
    house.api.expect(202, "DELETE", f"/api/v1/executions/{again}")
    house.sealed(again)


def test_containers_of_other_workers_and_folders_are_left_alone(house, engine):
    """Also that of an execution of the same name, as another server may have one."""
    id = house.begin("sh", "-c", "echo up; sleep 1000")
    house.shows(id, "up")
    (ours,) = engine.containers()
    labels = ours["Labels"]
    assert labels["runnel.folder"] == str(house.data.resolve())
    others = [
        {**labels, "runnel.folder": "/another/folder"},
        {**labels, "runnel.worker": "another"},
        {"runnel.execution_id": id},
        {},
    ]
    made = []
    for theirs in others:
        code, answer = engine.ask(
            "POST", "/containers/create", {"Image": IMAGE, "Cmd": ["sleep", "1000"], "Labels": theirs}
        )
        assert code == 201, answer
        made.append(answer["Id"])
        assert engine.ask("POST", f"/containers/{made[-1]}/start")[0] == 204
    kill_all(house, id)
    house.start()
    assert house.sealed(id)["status"] == "lost"
    assert house.run("true").code == 0  # after what was left is removed
    running = engine.ask("GET", "/containers/json")[1]
    assert sorted(one["Id"] for one in running) == sorted(made)
    for one in made:
        assert engine.ask("DELETE", f"/containers/{one}?force=true")[0] in (200, 204)


def test_a_worker_that_comes_back_before_the_engine_does_removes_what_was_left(house, engine):
    id = house.begin("sh", "-c", "echo up; sleep 1000")
    house.shows(id, "up")
    engine.await_running()
    engine.stop()
    kill_all(house, id)
    house.start(ready=b"found jobs of an earlier worker")
    engine.start()
    assert house.sealed(id)["status"] == "lost"
    eventually(lambda: engine.containers() == [], "its container is removed", 90)


def test_a_worker_offers_containers_while_the_engine_is_there(own_server, tmp_path):
    try:
        engine = Podman()
    except NoEngine as reason:
        pytest.skip(str(reason))
    house = House(own_server, tmp_path, engine.socket)
    try:
        house.start()
        eventually(lambda: house.executors() == ["process", "container"], "containers are offered")
        engine.stop()
        eventually(lambda: house.executors() == ["process"], "they are not any more", 90)
        id = house.begin("echo", "late")
        waiting = eventually(lambda: house.api.status(id).get("waiting"), "why it waits")
        assert waiting["reason"] == "no_worker", waiting
        engine.start()
        assert house.sealed(id)["status"] == "completed"
        assert house.api.messages(id) == ["late"]
        assert engine.containers() == []
    finally:
        house.close()
        engine.close()
