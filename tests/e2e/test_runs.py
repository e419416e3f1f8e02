"""Workflow runs as the execution contract of their design has them: status, trace, logs, and one stream of all."""

import json
import pathlib

import pytest
from support.sse import Stream
from support.ws import Runner

GOLDEN = pathlib.Path(__file__).resolve().parents[1] / "golden" / "run_trace.json"
RUN = "shipsec-run-7528ea47-0c0f-4236-b864-5072d8e5b6ce"
STEPS = (
    ("fetch", "node_started", {"message": "fetching"}),
    ("fetch", "node_progress", {"message": "40 %", "progress_percentage": 40, "data": {"stream": "stdout"}}),
    (
        "fetch",
        "node_failed",
        {
            "message": "refused",
            "level": "ERROR",
            "stack_trace": "at fetch:1",
            "technical_details": {"metadata": {"attempt": 1}},
        },
    ),
    ("fetch", "node_started", {"message": "again", "technical_details": {"metadata": {"attempt": 2}}}),
    (
        "fetch",
        "node_completed",
        {"message": "fetched", "technical_details": {"outputSummary": {"bytes": 12}, "metadata": {"attempt": 2}}},
    ),
    ("scan", "node_started", {"message": "scanning"}),
    ("ask", "node_skipped", {"message": "not needed", "level": "WARNING"}),
    (
        "scan",
        "node_failed",
        {
            "message": "no scanner",
            "level": "CRITICAL",
            "technical_details": {"error": {"message": "no scanner", "code": "E_NONE", "details": {"tried": 2}}},
        },
    ),
)


def trace_of_steps():
    for i, (node, event_type, more) in enumerate(STEPS):
        yield {
            "event_type": event_type,
            "node_id": node,
            "timestamp": f"2025-10-13T12:00:{i:02}Z",
            **more,
        }


@pytest.fixture
def run_id(api):
    run_id = api.create(workflow_id="wf-scan")
    api.append(run_id, list(trace_of_steps()))
    api.append_lines(run_id, ["a line of output"])
    return run_id


def get(api, run_id, what, **query):
    return api.expect(200, "GET", f"/workflows/runs/{run_id}/{what}", query=query)


def test_the_timeline_of_a_deterministic_run_is_the_stored_one(api):
    run_id = RUN
    api.expect(201, "POST", "/api/v1/executions", {"execution_id": run_id, "workflow_id": "wf-scan"})
    api.append(run_id, list(trace_of_steps()))
    assert get(api, run_id, "trace") == json.loads(GOLDEN.read_text())
    assert get(api, run_id, "events") == get(api, run_id, "trace")


def test_trace_comes_in_pages_by_its_cursor(api, run_id):
    events, cursor = [], None
    while True:
        page = get(api, run_id, "trace", limit=3, **({} if cursor is None else {"cursor": cursor}))
        assert page["runId"] == run_id and len(page["events"]) <= 3
        events += page["events"]
        cursor = page["cursor"]
        if not page["hasMore"]:
            break
    assert [event["id"] for event in events] == [str(i) for i in range(len(STEPS))]
    # What comes later is found from there on.
    api.append(run_id, [{"event_type": "node_progress", "node_id": "scan"}])
    assert [event["id"] for event in get(api, run_id, "trace", cursor=cursor)["events"]] == [str(len(STEPS) + 1)]


def test_trace_of_one_node_and_of_a_level(api, run_id):
    assert [event["id"] for event in get(api, run_id, "trace", nodeRef="scan")["events"]] == ["5", "7"]
    assert [event["id"] for event in get(api, run_id, "trace", level="error,critical")["events"]] == ["2", "7"]


def test_lines_of_the_log(api, run_id):
    page = get(api, run_id, "logs", stream="stdout")
    line = page["logs"][0]
    assert len(page["logs"]) == 1 and line.pop("timestamp")
    assert line == {
        "id": str(len(STEPS)),
        "runId": run_id,
        "nodeId": None,
        "nodeRef": None,
        "stream": "stdout",
        "level": "info",
        "message": "a line of output",
    }


@pytest.mark.parametrize("query", [{"limit": 0}, {"limit": 10001}, {"cursor": "x"}, {"level": "loud"}, {"colour": 1}])
def test_bad_parameters_are_422(api, run_id, query):
    for what in ("trace", "events", "logs"):
        assert api.get(f"/workflows/runs/{run_id}/{what}", query=query).status == 422


def test_status_counts_progress_and_says_why_it_failed(server, api):
    run_id = api.create(workflow_id="wf-scan")
    status = get(api, run_id, "status")
    assert status["runId"] == run_id and status["workflowId"] == "wf-scan" and status["status"] == "QUEUED"
    assert "progress" not in status and "failure" not in status and "completedAt" not in status
    with Runner(server, run_id) as runner:
        api.append(run_id, list(trace_of_steps()))
        status = get(api, run_id, "status")
        assert status["status"] == "RUNNING" and status["progress"]["completedActions"] == 2  # fetch once, ask skipped
        runner.complete(exit_code=3)
    status = get(api, run_id, "status")
    assert status["status"] == "FAILED" and status["completedAt"] >= status["startedAt"]
    assert status["failure"] == {"reason": "no scanner", "details": {"exitCode": 3, "nodeRef": "scan"}}


def test_runs_are_listed_by_workflow_and_status(api):
    run_id, other = api.create(workflow_id="wf-listed"), api.create(workflow_id="wf-listed-not")
    query = {"workflowId": "wf-listed"}
    assert [run["runId"] for run in api.expect(200, "GET", "/workflows/runs", query=query)["runs"]] == [run_id]
    assert api.expect(200, "GET", "/workflows/runs", query={**query, "status": "FAILED"})["runs"] == []
    queued = api.expect(200, "GET", "/workflows/runs", query={"status": "QUEUED", "limit": 1000})["runs"]
    assert {run_id, other} <= {run["runId"] for run in queued} and {run["status"] for run in queued} == {"QUEUED"}
    assert api.get("/workflows/runs", query={"status": "lost"}).status == 422


def test_a_run_is_cancelled(api, run_id):
    answer = api.post(f"/workflows/runs/{run_id}/cancel")
    assert answer.status == 200 and answer.json()["status"] == "CANCELLED"
    assert get(api, run_id, "status")["failure"]["reason"]


def test_the_stream_tells_trace_logs_and_status_under_one_cursor(server, api):
    run_id = api.create(workflow_id="wf-scan")
    with Runner(server, run_id) as runner:
        api.append(run_id, list(trace_of_steps())[:2])
        with Stream(api, None, path=f"/workflows/runs/{run_id}/stream") as stream:
            events = [stream.next()]
            assert (events[0].kind, events[0].id, events[0].json()["runId"]) == ("ready", "-1", run_id)
            runner.lines(["output"])
            while not any(event.kind == "logs" for event in events):
                events.append(stream.next())
            runner.complete(exit_code=0)
            while events[-1].kind != "complete":
                events.append(stream.next())
            assert stream.next() is None
    traces = [event.json() for event in events if event.kind == "trace"]
    assert [trace["events"][0]["id"] for trace in traces] == ["0", "1"]
    assert [trace["cursor"] for trace in traces] == ["0", "1"] and traces[0]["runId"] == run_id
    assert [event.json()["logs"][0]["message"] for event in events if event.kind == "logs"] == ["output"]
    statuses = [event.json() for event in events if event.kind == "status"]
    assert statuses[0]["status"] == "RUNNING" and statuses[-1]["status"] == "COMPLETED"
    assert statuses[-1] == get(api, run_id, "status") and statuses[-1]["completedAt"] <= statuses[-1]["updatedAt"]
    assert events[-1].json() == {"runId": run_id, "status": "COMPLETED"} and events[-1].id == "3"
    ids = [int(event.id) for event in events if event.kind != "position"]
    assert ids == sorted(ids)


def test_the_stream_goes_on_from_its_cursor_and_ends_for_good(server, api):
    run_id = api.create()
    with Runner(server, run_id) as runner:
        runner.lines(["0", "1", "2"])
        runner.complete()
    path = f"/workflows/runs/{run_id}/stream"
    for position in ({"cursor": 1}, {"headers": {"Last-Event-ID": "1"}}):
        with Stream(api, None, path=path, **position) as stream:
            kinds, messages = [], []
            while event := stream.next():
                kinds.append(event.kind)
                messages += [line["message"] for line in event.json()["logs"]] if event.kind == "logs" else []
        assert messages == ["2"] and kinds[0] == "ready" and kinds[-2:] == ["status", "complete"]
    assert api.get(path, headers={"Last-Event-ID": "3"}).status == 204


def test_progress_is_told_while_the_run_goes_on(api):
    run_id = api.create()
    with Stream(api, None, path=f"/workflows/runs/{run_id}/stream") as stream:
        steps = list(trace_of_steps())
        api.append(run_id, steps[3:5])
        while True:
            event = stream.next()
            if event.kind == "status" and event.json().get("progress") == {"completedActions": 1}:
                break


def test_what_is_not_there(api):
    for what in ("status", "trace", "events", "logs", "stream", "artifacts"):
        assert api.get(f"/workflows/runs/no-such-run/{what}").status == 404
    assert api.post("/workflows/runs/no-such-run/cancel").status == 404
