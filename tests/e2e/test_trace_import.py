"""Traces that another system has exported become runs: `runnel trace import` and `check`."""

import contextlib
import json
import pathlib

import pytest
from support.api import eventually
from support.cli import Cli
from support.server import Server

GOLDEN = pathlib.Path(__file__).resolve().parents[1] / "golden" / "run_trace.json"


@pytest.fixture
def cli(server, tmp_path):
    return Cli(tmp_path / "home", server)


def event(run_id, number, kind="PROGRESS", node="n", **more):
    return {
        "id": str(number),
        "runId": run_id,
        "nodeRef": node,
        "type": kind,
        "level": "info",
        "timestamp": f"2025-10-13T12:{number // 60 % 60:02}:{number % 60:02}Z",
        "message": f"event {number}",
        **more,
    }


def ndjson(*objects):
    return b"".join(json.dumps(one).encode() + b"\n" for one in objects)


def trace(api, run_id):
    return api.expect(200, "GET", f"/workflows/runs/{run_id}/trace", query={"limit": 10000})["events"]


def status(api, run_id):
    return api.expect(200, "GET", f"/workflows/runs/{run_id}/status")


def counts(result):
    return json.loads(result.out)


def told(stored, there, refused=0, runs=1):
    return {"runs": runs, "stored": stored, "there_already": there, "refused": refused}


def shown(events, run_id):
    """As a trace shows what was imported: its ids are the places in the log."""
    keep = ("nodeRef", "type", "level", "message", "data", "error", "outputSummary", "metadata")
    return [
        {
            "id": str(i),
            "runId": run_id,
            "timestamp": one["timestamp"].replace("Z", ".000Z"),
            **{name: one[name] for name in keep if name in one},
        }
        for i, one in enumerate(events)
    ]


def without_node_id(events):
    return [{name: value for name, value in one.items() if name != "nodeId"} for one in events]


def test_a_trace_that_runnel_has_shown_is_the_same_again(api, cli):
    page = json.loads(GOLDEN.read_text())
    run_id = "imported-golden"
    page["runId"] = run_id
    for one in page["events"]:
        one["runId"] = run_id
    result = cli.ok("trace", "import", "-o", "json", "--workflow", "wf-golden", input=ndjson(page))
    assert counts(result) == told(stored=len(page["events"]), there=0)
    assert api.expect(200, "GET", f"/workflows/runs/{run_id}/trace") == page
    assert status(api, run_id)["workflowId"] == "wf-golden"


def test_many_runs_in_one_file_keep_states_times_attempts_and_workflow(api, cli, tmp_path):
    runs = {f"imported-{i}": f"wf-{i % 2}" for i in range(5)}
    words = ["COMPLETED", "FAILED", "TERMINATED", "TIMED_OUT", "CONTINUED_AS_NEW"]
    becomes = ["COMPLETED", "FAILED", "CANCELLED", "TIMED_OUT", "COMPLETED"]
    lines = []
    for number in range(1300):  # interleaved, more than a batch
        for run_id, workflow in runs.items():
            kind = ("STARTED", "FAILED", "STARTED", "COMPLETED")[number % 4]
            lines.append(event(run_id, number, kind, f"n{number // 4}", metadata={"attempt": number % 4 // 2 + 1}))
            lines[-1]["workflowId"] = workflow
            if kind == "FAILED":
                lines[-1]["error"] = {"message": "refused", "code": "E_REFUSED"}
    lines += [
        {
            "runId": run_id,
            "status": word,
            "startedAt": "2025-10-13T12:00:00Z",
            "completedAt": "2025-10-13T13:00:00.500Z",
        }
        for run_id, word in zip(runs, words)
    ]
    file = tmp_path / "traces.ndjson"
    file.write_bytes(ndjson(*lines))
    assert counts(cli.ok("trace", "import", "-o", "json", file)) == told(stored=6500, there=0, runs=5)
    for (run_id, workflow), word, state in zip(runs.items(), words, becomes):
        events = [one for one in lines if one["runId"] == run_id and "type" in one]
        assert without_node_id(trace(api, run_id)) == shown(events, run_id)
        now = status(api, run_id)
        assert (now["workflowId"], now["status"]) == (workflow, state)
        assert now["startedAt"] == "2025-10-13T12:00:00.000Z" and now["completedAt"] == "2025-10-13T13:00:00.500Z"
        nodes = api.expect(200, "GET", f"/workflows/runs/{run_id}/nodes")["nodes"]
        assert len(nodes) == 325 and {node["attempts"] for node in nodes} == {2}
        kept = {"engine_state": word} if word in ("TERMINATED", "CONTINUED_AS_NEW") else None
        assert api.status(run_id)["metadata"] == kept
    # The same again stores nothing.
    assert counts(cli.ok("trace", "import", "-o", "json", file)) == told(stored=0, there=6500, runs=5)


def test_a_file_that_has_grown_and_one_with_the_later_part_go_on(api, cli):
    run_id = "imported-grown"
    events = [event(run_id, number) for number in range(100)]
    assert counts(cli.ok("trace", "import", "-o", "json", input=ndjson(*events[:40]))) == told(40, 0)
    assert counts(cli.ok("trace", "import", "-o", "json", input=ndjson(*events[:70]))) == told(30, 40)
    assert counts(cli.ok("trace", "import", "-o", "json", input=ndjson(*events[60:]))) == told(30, 10)
    assert [one["message"] for one in trace(api, run_id)] == [one["message"] for one in events]


def test_what_is_there_is_known_also_if_its_events_are_large(api, cli):
    """So large that the end of the log does not come with its first page."""
    events = [event("large", number, data={"text": "x" * 60_000}) for number in range(1, 121)]
    assert counts(cli.ok("trace", "import", "-o", "json", input=ndjson(*events))) == told(120, 0)
    again = ndjson(*events, event("large", 121))
    assert counts(cli.ok("trace", "import", "-o", "json", input=again)) == told(1, 120)
    assert api.status("large")["last_index"] == 121


def test_events_without_numbers_are_known_by_their_places(api, cli):
    run_id = "imported-uuids"
    events = [event(run_id, number) | {"id": f"0b7e-{number:x}-z"} for number in range(20)]
    assert counts(cli.ok("trace", "import", "-o", "json", input=ndjson(*events[:12]))) == told(12, 0)
    assert counts(cli.ok("trace", "import", "-o", "json", input=ndjson(*events))) == told(8, 12)
    assert [one["message"] for one in trace(api, run_id)] == [one["message"] for one in events]


def test_a_bad_line_is_named_and_the_others_are_stored(api, cli, tmp_path):
    run_id = "imported-bad"
    good = [event(run_id, number) for number in range(6)]
    lines = [
        json.dumps(good[0]),
        "{not json",
        json.dumps({**good[1], "type": "EXPLODED"}),
        json.dumps(good[1]),
        "",
        json.dumps({**good[2], "runId": "no spaces please"}),
        json.dumps({**good[2], "nodeRef": "x" * 300}),  # what only the server refuses
        json.dumps(good[3]),
        json.dumps(good[2]),  # behind a later one
        json.dumps({"runId": run_id, "status": "NO_SUCH_STATE"}),
        json.dumps(good[4]),
        json.dumps(good[4]),  # twice
        json.dumps(good[5]),  # without a newline
    ]
    file = tmp_path / "bad.ndjson"
    file.write_text("\n".join(lines))
    result = cli.run("trace", "import", "-o", "json", file, expect=1)
    assert counts(result) == told(stored=5, there=1, refused=6)
    said = result.err.decode()
    for line, reason in (
        (2, "is no JSON"),
        (3, "type is none that is known; one of: STARTED"),
        (6, "runId must be"),
        (7, "node_id"),
        (9, "id is less"),
        (10, "status is no state that is known; one of: queued"),
    ):
        assert f"{file}:{line}: " in said and reason in said.split(f"{file}:{line}: ")[1].split("\n")[0], said
    assert said.count(f"{file}:") == 6
    assert [one["message"] for one in trace(api, run_id)] == [f"event {i}" for i in (0, 1, 3, 4, 5)]
    # What needs no server is found before.
    checked = cli.run("trace", "check", "-o", "json", file, env={"RUNNEL_URL": "http://127.0.0.1:1"}, expect=1)
    assert counts(checked) == {"lines": 13, "events": 8, "states": 0, "refused": 4}


def test_a_line_that_is_too_long_leaves_the_next_one(api, cli):
    run_id = "imported-long"
    long = b'{"runId":"' + b"x" * (9 * 1024 * 1024) + b'"}\n'
    result = cli.run("trace", "import", "-o", "json", input=long + ndjson(event(run_id, 0)), expect=1)
    assert counts(result) == told(stored=1, there=0, refused=1)
    assert "standard input:1: a line may have 8 MiB" in result.err.decode()


def test_runs_that_are_over_end_as_their_nodes_say(api, cli):
    good, bad = "imported-over-good", "imported-over-bad"
    lines = [
        event(good, 0, "FAILED"),
        event(good, 1, "STARTED"),
        event(good, 2, "SUCCEEDED"),
        event(bad, 0, "STARTED"),
        event(bad, 1, "TIMED_OUT"),
    ]
    cli.ok("trace", "import", "--ended", input=ndjson(*lines))
    assert status(api, good)["status"] == "COMPLETED" and status(api, bad)["status"] == "FAILED"
    assert status(api, good)["completedAt"] == "2025-10-13T12:00:02.000Z"
    assert [one["type"] for one in trace(api, good)] == ["FAILED", "STARTED", "COMPLETED"]
    kept = [one["technical_details"]["import"] for one in api.logs(bad)]
    assert kept == [{"id": "0", "n": 0}, {"id": "1", "n": 1, "type": "TIMED_OUT"}]
    # Its log is sealed: more of it is refused, what is there already is not.
    result = cli.run("trace", "import", "-o", "json", input=ndjson(*lines, event(bad, 2)), expect=1)
    assert counts(result) == told(stored=0, there=5, refused=1, runs=2) and b"is sealed" in result.err


def test_a_log_that_was_not_imported_is_left_alone(api, cli):
    run_id = api.create()
    api.append_lines(run_id, ["its own"])
    result = cli.run("trace", "import", "-o", "json", input=ndjson(event(run_id, 0)), expect=1)
    assert counts(result) == told(stored=0, there=0, refused=1) and b"was not imported" in result.err
    assert api.messages(run_id) == ["its own"]


def test_an_import_that_was_cut_goes_on_where_it_was(tmp_path):
    """The server is killed in the middle of it, and the same command is run again."""
    server = Server(tmp_path / "server").start()
    cli = Cli(tmp_path / "home", server)
    run_id = "imported-cut"
    events = [event(run_id, number) for number in range(4000)]
    with cli.start("trace", "import", "-", stdin=-1) as process:
        process.write(ndjson(*events[:1000]))
        api = server.api()
        eventually(lambda: len(api.get(f"/workflows/runs/{run_id}/trace").body) > 1000, "some of it is stored")
        server.kill()
        with contextlib.suppress(BrokenPipeError):  # it may have ended with the batch that was under way
            process.write(ndjson(*events[1000:]))
            process.close_stdin()
        assert process.finish() == 5
    server.restart()
    result = cli.ok("trace", "import", "-o", "json", "--ended", input=ndjson(*events))
    said = counts(result)
    assert said["refused"] == 0 and said["there_already"] >= 500 and said["stored"] + said["there_already"] == 4000
    assert [one["message"] for one in trace(server.api(), run_id)] == [one["message"] for one in events]
    server.close()


def test_wrong_uses(cli):
    for args in ((), ("export",)):
        assert b"say what to do: import or check" in cli.run("trace", *args, expect=2).err
    assert b"No such file" in cli.run("trace", "import", "/nowhere/at-all", expect=3).err
