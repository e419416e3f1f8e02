"""Finding executions and joining them: the latest, beginnings of identifiers, several at once; list, cancel, purge;
what becomes of a runner."""

import fcntl
import json
import os
import pty
import re
import signal
import struct
import termios

import pytest
from support.api import eventually
from support.cli import Cli
from support.jobs import fresh_id
from support.process import BIN, Process
from support.proxy import Proxy
from support.ws import Runner


@pytest.fixture
def own(servers, tmp_path):
    """(server, its api, a command line of its own)"""
    server = servers("--lease-seconds", "5")
    return server, server.api(), Cli(tmp_path / "home", server)


def sealed(server, api, lines, exit_code=0, **fields):
    execution_id = api.create(**fields)
    with Runner(server, execution_id) as runner:
        runner.lines(lines)
        runner.complete(exit_code)
    return execution_id


# --- which one
def test_logs_without_an_identifier_are_those_of_the_latest(own):
    server, api, cli = own
    result = cli.run("logs")
    assert result.code == 3 and b"runnel wrap" in result.err
    sealed(server, api, ["old"])
    sealed(server, api, ["new"])
    assert cli.ok("logs").text() == cli.ok("logs", "--last").text() == cli.ok("logs", "-f").text() == "new\n"
    assert cli.run("logs", "--last", "x").code == 2


def test_status_and_verify_take_the_latest_too(own):
    server, api, cli = own
    sealed(server, api, ["old"])
    new = sealed(server, api, ["new"], exit_code=3)
    for command in ("status", "verify"):
        assert new in cli.ok(command, "--last").text(), command
        result = cli.run(command, "--last", "x")
        assert result.code == 2 and b"--last means the latest" in result.err, result
        result = cli.run(command)
        assert result.code == 2 and b"or --last" in result.err, result
    assert cli.run("status", "--last", "--exit-status").code == 3


def test_a_beginning_that_no_other_has_is_enough(own):
    server, api, cli = own
    for name in ("build-1", "build-12", "test-1"):
        sealed(server, api, [name], execution_id=name)
    assert cli.ok("logs", "te").text() == "test-1\n"
    assert cli.ok("logs", "build-1").text() == "build-1\n", "one of exactly this name wins"
    assert "test-1" in cli.ok("status", "t").text() and "test-1" in cli.ok("verify", "t").text()
    result = cli.run("logs", "bu")
    assert (
        result.code == 2 and b"build-1\x20" in result.err and b"build-12" in result.err and b"test-1" not in result.err
    )
    for command in ("logs", "status", "verify", "cancel", "purge"):
        result = cli.run(command, "zz")
        assert result.code == 3 and b"zz" in result.err, result


# --- several
def test_several_logs_have_their_executions_before_each_line(own):
    server, api, cli = own
    sealed(server, api, ["one", "two"], execution_id="a")
    sealed(server, api, ["three"], execution_id="long")
    assert cli.ok("logs", "a", "long").text() == "a    | one\na    | two\nlong | three\n"
    assert (
        len(set(re.findall(r"\x1b\[\d+m(?:a|long) *\|", cli.ok("logs", "--color", "always", "a", "long").text()))) == 2
    )
    lines = cli.ok("logs", "-o", "json", "a", "long").text().splitlines()
    assert [json.loads(line)["execution_id"] for line in lines] == ["a", "a", "long"]


def test_several_are_followed_together_in_whole_lines(own):
    server, api, cli = own
    ids = [api.create(execution_id=f"job-{i}") for i in range(3)]
    with cli.start("logs", "-f", *ids) as process:
        runners = [Runner(server, execution_id).__enter__() for execution_id in ids]
        for n in range(40):
            for i, runner in enumerate(runners):
                runner.send([runner.record(f"{i}.{n} ", partial=True), runner.record("end")])
        for runner in runners:
            runner.complete()
            runner.__exit__(None, None, None)
        assert process.finish() == 0
    lines = process.out.data.decode().splitlines()
    for i in range(3):
        assert [line for line in lines if line.startswith(f"job-{i} | ")] == [
            f"job-{i} | {i}.{n} end" for n in range(40)
        ]
    assert len(lines) == 120


def test_the_exit_status_of_several_is_that_of_the_first_that_failed(own):
    server, api, cli = own
    for name, code in (("a", 0), ("b", 7), ("c", 3)):
        sealed(server, api, [name], code, execution_id=name)
    for more in ([], ["-f"]):
        assert cli.run("logs", *more, "--exit-status", "a", "b", "c").code == 7
        assert cli.run("logs", *more, "--exit-status", "a").code == 0


# --- lines around a match
def test_lines_around_a_match(server, cli, api):
    execution_id = api.create()
    api.append_lines(execution_id, [*"abcdefgh"])
    assert cli.ok("logs", "--grep", "c", "-C", "1", execution_id).text() == "b\nc\nd\n"
    assert cli.ok("logs", "--regex", "^[bg]$", "-A", "1", execution_id).text() == "b\nc\n--\ng\nh\n"
    assert cli.ok("logs", "-i", "--grep", "B", "-B", "3", execution_id).text() == "a\nb\n"
    assert cli.ok("logs", "--regex", "[a-h]", "-B", "2", "-n", "1", execution_id).text() == "f\ng\nh\n"
    assert cli.run("logs", "-C", "1", execution_id).code == 2
    assert cli.run("logs", "-C", "x", "--grep", "a", execution_id).code == 2
    assert cli.run("logs", "-C", "1", "--regex", "(", execution_id).code == 2


def test_lines_around_a_match_live(server, cli, api):
    execution_id = api.create()
    with cli.start("logs", "-f", "--grep", "hit", "-C", "1", execution_id) as process, Runner(
        server, execution_id
    ) as runner:
        runner.lines(["far", "near"])
        runner.send(runner.record("a h", partial=True))
        runner.lines(["it"])
        process.out.wait_for(b"near\na hit\n")
        runner.lines(["after", "far"])
        runner.complete()
        assert process.finish() == 0
        assert process.out.data == b"near\na hit\nafter\n"


# --- cancel, purge
def test_cancel_tells_the_runner_and_says_what_became_of_it(own):
    server, api, cli = own
    with cli.start("wrap", "-q", "--id", "job", "--", "sleep", "100") as wrap:
        eventually(
            lambda: api.get("/api/v1/executions/job").status == 200 and api.status("job")["status"] == "running",
            "it runs",
        )
        assert "told to end" in cli.ok("cancel", "jo").text()
        assert wrap.finish() != 0
    eventually(lambda: api.status("job")["status"] == "cancelled", "it was cancelled")
    assert cli.ok("cancel", "job").text() == "job: cancelled\n"
    assert json.loads(cli.ok("cancel", "-o", "json", "--last").text())["status"] == "cancelled"
    assert cli.run("cancel").code == 2


def test_purge_removes_what_has_ended_and_nothing_else(own):
    server, api, cli = own
    sealed(server, api, ["x"], execution_id="done")
    api.create(execution_id="open")
    result = cli.run("purge", "open")
    assert result.code != 0 and b"runnel cancel open" in result.err
    assert cli.ok("purge", "done").text() == "done: purged\n"
    assert api.get("/api/v1/executions/done/logs").status == 410
    result = cli.run("logs", "done")
    assert result.code == 3 and result.err.count(b"runnel:") == 1 and b"it was purged" in result.err, result
    assert cli.run("purge").code == 2


def test_purge_of_artifacts_keeps_the_log(own):
    server, api, cli = own
    cli.ok("wrap", "--id", "done", "sh", "-c", 'echo x; echo 1 >"$RUNNEL_OUTPUTS/a"; echo 2 >"$RUNNEL_OUTPUTS/b"')
    sealed(server, api, ["y"], execution_id="bare")
    api.create(execution_id="open")
    result = cli.run("purge", "--artifacts", "done", "open", "bare")
    assert result.text() == "done: 2 artifacts purged\nbare: 0 artifacts purged\n" and result.code == 1
    assert b"runnel cancel open" in result.err
    assert b"has no artifacts" in cli.ok("artifacts", "done").err
    assert cli.ok("logs", "done").text().endswith("x\n")


def test_purge_of_several_goes_on_after_one_that_fails_and_names_each(own):
    server, api, cli = own
    for name in ("one", "two", "three"):
        sealed(server, api, ["x"], execution_id=name)
    api.create(execution_id="open")
    result = cli.run("purge", "one", "nobody", "two", "open", "three")
    assert result.text() == "one: purged\ntwo: purged\nthree: purged\n"
    assert result.code == 3  # of the first failure; that of an open one is 1
    nobody, still_open = result.err.decode().splitlines()
    assert "no such execution: nobody" in nobody and "open goes on" in still_open
    assert all(api.get(f"/api/v1/executions/{name}/logs").status == 410 for name in ("one", "two", "three"))
    assert cli.run("purge", "open", "nobody").code == 1
    result = cli.run("purge", "one", "not an id", "two")
    assert result.code == 2 and result.out == b""


def test_cancel_of_several_goes_on_after_one_that_fails_and_names_each(own):
    server, api, cli = own
    for name in ("one", "two", "gone"):
        api.create(execution_id=name)
    cli.ok("cancel", "gone")
    cli.ok("purge", "gone")
    result = cli.run("cancel", "one", "gone", "nobody", "two")
    assert result.text() == "one: cancelled\ntwo: cancelled\n" and result.code == 3
    gone, nobody = result.err.decode().splitlines()
    assert gone.startswith("runnel: gone: it was purged") and "no such execution: nobody" in nobody
    assert [api.status(name)["status"] for name in ("one", "two")] == ["cancelled"] * 2


def test_several_are_not_tried_in_vain_where_the_credential_or_the_server_is_the_fault(own):
    server, api, cli = own
    for name in ("one", "two", "three"):
        api.create(execution_id=name)
    result = cli.run("cancel", "one", "two", "three", env={"RUNNEL_TOKEN": "rnl_" + "x" * 43})
    assert result.code == 4 and b"runnel: 2 more were not tried\n" in result.err and result.out == b""
    result = cli.run("cancel", "one", "two", env={"RUNNEL_URL": "http://127.0.0.1:1"})
    assert result.code == 5 and b"runnel: 1 more was not tried\n" in result.err
    assert {api.status(name)["status"] for name in ("one", "two", "three")} == {"queued"}


# --- list
def listed(cli, *args):
    return [json.loads(line)["execution_id"] for line in cli.ok("list", "-o", "json", *args).text().splitlines()]


def test_the_same_filter_again_means_any_of_its_values(own):
    server, api, cli = own
    sealed(server, api, ["x"], 1, execution_id="failed", batch_id="b1", metadata={"team": "data", "n": 1})
    sealed(server, api, ["x"], 0, execution_id="fine", batch_id="b2", metadata={"team": "web", "n": 1})
    api.create(execution_id="waits", metadata={"team": "data", "n": 2})
    assert set(listed(cli, "-s", "failed", "-s", "queued")) == {"failed", "waits"}
    assert set(listed(cli, "--batch", "b1", "--batch", "b2")) == {"failed", "fine"}
    assert set(listed(cli, "-s", "failed,queued")) == {"failed", "waits"}
    assert set(listed(cli, "-s", "failed,queued", "-s", "completed")) == {"failed", "waits", "fine"}
    assert set(listed(cli, "--batch", "b1,b2")) == {"failed", "fine"}
    result = cli.run("list", "-s", "failed,sleeping")
    assert result.code == 2 and b'not "sleeping"' in result.err
    assert set(listed(cli, "-m", "team=data", "-m", "team=web", "-m", "n=1")) == {"failed", "fine"}
    assert listed(cli, "-m", "team=data", "-m", "n=1") == ["failed"]
    answer = api.expect(200, "GET", "/api/v1/executions", query={"status": ["failed", "completed"], "id_prefix": "f"})
    assert {execution["execution_id"] for execution in answer["executions"]} == {"failed", "fine"}
    for query in ({"status": "failed,queued"}, {"status": "failed,queued", "batch_id": "b1,x", "workflow_id": ""}):
        answer = api.expect(200, "GET", "/api/v1/executions", query=query)
        expected = {"failed"} if "batch_id" in query else {"failed", "waits"}
        assert {execution["execution_id"] for execution in answer["executions"]} == expected
    for query in ({"batch_id": ["x"] * 17}, {"batch_id": ",".join("x" * 17)}, {"status": "failed,"}):
        answer = api.get("/api/v1/executions", query=query)
        assert answer.status == 400 and answer.code == "malformed"


def test_list_shows_the_whole_command_and_metadata_sorted_by_start(own):
    server, api, cli = own
    api.create(
        execution_id="late",
        queue=False,
        started_at="2025-11-15T10:00:00Z",
        command=["sh", "-c", "echo 'a b'"],
        metadata={"k": "v", "n": [1]},
    )
    cli.ok("wrap", "-q", "--id", "now", "--", "echo", "x" * 200)
    api.create(execution_id="early", queue=False, started_at="2025-11-15T09:00:00Z", script_filename="nightly.sh")
    api.create(execution_id="waits")
    table = cli.ok("list").text().splitlines()
    assert [line.split()[0] for line in table[1:]] == ["waits", "now", "late", "early"]
    assert table[2].endswith("echo " + "x" * 200)
    assert "sh -c 'echo '\\''a b'\\'''" in table[3] and table[3].endswith("k=v n=[1]")
    assert table[4].endswith("nightly.sh")
    assert json.loads(cli.ok("status", "-o", "json", "now").text())["command"] == ["echo", "x" * 200]


def screen(cli, columns, *args, rows=24):
    """What a terminal of that size gets, escape sequences left out; a function that ends it."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    process = Process([BIN, *args], env={**cli.env, "TERM": "xterm-256color"}, stdout=slave)
    os.close(slave)
    return process, master


def read_screen(master):
    data = b""
    while True:
        try:
            more = os.read(master, 65536)
        except OSError:
            break
        if not more:
            break
        data += more
    os.close(master)
    return re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", data.decode()).replace("\r", "")


@pytest.mark.parametrize("columns", [40, 80, 110, 200])
def test_on_a_terminal_the_table_is_fitted_to_its_width(own, columns):
    server, api, cli = own
    for i in range(3):
        api.create(command=["python", "x" * 100], metadata={"team": "data", "note": "y" * 100})
    process, master = screen(cli, columns, "list")
    with process:
        lines = read_screen(master).splitlines()
        assert process.finish() == 0
    assert len(lines) == 4
    for line in lines:
        assert len(line) <= columns or columns == 40, line
    assert ("COMMAND" in lines[0] and "python" in lines[1]) == (columns > 40)
    assert ("METADATA" in lines[0]) == (columns > 80)


@pytest.mark.parametrize("columns", [60, 80, 110, 200])
def test_on_a_terminal_the_table_of_keys_is_fitted_to_its_width(own, columns):
    server, api, cli = own
    key = api.expect(201, "POST", "/api/v1/keys", {"role": "viewer", "name": "n" * 60, "expires_at": "90d"})
    process, master = screen(cli, columns, "key", "list")
    with process:
        lines = read_screen(master).splitlines()
        assert process.finish() == 0
    assert len(lines) == 3 and all(len(line) <= columns for line in lines), lines
    assert sum(line.startswith(key["key_id"] + "  nnn") for line in lines) == 1
    titles = ["KEY", "NAME", "ROLE", "CREATED", "LAST USED", "EXPIRES"]
    assert [title for title in titles if title in lines[0]] == [
        title for title, least in zip(titles, (0, 0, 0, 100, 80, 80)) if columns >= least
    ]


@pytest.mark.parametrize("columns", [None, 50, 80, 300])
def test_help_is_laid_out_for_the_terminals_width_or_for_80_columns(own, columns):
    server, api, cli = own
    most = min(columns or 80, 100)
    names = re.findall(r"^  (\w+) ", cli.ok("help").text().split("Commands:")[1].split("\n\n")[0], flags=re.M)
    assert len(names) >= 16
    for args in (["help"], *(["help", name] for name in names), ["logs", "--help"]):
        if columns is None:
            text = cli.ok(*args).text()
        else:
            process, master = screen(cli, columns, *args)
            with process:
                text = read_screen(master)
                assert process.finish() == 0
        # What is to be copied is one line however long it is; within 80 columns all of them fit.
        lines = [
            line for line in text.splitlines() if columns != 50 or not re.match(r"  (\S.* \| )?(runnel |\w+=)", line)
        ]
        assert max(len(line) for line in lines) <= most, (args, max(lines, key=len))
    assert ("\n" in text) and (columns != 300 or max(len(line) for line in lines) > 80)


def test_list_watches_until_it_is_interrupted(own):
    server, api, cli = own
    api.create(execution_id="first")
    process, master = screen(cli, 80, "list", "-w")
    with process:
        seen = b""
        while b"first" not in seen:
            seen += os.read(master, 65536)
        api.create(execution_id="second")
        while b"second" not in seen:
            seen += os.read(master, 65536)
        process.signal(signal.SIGINT)
        assert process.finish() == 130
        os.close(master)
    assert cli.run("list", "-w").code == 2


def test_a_list_of_nothing_says_so(own):
    server, api, cli = own
    assert b"no execution yet" in cli.ok("list").err and cli.ok("list").out == b""
    assert b"filters" in cli.ok("list", "-s", "failed").err


# --- what becomes of a runner
def test_a_follower_is_told_that_the_runner_is_gone_and_back(own):
    server, api, cli = own
    execution_id = api.create()
    runner = Runner(server, execution_id).__enter__()
    runner.lines(["one"])
    with cli.start("logs", "-f", execution_id) as process:
        process.out.wait_for(b"one\n")
        runner.__exit__(None, None, None)
        process.err.wait_for(b"its runner is gone")
        process.err.wait_for(b"its runner is lost")
        with Runner(server, execution_id) as again:
            process.err.wait_for(b"its runner is back")
            again.lines(["two"])
            again.complete()
        assert process.finish() == 0
        assert process.out.data == b"one\ntwo\n"
        assert process.err.data.count(b"is lost") == process.err.data.count(b"is back") == 1


@pytest.mark.parametrize("refused", [None, "websocket", "stream"])
def test_exit_status_ends_with_125_when_it_is_lost(own, tmp_path, refused):
    server, api, _ = own
    execution_id = api.create()

    def refuse(head):
        line = head.split(b"\r\n")[0]
        return refused and (b"upgrade: websocket" in head.lower() or (refused == "stream" and b"follow=" in line))

    with Runner(server, execution_id) as runner, Proxy(server.port, refuse=refuse) as proxy:
        runner.lines(["one"])
        cli = Cli(tmp_path / "away", url=proxy.url, token=server.operator_key)
        with cli.start("logs", "-f", "--exit-status", execution_id) as process:
            process.out.wait_for(b"one\n")
            runner.__exit__(None, None, None)
            assert process.finish(60) == 125
            assert b"its runner is lost" in process.err.data and process.out.data == b"one\n"
        for follow in (["-f"], []):
            before = cli.run("logs", *follow, "--exit-status", execution_id)
            assert before.code == 125 and before.out == b"one\n", "also when it was lost before"


def test_wait_lost_goes_on(own):
    server, api, cli = own
    execution_id = api.create()
    with Runner(server, execution_id) as runner:
        runner.lines(["one"])
    eventually(lambda: api.status(execution_id)["status"] == "lost", "it is lost")
    with cli.start("logs", "-f", "--exit-status", "--wait-lost", execution_id) as process:
        process.err.wait_for(b"its runner is lost")
        with Runner(server, execution_id) as again:
            again.lines(["two"])
            again.complete(4)
        assert process.finish() == 4
        assert process.out.data == b"one\ntwo\n"


def test_a_log_without_a_runner_misses_none(server, cli, api):
    job = fresh_id()
    api.create(execution_id=job)
    api.expect(200, "PATCH", f"/api/v1/executions/{job}", {"status": "running"})
    with cli.start("logs", "-f", job) as process:
        api.append_lines(job, ["one"])
        process.out.wait_for(b"one\n")
        api.expect(200, "PATCH", f"/api/v1/executions/{job}", {"status": "completed", "exit_code": 0})
        assert process.finish() == 0
        assert process.err.data == b""
