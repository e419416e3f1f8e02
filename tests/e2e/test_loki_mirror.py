"""Logs that are mirrored in Loki: each line once, whatever happens to either of the two, and nothing of it in the runs."""

import contextlib
import json
import random
import sqlite3
import time

import pytest

from support.api import eventually
from support.loki import Loki
from support.postgres import WANTED


@pytest.fixture
def loki():
    one = Loki()
    yield one
    one.close()
    assert one.problems == []


def metric(api, name):
    return api.metrics().get(f"runnel_{name}", 0)


def numbers(lines):
    return sorted(int(line.metadata["sequence"]) for line in lines)


def whole(loki, run, count):
    """All lines of a run are there, each once."""
    loki.wait(lambda: len(loki.lines(run_id=run)) >= count)
    assert numbers(loki.lines(run_id=run)) == list(range(count))


def test_lines_are_mirrored_with_few_labels_and_the_rest_beside_them(servers, loki):
    api = servers(*loki.flags()).api()
    api.create(execution_id="run", queue=False)
    api.append(
        "run",
        [
            {"message": "plain"},
            {
                "message": "bad",
                "stream": "stderr",
                "level": "ERROR",
                "node_id": "fetch",
            },
            {
                "event_type": "step_started",
                "node_id": "fetch",
                "message": "go",
                "data": {"a": 1},
            },
        ],
    )
    whole(loki, "run", 3)
    plain, bad, event = sorted(loki.lines(run_id="run"), key=lambda line: int(line.metadata["sequence"]))
    assert plain.labels == '{account="default", level="info", stream="stdout"}' and plain.text == "plain"
    assert plain.metadata == {"run_id": "run", "sequence": "0"}
    assert bad.labels == '{account="default", level="error", stream="stderr"}'
    assert bad.metadata == {"node": "fetch", "run_id": "run", "sequence": "1"}
    assert json.loads(event.text) == {
        "message": "go",
        "event_type": "step_started",
        "node_id": "fetch",
        "data": {"a": 1},
    }
    stamps = [record["timestamp"] for record in api.logs("run")]
    assert [time.strftime("%FT%T", time.gmtime(line.ns // 10**9)) for line in (plain, bad, event)] == [
        stamp[:19] for stamp in stamps
    ]
    eventually(lambda: metric(api, "loki_lines_total") == 3, "lines are counted")
    assert metric(api, "loki_push_failures_total") == 0


def test_a_stream_for_each_node_if_that_is_wanted(servers, loki):
    api = servers(*loki.flags(labels="run")).api()
    api.create(execution_id="run", queue=False)
    api.append(
        "run",
        [{"message": f"line {i}", "node_id": "a" if i % 2 else "b"} for i in range(10)],
    )
    api.append_lines("run", ["outside"])
    loki.wait(lambda: len(loki.lines(run_id="run")) == 11)
    assert set(loki.streams) == {
        '{node="a", run_id="run", stream="stdout"}',
        '{node="b", run_id="run", stream="stdout"}',
        '{run_id="run", stream="stdout"}',
    }
    assert sorted(line.ns % 1_000_000 for line in loki.lines()) == list(range(11))
    assert all(line.metadata == {} for line in loki.lines())


def test_equal_lines_are_as_many_there_as_here(servers, loki):
    api = servers(*loki.flags()).api()
    for run in ("one", "two"):
        api.create(execution_id=run, queue=False)
    records = [{"message": "same"} for _ in range(200)]
    for run in ("one", "two"):
        api.append(run, records)
    for run in ("one", "two"):
        whole(loki, run, 200)
    assert loki.repeated == 0


def test_after_kill_in_the_middle_every_line_is_there_once(servers, loki):
    server = servers(*loki.flags())
    api = server.api()
    api.create(execution_id="run", queue=False)
    api.append_lines("run", [f"line {i}" for i in range(500)])
    whole(loki, "run", 500)
    loki.gate.clear()  # one is under way, and what has come of it nobody hears
    pushes = loki.pushes
    api.append_lines("run", [f"line {i}" for i in range(500, 1000)])
    loki.wait(lambda: loki.pushes > pushes)
    server.kill()
    loki.gate.set()
    whole(loki, "run", 1000)  # Loki took it
    server.restart()
    api.append_lines("run", [f"line {i}" for i in range(1000, 1500)])
    whole(loki, "run", 1500)
    assert loki.texts(run_id="run") == [f"line {i}" for i in range(1500)]
    assert loki.repeated == 500 and loki.refused == []


def test_an_outage_is_counted_and_nothing_of_it_is_in_the_run(servers, loki):
    server = servers(*loki.flags(), "--jobs", "1")
    api = server.api()
    loki.away = True
    api.create(execution_id="job", command=["sh", "-c", "seq 2000; exit 3"], queue=True)
    eventually(lambda: api.status("job")["sealed"], "the job has ended")
    status = api.status("job")
    assert (status["status"], status["exit_code"], status["last_index"]) == (
        "failed",
        3,
        2000,
    )
    eventually(lambda: metric(api, "loki_push_failures_total") >= 2, "failures are counted")
    assert metric(api, "loki_logs_waiting") == 1 and loki.lines() == []
    assert any("Loki does not take logs" in entry.get("message", "") for entry in server.log())
    loki.away = False
    whole(loki, "job", 2000)
    assert loki.texts(run_id="job") == [str(i) for i in range(1, 2001)]
    eventually(lambda: metric(api, "loki_logs_waiting") == 0, "nothing waits")


def test_lines_are_shown_while_loki_answers_nothing(servers, loki):
    api = servers(*loki.flags()).api()
    loki.gate.clear()
    api.create(execution_id="run", queue=False)
    api.append_lines("run", ["first"])
    loki.wait(lambda: loki.pushes == 1)
    api.append_lines("run", [f"line {i}" for i in range(1, 1000)])
    assert len(api.logs("run", limit=1000)) == 1000 and loki.statuses == []
    loki.gate.set()
    whole(loki, "run", 1000)


def test_a_server_stops_while_a_push_hangs_and_goes_on_after_it(servers, loki):
    server = servers(*loki.flags())
    api = server.api()
    loki.gate.clear()
    api.create(execution_id="run", queue=False)
    api.append_lines("run", ["one", "two"])
    loki.wait(lambda: loki.pushes == 1)
    server.stop()
    loki.gate.set()
    server.restart()
    whole(loki, "run", 2)


def test_what_loki_refuses_is_counted_once_and_never_pushed_again(servers, loki):
    loki.line_max = 100
    server = servers(*loki.flags())
    api = server.api()
    api.create(execution_id="run", queue=False)
    api.append_lines("run", ["a", "x" * 200, "b"])
    loki.wait(lambda: 400 in loki.statuses)
    api.append_lines("run", ["c"])
    loki.wait(lambda: len(loki.lines()) == 3)
    assert metric(api, "loki_push_refused_total") == 1 and metric(api, "loki_push_failures_total") == 0
    assert any("max entry size" in entry.get("reason", "") for entry in server.log())
    server.stop()
    server.restart()
    api = server.api()
    api.append_lines("run", ["d"])
    loki.wait(lambda: len(loki.lines()) == 4)
    assert loki.texts() == ["a", "b", "c", "d"]
    assert (len(loki.refused), loki.repeated, loki.statuses.count(400)) == (1, 0, 1)
    assert any("max entry size" in entry.get("reason", "") for entry in server.log()) is False


def test_a_line_is_cut_to_what_loki_takes(servers, loki):
    loki.line_max = 1024
    api = servers(*loki.flags(line_max=1024)).api()
    api.create(execution_id="run", queue=False)
    api.append_lines("run", ["ä" * 600, "y" * 1024])
    whole(loki, "run", 2)
    assert [len(text.encode()) for text in loki.texts()] == [
        1024,
        1024,
    ] and loki.refused == []
    eventually(lambda: metric(api, "loki_lines_cut_total") == 1, "it is counted")


def test_too_much_is_pushed_again_after_a_pause_and_too_large_in_parts(servers, loki):
    loki.script = [(429, [("Retry-After", "1")]), 500, b"HTTP/1.1 200"]
    loki.body_max = 50_000
    api = servers(*loki.flags()).api()
    api.create(execution_id="run", queue=False)
    api.append_lines("run", [f"{i} {random.getrandbits(200):x}" for i in range(3000)])
    whole(loki, "run", 3000)
    assert 413 in loki.statuses and loki.repeated == 0 and loki.refused == []
    assert metric(api, "loki_push_failures_total") == 3 + loki.statuses.count(413)
    assert metric(api, "loki_push_refused_total") == 0


def test_lines_that_a_limit_of_a_stream_has_kept_out_come_and_no_other_twice(servers, loki):
    loki.stream_bytes = 1000
    api = servers(*loki.flags()).api()
    api.create(execution_id="run", queue=False)
    api.append_lines("run", [f"line {i:04}" for i in range(200)])
    loki.wait(lambda: 429 in loki.statuses)
    loki.stream_bytes = None
    whole(loki, "run", 200)
    assert loki.repeated > 0


def old(api, run, begin, count, step):
    """Records with times of their own, in milliseconds."""

    def stamp(ms):
        return time.strftime("%FT%T", time.gmtime(ms // 1000)) + f".{ms % 1000:03}Z"

    api.append(
        run,
        [{"message": f"{run} {i}", "timestamp": stamp(begin + i * step)} for i in range(count)],
    )


@pytest.mark.skipif(WANTED, reason="times are set in the file of the embedded store")
def test_after_a_long_outage_no_line_is_too_far_behind_its_stream(servers, loki):
    server = servers(*loki.flags(window_seconds=3000))
    api = server.api()
    now, minute = int(time.time() * 1000), 60_000
    begins = {f"run{number}": now - (6 - number) * 55 * minute for number in range(6)}
    loki.away = True
    for run in [
        "run5",
        "run1",
        "run3",
        "run0",
        "run4",
        "run2",
    ]:  # five hours of runs, each an hour long
        api.create(execution_id=run, queue=False)
        old(api, run, begins[run], 55, minute)
    api.create(execution_id="long", queue=False)  # and one that went on all the time
    old(api, "long", begins["run0"], 6 * 55, minute)
    begins["long"] = begins["run0"]
    server.stop()
    with contextlib.closing(sqlite3.connect(server.data / "runnel.db")) as db:  # as if they had been made then
        for run, begin in begins.items():
            db.execute(
                "UPDATE mirrors SET time_ms = ? WHERE execution = (SELECT id FROM executions WHERE execution_id = ?)",
                (begin, run),
            )
        db.commit()
    loki.away = False
    server.restart()
    for run in begins:
        whole(loki, run, 330 if run == "long" else 55)
    assert loki.refused == [] and loki.repeated == 0


def test_a_clock_that_is_behind_keeps_nobody_waiting(servers, loki):
    api = servers(*loki.flags(window_seconds=60)).api()
    now = int(time.time() * 1000)
    api.create(execution_id="behind", queue=False)
    api.create(execution_id="run", queue=False)
    for number in range(5):
        old(api, "behind", now - 6 * 3_600_000 + number, 1, 1)
        api.append_lines("run", [f"line {number}"])
        loki.wait(lambda: len(loki.texts(run_id="run")) > number)


def test_tenant_and_credentials_are_sent_and_read_for_each_request(servers, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("wrong\n")
    loki = Loki(credentials="user:pass", tenant="team-a")
    try:
        api = servers(*loki.flags(tenant="team-a", credentials=secret)).api()
        api.create(execution_id="run", queue=False)
        api.append_lines("run", ["one"])
        loki.wait(lambda: 401 in loki.statuses)
        assert loki.lines() == []
        secret.write_text("user:pass\n")  # nothing was lost by the mistake
        whole(loki, "run", 1)
    finally:
        loki.close()


@pytest.mark.parametrize("labels", ["few", "run"])
def test_the_trace_says_where_the_lines_are_and_loki_can_be_asked_through(servers, loki, labels):
    api = servers(*loki.flags(labels=labels)).api()
    api.create(execution_id="run", queue=False, workflow_id="flow")
    api.append(
        "run",
        [
            {
                "message": f"line {i}",
                "stream": "stderr" if i % 3 else "stdout",
                "node_id": "ab"[i % 2],
            }
            for i in range(40)
        ]
        + [{"message": "outside"}],
    )
    loki.wait(lambda: len(loki.lines()) == 41)

    def asked(**query):
        return api.get("/workflows/runs/run/loki", query=query).json()

    eventually(lambda: asked()["mirrored"] == 41, "it is known what is there")
    places = api.get("/workflows/runs/run/trace").json()["loki"]
    assert [(place["nodeRef"], place["lines"]) for place in places] == [
        (None, 1),
        ("a", 20),
        ("b", 20),
    ]
    if labels == "run":
        assert places[1]["labels"] == {"run_id": "run", "node": "a"}
        assert places[1]["query"] == '{run_id="run"} | node="a"'
    else:
        assert places[1]["labels"] == {"account": "default"}
        assert places[1]["query"] == '{account="default"} | run_id="run" | node="a"'
    page = asked()
    assert [line["sequence"] for line in page["lines"]] == list(range(41))
    assert (page["complete"], page["pending"], page["hasMore"], page["cursor"]) == (
        True,
        True,
        False,
        None,
    )
    first = page["lines"][1]
    assert (first["line"], first["stream"], first["nodeRef"]) == (
        "line 1",
        "stderr",
        "b",
    )
    assert first["timestamp"] == api.logs("run")[1]["timestamp"]
    node = asked(node="b")
    assert [line["line"] for line in node["lines"]] == [f"line {i}" for i in range(1, 40, 2)]
    assert (node["mirrored"], node["complete"]) == (20, True)
    nothing = asked(node="c")
    assert (nothing["lines"], nothing["mirrored"], nothing["complete"]) == ([], 0, True)
    got, cursor = [], {}
    while True:
        page = asked(limit=7, **cursor)
        got += [line["sequence"] for line in page["lines"]]
        if not page["hasMore"]:
            break
        assert page["complete"] is None
        cursor = {"cursor": page["cursor"]}
    assert sorted(got) == list(range(41)) and page["complete"] is True
    stream = next(iter(loki.streams.values()))
    stream.pop(next(iter(stream)))  # Loki has lost one
    assert asked()["complete"] is False
    loki.away = True
    refused = api.get("/workflows/runs/run/loki")
    assert refused.status == 503 and "Loki cannot be asked: " in refused.json()["error"]["message"]
    assert refused.headers["Retry-After"]


def test_what_goes_on_when_a_mirror_is_named_is_mirrored_from_its_start(servers, loki):
    server = servers()
    api = server.api()
    for run in ("open", "ended"):
        api.create(execution_id=run, queue=False)
        api.append_lines(run, ["before"])
    api.expect(
        200,
        "PATCH",
        "/api/v1/executions/ended",
        {"status": "failed", "exit_code": 1},
    )
    refused = api.get("/workflows/runs/open/loki")
    assert refused.status == 501 and "loki_url" in refused.json()["error"]["message"]
    assert "loki" not in api.get("/workflows/runs/open/trace").json()
    server.stop()
    server.flags += map(str, loki.flags())
    server.restart()
    server.api().append_lines("open", ["after"])
    whole(loki, "open", 2)
    assert loki.lines(run_id="ended") == []


def test_logs_are_pushed_again_when_that_is_asked_for(servers, loki):
    server = servers(*loki.flags())
    api = server.api()
    for run in ("one", "two"):
        api.create(execution_id=run, queue=False)
        api.append_lines(run, [f"{run} {i}" for i in range(10)])
        api.expect(
            200,
            "PATCH",
            f"/api/v1/executions/{run}",
            {"status": "failed", "exit_code": 1},
        )
        whole(loki, run, 10)
    eventually(
        lambda: not api.get("/workflows/runs/two/loki").json()["pending"],
        "all is mirrored",
    )
    with loki.changed:
        loki.streams.clear()  # Loki was lost
        loki.newest.clear()

    def replay(path):
        return api.expect(202, "POST", path)

    assert replay("/api/v1/executions/one/loki/replay") == {"executions": 1}
    whole(loki, "one", 10)
    assert loki.lines(run_id="two") == []
    eventually(
        lambda: api.get("/workflows/runs/one/loki").json()["complete"],
        "as many are there as here",
    )
    assert replay("/api/v1/loki/replay?since=1h&until=30m") == {"executions": 0}
    assert replay("/api/v1/loki/replay?since=1h") == {"executions": 2}
    whole(loki, "two", 10)
    loki.wait(lambda: loki.repeated == 10)
    assert len(loki.lines()) == 20
    assert api.as_role("user").post("/api/v1/loki/replay?since=1h").status == 403
    assert api.post("/api/v1/loki/replay").status == 400


@pytest.mark.parametrize(
    "flags, said",
    [
        (["--loki-url", "http://loki.example.com:3100"], "loki_insecure allows http"),
        (["--loki-url", "ftp://127.0.0.1"], "loki_url must be"),
        (["--loki-url", "http://127.0.0.1:3100/?x"], "without a query"),
        (
            ["--loki-url", "http://127.0.0.1", "--loki-labels", "many"],
            "loki_labels must be few or run",
        ),
        (
            ["--loki-url", "http://127.0.0.1", "--loki-tenant", "a b"],
            "loki_tenant must be",
        ),
    ],
)
def test_a_mistake_in_the_settings_shows_at_the_start(servers, flags, said):
    server = servers(*flags, start=False)
    server.spawn()
    server.ended(expect=None)
    assert said.encode() in server.process.err.data
