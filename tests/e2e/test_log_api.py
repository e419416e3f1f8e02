"""The workflow log API, as its design's requests and clients know it. Only host, port and token differ."""

import json

import pytest
from support.sse import Stream
from support.ws import Runner

FAMILIES = ("/api/v1/app/executions/{}/logs", "/v2/workflows/executions/{}/logs")
STREAMS = ("/api/v1/app/executions/{}/logs/stream", "/v2/executions/{}/logs/stream")
DAY = "2025-01-10T{:02}:{:02}:00Z"


def records():
    """100 records over 100 minutes; every tenth is an error of a step."""
    for i in range(100):
        record = {"message": f"technical {i}", "timestamp": DAY.format(10 + i // 60, i % 60), "level": "INFO"}
        if i % 10 == 9:
            record |= {
                "level": "ERROR",
                "event_type": "step_error",
                "node_id": f"n{i}",
                "node_name": f"Node {i}",
                "node_type": "http",
                "step_number": i,
                "total_steps": 100,
                "display_priority": 8,
                "is_milestone": True,
                "user_friendly_message": f"friendly {i}",
                "data": {"i": i},
            }
        yield record


@pytest.fixture
def execution_id(api):
    execution_id = api.create(workflow_id="wf-1")
    api.append(execution_id, list(records()))
    return execution_id


def page(api, execution_id, family=FAMILIES[0], **query):
    return api.expect(200, "GET", family.format(execution_id), query=query)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_page_has_the_designs_shape(api, execution_id, family):
    answer = page(api, execution_id, family, limit=50, offset=0)
    assert set(answer) == {"execution_id", "logs", "total_count", "pagination"}
    assert answer["execution_id"] == execution_id and answer["total_count"] == 100
    assert answer["pagination"] == {"limit": 50, "offset": 0, "has_more": True, "next_cursor": 50}
    assert [entry["id"] for entry in answer["logs"]] == [f"{execution_id}:{i}" for i in range(50)]
    assert answer["logs"][0] == {
        "id": f"{execution_id}:0",
        "timestamp": "2025-01-10T10:00:00.000Z",
        "node_name": None,
        "event_type": "log",
        "message": "technical 0",
        "level": "info",
        "data": {},
    }
    assert answer["logs"][9] == {
        "id": f"{execution_id}:9",
        "timestamp": "2025-01-10T10:09:00.000Z",
        "node_id": "n9",
        "node_name": "Node 9",
        "node_type": "http",
        "event_type": "step_error",
        "message": "friendly 9",
        "level": "error",
        "data": {"i": 9},
        "step_number": 9,
        "total_steps": 100,
        "display_priority": 8,
        "is_milestone": True,
    }


def test_a_page_has_100_entries_unless_told(api, execution_id):
    api.append(execution_id, [{"message": "one more"}])
    answer = page(api, execution_id)
    assert len(answer["logs"]) == 100 and answer["pagination"]["limit"] == 100 and answer["pagination"]["has_more"]


@pytest.mark.parametrize(
    "offset, count, more", [(0, 7, True), (93, 7, False), (95, 5, False), (100, 0, False), (10**15, 0, False)]
)
def test_offsets(api, execution_id, offset, count, more):
    answer = page(api, execution_id, limit=7, offset=offset)
    assert [entry["message"] for entry in answer["logs"]] == [
        f"friendly {i}" if i % 10 == 9 else f"technical {i}" for i in range(offset, offset + count)
    ]
    assert answer["pagination"]["has_more"] is more and answer["total_count"] == 100


@pytest.mark.parametrize(
    "query, numbers",
    [
        ({"level": "ERROR"}, range(9, 100, 10)),
        ({"level": "error"}, range(9, 100, 10)),
        ({"level": "CRITICAL"}, []),
        ({"start_time": DAY.format(10, 30), "end_time": DAY.format(10, 33)}, range(30, 34)),
        ({"start_time": "2025-01-10T00:00:00Z", "end_time": "2025-01-10T23:59:59Z"}, range(100)),
        ({"start_time": "2025-01-11T00:00:00Z"}, []),
        ({"level": "ERROR", "start_time": DAY.format(10, 30)}, range(39, 100, 10)),
        ({"milestone": "true"}, range(9, 100, 10)),
        ({"event_type": "step_error", "node": "n19,n29"}, [19, 29]),
        ({"min_priority": 8}, range(9, 100, 10)),
    ],
)
def test_filters_count_and_page_alike(api, execution_id, query, numbers):
    numbers = list(numbers)
    answer = page(api, execution_id, **query)
    assert [entry["id"] for entry in answer["logs"]] == [f"{execution_id}:{i}" for i in numbers]
    assert answer["total_count"] == len(numbers) and not answer["pagination"]["has_more"]
    answer = page(api, execution_id, limit=3, offset=2, **query)
    assert [entry["id"] for entry in answer["logs"]] == [f"{execution_id}:{i}" for i in numbers[2:5]]
    assert answer["total_count"] == len(numbers) and answer["pagination"]["has_more"] == (len(numbers) > 5)


@pytest.mark.parametrize("together", [1, 7, 200])
def test_a_traceback_passes_a_filter_whole_wherever_a_page_begins(api, together):
    id = api.create()
    records, wanted = [], []
    for n in range(6):
        records.append({"message": f"plain {n}"})
        records.append({"message": f"failed {n}", "level": "error", "stream": "stderr"})
        records += [{"message": f"  at {n}.{line}", "stream": "stderr", "continues": True} for line in range(9)]
        records.append({"message": "not of it", "continues": True})  # of another stream
    for at in range(0, len(records), together):  # one request is one chunk, at first
        api.append(id, records[at : at + together])
    wanted = [n for n, record in enumerate(records) if record.get("stream") == "stderr"]
    sequences = [int(entry["id"].rsplit(":", 1)[1]) for entry in page(api, id, level="error", limit=1000)["logs"]]
    assert sequences == wanted
    for cursor in range(len(records)):
        answer = page(api, id, level="error", limit=5, cursor=cursor)
        found = [int(entry["id"].rsplit(":", 1)[1]) for entry in answer["logs"]]
        assert found == [n for n in wanted if n >= cursor][:5], cursor
    for offset in range(0, len(wanted), 4):
        answer = page(api, id, level="error", limit=4, offset=offset)
        found = [int(entry["id"].rsplit(":", 1)[1]) for entry in answer["logs"]]
        assert (found, answer["total_count"]) == (wanted[offset : offset + 4], len(wanted))


def test_pages_by_cursor_are_those_by_offset(api, execution_id):
    for query in ({}, {"level": "ERROR"}):
        by_cursor, cursor = [], 0
        while cursor is not None:
            answer = page(api, execution_id, limit=3, cursor=cursor, **query)
            by_cursor += answer["logs"]
            cursor = answer["pagination"]["next_cursor"]
        assert by_cursor == page(api, execution_id, **query)["logs"]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    "query",
    [
        {"limit": 0},
        {"limit": 1001},
        {"limit": "many"},
        {"offset": -1},
        {"offset": "far"},
        {"level": "LOUD"},
        {"start_time": "yesterday"},
        {"end_time": "2025-13-01T00:00:00Z"},
        {"offset": 1, "cursor": 1},
    ],
)
def test_values_out_of_bounds_are_422(api, execution_id, family, query):
    answer = api.get(family.format(execution_id), query=query)
    assert answer.status == 422 and answer.code == "invalid", answer


@pytest.mark.parametrize("pattern", FAMILIES + STREAMS)
def test_what_is_not_there_or_without_a_credential(api, server, pattern):
    assert api.get(pattern.format("no-such-execution")).status == 404
    assert api.get(pattern.format("no-such-execution"), token=None).status == 401


def events_of(api, path, **query):
    """All events of a stream that ends, without bare positions."""
    events = []
    with Stream(api, None, path=path, **query) as stream:
        while event := stream.next():
            events += [event] if event.kind != "position" else []
    return events


@pytest.mark.parametrize("pattern", STREAMS)
def test_a_finished_execution_is_told_and_completed(server, api, pattern):
    execution_id = api.create()
    with Runner(server, execution_id) as runner:
        runner.lines(["one", "two"])
        runner.complete()
    events = events_of(api, pattern.format(execution_id))
    assert [event.kind for event in events] == ["message"] * 3 and [event.id for event in events] == ["0", "1", "2"]
    data = [event.json() for event in events]
    assert [one["event_type"] for one in data] == ["LOG", "LOG", "COMPLETE"]
    assert [one["session_id"] for one in data] == [execution_id] * 3
    assert [one["is_final"] for one in data] == [False, False, True] and all(one["timestamp"] for one in data)
    assert data[0]["data"] == {
        "id": f"{execution_id}:0",
        "timestamp": data[0]["timestamp"],
        "node_name": None,
        "event_type": "log",
        "message": "one",
        "level": "info",
        "data": {},
    }
    assert data[2]["data"] == {
        "execution_id": execution_id,
        "status": "SUCCESS",
        "message": "Historical logs retrieved",
        "total_logs": 2,
    }


def test_what_comes_live_says_so(server, api):
    execution_id = api.create()
    with Runner(server, execution_id) as runner:
        runner.lines(["before"])
        with Stream(api, None, path=STREAMS[0].format(execution_id)) as stream:
            first = stream.next().json()
            assert first["data"]["message"] == "before" and "is_realtime" not in first["data"]
            runner.lines(["after"])
            second = stream.next().json()
            assert second["data"]["message"] == "after" and second["data"]["is_realtime"] is True
            runner.complete(exit_code=1)
            last = stream.next().json()
    assert last["event_type"] == "COMPLETE" and last["is_final"] is True
    assert last["data"] == {
        "execution_id": execution_id,
        "status": "ERROR",
        "message": "Execution completed",
        "total_logs": 2,
    }


def test_follow_false_ends_with_what_is_there(api, execution_id):
    events = [event.json() for event in events_of(api, STREAMS[0].format(execution_id), follow="false")]
    assert len(events) == 101 and events[-1]["event_type"] == "COMPLETE"
    assert events[-1]["data"]["status"] == "NEW" and events[-1]["data"]["message"] == "Historical logs retrieved"


def test_a_stream_is_resumed_by_the_last_events_id(server, api):
    execution_id = api.create()
    with Runner(server, execution_id) as runner:
        runner.lines([str(i) for i in range(5)])
        runner.complete()
    path = STREAMS[0].format(execution_id)
    data = [event.json() for event in events_of(api, path, headers={"Last-Event-ID": "2"})]
    assert [one["data"].get("message") for one in data] == ["3", "4", "Historical logs retrieved"]
    assert api.get(path, headers={"Last-Event-ID": "5"}).status == 204  # after COMPLETE a browser must not come again


def test_a_stream_can_be_filtered(api, execution_id):
    data = [
        json.loads(event.data)
        for event in events_of(
            api, STREAMS[0].format(execution_id), follow="false", level="ERROR", start_time=DAY.format(11, 0)
        )
    ]
    assert [one["data"]["message"] for one in data[:-1]] == [f"friendly {i}" for i in (69, 79, 89, 99)]


def test_a_ticket_opens_a_stream_in_the_query(api, execution_id):
    ticket = api.expect(201, "POST", "/api/v1/tickets")["ticket"]
    path = STREAMS[0].format(execution_id)
    answer = api.get(path, token=None, query={"follow": "false", "access_token": ticket})
    assert answer.status == 200 and answer.body.count(b'"event_type":"LOG"') == 100
