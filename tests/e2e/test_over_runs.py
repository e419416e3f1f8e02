"""What is shown of the runs of a workflow together: the latest ones, and counts of one log, as the workflow log API has
them; nodes, progress and configuration of a run with a graph."""

import pytest
from support import jwts
from support.api import Api
from support.jobs import fresh_id
from support.server import Server
from support.sse import Stream
from support.ws import Runner

RECENT = "/api/v1/app/executions/recent_logs"
GRAPH = {
    "nodes": [{"id": "fetch", "name": "Fetch", "type": "http"}, {"id": "sum"}, {"id": "send", "type": "mail"}],
    "edges": [["fetch", "sum"], ["sum", "send"]],
}
STEPS = [
    {"event_type": "node_started", "node_id": "fetch", "message": "begins", "timestamp": "2025-01-10T10:00:00Z"},
    {"event_type": "node_completed", "node_id": "fetch", "message": "done", "timestamp": "2025-01-10T10:00:02Z"},
    {
        "event_type": "step_completed",
        "node_id": "extra",
        "node_name": "Extra",
        "step_number": 2,
        "total_steps": 4,
        "progress_percentage": 50,
        "level": "WARNING",
        "is_milestone": True,
        "user_friendly_message": "Half way",
        "message": "2/4",
        "timestamp": "2025-01-10T10:00:03Z",
    },
    {"event_type": "node_failed", "node_id": "sum", "message": "no memory", "timestamp": "2025-01-10T10:00:04Z"},
    {"message": "bye", "level": "ERROR", "timestamp": "2025-01-10T10:00:05Z"},
]


def workflow(api, **members):
    return api.expect(201, "POST", "/api/v1/workflows", {"workflow_id": fresh_id(), **members})["workflow_id"]


def run(api, workflow, records=STEPS, **body):
    id = api.expect(201, "POST", f"/api/v1/workflows/{workflow}/run", body)["execution_id"]
    if records:
        api.append(id, records)
    return id


# --- The latest


def test_the_latest_execution_of_a_workflow_comes_with_the_end_of_its_log(api):
    of = workflow(api)
    run(api, of)
    latest = run(api, of)
    api.expect(200, "PATCH", f"/api/v1/executions/{latest}", {"status": "running"})
    answer = api.expect(200, "GET", RECENT, query={"workflow_id": of})
    assert set(answer) == {"workflow_id", "latest_execution", "logs", "summary"}
    assert answer["workflow_id"] == of
    shown = answer["latest_execution"]
    assert (shown["execution_id"], shown["status"]) == (latest, "RUNNING")
    assert set(shown) == {"execution_id", "status", "start_time"}
    assert [entry["id"] for entry in answer["logs"]] == [f"{latest}:{i}" for i in range(5)]
    assert answer["logs"] == api.expect(200, "GET", f"/api/v1/app/executions/{latest}/logs")["logs"]
    assert answer["summary"] == {"total_logs": 5, "error_count": 2, "warning_count": 1, "milestone_count": 1}
    few = api.expect(200, "GET", RECENT, query={"workflow_id": of, "limit": 2})
    assert [entry["id"] for entry in few["logs"]] == [f"{latest}:3", f"{latest}:4"]
    assert few["summary"] == answer["summary"]


def test_the_executions_before_the_latest_come_if_they_are_asked_for(api):
    of = workflow(api)
    ids = [run(api, of, records=None) for _ in range(13)]
    for id in ids[:2]:
        api.expect(200, "PATCH", f"/api/v1/executions/{id}", {"status": "running"})
    api.expect(200, "PATCH", f"/api/v1/executions/{ids[-2]}", {"status": "failed", "exit_code": 3})
    answer = api.expect(200, "GET", RECENT, query={"workflow_id": of, "include_all_executions": "true"})
    assert (answer["latest_execution"]["execution_id"], answer["logs"]) == (ids[-1], [])
    assert answer["summary"] == {"total_logs": 0, "error_count": 0, "warning_count": 0, "milestone_count": 0}
    others = answer["other_executions"]
    assert [one["execution_id"] for one in others] == ids[-2:-12:-1]
    assert (others[0]["status"], others[0]["error_message"]) == ("ERROR", "exit code 3")
    assert others[0]["end_time"] >= others[0]["start_time"] and others[0]["duration"].endswith("s")
    assert answer["total_executions"] == 13


@pytest.mark.parametrize(
    "query,name",
    [
        ({}, "workflow_id"),
        ({"workflow_id": ""}, "workflow_id"),
        ({"workflow_id": "w", "limit": 0}, "limit"),
        ({"workflow_id": "w", "limit": 1001}, "limit"),
        ({"workflow_id": "w", "limit": "many"}, "limit"),
        ({"workflow_id": "w", "include_all_executions": "perhaps"}, "include_all_executions"),
    ],
)
def test_what_is_out_of_bounds_is_422(api, query, name):
    answer = api.get(RECENT, query=query)
    assert (answer.status, answer.code) == (422, "invalid")
    assert name in answer.json()["error"]["message"] or name in str(answer.json()["error"].get("fields"))


def test_a_workflow_without_executions_is_404(api):
    for of in ("nobody", workflow(api)):
        answer = api.get(RECENT, query={"workflow_id": of})
        assert (answer.status, answer.code) == (404, "not_found")


def test_another_users_executions_are_not_there(tmp_path):
    path = jwts.issuers_file(
        tmp_path, supabase=jwts.supabase(tmp_path, roles=["authenticated=user", "service_role=service"])
    )
    server = Server(tmp_path / "house", flags=["--jwt-issuers", path])
    server.start()
    try:
        one, other = (Api(server.port, jwts.token(sub=sub)) for sub in ("user-one", "user-two"))
        of = workflow(one)
        mine = run(one, of)
        free = other.create(workflow_id="shared")
        one.create(workflow_id="shared")
        assert one.expect(200, "GET", RECENT, query={"workflow_id": of})["latest_execution"]["execution_id"] == mine
        assert other.get(RECENT, query={"workflow_id": of}).status == 404
        seen = other.expect(200, "GET", RECENT, query={"workflow_id": "shared", "include_all_executions": "true"})
        assert (seen["latest_execution"]["execution_id"], seen["total_executions"]) == (free, 1)
        for path in (f"/v2/executions/{mine}/logs/summary", f"/workflows/runs/{mine}/nodes"):
            assert (one.get(path).status, other.get(path).status) == (200, 404)
        assert other.get(f"/workflows/runs/{mine}/config").status == 404
    finally:
        server.close()


# --- Counts of one log


def test_a_summary_has_the_designs_shape(api):
    id = run(api, workflow(api))
    assert api.expect(200, "GET", f"/v2/executions/{id}/logs/summary") == {
        "execution_id": id,
        "total_logs": 5,
        "log_levels": {"info": 2, "warning": 1, "error": 2},
        "event_types": {"node_started": 1, "node_completed": 1, "step_completed": 1, "node_failed": 1, "log": 1},
        "milestones": [
            {"timestamp": "2025-01-10T10:00:03.000Z", "message": "Half way", "event_type": "step_completed"}
        ],
        "nodes": {
            "fetch": {"node_name": "fetch", "logs_count": 2, "step_number": None, "status": "completed"},
            "extra": {"node_name": "Extra", "logs_count": 1, "step_number": 2, "status": "completed"},
            "sum": {"node_name": "sum", "logs_count": 1, "step_number": None, "status": "failed"},
        },
        "timeline": {
            "first_log": "2025-01-10T10:00:00.000Z",
            "last_log": "2025-01-10T10:00:05.000Z",
            "duration_estimate": 5.0,
        },
    }


# --- Runs with a graph


def test_progress_counts_the_nodes_of_the_graph(api):
    of = workflow(api, graph=GRAPH)
    id = run(api, of, records=None)
    path = f"/workflows/runs/{id}/status"
    assert api.expect(200, "GET", path)["progress"] == {"completedActions": 0, "totalActions": 3}
    api.append(id, STEPS)  # `extra` is done, and no node of the graph
    assert api.expect(200, "GET", path)["progress"] == {"completedActions": 1, "totalActions": 3}
    own = run(api, of, graph={"nodes": [{"id": "extra"}]})
    progress = api.expect(200, "GET", f"/workflows/runs/{own}/status")["progress"]
    assert progress == {"completedActions": 1, "totalActions": 1}


def test_a_stream_tells_the_same_progress(server, api):
    id = run(api, workflow(api, graph=GRAPH), records=None)
    with Runner(server, id) as runner:
        runner.send([runner.record(**one, stream="event") for one in STEPS[:3]])
        runner.complete()
    events = []
    with Stream(api, None, path=f"/workflows/runs/{id}/stream") as stream:
        while not events or events[-1].kind != "complete":
            events.append(stream.next())
    told = [event.json()["progress"] for event in events if event.kind == "status"]
    assert told[-1] == {"completedActions": 1, "totalActions": 3}


def test_the_nodes_of_a_run_are_those_of_its_graph_and_what_its_records_name(api):
    of = workflow(api, graph=GRAPH)
    id = run(api, of)
    answer = api.expect(200, "GET", f"/workflows/runs/{id}/nodes")
    assert (answer["runId"], answer["workflowId"], answer["otherNodes"]) == (id, of, 0)
    assert [node["nodeRef"] for node in answer["nodes"]] == ["fetch", "sum", "send", "extra"]
    assert answer["nodes"][0] == {
        "nodeId": "fetch",
        "nodeRef": "fetch",
        "name": "Fetch",
        "type": "http",
        "status": "COMPLETED",
        "attempts": 1,
        "startedAt": "2025-01-10T10:00:00.000Z",
        "completedAt": "2025-01-10T10:00:02.000Z",
        "durationMs": 2000,
        "logs": 2,
        "levels": {"info": 2},
        "lastLine": "done",
    }
    assert answer["nodes"][2] == {
        "nodeId": "send",
        "nodeRef": "send",
        "name": "send",
        "type": "mail",
        "status": "PENDING",
        "attempts": 0,
        "logs": 0,
        "levels": {},
    }
    assert [node["status"] for node in answer["nodes"]] == ["COMPLETED", "FAILED", "PENDING", "COMPLETED"]
    told = ("stepNumber", "totalSteps", "progressPercentage")
    assert [answer["nodes"][3][name] for name in told] == [2, 4, 50]


def test_a_run_shows_what_it_was_given(api):
    of = workflow(api)
    id = run(api, of, records=None, inputs={"day": 1}, config={"retries": 2})
    expected = {"runId": id, "workflowId": of, "inputs": {"day": 1}, "config": {"retries": 2}}
    assert api.expect(200, "GET", f"/workflows/runs/{id}/config") == expected
    plain = api.create(workflow_id="w")
    answer = api.expect(200, "GET", f"/workflows/runs/{plain}/config")
    assert (answer["inputs"], answer["config"]) == (None, None)


# --- All logs of a workflow


def logs(api, of, **query):
    """All records by pages."""
    found = []
    while True:
        page = api.expect(200, "GET", f"/api/v1/workflows/{of}/logs", query=query)
        found += page["logs"]
        assert page["has_more"] == (page["next_cursor"] is not None)
        if not page["has_more"]:
            return found
        query["cursor"] = page["next_cursor"]


def places(records):
    return [(record["execution_id"], record["sequence_number"]) for record in records]


def merged(records_by_id):
    """What the merge must give: by the greatest time so far in its log, then the older execution, then the number."""
    keyed = []
    for row, (id, times) in enumerate(records_by_id.items()):
        for i in range(len(times)):
            keyed.append((max(times[: i + 1]), row, i, id))
    return [(id, i) for _, _, i, id in sorted(keyed)]


def at(second):
    return f"2025-01-10T10:{second // 60:02}:{second % 60:02}.000Z"


@pytest.fixture(scope="module")
def many(server):
    """A workflow whose runs overlap, with equal times and one whose times go back: (workflow, {id: seconds})."""
    api = server.api()
    of, runs = workflow(api), {}
    for number in range(7):
        times = [number * 20 + i // 2 for i in range(0, 120, number + 1)]
        if number == 3:
            times = times[10:] + times[:10]
        id = run(api, of, records=None)
        runs[id] = times
        for part in range(0, len(times), 17):
            records = [
                {"message": f"{number}/{part + i}", "timestamp": at(second), "level": "ERROR" if i == 3 else "INFO"}
                for i, second in enumerate(times[part : part + 17])
            ]
            api.append(id, records)
    run(api, of, records=None)  # an empty log
    return of, runs


def test_the_logs_of_a_workflow_are_merged_by_time(api, many):
    of, runs = many
    assert places(logs(api, of, limit=10000)) == merged(runs)


@pytest.mark.parametrize("limit", [1, 7, 50])
def test_pages_of_any_size_make_the_same_whole(api, many, limit):
    of, runs = many
    assert places(logs(api, of, limit=limit)) == merged(runs)


def test_filters_hold_for_all_logs(api, many):
    of, runs = many
    whole = logs(api, of, limit=10000)
    for query, wanted in (
        ({"level": "error"}, lambda record: record["level"] == "ERROR"),
        ({"grep": "3/"}, lambda record: "3/" in record["message"]),
        ({"start_time": at(45)}, lambda record: record["timestamp"] >= at(45)),
        ({"start_time": at(45), "end_time": at(60)}, lambda record: at(45) <= record["timestamp"] <= at(60)),
        ({"stream": "stderr"}, lambda record: False),
    ):
        for limit in (3, 10000):
            found = places(logs(api, of, limit=limit, **query))
            assert found == places(record for record in whole if wanted(record)), (query, limit)


def test_a_page_is_of_the_newest_executions_and_goes_on_with_them(api):
    of = workflow(api)
    ids = [run(api, of, records=[{"message": "a"}, {"message": "b"}]) for _ in range(3)]
    first = api.expect(200, "GET", f"/api/v1/workflows/{of}/logs", query={"executions": 2, "limit": 1})
    assert (first["executions"], first["more_executions"]) == (2, True)
    later = run(api, of, records=[{"message": "later"}])
    rest = logs(api, of, executions=2, cursor=first["next_cursor"])
    assert sorted(places(first["logs"] + rest)) == sorted((id, i) for id in ids[1:] for i in range(2))
    assert later in {id for id, _ in places(logs(api, of))}


@pytest.mark.parametrize("cursor", ["x", "a.b.c.d", "0" * 32, ".".join(["0" * 32] * 2) + ".1.1"])
def test_a_cursor_that_was_not_given_out_is_refused(api, many, cursor):
    answer = api.get(f"/api/v1/workflows/{many[0]}/logs", query={"cursor": cursor})
    assert (answer.status, answer.code) == (400, "bad_cursor")


def test_a_workflow_without_runs_has_no_logs_and_no_counts(api):
    of = workflow(api)
    assert logs(api, of) == []
    counts = api.expect(200, "GET", f"/api/v1/workflows/{of}/statistics")
    assert (counts["executions"], counts["statuses"], counts["records"], counts["buckets"]) == (0, {}, 0, [])


# --- Counts over runs


def test_runs_are_counted_by_status_level_event_type_and_node(api):
    of = workflow(api)
    ids = [run(api, of) for _ in range(3)] + [run(api, of, records=None)]
    api.expect(200, "PATCH", f"/api/v1/executions/{ids[0]}", {"status": "running"})
    api.expect(200, "PATCH", f"/api/v1/executions/{ids[1]}", {"status": "failed"})
    counts = api.expect(200, "GET", f"/api/v1/workflows/{of}/statistics", query={"buckets": 4})
    assert (counts["workflow_id"], counts["executions"], counts["more_executions"]) == (of, 4, False)
    assert counts["statuses"] == {"queued": 2, "running": 1, "failed": 1}
    assert (counts["records"], counts["levels"]) == (15, {"info": 6, "warning": 3, "error": 6})
    types = {"node_started": 3, "node_completed": 3, "step_completed": 3, "node_failed": 3}
    assert counts["event_types"] == types
    assert counts["nodes"] == {"fetch": 6, "extra": 3, "sum": 3}
    assert (counts["other_event_types"], counts["other_nodes"]) == (0, 0)
    assert 1 <= len(counts["buckets"]) <= 4
    for name in ("executions", "records"):
        assert sum(bucket[name] for bucket in counts["buckets"]) == counts[name]
    for name in ("statuses", "levels", "event_types", "nodes"):
        summed = {}
        for bucket in counts["buckets"]:
            for key, count in bucket[name].items():
                summed[key] = summed.get(key, 0) + count
        assert summed == counts[name]
    newest = api.expect(200, "GET", f"/api/v1/workflows/{of}/statistics", query={"executions": 1})
    assert (newest["executions"], newest["records"], newest["more_executions"]) == (1, 0, True)
