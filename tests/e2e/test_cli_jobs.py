"""`runnel run`, its batches, `wait`, `retry` and `batch`, with a worker that a test drives."""

import hashlib
import json

import pytest
from support.cli import Cli
from support.job_worker import BusyWorker, JobWorker


def by_arguments(job):
    """Ends as its last argument says: a number is its exit code. Every argument is a line of its log."""
    arguments = [*(job.spec.get("command") or []), *(job.spec.get("args") or [])]
    last = arguments[-1]
    return int(last) if last.isdigit() else 0, arguments


@pytest.fixture
def house(servers, tmp_path):
    """(server, api, cli) of a server of its own, on which a worker runs jobs by their arguments."""
    server = servers()
    with BusyWorker(server, by_arguments, slots=8):
        yield server, server.api(), Cli(tmp_path / "home", server)


def test_run_follows_the_job_and_exits_as_it_did(house):
    _, _, cli = house
    result = cli.run("run", "--", "say", "hello", "0")
    assert (result.code, result.out) == (0, b"say\nhello\n0\n")
    assert cli.run("run", "--", "say", "7").code == 7
    id = cli.ok("run", "-d", "--", "say", "3").text().strip()
    assert cli.run("wait", id).code == 3


def test_run_follows_the_attempts_of_a_job_to_the_last(own_server, tmp_path):
    codes = iter([4, 5, 0])
    cli = Cli(tmp_path / "home", own_server)
    with BusyWorker(own_server, lambda job: (next(codes), [f"attempt {job.attempt}"])):
        result = cli.run("run", "--retries", "2", "--", "flaky", expect=0)
    assert result.out == b"attempt 1\nattempt 2\nattempt 3\n"
    assert result.err.count(b"tried again as exec_") == 2


# --- Why it waits


def test_run_says_why_its_job_waits_and_what_changes_that(own_server, tmp_path):
    cli = Cli(tmp_path / "home", own_server)
    with cli.start("run", "--label", "gpu", "--", "say", "hi") as following:
        following.err.wait_for(b"runnel: waiting: no worker that is connected runs process jobs; start one with")
        with JobWorker(own_server):
            following.err.wait_for(b"runnel: waiting: no worker that is connected has the label gpu\n")
            assert following.popen.poll() is None and following.out.data == b""
            with JobWorker(own_server, labels=["gpu"]) as worker:
                worker.take().end(3, ["begun"])
                assert following.finish() == 3
    assert following.out.data == b"begun\n"
    for once in (b"no worker that is connected runs", b"has the label gpu"):
        assert following.err.data.count(once) == 1, following.err.data


@pytest.mark.parametrize(
    "options, said",
    [
        (["--image", "debian"], b"waiting: no worker that is connected runs container jobs"),
        (["--runtime", "cobol", "SCRIPT"], b"waiting: no worker that is connected has the runtime cobol"),
    ],
    ids=["image", "runtime"],
)
def test_run_says_what_no_worker_offers(own_server, tmp_path, options, said):
    script, cli = tmp_path / "job", Cli(tmp_path / "home", own_server)
    script.write_text("x")
    command = [str(script) if word == "SCRIPT" else word for word in options]
    command += [] if "SCRIPT" in options else ["--", "true"]
    with JobWorker(own_server), cli.start("run", *command) as following:
        following.err.wait_for(said)


def test_run_says_that_others_are_before_its_job_but_not_each_number(own_server, tmp_path):
    api, cli = own_server.api(), Cli(tmp_path / "home", own_server)
    with JobWorker(own_server, slots=1) as worker:
        first = worker.take() if api.create(command=["first"], queue=True) else None
        for i in range(3):
            api.create(command=["before", str(i)], queue=True)
        with cli.start("run", "--", "last") as following, cli.start("run", "-q", "--", "silent") as silent:
            following.err.wait_for(b"; it starts as soon as a worker has room\n")
            first.end()
            for _ in range(5):
                worker.take().end()
            assert following.finish() == 0 and silent.finish() == 0
    assert following.err.data.count(b"waiting: ") == 1, following.err.data
    assert silent.err.data == b""


# --- Scripts and batches


def test_a_script_travels_with_its_arguments(own_server, tmp_path):
    script = tmp_path / "work.py"
    script.write_text("print('hi')\n")
    cli = Cli(tmp_path / "home", own_server)
    id = cli.ok("run", "-d", "--runtime", "python:3.11", "--label", "a,b", script, "x", "y").text().strip()
    with JobWorker(own_server, runtimes=["python:3.11"], labels=["a", "b"]) as worker:
        spec = worker.take().end().spec
    hash = hashlib.sha256(b"print('hi')\n").hexdigest()
    assert spec["inputs"] == [{"name": "work.py", "sha256": hash, "size": 12, "mode": script.stat().st_mode & 0o777}]
    assert spec["script_filename"] == "work.py" and spec["args"] == ["x", "y"] and spec.get("script") is None
    assert own_server.api().status(id)["status"] == "completed"
    missing = cli.run("run", tmp_path / "none.py")
    assert missing.code == 2 and b"there is no such script" in missing.err


@pytest.mark.parametrize("quoted", [True, False], ids=["quoted", "expanded by the shell"])
def test_a_batch_has_a_job_for_each_file(house, tmp_path, quoted):
    _, api, cli = house
    files = [tmp_path / "data" / f"{i}.csv" for i in range(3)]
    files[0].parent.mkdir()
    for file in files:
        file.write_text("x")
    script = tmp_path / "script.sh"
    script.write_text("true\n")
    patterns = [tmp_path / "data" / "*.csv"] if quoted else files
    id = cli.ok("run", script, "--batch", *patterns).text().strip()
    assert cli.ok("wait", id).text().startswith(f"{id}: 3/3 complete")
    found = api.get(f"/api/v1/batches/{id}/executions").json()["executions"]
    assert sorted(api.messages(one["execution_id"])[-1] for one in found) == [f.name for f in files]


def test_a_batch_has_a_job_for_each_line_number_or_object(house):
    _, api, cli = house

    def lines_of(*arguments, **options):
        id = cli.ok("run", *arguments, **options).text().strip()
        cli.ok("wait", "-q", id)
        found = api.get(f"/api/v1/batches/{id}/executions").json()["executions"]
        return sorted(api.messages(one["execution_id"])[1:] for one in found)

    assert lines_of("--each-line", "-", "--", "do", input=b"a b\n\nc\n") == [["a b"], ["c"]]
    assert lines_of("--range", "8-10", "--", "do", "x{}y", "z") == [["x10y", "z"], ["x8y", "z"], ["x9y", "z"]]
    objects = b'{"a": 1}\n[2]\n'
    assert lines_of("--each-json", "-", "--", "do", input=objects) == [["[2]"], ['{"a": 1}']]
    bad = cli.run("run", "--each-json", "-", "--", "do", input=b"{nonsense\n")
    assert bad.code == 2 and b"is no JSON" in bad.err


def test_watch_shows_each_change_on_a_pipe_and_sums_up_what_failed(house):
    _, _, cli = house
    result = cli.run("run", "--each-line", "-", "--watch", "--", "do", input=b"0\n3\n3\n0\n5\n")
    assert result.code == 1
    text = result.text()
    assert "✓ Batch complete: 2 succeeded, 3 failed\nTotal duration: " in text
    assert "Total cost: €0.01" in text and "2 × exit code 3" in text and "1 × exit code 5" in text
    assert cli.run("run", "--range", "1-2", "--watch", "--", "do", "{}", "x").code == 0


def test_a_batch_of_no_files_is_whole_at_once_and_says_so(house, tmp_path):
    _, _, cli = house
    script = tmp_path / "script.sh"
    script.write_text("true\n")
    result = cli.run("run", script, "--batch", tmp_path / "*.none", "--watch")
    assert result.code == 0 and b"--batch: " in result.err and b" matches no file, so there are no jobs" in result.err
    assert "Batch complete: 0 succeeded, 0 failed" in result.text()
    shown = cli.on_terminal("run", script, "--batch", tmp_path / "*.none", "--watch")
    assert "[=====================] 0/0 complete" in shown.text()


def test_wait_waits_for_several_and_exits_as_the_first_that_did_not_succeed(house):
    _, _, cli = house
    ids = [cli.ok("run", "-d", "--", "do", code).text().strip() for code in ("0", "6", "5")]
    result = cli.run("wait", *ids)
    assert result.code == 6
    assert result.text().splitlines() == [f"{ids[0]}: completed", f"{ids[1]}: failed", f"{ids[2]}: failed"]
    assert cli.run("wait", "nobody").code == 3


def test_wait_ends_when_the_job_does(own_server, tmp_path):
    cli = Cli(tmp_path / "home", own_server)
    id = cli.ok("run", "-d", "--", "do").text().strip()
    with JobWorker(own_server) as worker:
        job = worker.take().begin()
        with cli.start("wait", id) as waiting:
            job.stream.lines(0, ["some", "lines"])
            assert waiting.popen.poll() is None
            job.stream.say("complete", execution_id=id, exit_code=9)
            worker.listen(lambda: job.stream.closed)
            assert waiting.finish() == 9
            assert waiting.out.data == f"{id}: failed\n".encode()


def test_retry_queues_a_job_once_more(house):
    _, api, cli = house
    id = cli.ok("run", "-d", "--", "do", "4").text().strip()
    assert cli.run("wait", id).code == 4
    again = json.loads(cli.ok("retry", id, "-o", "json").out)["execution_id"]
    assert api.status(again)["retry_of"] == id
    assert cli.run("wait", again).code == 4
    assert cli.run("retry", id).code == 1
    text = cli.ok("status", again).text()
    assert "Attempt: 2\n" in text and f"Retry of: {id}\n" in text


def test_what_a_job_runs_and_its_name_are_shown(own_server, tmp_path):
    api, cli = own_server.api(), Cli(tmp_path / "home", own_server)
    script = tmp_path / "process.py"
    script.write_text("print(1)\n")
    named = cli.ok("run", "-d", "--name", "nightly build", "--", "do", "it\nnow", "3").text().strip()
    called = cli.ok("run", "-d", script, "data 1.csv", "4").text().strip()
    plain = cli.ok("run", "-d", "--", "do", "0").text().strip()
    status = {id: api.status(id) for id in (named, called, plain)}
    assert [status[id]["name"] for id in (named, called, plain)] == ["nightly build", None, None]
    assert status[named]["command"] == ["do", "it\nnow", "3"] and status[named]["args"] is None
    assert status[called]["args"] == ["data 1.csv", "4"] and status[called]["command"] is None
    text = cli.ok("status", named).text()
    assert f"Execution: {named}\nName: nightly build\nStatus: queued\n" in text
    assert "\nCommand: do 'it now' 3\n" in text
    text = cli.ok("status", called).text()
    assert "\nScript: process.py\n" in text and "\nArguments: 'data 1.csv' 4\n" in text and "Name:" not in text
    rows = {line.split()[0]: line for line in cli.ok("list").text().splitlines()}
    assert len(rows) == 4  # with the titles: a command of several lines is one row
    assert rows[named].endswith("do 'it now' 3 (nightly build)")
    assert rows[called].endswith("process.py 'data 1.csv' 4")
    assert rows[plain].endswith("do 0")


def test_the_failures_of_a_batch_say_which_of_its_jobs_they_are(house, tmp_path):
    _, api, cli = house
    id = cli.ok("run", "--each-line", "-", "--", "do", input=b"0\n3\n").text().strip()
    cli.run("wait", "-q", id)
    (failure,) = api.get(f"/api/v1/batches/{id}/status").json()["failures"]
    assert failure["title"] == "3" and failure["exit_code"] == 3
    made = {"jobs": [{"command": ["do", "é" * 300, "5"]}]}
    unnamed = api.expect(201, "POST", "/api/v1/batches", made)["batch_id"]
    cli.run("wait", "-q", unnamed)
    (failure,) = api.get(f"/api/v1/batches/{unnamed}/status").json()["failures"]
    assert failure["title"] == "do " + "é" * 98  # 200 bytes at most, and no half of a character


def test_wait_for_the_latest(house):
    _, _, cli = house
    cli.ok("run", "-d", "--", "do", "6")
    assert cli.run("wait", "--last").code == 6
    both = cli.run("wait", "--last", "exec_1")
    assert both.code == 2 and b"--last means the latest execution" in both.err


def test_status_says_why_a_job_waits(own_server, tmp_path):
    cli = Cli(tmp_path / "home", own_server)
    first = cli.ok("run", "-d", "--", "do").text().strip()
    second = cli.ok("run", "-d", "--after", first, "--", "do").text().strip()
    assert "Waiting: no worker that is connected runs" in cli.ok("status", first).text()
    assert f"Waiting: waits for {first}" in cli.ok("status", second).text()
    cli.ok("cancel", first)
    assert cli.run("wait", second).code == 125
    assert f"Reason: it was to run if {first} completed" in cli.ok("status", second).text()


def test_batches_are_shown_closed_retried_and_cancelled(house):
    _, api, cli = house
    id = cli.ok("run", "--range", "1-3", "--keep-open", "--", "do").text().strip()
    cli.run("wait", *[one["execution_id"] for one in api.get(f"/api/v1/batches/{id}/executions").json()["executions"]])
    shown = f"It is open for more jobs: runnel batch close {id}\n"
    assert shown in cli.ok("batch", "status", id).text()
    cli.ok("batch", "close", id)
    assert cli.run("wait", id).code == 1
    assert shown not in cli.ok("batch", "status", id).text()
    assert "Status: completed" in cli.ok("batch", "status", id).text()
    cli.ok("batch", "retry", id)
    assert cli.run("batch", "watch", id).code == 1
    assert id in cli.ok("batch", "list").text()
    assert cli.ok("batch", "cancel", id).code == 0


def test_more_is_added_to_a_batch_that_is_open(house):
    _, api, cli = house
    id = cli.ok("run", "--range", "1-2", "--keep-open", "--", "do", "{}", "0").text().strip()
    assert (
        cli.ok("run", "--add-to", id, "--each-line", "-", "--", "do", "{}", "0", input=b"a\nb\n").text().strip() == id
    )
    cli.ok("run", "--add-to", id, "--", "do", "one", "0")
    cli.ok("batch", "close", id)
    assert cli.ok("wait", id).text().startswith(f"{id}: 5/5 complete")
    found = api.get(f"/api/v1/batches/{id}/executions").json()["executions"]
    assert sorted(api.messages(one["execution_id"])[1] for one in found) == ["1", "2", "a", "b", "one"]
    closed = cli.run("run", "--add-to", id, "--", "do")
    assert closed.code == 1 and b"takes no more jobs" in closed.err
    assert cli.run("run", "--add-to", "none", "--", "do").code == 3


def test_a_retry_of_a_batch_takes_what_was_skipped_if_it_is_told_to(own_server, tmp_path):
    cli = Cli(tmp_path / "home", own_server)
    with JobWorker(own_server, slots=1) as worker:
        id = cli.ok("run", "--range", "1-3", "--max-fails", "0", "--", "do").text().strip()
        worker.take().end(1)
        assert "0/3 complete (1 failed, 0 running, 0 queued, 2 skipped)" in cli.run("wait", id).text()
        cli.ok("batch", "retry", id, "--skipped")
        for _ in range(3):
            worker.take().end(0)
    assert cli.ok("wait", id).text().startswith(f"{id}: 3/3 complete")


def test_wait_takes_as_long_as_it_takes_to_decide_about_another_attempt(own_server, tmp_path):
    cli = Cli(tmp_path / "home", own_server)
    api = own_server.api()
    id = cli.ok("run", "-d", "--retries", "1", "--", "do").text().strip()
    with JobWorker(own_server) as worker, cli.start("wait", id) as waiting:
        assert api.status(id)["settled"] is False
        worker.take().end(1)
        again = worker.take()
        assert api.status(id)["settled"] is True and api.status(id)["retried_as"] == again.id
        again.end(0)
        assert waiting.finish() == 0
        assert waiting.out.data == f"{again.id}: completed\n".encode()
