"""The regression suite of workflow runs: one deterministic run, seen by every route of it and at each of its stages, is
the stored one. CONTRIBUTING.md says how to store it anew."""

import json
import os
import pathlib
import re

from support.sse import Stream
from support.ws import Runner

GOLDEN = pathlib.Path(__file__).resolve().parents[1] / "golden" / "run_regression.json"
RUN = "shipsec-run-0f5b3c1e-6a51-4c0e-9a39-2f1d5f0f7c11"
WORKFLOW = "wf-regression"
GRAPH = {
    "nodes": [
        {"id": "fetch", "name": "Fetch the targets", "type": "http"},
        {"id": "scan", "name": "Scan them", "type": "container"},
        {"id": "review", "name": "Look at the findings", "type": "human"},
        {"id": "notify", "name": "Tell the team", "type": "http"},
        {"id": "report", "name": "Write the report", "type": "inline"},
    ],
    "edges": [["fetch", "scan"], ["scan", "review"], ["review", "notify"], ["review", "report"]],
}


def event(second, node, kind, message=None, level=None, data=None, **details):
    return {
        "timestamp": f"2025-10-13T12:00:{second:02}.250Z",
        "event_type": f"node_{kind}",
        "node_id": node,
        **({"message": message} if message else {}),
        **({"level": level} if level else {}),
        **({"data": data} if data else {}),
        **({"technical_details": details} if details else {}),
    }


def line(second, node, stream, message):
    return {"timestamp": f"2025-10-13T12:00:{second:02}.500Z", "stream": stream, "node_id": node, "message": message}


FETCHED_AT_THE_SECOND_TRY = [
    event(0, "fetch", "queued"),
    event(1, "fetch", "started", "fetching 3 targets", metadata={"attempt": 1, "correlationId": "c-1"}),
    line(1, "fetch", "stdout", "GET /targets"),
    line(2, "fetch", "stderr", "connection reset"),
    event(
        2,
        "fetch",
        "failed",
        "connection reset",
        "ERROR",
        error={"message": "connection reset", "code": "ECONNRESET", "stack": "at fetch:12\nat run:3"},
        metadata={"attempt": 1, "correlationId": "c-1"},
    ),
    event(3, "fetch", "queued", "in 1 s again"),
    event(4, "fetch", "started", metadata={"attempt": 2, "correlationId": "c-2"}),
    event(5, "fetch", "progress", "2 of 3", data={"done": 2}),
    event(6, "fetch", "completed", "3 targets", outputSummary={"targets": 3}, metadata={"attempt": 2}),
    event(6, "scan", "started", "scanning 3 targets", "DEBUG"),
    line(7, "scan", "stdout", "10.0.0.1: open 22, 80"),
    line(7, "scan", "stdout", "10.0.0.2: ünïcode ✓"),
    event(8, "scan", "completed", "5 findings", outputSummary={"findings": 5}),
    event(9, "review", "started"),
]
ASKED = [event(9, "review", "awaiting_input", "5 findings to look at", data={"form": ["approve", "reject"]})]
ANSWERED = [
    event(20, "review", "completed", "approved", data={"answer": "approve"}),
    event(20, "notify", "skipped", "nobody to tell"),
    event(21, "report", "started"),
    line(22, "report", "stderr", "no template"),
    event(23, "report", "failed", "no template", "CRITICAL"),
    event(23, "elsewhere", "progress", "of no node of the graph"),
]


def without_times(value):
    """Times that the server has set, and how long they make anything last."""
    if isinstance(value, list):
        return [without_times(one) for one in value]
    if not isinstance(value, dict):
        return value
    for name, one in value.items():
        if name in ("startedAt", "updatedAt", "completedAt", "timestamp") and isinstance(one, str):
            ours = one.startswith("2025-10-13T12:00:")
            assert ours or re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", one), (name, one)
            value = {**value, name: one if ours else "<time>"}
        elif name == "durationMs" and not value["completedAt"].startswith("2025-10-13"):
            assert one >= 0
            value = {**value, name: "<ms>"}
        else:
            value = {**value, name: without_times(one)}
    return value


def seen(api):
    """The run by all of its routes, as it is now."""

    def get(what, **query):
        return without_times(api.expect(200, "GET", f"/workflows/runs/{RUN}/{what}", query=query))

    assert get("events") == get("trace")
    return {
        "status": get("status"),
        "nodes": get("nodes"),
        "trace": get("trace"),
        "trace of a node, errors alone": get("trace", nodeRef="fetch", level="error"),
        "trace, third page of four": get("trace", limit=4, cursor=6),
        "logs": get("logs"),
        "logs of stderr": get("logs", stream="stderr"),
    }


def streamed(api):
    """All of the stream of a run that is over. Where among the others its states come is a matter of time."""
    events = []
    with Stream(api, None, path=f"/workflows/runs/{RUN}/stream") as stream:
        while one := stream.next():
            events += [] if one.kind == "position" else [[one.id, one.kind, without_times(one.json())]]
    assert events[-2][1] == "status" and events[-1][1] == "complete"
    return [one for one in events[:-2] if one[1] != "status"] + events[-2:]


def run_it(server, api):
    stages = {}
    api.expect(201, "POST", "/api/v1/workflows", {"workflow_id": WORKFLOW, "graph": GRAPH})
    api.expect(201, "POST", "/api/v1/executions", {"execution_id": RUN, "workflow_id": WORKFLOW, "queue": False})
    stages["queued"] = seen(api)
    with Runner(server, RUN) as runner:
        api.append(RUN, FETCHED_AT_THE_SECOND_TRY)
        stages["running"] = seen(api)
        api.append(RUN, ASKED)
        api.expect(200, "PATCH", f"/api/v1/executions/{RUN}", {"status": "waiting"})
        stages["awaiting input"] = seen(api)
        api.expect(200, "PATCH", f"/api/v1/executions/{RUN}", {"status": "running"})
        api.append(RUN, ANSWERED)
        runner.complete(exit_code=3)
    stages["failed"] = seen(api)
    stages["failed"]["stream"] = streamed(api)
    return stages


def test_a_deterministic_run_is_the_stored_one_by_every_route(own_server):
    stages = run_it(own_server, own_server.api())
    if os.environ.get("RUNNEL_RENEW_GOLDEN"):
        GOLDEN.write_text(json.dumps(stages, indent=2, ensure_ascii=False) + "\n")
    stored = json.loads(GOLDEN.read_text())
    for stage, views in stored.items():
        for view, expected in views.items():
            assert stages[stage][view] == expected, f"{view}, {stage}"
    assert stages == stored
    # And after a crash, with nothing in memory.
    own_server.kill()
    own_server.restart()
    api = own_server.api()
    assert {**seen(api), "stream": streamed(api)} == stored["failed"]
