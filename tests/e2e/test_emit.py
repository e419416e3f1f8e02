"""`runnel emit`: a job writes into its own log by its runner's socket, and anybody who may by the server."""

import signal
import subprocess

import pytest
from support.api import eventually
from support.cli import Cli
from support.jobs import fresh_id, shell
from support.process import BIN

NOWHERE = "http://127.0.0.1:1"
# A build for coverage writes its counters where it was built, which a job may not: here they go into its folder.
COUNTERS = "GCOV_PREFIX=counters"


@pytest.fixture(scope="module")
def jobs_server(tmp_path_factory):
    from support.server import Server

    server = Server(tmp_path_factory.mktemp("emit"), flags=["--jobs", "2"]).start()
    yield server
    server.close()


@pytest.fixture(params=["wrap", "run"])
def job(request, jobs_server, tmp_path):
    """Runs a shell script as a job in which $R is the program: (result, records)."""
    cli = Cli(tmp_path / "home", jobs_server)

    def run(script, expect=0):
        execution_id = fresh_id()
        flags = ("-q", "--id", execution_id) + (("-e", f"R={BIN}", "-e", COUNTERS) if request.param == "run" else ())
        result = cli.run(request.param, *flags, *shell(script), env={"R": BIN}, expect=expect)
        api = jobs_server.api()
        eventually(lambda: api.status(execution_id)["sealed"], "its log is sealed")
        return result, api.page(execution_id, limit=10000)["logs"]

    return run


def only(records, *names):
    return [{name: record[name] for name in names if name in record} for record in records]


def test_a_record_has_what_the_flags_say(job):
    said = (
        "$R emit 'slow answer' --level warn --node fetch --node-name Fetch --node-type http --progress 40.5 "
        "--category business --step 2/5 --duration 1.25 --priority 7 --milestone "
        '--data \'{"a": [1.50,\n "b c"]}\''
    )
    _, [record] = job(said)
    for name in ("execution_id", "sequence_number", "index", "timestamp"):
        del record[name]
    assert record == {
        "stream": "stdout",
        "message": "slow answer",
        "level": "WARNING",
        "category": "business",
        "node_id": "fetch",
        "node_name": "Fetch",
        "node_type": "http",
        "step_number": 2,
        "total_steps": 5,
        "progress_percentage": 40.5,
        "duration_seconds": 1.25,
        "display_priority": 7,
        "is_milestone": True,
        "data": {"a": [1.5, "b c"]},
    }


def test_what_is_emitted_stands_in_order_with_the_output_around_it(job):
    script = (
        "echo one; $R emit two; echo three; printf 'four\\nfive' | $R emit --stdin; echo six; echo seven | $R emit -"
    )
    _, records = job(script)
    assert [record["message"] for record in records] == "one two three four five six seven".split()


def test_an_event_needs_no_text(job):
    _, records = job("$R emit --event-type step_started --step 1/2; $R emit done --event-type step_completed")
    assert only(records, "stream", "message", "event_type") == [
        {"stream": "event", "message": "", "event_type": "step_started"},
        {"stream": "event", "message": "done", "event_type": "step_completed"},
    ]


def test_many_lines_and_many_writers_are_all_recorded(job):
    _, records = job("for i in $(seq 80); do $R emit writer --node $i & done; seq 5000 | $R emit --stdin; wait")
    assert [record["message"] for record in records if "node_id" not in record] == [str(i) for i in range(1, 5001)]
    assert sorted(int(record["node_id"]) for record in records if "node_id" in record) == list(range(1, 81))


@pytest.mark.parametrize(
    "args, says",
    [
        ("x --level loud", b"level must be DEBUG, INFO, WARNING, ERROR or CRITICAL"),
        ("x --progress 101", b"progress_percentage is out of range"),
        ("x --progress half", b'--progress wants a number, not "half"'),
        ("x --data '{'", b"--data wants JSON"),
        ("x --step 2", b"--step wants N/M"),
        ("x y", b'so "y" is too much'),
        ("", b"say what to write"),
    ],
)
def test_what_no_record_can_be_is_refused(job, args, says):
    result, records = job(f"$R emit {args}", expect=2)
    lines = [record["message"].encode() for record in records]
    assert says in lines[0] and all(record["stream"] == "stderr" for record in records), result


def test_it_is_in_the_spool_when_emit_ends_also_without_a_server(jobs_server, tmp_path):
    """The runner is killed at once after it: what was emitted is delivered by the next."""
    alone = Cli(tmp_path / "home", url=NOWHERE, token="none")
    execution_id = fresh_id()
    script = "$R emit kept && echo $? >code; kill -9 $PPID"
    work = tmp_path / "work"
    work.mkdir()
    with alone.start("wrap", "-q", "--id", execution_id, *shell(script), env={"R": BIN}, cwd=str(work)) as process:
        assert process.finish() == -signal.SIGKILL
    eventually(lambda: (work / "code").exists() and (work / "code").read_text() == "0\n", "it was emitted")
    Cli(tmp_path / "home", jobs_server).ok("wrap", "--resume", execution_id)
    records = jobs_server.api().page(execution_id)["logs"]
    assert [record["message"] for record in records][:1] == ["kept"]
    assert [record.get("event_type") for record in records][1:] == ["capture_interrupted"]


def test_without_a_socket_it_goes_by_the_server(server, api, tmp_path):
    cli = Cli(tmp_path / "home", server)
    execution_id = api.create()
    cli.ok("emit", "by name", "--id", execution_id, "--level", "error")
    cli.ok("emit", "by the environment", env={"RUNNEL_EXECUTION_ID": execution_id})
    cli.ok("emit", "--stdin", "--id", execution_id, input=b"a\nb\n")
    records = api.page(execution_id)["logs"]
    assert [record["message"] for record in records] == ["by name", "by the environment", "a", "b"]
    assert records[0]["level"] == "ERROR"
    assert b"there is no RUNNEL_SOCKET here" in cli.run("emit", "x", expect=2).err
    assert b"no such execution" in cli.run("emit", "x", "--id", "there-is-none", expect=3).err
    viewer = Cli(tmp_path / "viewer", server, token=api.key("viewer")["key"])
    assert viewer.run("emit", "x", "--id", execution_id).code == 4


def test_a_socket_whose_runner_has_gone_is_said(cli, tmp_path):
    result = cli.run("emit", "x", env={"RUNNEL_SOCKET": str(tmp_path / "gone")}, expect=5)
    assert b"No such file or directory; has the job's runner ended?" in result.err


def test_every_job_has_the_variables_of_its_run(jobs_server, tmp_path):
    cli, api = Cli(tmp_path / "home", jobs_server), jobs_server.api()
    show = shell("env | grep ^RUNNEL_ | sort; test -S $RUNNEL_SOCKET && test -d $RUNNEL_OUTPUTS && echo there")
    body = {"job": {"command": list(show[1:])}, "jobs": [{}]}
    batch_id = api.expect(201, "POST", "/api/v1/batches", body)["batch_id"]
    path = f"/api/v1/batches/{batch_id}/executions"
    [execution] = eventually(
        lambda: (e := api.expect(200, "GET", path)["executions"]) and e[0]["sealed"] and e, "it ends"
    )
    said = [record["message"] for record in api.page(execution["execution_id"])["logs"]]
    variables = dict(line.split("=", 1) for line in said if "=" in line)
    assert "there" in said and set(variables) == {
        f"RUNNEL_{name}" for name in "ATTEMPT BATCH_ID EXECUTION_ID INPUTS OUTPUTS SOCKET URL".split()
    }
    assert variables["RUNNEL_EXECUTION_ID"] == execution["execution_id"]
    assert (variables["RUNNEL_BATCH_ID"], variables["RUNNEL_ATTEMPT"]) == (batch_id, "1")
    assert variables["RUNNEL_URL"] == jobs_server.url
    wrapped = cli.ok("wrap", "-q", "--id", fresh_id(), *show[:2], "-c", "env | grep ^RUNNEL_; test -S $RUNNEL_SOCKET")
    names = {line.split(b"=")[0].decode() for line in wrapped.out.splitlines()}
    assert names >= {f"RUNNEL_{name}" for name in "ATTEMPT BATCH_ID EXECUTION_ID SOCKET URL".split()}


def test_a_pipe_that_trickles_is_recorded_as_it_comes(jobs_server, tmp_path):
    """And not only at its end."""
    cli, execution_id = Cli(tmp_path / "home", jobs_server), fresh_id()
    api = jobs_server.api()
    with cli.start(
        "wrap", "-q", "--id", execution_id, *shell("$R emit --stdin"), env={"R": BIN}, stdin=subprocess.PIPE
    ) as process:
        process.write(b"first\n")
        eventually(
            lambda: api.get(f"/api/v1/executions/{execution_id}").status == 200
            and api.messages(execution_id) == ["first"],
            "the first line is there while the pipe is open",
        )
        process.write(b"last")
        process.close_stdin()
        assert process.finish() == 0
    assert api.messages(execution_id) == ["first", "last"]


def test_each_field_of_a_record_has_a_flag(job):
    said = (
        "$R emit 'HTTP 503 from s3' --friendly 'The files cannot be read right now' --stack-trace 'at main' "
        "--level error "
        "--details '{\"status\": 503}' --metrics '{\"ms\": 12}' --producer fetcher --time 2025-11-15T10:30:15.123Z "
        "&& $R emit --continues --level error 'and the next line'"
    )
    _, [first, second] = job(said)
    names = (
        "user_friendly_message",
        "stack_trace",
        "technical_details",
        "performance_metrics",
        "producer",
        "timestamp",
    )
    assert only([first], "message", "continues", *names) == [
        {
            "message": "HTTP 503 from s3",
            "user_friendly_message": "The files cannot be read right now",
            "stack_trace": "at main",
            "technical_details": {"status": 503},
            "performance_metrics": {"ms": 12},
            "producer": "fetcher",
            "timestamp": "2025-11-15T10:30:15.123Z",
        }
    ]
    assert only([second], "message", "continues") == [{"message": "and the next line", "continues": True}]


def test_lines_that_are_records_already_get_what_they_lack_from_the_flags(job):
    lines = '{"message": "one"}\\n\\n{"message": "two", "node_id": "own", "continues": true}\\n'
    lines += '{"event_type": "node_failed"}'
    _, records = job(f"printf '{lines}' | $R emit --ndjson --node fetch --level warning")
    assert only(records, "message", "node_id", "level", "event_type", "continues") == [
        {"message": "one", "node_id": "fetch", "level": "WARNING"},
        {"message": "two", "node_id": "own", "level": "WARNING", "continues": True},
        {"message": "", "node_id": "fetch", "level": "WARNING", "event_type": "node_failed"},
    ]


def test_a_line_that_is_no_record_is_refused(job):
    _, records = job("printf '[1]\\n' | $R emit --ndjson 2>&1 || echo refused")
    assert "a line is no JSON object" in records[0]["message"] and records[1]["message"] == "refused"
