"""`runnel logs`: options, formats, terminals, pipes, following through restarts and behind proxies."""

import http.server
import json
import re
import signal
import threading

import pytest
from support.api import eventually
from support.cli import Cli
from support.jobs import fresh_id, shell
from support.process import BIN, Process
from support.proxy import Proxy
from support.ws import Runner

RECORDS = [
    {"message": "out one", "timestamp": "2025-11-15T10:30:15.000Z"},
    {"message": "err two", "stream": "stderr", "timestamp": "2025-11-15T10:30:16.000Z"},
    {"message": "careful", "level": "warning", "timestamp": "2025-11-15T10:30:17.000Z", "display_priority": 8},
    {"message": "broken", "level": "error", "stream": "stderr", "timestamp": "2025-11-15T10:30:18.000Z"},
    {
        "message": "a step",
        "stream": "event",
        "event_type": "step_started",
        "category": "business",
        "node_id": "n1",
        "is_milestone": True,
        "timestamp": "2025-11-15T10:30:19.000Z",
    },
    {"message": "out six", "timestamp": "2025-11-15T10:30:20.000Z"},
]


@pytest.fixture(scope="module")
def job(api):
    execution_id = api.create()
    api.append(execution_id, RECORDS)
    api.expect(200, "PATCH", f"/api/v1/executions/{execution_id}", {"status": "running"})
    api.expect(200, "PATCH", f"/api/v1/executions/{execution_id}", {"status": "failed", "exit_code": 3})
    return execution_id


OUTPUT = b"out one\nerr two\ncareful\nbroken\nout six\n"


def test_on_a_pipe_each_line_is_the_message_alone_all_on_stdout(cli, job):
    result = cli.ok("logs", job)
    assert result.out.replace(b"a step\n", b"") == OUTPUT


@pytest.mark.parametrize("flag", ["-t", "--timestamps"])
def test_with_t_each_line_says_time_and_stream(cli, job, flag):
    lines = cli.ok("logs", flag, job).text().splitlines()
    assert lines[0] == "[10:30:15] [stdout] out one" and lines[1] == "[10:30:16] [stderr] err two"


def test_split_puts_stderr_lines_on_stderr(cli, job):
    result = cli.ok("logs", "--split", job)
    assert result.out.replace(b"a step\n", b"") == b"out one\ncareful\nout six\n" and result.err == b"err two\nbroken\n"


def test_json_is_the_records_as_ndjson(cli, api, job):
    lines = cli.ok("logs", "-o", "json", job).text().splitlines()
    assert [json.loads(line) for line in lines] == api.logs(job)


def test_raw_is_the_bytes(cli, job):
    assert cli.ok("logs", "-o", "raw", job).out == OUTPUT


FILTERS = [
    (["-n", "1"], [5]),
    (["--tail", "2"], [4, 5]),
    (["--from-seq", "4"], [4, 5]),
    (["--stream", "stderr"], [1, 3]),
    (["--level", "ERROR"], [3]),
    (["--min-level", "WARNING"], [2, 3]),
    (["--category", "business"], [4]),
    (["--event-type", "step_started"], [4]),
    (["--milestone"], [4]),
    (["--min-priority", "8"], [2]),
    (["--node", "n1"], [4]),
    (["--grep", "out"], [0, 5]),
    (["--regex", "^b.*n$"], [3]),
    (["--since", "2025-11-15T10:30:18Z"], [3, 4, 5]),
    (["--until", "2025-11-15T10:30:16Z"], [0, 1]),
    (["--stream", "stderr", "-n", "1"], [3]),
]


@pytest.mark.parametrize("options, expected", FILTERS, ids=lambda value: " ".join(map(str, value)))
@pytest.mark.parametrize("follow", [[], ["-f"]], ids=["once", "follow"])
def test_options_choose_records(cli, job, options, expected, follow):
    lines = cli.ok("logs", "-o", "json", *follow, *options, job).text().splitlines()
    records = [json.loads(line) for line in lines]
    assert [record["sequence_number"] for record in records if "sequence_number" in record] == expected


def test_exit_status_is_the_jobs(cli, job):
    assert cli.run("logs", job).code == 0
    assert cli.run("logs", "--exit-status", job).code == 3
    assert cli.run("logs", "-f", "--exit-status", job).code == 3


def test_on_a_terminal_lines_are_marked_and_the_stream_coloured(cli, job):
    text = cli.on_terminal("logs", job).text()
    plain = re.sub(r"\x1b\[[0-9;]*m", "", text)
    assert "[10:30:15] [stdout] out one" in plain
    first, second = re.search(r"\[(\x1b\[[0-9;]*m)stdout", text), re.search(r"\[(\x1b\[[0-9;]*m)stderr", text)
    assert first and second and first.group(1) != second.group(1)


@pytest.mark.parametrize(
    "args, env, coloured",
    [
        ((), {}, True),
        ((), {"NO_COLOR": "1"}, False),
        (("--color", "never"), {}, False),
        (("--color", "always"), {"NO_COLOR": "1"}, True),
        ((), {"NO_COLOR": "1", "CLICOLOR_FORCE": "1"}, False),
    ],
)
def test_colour_goes_by_flag_then_environment_then_terminal(cli, job, args, env, coloured):
    assert (b"\x1b[" in cli.on_terminal("logs", *args, job, env=env).out) == coloured


@pytest.mark.parametrize(
    "args, env, coloured", [((), {}, False), ((), {"CLICOLOR_FORCE": "1"}, True), (("--color", "always"), {}, True)]
)
def test_colour_on_a_pipe(cli, job, args, env, coloured):
    assert (b"\x1b[" in cli.ok("logs", "-t", *args, job, env=env).out) == coloured


def test_a_closed_pipe_ends_it_quietly(server, cli, api):
    execution_id = api.create()
    api.append_lines(execution_id, ["x" * 1000] * 5000)
    script = '"$0" logs "$1" | head -n 1; echo "status ${PIPESTATUS[0]}" >&2'
    with Process(["bash", "-c", script, BIN, execution_id], env=cli.env) as process:
        assert process.finish() == 0
        assert process.out.data == b"x" * 1000 + b"\n"
        assert re.fullmatch(rb"status (0|141)\n", process.err.data), process.err.data


def test_grep_on_a_followed_log_sees_every_line_at_once(server, cli, api):
    execution_id = api.create()
    script = '"$0" logs -f "$1" | grep --line-buffered error'
    with Process(["sh", "-c", script, BIN, execution_id], env=cli.env) as process, Runner(
        server, execution_id
    ) as runner:
        for i in range(5):
            runner.lines(["fine", f"error {i}"], stream="stderr" if i % 2 else "stdout")
            process.out.wait_for(f"error {i}\n".encode())
        runner.complete()
        process.finish()
        assert process.out.data == b"".join(b"error %d\n" % i for i in range(5))


def test_ctrl_c_ends_following_with_130(server, cli, api):
    execution_id = api.create()
    api.append_lines(execution_id, ["one"])
    with cli.start("logs", "-f", execution_id) as process:
        process.out.wait_for(b"one\n")
        process.signal(signal.SIGINT)
        assert process.finish() == 130


# --- reconnecting
@pytest.mark.parametrize("how", ["stop", "kill"])
def test_following_goes_on_through_a_restart(servers, tmp_path, how):
    server = servers()
    api = server.api()
    execution_id = api.create()
    cli = Cli(tmp_path / "home", server)
    with cli.start("logs", "-f", execution_id) as process:
        for i in range(3):
            api.append_lines(execution_id, [f"{i}.{j}" for j in range(20)])
            process.out.wait_for(f"{i}.19\n".encode())
            getattr(server, how)()
            server.restart()
        with Runner(server, execution_id) as runner:
            runner.lines(["end"])
            runner.complete()
        assert process.finish(60) == 0
        assert process.out.lines() == [f"{i}.{j}".encode() for i in range(3) for j in range(20)] + [b"end"]
        assert b"onnection" in process.err.data or b"reconnect" in process.err.data.lower()


def test_a_lost_connection_is_told_once_and_costs_no_line(server, api, tmp_path):
    execution_id = api.create()
    with Proxy(server.port) as proxy, Runner(server, execution_id) as runner:
        cli = Cli(tmp_path / "home", url=proxy.url, token=server.operator_key)
        with cli.start("logs", "-f", execution_id) as process:
            for i in range(10):
                runner.lines([f"{i}.{j}" for j in range(30)])
                if i % 2:
                    process.out.wait_for(f"{i}.".encode())
                proxy.cut()
            runner.complete()
            assert process.finish(60) == 0
            assert process.out.lines() == [f"{i}.{j}".encode() for i in range(10) for j in range(30)]


def is_websocket(head):
    return b"upgrade: websocket" in head.lower()


def is_stream(head):
    return b"/stream" in head.split(b"\r\n")[0] or b"follow=" in head.split(b"\r\n")[0] or is_websocket(head)


def test_where_websocket_is_blocked_http_streaming_takes_over(server, api, tmp_path):
    execution_id = api.create()
    with Proxy(server.port, refuse=is_websocket) as proxy, Runner(server, execution_id) as runner:
        cli = Cli(tmp_path / "home", url=proxy.url, token=server.operator_key)
        with cli.start("logs", "-f", execution_id) as process:
            for i in range(10):
                runner.lines([f"line {i}"])
                process.out.wait_for(f"line {i}\n".encode())
                if i == 5:
                    proxy.cut()
            runner.complete()
            assert process.finish(60) == 0
            assert process.out.lines() == [f"line {i}".encode() for i in range(10)]
        assert proxy.refused >= 1


def test_where_streams_are_blocked_polling_takes_over(server, api, tmp_path):
    execution_id = api.create()
    with Proxy(server.port, refuse=is_stream) as proxy, Runner(server, execution_id) as runner:
        cli = Cli(tmp_path / "home", url=proxy.url, token=server.operator_key)
        runner.lines(["before"])
        with cli.start("logs", "-f", execution_id) as process:
            process.out.wait_for(b"before\n")
            runner.lines(["after"])
            runner.complete()
            process.out.wait_for(b"after\n")
            assert process.finish(40) == 0
            assert process.out.lines() == [b"before", b"after"]


class Passing(http.server.BaseHTTPRequestHandler):
    """Passes requests on, but no streams. Between the first one for lines and the one for the status that follows it
    calls `meanwhile`."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if "follow=" in self.path or "Upgrade" in self.headers:
            return self.say(403, {}, b"")
        self.server.asked.append(self.path.partition("?")[0].rpartition("/")[2])
        if self.server.asked[-2:] == ["logs", "status"] and self.server.meanwhile:
            self.server.meanwhile.pop()()
        answer = self.server.api.get(self.path)
        return self.say(answer.status, answer.headers, answer.body)

    def say(self, status, headers, body):
        self.send_response(status)
        for name in ("Content-Type", "X-Runnel-Incarnation"):
            if headers.get(name):
                self.send_header(name, headers[name])
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.mark.parametrize("options", [[], ["--grep", "last"]], ids=["all", "some"])
def test_where_polling_has_taken_over_lines_right_before_the_end_are_shown(server, api, tmp_path, options):
    """They come between the question for lines and that for the status."""
    execution_id = api.create()

    def end():
        api.append_lines(execution_id, ["last words"])
        for status in ("running", "completed"):
            api.expect(200, "PATCH", f"/api/v1/executions/{execution_id}", {"status": status})

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Passing) as passing:
        passing.daemon_threads = True
        passing.api, passing.asked, passing.meanwhile = api, [], [end]
        threading.Thread(target=passing.serve_forever, daemon=True).start()
        cli = Cli(tmp_path / "home", url=f"http://127.0.0.1:{passing.server_port}", token=server.operator_key)
        assert cli.ok("logs", "-f", *options, execution_id).out == b"last words\n"
        assert passing.meanwhile == []
        passing.shutdown()


def test_a_server_never_reached_is_5(tmp_path):
    cli = Cli(tmp_path / "home", url="http://127.0.0.1:1", token="rnl_x")
    for command in ("status", "logs"):
        result = cli.run(command, "exec_x")
        assert result.code == 5 and b"127.0.0.1:1" in result.err, result


def test_following_before_the_execution_exists_is_3(cli):
    assert cli.run("logs", "-f", "exec_nowhere").code == 3
    assert cli.run("logs", "exec_nowhere").code == 3


def test_only_colour_reaches_a_terminal(cli, api):
    execution_id = api.create()
    api.append_lines(execution_id, ["\x1b[31mred\x1b[0m \x1b[2J\x1b]0;owned\x07\x1bc\u009b2J back\x08\x08"])
    seen = cli.on_terminal("logs", execution_id).out
    assert b"\x1b[31mred" in seen
    for dangerous in (b"\x1b[2J", b"\x1b]0;", b"\x1bc", b"\xc2\x9b", b"\x08", b"\x07"):
        assert dangerous not in seen, dangerous
    assert (
        cli.ok("logs", execution_id).out
        == "\x1b[31mred\x1b[0m \x1b[2J\x1b]0;owned\x07\x1bc\u009b2J back\x08\x08\n".encode()
    )


@pytest.mark.threads
def test_wrap_and_logs_side_by_side_show_the_same(cli, api):
    job = fresh_id()
    with cli.start("wrap", "--id", job, *shell("for i in $(seq 1 2000); do echo $i; done")) as wrap:
        eventually(lambda: api.get(f"/api/v1/executions/{job}").status == 200, "the execution is there")
        followed = cli.ok("logs", "-f", job)
        assert wrap.finish() == 0
        assert followed.out == wrap.out.data
