"""What is counted of a log: its summary, its nodes, its counts over time."""

import pytest
from support.schemas import assert_fits

PATH = "/api/v1/executions"
BASE = "2026-01-02T03:04:"


def event(second, event_type, node=None, **fields):
    record = {"timestamp": f"{BASE}{second:06.3f}Z", "stream": "event", "event_type": event_type, **fields}
    return record | ({"node_id": node} if node else {})


STORY = [
    {"timestamp": BASE + "00.000Z", "message": "plain"},
    {"timestamp": BASE + "00.500Z", "message": "careful", "stream": "stderr", "level": "warn"},
    event(1, "node_queued", "fetch", node_name="Fetch", node_type="http", step_number=1, total_steps=4),
    event(2, "node_started", "fetch", message="begin", progress_percentage=12.5),
    event(3, "node_failed", "fetch", message="503", level="error"),
    event(4, "node_started", "fetch"),
    event(
        5.25,
        "node_completed",
        "fetch",
        message="200",
        user_friendly_message="All fetched",
        is_milestone=True,
        category="business",
    ),
    event(6, "node_started", "send", message="sending"),
    event(7, "workflow_progress", message="half"),
]


@pytest.fixture
def run(api):
    execution_id = api.create()
    api.expect(200, "PATCH", f"{PATH}/{execution_id}", {"status": "running"})
    api.append(execution_id, STORY)
    return execution_id


def ask(api, execution_id, what, schema, **query):
    answer = api.expect(200, "GET", f"{PATH}/{execution_id}/{what}", query=query)
    assert_fits(schema, answer)
    return answer


def test_a_summary_counts_the_log(api, run):
    summary = ask(api, run, "logs/summary", "LogsSummary")
    assert summary["total_logs"] == 9 and summary["last_index"] == 9 and summary["status"] == "running"
    assert summary["log_levels"] == {"info": 7, "warning": 1, "error": 1}
    assert summary["event_types"] == {
        "node_queued": 1,
        "node_started": 3,
        "node_failed": 1,
        "node_completed": 1,
        "workflow_progress": 1,
        "log": 2,
    }
    assert summary["streams"] == {"stdout": 1, "stderr": 1, "event": 7}
    assert summary["categories"] == {"technical": 8, "business": 1}
    assert summary["first_error"] == 4
    assert summary["milestones"] == [
        {
            "sequence_number": 6,
            "timestamp": BASE + "05.250Z",
            "message": "All fetched",
            "event_type": "node_completed",
        }
    ]
    assert summary["nodes"] == {
        "fetch": {"node_name": "Fetch", "logs_count": 5, "step_number": 1, "status": "completed"},
        "send": {"node_name": "send", "logs_count": 1, "step_number": None, "status": "running"},
    }
    assert summary["timeline"] == {
        "first_log": BASE + "00.000Z",
        "last_log": BASE + "07.000Z",
        "duration_estimate": 7.0,
    }
    assert (summary["event_types_more"], summary["milestones_more"], summary["nodes_more"]) == (0, 0, 0)


def test_nodes_have_their_states_attempts_and_times(api, run):
    fetch, send = ask(api, run, "nodes", "Nodes")["nodes"]
    assert_fits("Node", fetch)
    assert fetch == {
        "node_id": "fetch",
        "name": "Fetch",
        "type": "http",
        "step_number": 1,
        "total_steps": 4,
        "progress_percentage": None,
        "state": "completed",
        "attempts": 2,
        "queued_at": None,
        "started_at": BASE + "04.000Z",
        "ended_at": BASE + "05.250Z",
        "duration_ms": 1250,
        "queue_ms": None,
        "earlier_attempts": [
            {
                "state": "failed",
                "queued_at": BASE + "01.000Z",
                "started_at": BASE + "02.000Z",
                "ended_at": BASE + "03.000Z",
            }
        ],
        "records": 5,
        "levels": {"info": 4, "error": 1},
        "last_line": "All fetched",
        "last_index": 7,
    }
    assert (send["state"], send["attempts"], send["ended_at"], send["duration_ms"]) == ("running", 1, None, None)


def test_the_time_in_the_queue_is_that_before_the_attempt(api):
    execution_id = api.create()
    api.append(execution_id, [event(1, "node_queued", "a"), event(3.5, "node_started", "a")])
    [node] = ask(api, execution_id, "nodes", "Nodes")["nodes"]
    assert node["queue_ms"] == 2500 and node["state"] == "running"


def test_a_node_tells_how_far_it_is(api):
    execution_id = api.create()
    for second, told in enumerate([{"step_number": 3}, {"progress_percentage": 41.75}, {}]):
        api.append(execution_id, [event(second, "node_progress", "a", total_steps=9, **told)])
        [node] = ask(api, execution_id, "nodes", "Nodes")["nodes"]
        assert node["progress_percentage"] == (41.75 if second > 0 else None)
        assert (node["step_number"], node["total_steps"]) == (3, 9)
    api.append(execution_id, [event(4, "node_failed", "a"), event(5, "node_queued", "a")])
    [node] = ask(api, execution_id, "nodes", "Nodes")["nodes"]
    assert (node["state"], node["progress_percentage"], node["queued_at"]) == ("pending", 41.75, BASE + "05.000Z")
    api.append(execution_id, [event(6, "node_started", "a", progress_percentage=0)])
    [node] = ask(api, execution_id, "nodes", "Nodes")["nodes"]
    assert (node["progress_percentage"], len(node["earlier_attempts"])) == (0, 1)


def test_a_node_ends_with_its_run(api, run):
    api.expect(200, "PATCH", f"{PATH}/{run}", {"status": "failed", "exit_code": 3})
    answer = ask(api, run, "nodes", "Nodes")
    fetch, send = answer["nodes"]
    assert answer["sealed"] and fetch["state"] == "completed"
    assert send["state"] == "failed" and send["ended_at"] is not None and send["duration_ms"] >= 0
    assert ask(api, run, "logs/summary", "LogsSummary")["nodes"]["send"]["status"] == "failed"


def test_what_comes_later_is_counted_at_the_next_request(api, run):
    ask(api, run, "logs/summary", "LogsSummary")
    for count in range(10, 14):
        api.append(run, event(8, "node_completed", "send"))
        summary = ask(api, run, "logs/summary", "LogsSummary")
        assert summary["total_logs"] == count and summary["event_types"]["node_completed"] == count - 8
    [_, send] = ask(api, run, "nodes", "Nodes")["nodes"]
    assert send["state"] == "completed" and send["attempts"] == 1 and send["records"] == 5


def test_statistics_count_by_time(api, run):
    answer = ask(api, run, "logs/statistics", "LogsStatistics", buckets=4)
    assert answer["bucket_ms"] == 1751 and answer["last_index"] == 9
    buckets = answer["buckets"]
    assert [bucket["records"] for bucket in buckets] == [3, 2, 2, 2]
    assert buckets[0]["levels"] == {"info": 2, "warning": 1} and buckets[0]["event_types"] == {"node_queued": 1}
    assert buckets[1]["nodes"] == {"fetch": 2} and buckets[1]["levels"] == {"info": 1, "error": 1}
    assert buckets[3]["event_types"] == {"node_started": 1, "workflow_progress": 1}
    assert buckets[0]["start"] == BASE + "00.000Z" and buckets[1]["start"] == BASE + "01.751Z"
    [whole] = ask(api, run, "logs/statistics", "LogsStatistics", buckets=1)["buckets"]
    assert whole["records"] == 9 and whole["nodes"] == {"fetch": 5, "send": 1}


def test_an_empty_log_has_an_empty_summary(api):
    execution_id = api.create()
    summary = ask(api, execution_id, "logs/summary", "LogsSummary")
    assert summary["total_logs"] == 0 and summary["event_types"] == {} and summary["first_error"] is None
    assert summary["timeline"] == {"first_log": None, "last_log": None, "duration_estimate": 0}
    assert ask(api, execution_id, "nodes", "Nodes")["nodes"] == []
    assert ask(api, execution_id, "logs/statistics", "LogsStatistics")["buckets"] == []


@pytest.mark.parametrize("what", ["logs/summary", "logs/statistics", "nodes"])
def test_there_is_none_of_what_is_not_there(api, what):
    answer = api.get(f"{PATH}/nobody/{what}")
    assert answer.status == 404 and answer.code == "not_found"
    execution_id = api.create()
    api.append(execution_id, STORY)
    for change in ({"status": "running"}, {"status": "completed", "exit_code": 0}):
        api.expect(200, "PATCH", f"{PATH}/{execution_id}", change)
    api.expect(200, "GET", f"{PATH}/{execution_id}/{what}")
    api.expect(200, "DELETE", f"{PATH}/{execution_id}", query={"purge": "true"})
    assert api.get(f"{PATH}/{execution_id}/{what}").status == 410


def test_a_summary_is_the_same_after_a_restart(servers):
    server = servers()
    api = server.api()
    execution_id = api.create()
    api.expect(200, "PATCH", f"{PATH}/{execution_id}", {"status": "running"})
    for number in range(40):
        records = [
            event(number, "node_progress", f"n{i % 20}", message=f"{number}.{i}", data={"number": i})
            for i in range(500)
        ]
        api.append(execution_id, records)
    before = [api.expect(200, "GET", f"{PATH}/{execution_id}/{what}") for what in ("logs/summary", "nodes")]
    assert before[0]["total_logs"] == 20000 and len(before[1]["nodes"]) == 20
    server.kill()
    server.start()
    api = server.api()
    after = [api.expect(200, "GET", f"{PATH}/{execution_id}/{what}") for what in ("logs/summary", "nodes")]
    assert after == before
