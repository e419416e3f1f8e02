"""The TypeScript client as Node runs it: within a job, by the server, over cuts and restarts, and following a log."""

import json
import os
import socket
import subprocess
import threading

import pytest
from support.api import eventually
from support.cli import Cli
from support.jobs import fresh_id
from support.nodes import EVENTS, events_of, the_event
from support.npm import Project, needs_npm
from support.process import Process
from support.proxy import Proxy

pytestmark = needs_npm
PATH = "/api/v1/executions"
NOWHERE = ("RUNNEL_SOCKET", "RUNNEL_EXECUTION_ID", "RUNNEL_URL", "RUNNEL_TOKEN")
LONG = 90
REPORT = "console.log(JSON.stringify({ sent: log.sent, dropped: log.dropped, error: log.lastError ?? null }));"
STEPS = """
import { createInterface } from "node:readline";
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const step = async (said) => (console.log(said), await lines.next());
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    return Project(tmp_path_factory.mktemp("programs"))


@pytest.fixture
def program(project):
    """Writes a program that has the client as `log`: its path."""

    def write(text, options=""):
        head = f'import {{ Client, RunnelError, follow }} from "runnel-client";\nconst log = new Client({options});\n'
        return str(project.write(f"{fresh_id()}.mjs", head + text))

    return write


def environment(**settings):
    env = {name: value for name, value in os.environ.items() if name not in NOWHERE}
    return {**env, **{name: str(value) for name, value in settings.items()}}


def by_server(port, token, execution_id):
    url = f"http://127.0.0.1:{port}"
    return environment(RUNNEL_URL=url, RUNNEL_TOKEN=token, RUNNEL_EXECUTION_ID=execution_id)


def run(path, env, code=0):
    done = subprocess.run(["node", path], env=env, capture_output=True, text=True, timeout=LONG)
    assert done.returncode == code, done
    return done.stdout


def report(text):
    return json.loads(text.splitlines()[-1])


def start(path, env):
    return Process(["node", path], env=env, stdin=subprocess.PIPE)


ALL_SENT = {"dropped": 0, "error": None}


# --- Within a job


@pytest.fixture
def wrapped(server, api, tmp_path):
    def run_it(path, expect=0):
        execution_id = fresh_id()
        result = Cli(tmp_path / "home", server).run(
            "wrap", "-q", "--id", execution_id, "--", "node", path, expect=expect
        )
        eventually(lambda: api.status(execution_id)["sealed"], "its log is sealed")
        return result, [one for one in api.logs(execution_id) if one["stream"] == "event" or "level" in one]

    return run_it


def test_a_job_tells_its_progress_by_the_socket_of_its_runner(wrapped, program):
    text = """
        log.emitProgress({ level: "warn", message: "slow", data: { files: 3, big: 2n ** 70n }, percent: 40.5 });
        log.emitProgress({ message: "by default" });
        log.emit({ message: "café \\ud800 \\u0001", level: "fatal" });
        const circle = {};
        circle.self = circle;
        log.emit({ message: "a circle", data: circle, level: "debug" });
        log.emitGroup([{ message: "one", level: "info" }, { message: "two", level: "info" }]);
        for (let i = 0; i < 2000; i++) log.emit({ message: `line ${i}`, level: "debug", producer: "many" });
    """  # and it ends by itself once all is sent
    _, records = wrapped(program(text))
    slow, plain, odd = records[:3]
    assert (slow["event_type"], slow["level"], slow["stream"]) == ("node_progress", "WARNING", "event")
    assert slow["data"] == {"files": 3, "big": str(2**70)} and slow["progress_percentage"] == 40.5
    assert (plain["event_type"], plain["level"], plain["message"]) == ("node_progress", "INFO", "by default")
    assert (odd["message"], odd["level"]) == ("café \ufffd \u0001", "CRITICAL")
    circle, one, two = records[3:6]
    assert circle["message"] == "a circle" and "data is left out" in circle["technical_details"]
    assert "continues" not in one and two["continues"] is True
    assert [record["message"] for record in records[6:]] == [f"line {i}" for i in range(2000)]


def test_nodes_tell_how_they_begin_and_end(wrapped, program):
    text = """
        const length = await log.node("a", { name: "First", type: "http", step_number: 1, total_steps: 2 }, async (node) => {
          node.emitProgress({ message: "half", percent: 50 });
          return 3;
        });
        let caught;
        try {
          await log.node("b", () => { throw Object.assign(new TypeError("broken"), { code: "E_BROKEN" }); });
        } catch (error) {
          caught = error;
        }
        await log.close();
        process.exit(length === 3 && caught.code === "E_BROKEN" && log.dropped === 0 ? 7 : 1);
    """
    _, records = wrapped(program(text), expect=7)
    assert events_of(records) == EVENTS
    first, _ = the_event(records, "node_started", "a")
    assert (first["node_name"], first["node_type"]) == ("First", "http")
    assert (first["step_number"], first["total_steps"]) == (1, 2)
    half, _ = the_event(records, "node_progress", "a")
    assert (half["progress_percentage"], half["node_name"]) == (50, "First")
    assert the_event(records, "node_completed", "a")[0]["duration_seconds"] >= 0
    failed, trace = the_event(records, "node_failed", "b")
    assert failed["message"] == "b failed: broken" and failed["stack_trace"].startswith("TypeError: broken\n    at ")
    assert {name: failed["data"]["error"][name] for name in ("message", "type", "code")} == {
        "message": "broken",
        "type": "TypeError",
        "code": "E_BROKEN",
    }
    assert "\n".join(record["message"] for record in trace) == failed["stack_trace"]
    assert all(one["continues"] and one["level"] == "ERROR" and one["node_id"] == "b" for one in trace)


def test_a_socket_with_a_long_path_is_reached(tmp_path, program):
    folder = tmp_path / ("long" * 30)
    folder.mkdir()
    path = folder / "socket"
    assert len(str(path)) > 107
    at = os.open(folder, os.O_PATH)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(f"/proc/self/fd/{at}/socket")
    listener.listen()
    os.close(at)
    heard = []

    def answer():
        connection, _ = listener.accept()
        with connection, connection.makefile("rwb") as stream:
            for line in stream:
                heard.extend(json.loads(line))
                stream.write(b'{"ok":true}\n')
                stream.flush()

    threading.Thread(target=answer, daemon=True).start()
    said = run(program(f'log.emit("m"); await log.close(); {REPORT}'), environment(RUNNEL_SOCKET=path))
    assert report(said) == {"sent": 1, **ALL_SENT} and [one["message"] for one in heard] == ["m"]
    listener.close()


def test_a_runner_that_ends_without_an_answer_is_not_told_again(tmp_path, program):
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "s"))
    listener.listen()
    heard = []

    def end():
        for _ in range(2):
            connection, _ = listener.accept()
            with connection:
                heard.append(json.loads(connection.makefile("rb").readline()))

    threading.Thread(target=end, daemon=True).start()
    text = f'log.emit("one"); await log.flush(); log.emit("two"); await log.close(); {REPORT}'
    said = report(run(program(text), environment(RUNNEL_SOCKET=tmp_path / "s")))
    assert said == {"sent": 0, "dropped": 2, "error": "the runner has ended"}
    assert [[one["message"] for one in batch] for batch in heard] == [["one"], ["two"]]
    listener.close()


# --- By the server

MANY = f"for (let i = 0; i < 3000; i++) log.emit(`line ${{i}}`); const done = await log.close(60000); {REPORT}"


def test_records_go_to_the_server_and_what_cannot_is_counted(server, api, program):
    execution_id = api.create()
    path = program(MANY)
    said = run(path, by_server(server.port, api.key("service")["key"], execution_id))
    assert report(said) == {"sent": 3000, **ALL_SENT}
    assert api.messages(execution_id) == [f"line {i}" for i in range(3000)]
    refused = report(run(path, by_server(server.port, "rnl_wrong", execution_id)))
    assert (refused["sent"], refused["dropped"]) == (0, 3000) and refused["error"].startswith("401 unauthorized")
    nowhere = report(run(path, environment()))
    assert nowhere["dropped"] == 3000 and nowhere["error"].startswith("there is neither RUNNEL_SOCKET nor ")


def test_a_record_that_is_refused_takes_no_other_with_it(server, api, wrapped, program):
    execution_id = api.create()
    text = """
        for (let i = 0; i < 100; i++)
          log.emit({ message: `line ${i}`, level: "info", category: i === 37 || i === 90 ? "wrong" : "technical" });
        await log.close();
    """
    said = report(run(program(text + REPORT), by_server(server.port, api.token, execution_id)))
    assert (said["sent"], said["dropped"]) == (98, 2) and said["error"].startswith("422 invalid")
    taken = [f"line {i}" for i in range(100) if i not in (37, 90)]
    assert api.messages(execution_id) == taken
    _, records = wrapped(program(text))
    assert [one["message"] for one in records] == taken


def test_a_server_that_is_killed_and_comes_back_has_each_record_once(own_server, program):
    api = own_server.api()
    execution_id = api.create()
    text = """
        for (let i = 0; i < 5000; i++) log.emit(`line ${i}`);
        await step("begun");
        for (let i = 5000; i < 6000; i++) log.emit(`line ${i}`);
        await step("put");
        console.log(await log.close(90000));
        process.stdin.destroy();
    """
    with start(program(STEPS + text + REPORT), by_server(own_server.port, api.token, execution_id)) as running:
        running.out.wait_for(b"begun\n")
        eventually(lambda: api.status(execution_id)["last_index"] > 0, "some of it is there")
        own_server.kill()
        running.write(b"\n")
        running.out.wait_for(b"put\n")
        running.write(b"\n")
        own_server.restart()
        assert running.finish(LONG) == 0
        assert report(running.out.data.decode()) == {"sent": 6000, **ALL_SENT}
    assert api.messages(execution_id, limit=10000) == [f"line {i}" for i in range(6000)]


def test_an_answer_that_is_lost_makes_no_record_twice(server, api, program):
    execution_id = api.create()
    with Proxy(server.port, hold=b'"first_sequence"') as proxy:
        env = by_server(proxy.port, api.token, execution_id)
        with start(program(f'log.emit("once"); await log.close(90000); {REPORT}'), env) as running:
            assert proxy.held.wait(LONG)  # the record is durable, and the answer stays in the proxy
            proxy.hold = None
            proxy.cut()
            assert running.finish(LONG) == 0
            assert report(running.out.data.decode()) == {"sent": 1, **ALL_SENT}
    assert api.messages(execution_id) == ["once"]


def test_a_server_that_stands_still_leaves_no_more_than_the_queue_takes(server, api, program):
    execution_id = api.create()
    text = """
        const soon = () => new Promise(setImmediate);
        log.emit("first");
        while (log.waiting > 0) await soon(); // it is under way
        let most = 0;
        for (let i = 0; i < 1000; i++) {
          log.emit(`line ${i}`);
          most = Math.max(most, log.waiting);
        }
        const flushed = await log.flush(1);
        await step(JSON.stringify({ most, waiting: log.waiting, dropped: log.dropped, flushed }));
        await log.close(90000);
        process.stdin.destroy();
    """
    still, goes_on = threading.Event(), threading.Event()

    def hold(head):
        still.set()
        return not goes_on.wait(LONG)

    with Proxy(server.port, refuse=hold) as proxy:
        env = by_server(proxy.port, api.token, execution_id)
        with start(program(STEPS + text + REPORT, "{ queueMax: 100 }"), env) as running:
            assert still.wait(LONG)
            said = json.loads(running.out.wait_lines(1, LONG)[0])
            assert said == {"most": 100, "waiting": 100, "dropped": 900, "flushed": False}
            goes_on.set()
            running.write(b"\n")
            assert running.finish(LONG) == 0
            end = report(running.out.data.decode())
    assert end == {"sent": 101, "dropped": 900, "error": "the queue was full"}
    first, told, *rest = api.logs(execution_id, limit=1000)
    assert first["message"] == "first" and told["event_type"] == "records_dropped" and told["data"] == {"records": 900}
    assert [one["message"] for one in rest] == [f"line {i}" for i in range(900, 1000)]


def test_a_client_that_is_closed_loses_what_waits_and_says_so(program):
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        env = by_server(deaf.getsockname()[1], "rnl_any", "exec_any")
        text = f"""
            for (let i = 0; i < 10; i++) log.emit(`line ${{i}}`);
            const done = await log.close(1);
            log.emit("too late");
            if (done || log.dropped !== 11) process.exitCode = 1;
            {REPORT}
        """
        assert report(run(program(text), env))["dropped"] == 11


# --- Following

FOLLOWED = """
    for await (const item of log.follow(OPTIONS))
      console.log(JSON.stringify(item));
    console.log("end");
"""


def items(data):
    return [json.loads(line) for line in data.decode().splitlines() if line.startswith("{")]


def test_a_log_is_followed_over_restarts_with_each_record_once(own_server, program):
    api = own_server.api()
    execution_id = api.create()
    path = program(FOLLOWED.replace("OPTIONS", ""))
    with start(path, by_server(own_server.port, api.token, execution_id)) as running:
        for round in range(3):
            api.append_lines(execution_id, [f"line {i}" for i in range(round * 500, round * 500 + 500)])
            running.out.wait_lines(round * 500 + 250, LONG)
            own_server.kill()
            own_server.restart()
        api.expect(200, "PATCH", f"{PATH}/{execution_id}", {"status": "failed", "exit_code": 3})
        assert running.finish(LONG) == 0
        *records, complete = items(running.out.data)
    assert [one["message"] for one in records] == [f"line {i}" for i in range(1500)]
    assert [one["sequence_number"] for one in records] == list(range(1500))
    assert {one["type"] for one in records} == {"log"}
    assert (complete["type"], complete["exit_code"], complete["final_sequence"]) == ("complete", 3, 1499)


def test_a_position_and_filters_say_what_is_followed(server, api, program):
    execution_id = api.create()
    api.append(execution_id, [{"message": f"line {i}", "stream": ("stdout", "stderr")[i % 2]} for i in range(20)])
    api.expect(200, "PATCH", f"{PATH}/{execution_id}", {"status": "failed", "exit_code": 3})
    options = '{ from: 10, filters: { stream: ["stderr"], grep: "line" } }'
    said = run(program(FOLLOWED.replace("OPTIONS", options)), by_server(server.port, api.token, execution_id))
    assert [one.get("sequence_number") for one in items(said.encode())] == [11, 13, 15, 17, 19, None]


def test_what_the_server_refuses_is_thrown_and_a_signal_ends_it(server, api, program):
    execution_id = api.create()
    text = """
        for (const options of [{ executionId: "nobody" }, { from: -1 }, { token: () => "rnl_wrong" }])
          try {
            for await (const item of log.follow(options)) console.log("unexpected", item);
          } catch (error) {
            console.log(error instanceof RunnelError, error.status, error.code);
          }
        const ending = new AbortController();
        log.emit("one");
        for await (const item of log.follow({ signal: ending.signal })) ending.abort();
        for await (const item of log.follow()) break;
        await log.close();
        console.log("ended");
    """
    said = run(program(text), by_server(server.port, api.token, execution_id))
    assert said.splitlines() == ["true 404 not_found", "true 400 bad_cursor", "true 401 unauthorized", "ended"]


def record_line(number):
    return json.dumps(
        {"execution_id": "e", "sequence_number": number, "message": f"line {number} é"}, ensure_ascii=False
    )


def test_a_line_that_is_cut_comes_once_and_a_gap_moves_the_position(program):
    """The answers are those of a server that is cut in the middle of a character, and whose log loses its front."""
    cut = (record_line(0) + "\n\n" + record_line(1)).encode()[:-3]
    gap = {"type": "gap", "from": 1, "to": 6, "reason": "retention"}
    answers = [
        cut,
        (json.dumps(gap) + "\n").encode(),
        (record_line(7) + "\n" + json.dumps({"type": "news", "is": "unknown"}) + "\n").encode(),
        (
            json.dumps({"type": "complete", "execution_id": "e", "status": "completed", "final_sequence": 7}) + "\n"
        ).encode(),
    ]
    asked = []
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        for body in answers:
            connection, _ = listener.accept()
            with connection, connection.makefile("rb") as stream:
                asked.append(stream.readline().decode().split()[1].split("?")[1])
                while stream.readline() not in (b"\r\n", b""):
                    pass
                head = "HTTP/1.1 200 OK\r\nX-Runnel-Incarnation: inc\r\nContent-Length: 1000000\r\n\r\n"
                connection.sendall(head.encode() + body)

    threading.Thread(target=serve, daemon=True).start()
    env = by_server(listener.getsockname()[1], "rnl_any", "e")
    said = items(run(program(FOLLOWED.replace("OPTIONS", "{ after: -1 }")), env).encode())
    listener.close()
    assert [(one["type"], one.get("sequence_number")) for one in said] == [
        ("log", 0),
        ("gap", None),
        ("log", 7),
        ("complete", None),
    ]
    assert asked == [
        "follow=true&format=ndjson&after=-1",
        "follow=true&format=ndjson&incarnation=inc&from=1",
        "follow=true&format=ndjson&incarnation=inc&from=7",
        "follow=true&format=ndjson&incarnation=inc&from=8",
    ]
