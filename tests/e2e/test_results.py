"""What is known of a run at its end: its result, how it ran, and what it cost."""

import datetime
import json

import pytest
from support.api import eventually
from support.cli import Cli
from support.job_worker import JobWorker
from support.jobs import fresh_id, python, shell
from support.server import Server
from support.ws import Runner

PATH = "/api/v1/executions"


@pytest.fixture(scope="module")
def jobs_server(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("results"), flags=["--jobs", "2"]).start()
    yield server
    server.close()


@pytest.fixture(params=["wrap", "run"])
def job(request, jobs_server, tmp_path):
    """Runs a command as a job: (result of the command line, status)."""
    cli = Cli(tmp_path / "home", jobs_server)

    def run(*args, flags=("--result", "json"), expect=0):
        execution_id = fresh_id()
        result = cli.run(request.param, *flags, "--id", execution_id, *args, expect=expect)
        api = jobs_server.api()
        return result, eventually(lambda: (s := api.status(execution_id))["sealed"] and s, "its log is sealed")

    run.cli = cli
    run.api = jobs_server.api()
    run.kind = request.param
    return run


@pytest.mark.parametrize(
    "script, kept",
    [
        ('echo working; echo \'{"n": 1.50, "a": [ "b c" ]}\'', b'{"n":1.50,"a":["b c"]}'),
        ("printf '[\\n 1,\\n 2\\n]\\n'", b"[1,2]"),
        ("echo oops >&2; printf 7; echo late >&2", b"7"),
        ("echo '\"text\"'; echo; exit 3", b'"text"'),
    ],
)
def test_json_on_stdout_is_kept_as_the_result(job, script, kept):
    _, status = job(*shell(script), expect=3 if "exit 3" in script else 0)
    assert status["result"] == json.loads(kept)
    execution_id = status["execution_id"]
    assert job.api.expect(200, "GET", f"{PATH}/{execution_id}")["result"] == json.loads(kept)
    assert job.api.get(f"{PATH}/{execution_id}/result").body == kept
    waited = job.cli.run("wait", "--result", execution_id, expect=status["exit_code"])
    assert waited.out == kept + b"\n"
    assert f"Result: {kept.decode()}\n" in job.cli.ok("status", execution_id).text().replace("1.5,", "1.50,")


@pytest.mark.parametrize(
    "script, reason",
    [
        ("print('{}'); print('done')", "neither its whole output nor its last line is JSON"),
        ("pass", "neither its whole output nor its last line is JSON"),
        ("print('\"' + 70000 * 'x' + '\"')", "its last line is longer than 64 KiB"),
    ],
)
def test_what_is_no_result_is_none_and_that_is_said(job, script, reason):
    ran, status = job(*python(script))
    assert status["result"] is None
    assert f"runnel: no result is kept: {reason}\n".encode() in ran.err or job.kind == "run"
    events = job.api.page(status["execution_id"], stream="event")["logs"]
    if job.kind == "run":
        assert [(event["event_type"], event["message"]) for event in events] == [
            ("result_missing", f"no result is kept: {reason}")
        ]
        assert b"runnel: it has left no result" in ran.err
    missing = job.cli.run("wait", "--result", status["execution_id"], expect=3)
    assert missing.out == b"" and b"it has left no result" in missing.err


def test_nobody_who_does_not_ask_for_a_result_gets_one(job):
    _, status = job(*shell("echo '{}'"), flags=())
    assert status["result"] is None and job.api.get(f"{PATH}/{status['execution_id']}/result").status == 404


def test_a_result_is_not_known_before_the_end(api):
    execution_id = api.create()
    answer = api.get(f"{PATH}/{execution_id}/result")
    assert (answer.status, answer.json()["error"]["message"]) == (404, "it has no result yet")


def test_a_run_tells_how_it_ran(job):
    _, status = job(*python("x = bytearray(50000000); sum(range(2000000))"), flags=())
    ran = status["execution_metadata"]
    assert ran["peak_memory_bytes"] > 50000000 and ran["cpu_time_ms"] > 10
    assert ran["env_vars_count"] == 0 if job.kind == "run" else ran["env_vars_count"] > 3
    assert status["worker_hostname"] and status["exit_code"] == 0
    assert status["started_at"] <= status["completed_at"]
    assert status["duration_seconds"] == status["duration_ms"] // 1000
    assert (status["worker_id"] is not None) == (job.kind == "run")


def test_a_script_tells_its_runtime(jobs_server, tmp_path):
    cli, api, script = Cli(tmp_path / "home", jobs_server), jobs_server.api(), tmp_path / "which.py"
    script.write_text("import platform\nprint(platform.python_version())\n")
    ran = cli.ok("run", "-q", "--id", "which", "-e", "A=1", "-e", "B=2", script)
    metadata = api.status("which")["execution_metadata"]
    assert metadata["python_version"] == ran.text().strip()
    assert metadata["runtime_version"] == f"python:{ran.text().strip()}"
    assert metadata["env_vars_count"] == 2
    assert [one["execution_metadata"] for one in api.expect(200, "GET", PATH)["executions"]][0] == metadata


def test_a_run_of_45_seconds_costs_two_cents_and_what_runs_is_estimated(servers, tmp_path):
    server = servers()
    cli, api = Cli(tmp_path / "home", server), server.api()
    execution_id = api.create(command=["x"], queue=True)
    assert api.status(execution_id)["cost_display"] == "€0.00"
    with JobWorker(server) as worker:
        job = worker.take().begin()
        assert "Cost: €0.01 (estimated)\n" in cli.ok("status", execution_id).text()
        started = datetime.datetime.fromisoformat(api.status(execution_id)["started_at"].replace("Z", "+00:00"))
        job.end(completed_at=(started + datetime.timedelta(seconds=45)).isoformat())
    status = api.status(execution_id)
    assert (status["duration_seconds"], status["cost_micros"], status["cost_display"]) == (45, 20000, "€0.02")
    assert "Duration: 45s\nWorker: host\nCost: €0.02\n" in cli.ok("status", execution_id).text()


def test_currency_and_rate_are_settings(servers, tmp_path):
    server = servers("--cost-rate", "3600", "--currency", "$")
    api = server.api()
    with JobWorker(server) as worker:
        execution_id = api.create(command=["x"], queue=True)
        job = worker.take().begin()
        started = datetime.datetime.fromisoformat(api.status(execution_id)["started_at"].replace("Z", "+00:00"))
        job.end(completed_at=(started + datetime.timedelta(seconds=30)).isoformat())
    assert api.status(execution_id)["cost_display"] == "$30.00"


def test_what_a_runner_tells_is_kept_as_far_as_it_makes_sense(server, api):
    wrong = {
        "peak_memory_bytes": 1000,
        "newer_fact": "kept",
        "Wrong Name": 1,
        "too_long": "x" * 300,
        "list": [1],
        "result": "{ no JSON",
        "reason": 7,
    }
    for details, metadata in [
        (wrong, {"peak_memory_bytes": 1000, "newer_fact": "kept"}),
        ("nonsense", None),
        ({"result": '"' + "x" * 70000 + '"'}, None),
        ({f"f{i}": i for i in range(100)}, {f"f{i}": i for i in range(64)}),
    ]:
        execution_id = api.create()
        with Runner(server, execution_id) as runner:
            runner.lines(["x"])
            runner.complete(0, details=details)
        status = api.status(execution_id)
        assert (status["status"], status["execution_metadata"], status["result"]) == ("completed", metadata, None)


def test_a_purge_takes_the_result_with_it(server, api):
    execution_id = api.create()
    with Runner(server, execution_id) as runner:
        runner.complete(0, details={"result": "[1, 2]", "cpu_time_ms": 5})
    assert api.status(execution_id)["result"] == [1, 2]
    api.expect(200, "DELETE", f"{PATH}/{execution_id}", query={"purge": "true"})
    gone = api.get(f"{PATH}/{execution_id}")
    assert gone.status == 410
    assert (gone.json()["execution"]["result"], gone.json()["execution"]["execution_metadata"]) == (None, None)
    assert api.get(f"{PATH}/{execution_id}/result").status == 410
