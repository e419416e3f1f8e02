"""`runnel wrap` when things go wrong: the server away, restarted, cut off; wrap itself killed; then resumed."""

import datetime
import json
import signal
import subprocess

import pytest
from support.api import eventually
from support.cli import Cli
from support.gate import Gate
from support.jobs import fresh_id, output_of, python, shell, signalled
from support.proxy import Proxy

ECHO = "import sys\nfor line in sys.stdin: sys.stdout.write(line); sys.stdout.flush()"


def seen(api, job, count):
    """Waits until the server has `count` records of the job."""
    path = f"/api/v1/executions/{job}"
    eventually(lambda: (r := api.get(path)).status == 200 and r.json()["last_index"] >= count, f"{count} records")


def spools(home):
    folder = home / "state" / "runnel" / "spool"
    return sorted(entry.name for entry in folder.iterdir() if entry.is_dir()) if folder.exists() else []


@pytest.fixture
def gates():
    made = []
    yield lambda targets: made.append(Gate(targets)) or made[-1]
    for gate in made:
        gate.close()


def test_a_server_that_is_away_at_start_gets_everything_once_it_is_back(servers, tmp_path):
    server = servers()
    token = server.operator_key
    server.stop()
    cli = Cli(tmp_path / "home", url=server.url, token=token)
    job = fresh_id()
    with cli.start("wrap", "--id", job, *python(ECHO), stdin=subprocess.PIPE) as process:
        process.write(b"".join(b"early %d\n" % i for i in range(1000)))
        process.out.wait_for(b"early 999\n")
        server.restart()
        process.write(b"late\n")
        process.close_stdin()
        assert process.finish(60) == 0
    assert output_of(server.api(), job) == b"".join(b"early %d\n" % i for i in range(1000)) + b"late\n"
    assert spools(cli.home) == []


def test_the_job_never_waits_for_the_server_and_its_log_is_left_to_resume(servers, tmp_path):
    server = servers()
    token = server.operator_key
    server.stop()
    cli = Cli(tmp_path / "home", url=server.url, token=token)
    job = fresh_id()
    result = cli.run("wrap", "--deliver-wait", "1s", "--id", job, *shell("seq 1 1000; exit 9"))
    assert result.code == 9 and b"--resume" in result.err, result
    assert spools(cli.home) == [job]
    server.restart()
    cli.ok("wrap", "--resume")
    api = server.api()
    assert output_of(api, job) == b"".join(b"%d\n" % i for i in range(1, 1001))
    shown = api.status(job)
    assert shown["status"] == "failed" and shown["exit_code"] == 9 and shown["sealed"]
    assert spools(cli.home) == []


@pytest.mark.threads
def test_a_restarted_server_gets_the_whole_log_of_a_running_job(servers, tmp_path):
    server = servers()
    cli = Cli(tmp_path / "home", server)
    job = fresh_id()
    sent = 0
    with cli.start("wrap", "--id", job, *python(ECHO), stdin=subprocess.PIPE) as process:
        for round_number in range(4):
            process.write(b"".join(b"%d\n" % i for i in range(sent, sent + 500)))
            sent += 500
            process.out.wait_lines(sent)
            if round_number % 2:
                server.stop()
            else:
                seen(server.api(), job, 1)
                server.kill()
            server.restart()
        process.close_stdin()
        assert process.finish(60) == 0
    assert output_of(server.api(), job) == b"".join(b"%d\n" % i for i in range(sent))


def test_a_cut_connection_neither_loses_nor_doubles(server, api, tmp_path):
    with Proxy(server.port) as proxy:
        cli = Cli(tmp_path / "home", url=proxy.url, token=server.operator_key)
        job = fresh_id()
        with cli.start("wrap", "--id", job, *python(ECHO), stdin=subprocess.PIPE) as process:
            for i in range(10):
                process.write(b"".join(b"%d.%d\n" % (i, j) for j in range(50)))
                seen(api, job, 50 * i + 1)
                proxy.cut()
            process.close_stdin()
            assert process.finish(60) == 0
    assert output_of(api, job) == b"".join(b"%d.%d\n" % (i, j) for i in range(10) for j in range(50))


def test_one_that_did_not_hear_that_it_has_the_run_goes_on_at_once(servers, tmp_path, gates):
    server = servers("--lease-seconds", "3600")  # for which nobody else gets it
    gate = gates(lambda: [server.port])
    cutter = gate.cut_at(b'"type":"ready"', answers=True)
    cli = Cli(tmp_path / "home", url=gate.url, token=server.operator_key)
    job = fresh_id()
    with cli.start("wrap", "--id", job, *shell("seq 1 1000")) as process:
        eventually(lambda: cutter.done >= 2, "it was told twice")
        gate.cut_at(None)
        assert process.finish(60) == 0, process.err.data
    assert output_of(server.api(), job) == b"".join(b"%d\n" % i for i in range(1, 1001))
    assert server.api().get(f"/api/v1/executions/{job}").json()["status"] == "completed"


ALL_200 = b"".join(b"%d\n" % i for i in range(200))


def kill_in_the_middle(cli, job, captured):
    """Runs a job of 200 lines, waits until captured() and kills wrap with -9; the child dies of its closed pipe."""
    process = cli.start("wrap", "--id", job, *python(ECHO), stdin=subprocess.PIPE)
    process.write(ALL_200)
    process.out.wait_lines(200)
    captured()
    process.kill()
    process.close_stdin()


@pytest.mark.parametrize("how", ["--resume", "--resume ID", "next wrap"])
def test_a_killed_wrap_is_resumed_with_its_whole_prefix(servers, tmp_path, how):
    server = servers("--lease-seconds", "1")
    cli, api = Cli(tmp_path / "home", server), server.api()
    job = fresh_id()
    kill_in_the_middle(cli, job, lambda: seen(api, job, 200))
    if how == "next wrap":
        cli.ok("wrap", "--", "true")
        eventually(lambda: api.get(f"/api/v1/executions/{job}").status == 200 and api.status(job)["sealed"], "sealed")
    else:
        cli.ok(*(["wrap", "--resume", job] if how == "--resume ID" else ["wrap", "--resume"]))
    assert output_of(api, job) == ALL_200
    events = [record for record in api.logs(job, limit=10000) if record["stream"] == "event"]
    assert [record["event_type"] for record in events] == ["capture_interrupted"]
    shown = api.status(job)
    assert shown["status"] == "lost" and shown["exit_code"] is None and shown["sealed"]
    assert spools(cli.home) == []
    cli.ok("verify", job)


def test_a_killed_wrap_of_an_absent_server_is_resumed_too(servers, tmp_path):
    server = servers()
    token = server.operator_key
    server.stop()
    cli = Cli(tmp_path / "home", url=server.url, token=token)
    job = fresh_id()
    spool = cli.home / "state" / "runnel" / "spool" / job / "spool"
    kill_in_the_middle(
        cli, job, lambda: eventually(lambda: spool.exists() and spool.stat().st_size, "the spool holds something")
    )
    server.restart()
    cli.ok("wrap", "--resume")
    # What was under way from the pipe to the spool at that moment is lost; what is kept is a whole prefix.
    kept = output_of(server.api(), job)
    assert kept and kept.endswith(b"\n") and ALL_200.startswith(kept)
    assert server.api().status(job)["status"] == "lost"


def test_a_living_wrap_is_left_alone_by_resume(servers, tmp_path):
    server = servers()
    cli, api = Cli(tmp_path / "home", server), server.api()
    job = fresh_id()
    with cli.start("wrap", "--id", job, *python(ECHO), stdin=subprocess.PIPE) as process:
        process.write(b"alive\n")
        seen(api, job, 1)
        cli.run("wrap", "--resume")
        assert api.status(job)["sealed"] is False and spools(cli.home) == [job]
        process.close_stdin()
        assert process.finish() == 0
    assert output_of(api, job) == b"alive\n"


def test_nothing_to_resume_is_fine(cli):
    cli.ok("wrap", "--resume")


def test_resuming_what_is_not_there_names_the_folder(cli):
    result = cli.run("wrap", "--resume", "nowhere")
    assert result.code == 3 and f"no run nowhere in {cli.home}/state/runnel/spool".encode() in result.err, result


def test_a_living_wrap_that_is_named_is_said_to_live(servers, tmp_path):
    server = servers()
    cli = Cli(tmp_path / "home", server)
    job = fresh_id()
    with cli.start("wrap", "--id", job, *python(ECHO), stdin=subprocess.PIPE) as process:
        process.write(b"alive\n")
        process.out.wait_lines(1)
        named, again = cli.run("wrap", "--resume", job), cli.run("wrap", "--id", job, *shell("echo ran"))
        assert named.code == 1 and b"by another process" in named.err, named
        assert again.code == 1 and b"under way" in again.err and b"not run" in again.err and again.out == b"", again
        process.close_stdin()
        assert process.finish() == 0


# --- when it ran
def now():
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def test_a_run_that_is_delivered_later_ran_when_it_ran(servers, tmp_path):
    server = servers()
    cli = Cli(tmp_path / "home", server)
    job = fresh_id()
    server.stop()
    before = now()
    cli.run("wrap", "--deliver-wait", "1ms", "--id", job, *shell("echo then"))
    after = now()
    server.restart()
    cli.ok("wrap", "--resume")
    shown = server.api().status(job)
    assert before <= shown["started_at"] <= shown["completed_at"] <= after < shown["created_at"], (before, after, shown)


def test_a_clock_that_is_ahead_does_not_cost_the_log(servers, tmp_path):
    server = servers()
    cli = Cli(tmp_path / "home", server)
    job = fresh_id()
    server.stop()
    cli.run("wrap", "--deliver-wait", "1ms", "--id", job, *shell("echo kept"))
    path = cli.home / "state" / "runnel" / "spool" / job / "run.json"
    run = json.loads(path.read_text())
    run["started_ms"] += 3600_000
    run["ended_ms"] += 3600_000
    path.write_text(json.dumps(run))
    server.restart()
    cli.ok("wrap", "--resume")
    shown = server.api().status(job)
    assert output_of(server.api(), job) == b"kept\n"
    assert shown["created_at"] <= shown["started_at"] <= shown["completed_at"] <= now()


# --- an identifier that is taken
@pytest.mark.parametrize("maker", ["a run of the same command", "a run of another command", "somebody else"])
def test_a_log_whose_identifier_is_taken_is_said_not_to_be_delivered_also_with_q(server, cli, api, maker):
    job = fresh_id()
    command = shell("echo again; exit 4")
    if maker == "somebody else":
        api.create(execution_id=job)
        api.expect(200, "PATCH", f"/api/v1/executions/{job}", {"status": "cancelled"})
    else:
        cli.run("wrap", "--id", job, *(command if "same" in maker else shell("echo first")))
    kept = output_of(api, job)
    result = cli.run("wrap", "-q", "--id", job, *command)
    folder = f"{cli.home}/state/runnel/spool/{job}".encode()
    assert result.code == 4 and result.out == b"again\n", result
    assert f"execution {job} exists already and is not this run's".encode() in result.err, result
    assert b"stays in " + folder + b"; remove that folder" in result.err, result
    assert b"Idempotency" not in result.err and b"--resume" not in result.err, result
    assert output_of(api, job) == kept and spools(cli.home) == [job]

    # The spool is in the way of the next one, which says so and runs nothing.
    result = cli.run("wrap", "-q", "--id", job, *command)
    assert result.code == 1 and result.out == b"" and folder in result.err, result
    assert b"in the way" in result.err and b"was not run" in result.err, result
    assert spools(cli.home) == [job]

    # And resuming tells why it is left.
    for asked in (["--resume"], ["--resume", job]):
        result = cli.run("wrap", *asked)
        assert result.code == 1 and f"{job} is left: execution {job} exists already".encode() in result.err, result


def test_anothers_execution_that_may_not_be_seen_is_taken_too(server, cli, api, tmp_path):
    job = fresh_id()
    api.create(execution_id=job)
    user = Cli(tmp_path / "user", url=server.url, token=api.key("user")["key"])
    result = user.run("wrap", "-q", "--id", job, *shell("echo mine"))
    assert result.code == 0 and f"execution {job} exists already".encode() in result.err, result


def test_an_execution_that_was_only_made_is_taken_up(cli, api):
    job = fresh_id()
    api.create(execution_id=job)
    cli.ok("wrap", "--id", job, *shell("echo taken up"))
    assert output_of(api, job) == b"taken up\n" and api.status(job)["sealed"]


def test_each_run_that_is_left_is_told_with_its_reason(servers, tmp_path):
    server = servers()
    home = tmp_path / "home"
    away = Cli(home, url="http://127.0.0.1:1", token="t")
    other, ours = fresh_id(), fresh_id()
    away.run("wrap", "--deliver-wait", "1ms", "--id", other, *shell("echo elsewhere"))
    stranger = Cli(home, url=server.url, token="rnl_" + "x" * 43)
    stranger.run("wrap", "--id", ours, *shell("echo here"))
    assert spools(home) == sorted([other, ours])
    result = stranger.run("wrap", "--resume")
    assert result.code == 1 and b"0 delivered, 2 left" in result.err, result
    assert f"{ours} is left: a valid credential is required".encode() in result.err, result
    assert f"{other} is left: it was recorded for http://127.0.0.1:1".encode() in result.err, result

    cli = Cli(home, server)
    cli.ok("wrap", "--resume", other)
    cli.ok("wrap", "--resume")
    assert output_of(server.api(), other) == b"elsewhere\n" and output_of(server.api(), ours) == b"here\n"
    assert spools(home) == []


def test_q_hides_no_failure(servers, tmp_path):
    cli = Cli(tmp_path / "home", url="http://127.0.0.1:1", token="t")
    job = fresh_id()
    result = cli.run("wrap", "-q", "--deliver-wait", "1ms", "--id", job, "--", "true")
    assert result.code == 0 and f"runnel wrap --resume {job}".encode() in result.err, result
    assert result.err.count(b"\n") == 1, result


def test_a_full_spool_blocks_the_job_instead_of_losing(servers, tmp_path):
    server = servers()
    token = server.operator_key
    server.stop()
    cli = Cli(tmp_path / "home", url=server.url, token=token)
    job = fresh_id()
    script = "import random, sys\nr = random.Random(1)\nfor i in range(40000): sys.stdout.write(r.randbytes(250).hex() + '\\n')"
    with cli.start("wrap", "--spool-max", "4194304", "--id", job, *python(script)) as process:
        process.err.wait_for(b"the spool is full")
        server.restart()
        assert process.finish(90) == 0
        assert process.out.data.count(b"\n") == 40000
        written = process.out.data
    assert output_of(server.api(), job) == written


def test_an_unknown_token_leaves_the_job_its_exit_code(server, tmp_path):
    cli = Cli(tmp_path / "home", url=server.url, token="rnl_" + "x" * 43)
    result = cli.run("wrap", *shell("echo out; exit 3"))
    assert result.code == 3 and result.out == b"out\n"
    assert b"credential" in result.err, result


def test_interrupting_wrap_twice_still_records_the_job(cli, api):
    job = fresh_id()
    with cli.start("wrap", "--id", job, *signalled("INT", times=2, code=130)) as process:
        process.out.wait_for(b"ready\n")
        process.signal(signal.SIGINT)
        process.out.wait_for(b"signal 1\n")
        process.signal(signal.SIGINT)
        assert process.finish() == 130
    assert output_of(api, job) == b"ready\nsignal 1\nsignal 2\n"
