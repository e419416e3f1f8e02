"""Start, reload, shutdown, sockets from systemd, the JSON log."""

import contextlib
import json
import os
import re
import select
import signal
import socket
import subprocess

import pytest
from support import DEADLINE
from support.api import RawConnection, eventually
from support.process import BIN, Process
from support.server import clean_env
from support.unix import address
from support.sse import Stream
from support.ws import Follower, RawWebSocket, Runner

PATH = "/api/v1/executions"


# --- shutdown
def refuses_connections(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=DEADLINE).close()
    except ConnectionRefusedError:
        return True
    except ConnectionResetError:
        pass  # it was in the queue of a listener that has just gone
    return False


@pytest.mark.threads
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_flushes_followers_and_closes_them_with_1001(servers, number):
    server = servers()
    api = server.api()
    execution_id = api.create()
    followers = [Follower(server, execution_id) for _ in range(3)]
    with Runner(server, execution_id) as runner:
        runner.lines([f"line {i}" for i in range(500)])
        server.process.signal(number)
        for follower in followers:
            messages, code = follower.until_closed()
            assert code == 1001
            assert [m["message"] for m in messages if m["type"] == "log"] == [f"line {i}" for i in range(500)]
        assert runner.closed_with() == 1001
    server.ended(0)


def test_streams_end_at_shutdown(servers):
    server = servers()
    api = server.api()
    execution_id = api.create()
    api.append_lines(execution_id, ["x"])
    stream = Stream(api, execution_id)
    stream.logs(1)
    server.process.signal(signal.SIGTERM)
    while stream.next() is not None:
        pass
    server.ended(0)


def test_an_answer_under_way_is_finished_and_no_connection_accepted(servers):
    server = servers()
    with RawConnection(server.port) as idle, RawConnection(server.port) as busy:
        body = b'{"script_filename":"late.py"}'
        request = (
            f"POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {server.operator_key}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nExpect: 100-continue\r\n\r\n"
        ).encode()
        assert idle.send(b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").answer().status == 200
        busy.send(request).told_to_go_on()
        server.process.signal(signal.SIGTERM)
        assert idle.ended()
        eventually(lambda: refuses_connections(server.port), "no loop accepts any more")
        answer = busy.send(body).answer()
        assert answer.status in (201, 503), answer
    server.ended(0)


def test_the_deadline_ends_what_will_not_end(servers):
    server = servers("--shutdown-seconds", "1")
    with RawConnection(server.port) as stuck:
        head = f"POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {server.operator_key}\r\n"
        stuck.send(f"{head}Expect: 100-continue\r\nContent-Length: 100\r\n\r\n".encode()).told_to_go_on()
        server.process.signal(signal.SIGTERM)
        server.ended(0)


def test_peers_that_do_not_say_goodbye_hold_up_no_shutdown(servers):
    server = servers("--shutdown-seconds", "60")
    api = server.api()
    execution_id = api.create()
    silent = [RawWebSocket(server, f"/ws/executions/{execution_id}/logs") for _ in range(3)]
    silent.append(RawWebSocket(server, f"/ws/runner/executions/{execution_id}/stream"))
    assert all(one.upgrade.status == 101 for one in silent)
    server.stop()  # long before the deadline, as the test's own is shorter
    assert not [entry for entry in server.log() if "deadline" in (entry["message"] or "")]
    assert [one.close_code() for one in silent] == [1001] * 4


def test_a_follower_gets_all_that_is_there_before_the_server_goes(servers):
    server = servers()
    api = server.api()
    execution_id = api.create()
    with Runner(server, execution_id) as runner:
        for _ in range(40):
            runner.lines(["x" * 9000 for _ in range(100)])
    followers = [RawWebSocket(server, f"/ws/executions/{execution_id}/logs?from=0") for _ in range(2)]
    server.process.signal(signal.SIGTERM)
    for follower in followers:
        seen = 0
        while (frame := follower.frame()) is not None and frame[0] & 0x0F != 8:
            seen += b'"type":"log"' in frame[1]
        assert seen == 4000
        assert frame is not None and frame[1][:2] == (1001).to_bytes(2, "big")
    server.ended(0)


def test_what_was_written_is_there_after_an_orderly_restart(servers):
    server = servers()
    api = server.api()
    execution_id = api.create(metadata={"k": "v"})
    api.append_lines(execution_id, [str(i) for i in range(1000)])
    server.stop()
    server.restart()
    assert api.messages(execution_id, limit=10000) == [str(i) for i in range(1000)]
    assert api.status(execution_id)["metadata"] == {"k": "v"}


# --- reload
def test_sighup_reloads_the_configuration(servers, tmp_path):
    config = tmp_path / "runnel.conf"
    config.write_text("message_max = 1000\n")
    server = servers("--config", config)
    api = server.api()
    execution_id = api.create()
    api.append(execution_id, {"message": "x" * 1001})
    assert len(api.logs(execution_id)) == 2
    config.write_text("message_max = 2000\n")
    server.process.signal(signal.SIGHUP)
    server.wait_log(lambda entry: "reload" in (entry["message"] or ""))
    other = api.create()
    api.append(other, {"message": "x" * 1001})
    assert len(api.logs(other)) == 1


def test_sighup_reloads_the_allowed_origins(servers, tmp_path):
    config = tmp_path / "runnel.conf"
    config.write_text("")
    server = servers("--config", config)
    origin = {"Origin": "https://app.example"}
    assert server.api().get(PATH, headers=origin).status == 403
    config.write_text('cors_origins = {"https://app.example"}\n')
    server.process.signal(signal.SIGHUP)
    server.wait_log(lambda entry: "reload" in (entry["message"] or ""))
    eventually(lambda: server.api().get(PATH, headers=origin).status == 200, "the origin is allowed on every loop")


def reload(server):
    before = len([entry for entry in server.log() if "reload" in (entry["message"] or "")])
    server.process.signal(signal.SIGHUP)
    server.process.err.wait(
        lambda _: len([entry for entry in server.log() if "reload" in (entry["message"] or "")]) > before, "a reload"
    )


def test_a_reload_changes_the_steps_that_followers_have(servers, tmp_path):
    config = tmp_path / "runnel.conf"
    config.write_text("regex_steps = 1000\n")
    server = servers("--config", config)
    api = server.api()
    execution_id = api.create()
    api.append_lines(execution_id, ["a" * 14 + "b"])
    api.expect(200, "PATCH", f"{PATH}/{execution_id}", {"status": "running"})
    api.expect(200, "PATCH", f"{PATH}/{execution_id}", {"status": "completed"})

    def ends_with():
        with Follower(server, execution_id, regex="(a|a)+$", **{"from": 0}) as follower:
            return follower.closed_with()

    assert ends_with() == 1008
    config.write_text("regex_steps = 10000000\n")
    reload(server)
    eventually(lambda: ends_with() == 1000, "every loop has taken it over")


def test_the_server_may_be_reloaded_any_number_of_times(servers, tmp_path):
    config = tmp_path / "runnel.conf"
    config.write_text('cors_origins = {"https://app.example"}\n')
    server = servers("--config", config, "--loops", "2")
    for number in range(1, 1101):
        server.process.signal(signal.SIGHUP)
        server.process.err.wait(lambda data: data.count(b'"reload') == number, "a reload")
    assert not [entry for entry in server.log() if entry.get("level") == "ERROR"]
    assert server.api().get(PATH, headers={"Origin": "https://app.example"}).status == 200


def test_a_reload_with_a_mistake_keeps_the_old_configuration_and_says_so(servers, tmp_path):
    config = tmp_path / "runnel.conf"
    config.write_text("message_max = 1000\n")
    server = servers("--config", config)
    config.write_text("message_max = -5\n")
    server.process.signal(signal.SIGHUP)
    entry = server.wait_log(lambda entry: "reload" in (entry["message"] or ""))
    assert entry["level"] == "ERROR" and "message_max" in json.dumps(entry)
    api = server.api()
    execution_id = api.create()
    api.append(execution_id, {"message": "x" * 1001})
    assert len(api.logs(execution_id)) == 2
    eventually(lambda: api.metrics()["runnel_reload_failed"] == 1, "the failure is counted")
    config.write_text("message_max = 1000\n")
    server.process.signal(signal.SIGHUP)
    eventually(lambda: api.metrics()["runnel_reload_failed"] == 0, "the reload that went well is counted")


def test_a_reload_takes_a_mended_file_after_one_whose_quote_had_no_end(servers, tmp_path):
    config = tmp_path / "runnel.conf"
    config.write_text("message_max = 1000\n")
    server = servers("--config", config)
    config.write_text('message_max = 1000\nlog_level = "info\n')
    reload(server)
    config.write_text("message_max = 1000\nlog_level = info\n")
    reload(server)
    levels = [entry["level"] for entry in server.log() if "reload" in (entry["message"] or "")]
    assert levels == ["ERROR", "INFO"]
    api = server.api()
    execution_id = api.create()
    api.append(execution_id, {"message": "x" * 1001})
    assert len(api.logs(execution_id)) == 2


def test_a_reload_names_the_changed_settings_that_need_a_restart(servers, tmp_path):
    config = tmp_path / "runnel.conf"
    config.write_text("readers = 2\n")
    server = servers("--config", config)
    config.write_text("readers = 3\nmessage_max = 2000\nlease_seconds = 40\n")
    server.process.signal(signal.SIGHUP)
    entry = server.wait_log(lambda entry: "restart" in (entry["message"] or ""))
    assert entry["level"] == "WARNING" and entry["settings"] == "readers, lease_seconds"


def test_the_log_is_for_people_on_a_terminal_and_for_programs_elsewhere(tmp_path):
    for form, expected in (
        ("text", rb"^\d\d:\d\d:\d\d INFO    ready, port: \d+, data: "),
        ("auto", rb'^{"timestamp":'),
    ):
        flags = ["--listen", "127.0.0.1:0", "--data", str(tmp_path / form), "--log-form", form]
        with Process([BIN, "serve", *flags], env=clean_env(tmp_path)) as process:
            process.err.wait_for(b"ready")
            line = [line for line in process.err.data.splitlines() if b"ready" in line][0]
            assert re.match(expected, line), line


# --- the terminal that it was started in
class OnTerminal:
    """A server that an interactive bash has started in a terminal of its own, which is killed as a window is closed.
    Its log is a file. `way` is the command line around it."""

    def __init__(self, root, way):
        self.log = root / "log"
        (root / "server.conf").write_text("message_max = 1000\n")
        flags = f"--listen 127.0.0.1:0 --data {root}/data --config {root}/server.conf"
        serve = f"sh -c 'echo $$ >pid; exec {BIN} serve {flags}'"
        env = {**clean_env(root), "PS1": "ready$ ", "TERM": "dumb"}
        shell = ["script", "-qfc", "bash --norc --noediting -i", "/dev/null"]
        self.window = Process(shell, env=env, stdin=subprocess.PIPE, cwd=root)
        self.window.out.wait_for(b"ready$ ")
        self.window.write(f"echo $$ >shell; {way.format(serve=serve, log=self.log)}\n".encode())
        self.wait("ready")
        self.pid, shell = (int((root / name).read_text()) for name in ("pid", "shell"))
        self.process, self.shell = os.pidfd_open(self.pid), os.pidfd_open(shell)

    def entries(self):
        text = self.log.read_text() if self.log.exists() else ""
        return [json.loads(line) for line in text.splitlines() if line.startswith("{")]

    def wait(self, word):
        eventually(lambda: any(word == entry["message"] for entry in self.entries()), f"the log says {word}")

    def close_window(self):
        """And waits for the shell to end."""
        self.window.kill()
        assert ended(self.shell)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.window.__exit__()
        for process in (self.process, self.shell):
            try:
                signal.pidfd_send_signal(process, signal.SIGKILL)
            except ProcessLookupError:
                pass
            assert ended(process)
            os.close(process)


def ended(pidfd):
    return select.select([pidfd], [], [], DEADLINE)[0] != []


@pytest.mark.parametrize("way", ["{serve} 2>{log}", "{serve} 2>{log} &", "{serve} >{log} 2>&1 &"])
def test_a_server_ends_in_good_order_with_the_terminal_that_it_was_started_in(tmp_path, way):
    with OnTerminal(tmp_path, way) as server:
        os.kill(server.pid, signal.SIGHUP)  # its terminal is there, so this asks for a reload
        server.wait("reloaded")
        server.close_window()
        # A shell that meets the end of its input before the signal does not tell its jobs; so they are told here.
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(server.process, signal.SIGHUP)
        assert ended(server.process)
        messages = [entry["message"] for entry in server.entries()]
        assert messages.count("shutting down, because the terminal is gone") == 1, messages
        assert not [entry for entry in server.entries() if entry["level"] == "ERROR"]


@pytest.mark.parametrize(
    "way",
    [
        "nohup {serve} 2>{log} &",
        "setsid {serve} 2>{log} &",
        "{serve} </dev/null >{log} 2>&1 &",
    ],
)
def test_sighup_stays_a_reload_for_a_server_that_does_not_belong_to_the_terminal(tmp_path, way):
    with OnTerminal(tmp_path, way) as server:
        server.close_window()
        os.kill(server.pid, signal.SIGHUP)
        server.wait("reloaded")
        os.kill(server.pid, signal.SIGTERM)
        assert ended(server.process)
        assert "shutting down" in [entry["message"] for entry in server.entries()]


def test_streams_live_through_a_reload(servers):
    server = servers()
    api = server.api()
    execution_id = api.create()
    with Follower(server, execution_id) as follower, Runner(server, execution_id) as runner:
        runner.lines(["before"])
        follower.logs(1)
        server.process.signal(signal.SIGHUP)
        server.wait_log(lambda entry: "reload" in (entry["message"] or ""))
        runner.lines(["after"])
        assert follower.logs(1)[0]["message"] == "after"


def test_flags_beat_environment_beats_file(servers, tmp_path):
    config = tmp_path / "runnel.conf"
    config.write_text("message_max = 300\nfollowers_max = 1\n")
    server = servers(
        "--config", config, "--message-max", "500", env={"RUNNEL_MESSAGE_MAX": "400", "RUNNEL_FOLLOWERS_MAX": "2"}
    )
    api = server.api()
    execution_id = api.create()
    api.append(execution_id, {"message": "x" * 501})
    assert [len(record["message"]) for record in api.logs(execution_id)] == [500, 1]
    with Follower(server, execution_id), Follower(server, execution_id):
        pass


# --- mistakes at the start
@pytest.mark.parametrize(
    "flags, named",
    [
        (["--message-max", "5"], b"message"),
        (["--loops", "many"], b"loops"),
        (["--workers", "2"], b"workers is called loops now"),
        (["--listen", "nowhere"], b"nowhere"),
        (["--listen", "0.0.0.0:0"], b"insecure"),
        (["--no-such-flag"], b"no-such-flag"),
        (["--tls-cert", "/nonexistent.pem", "--tls-key", "/nonexistent.key"], b"/nonexistent.pem"),
        (["--tls-cert", "/nonexistent.pem"], b"tls"),
        (["--config", "/nonexistent.conf"], b"/nonexistent.conf"),
        (["--data", "/proc/nowhere"], b"/proc/nowhere"),
    ],
)
def test_a_mistake_is_named_and_nothing_starts(tmp_path, flags, named):
    with Process(
        [BIN, "serve", "--listen", "127.0.0.1:0", "--data", str(tmp_path / "data"), *flags], env=clean_env(tmp_path)
    ) as process:
        code = process.finish()
    assert code in (1, 2), process.err.data
    assert named in process.err.data, process.err.data


@pytest.mark.parametrize(
    "text, named",
    [
        ('log_level = info\n\nlog_level = "debug"\n', b":3: log_level is set a second time; it has a value on line 1"),
        ('\nlog_level = "${RUNNEL_TEST_LEVEL}"\n', b":2: the environment variable RUNNEL_TEST_LEVEL is not set"),
        ('\n\nlog_level = "info\n', b":3: the quote or comment that begins here has no end"),
    ],
)
def test_a_mistake_in_the_file_is_named_with_its_line(tmp_path, text, named):
    config = tmp_path / "server.conf"
    config.write_text(text)
    flags = ["--listen", "127.0.0.1:0", "--data", str(tmp_path / "data"), "--config", str(config)]
    with Process([BIN, "serve", *flags], env=clean_env(tmp_path)) as process:
        assert process.finish() == 2, process.err.data
    assert str(config).encode() + named in process.err.data, process.err.data


def test_a_port_in_use_is_said_plainly(server, tmp_path):
    with Process(
        [BIN, "serve", "--listen", f"127.0.0.1:{server.port}", "--data", str(tmp_path / "data")],
        env=clean_env(tmp_path),
    ) as process:
        assert process.finish() == 1
    assert str(server.port).encode() in process.err.data


@pytest.mark.sqlite("its file, and the disk that it lies on")
def test_two_servers_do_not_share_a_data_folder(own_server, tmp_path):
    with Process(
        [BIN, "serve", "--listen", "127.0.0.1:0", "--data", str(own_server.data)], env=clean_env(tmp_path)
    ) as process:
        assert process.finish() == 1
    assert str(own_server.data).encode() in process.err.data
    assert own_server.api().get(PATH).status == 200


# --- systemd
def test_the_service_manager_is_notified(servers, tmp_path):
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        with address(path) as short:
            manager.bind(short)
        manager.settimeout(DEADLINE)
        server = servers(env={"NOTIFY_SOCKET": path})

        def until(word):
            seen = ""
            while word not in seen:
                seen += manager.recv(4096).decode() + "\n"
            return seen

        until("READY=1")
        server.process.signal(signal.SIGHUP)
        until("RELOADING=1")
        until("READY=1")
        server.process.signal(signal.SIGTERM)
        until("STOPPING=1")
        server.ended(0)


def test_a_listening_socket_is_taken_over(servers):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        # A shell puts the socket at descriptor 3 and its own pid in LISTEN_PID, as systemd does.
        server = servers(start=False)
        script = f'exec 3<&{listener.fileno()}; LISTEN_PID=$$ LISTEN_FDS=1 exec "$0" "$@"'
        server.process = Process(
            ["bash", "-c", script, *server.argv()],
            env=clean_env(server.root),
            cwd=str(server.root),
            pass_fds=(listener.fileno(),),
        )
        server.await_ready()
    assert server.port == port
    assert server.api().get("/health", token=None).status == 200
    server.stop()


# --- the log
def test_the_log_is_json_with_request_ids_and_connections(servers):
    server = servers("--log-level", "debug")
    api = server.api()
    execution_id = api.create()
    api.get(f"{PATH}/{execution_id}", headers={"X-Request-ID": "find-me"})
    with Follower(server, execution_id):
        pass
    entry = server.wait_log(lambda entry: entry.get("request_id") == "find-me")
    assert entry["status"] in (200, "200") and entry["method"] == "GET" and execution_id in entry["path"]
    server.stop()
    for entry in server.log():
        assert "not_json" not in entry, entry
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", entry["timestamp"])
        assert entry["level"] in ("DEBUG", "INFO", "WARNING", "ERROR") and entry["message"]
    messages = " ".join(entry["message"] for entry in server.log())
    assert "connected" in messages and "disconnected" in messages, messages


def test_the_log_level_is_kept_to(servers):
    server = servers("--log-level", "error", start=False)
    server.spawn()
    eventually(lambda: server.port_file.exists() and server.port_file.read_text().strip(), "the port file is written")
    server.port = int(server.port_file.read_text())
    server.api().get(PATH)
    server.stop()
    assert server.log() == []


def test_the_number_of_loops_is_the_settings(servers):
    def threads(server):
        return len(os.listdir(f"/proc/{server.process.pid}/task"))

    few, many = servers("--loops", "1"), servers("--loops", "6")
    eventually(lambda: threads(many) - threads(few) == 5, "five more threads")


def test_a_misspelt_variable_is_told_with_the_setting_that_is_meant(servers):
    server = servers(
        env={
            "RUNNEL_SHUTDOWN_SECOND": "3",
            "RUNNEL_LOG_LEVEL": "info",
            "RUNNEL_EXECUTION_ID": "x",
            "RUNNEL_ZZZZZZ": "1",
        }
    )
    told = [entry for entry in server.log() if "no setting" in entry["message"]]
    assert [(entry["variable"], entry["setting"]) for entry in told] == [
        ("RUNNEL_SHUTDOWN_SECOND", "RUNNEL_SHUTDOWN_SECONDS")
    ]
