"""Native server-sent events."""

import pytest
from support.sse import Stream
from support.ws import Runner

PATH = "/api/v1/executions"


def sealed(server, api, count):
    execution_id = api.create()
    with Runner(server, execution_id) as runner:
        runner.lines([f"line {i}" for i in range(count)])
        runner.complete()
    return execution_id


def test_the_answer_is_an_unbuffered_event_stream(server, api):
    with Stream(api, sealed(server, api, 1)) as stream:
        assert stream.status == 200
        assert stream.headers["Content-Type"].startswith("text/event-stream")
        assert stream.headers["X-Accel-Buffering"] == "no"
        assert "no-" in stream.headers["Cache-Control"]


def test_each_record_is_a_log_event_with_its_number_as_id(server, api):
    execution_id = sealed(server, api, 3)
    with Stream(api, execution_id) as stream:
        events = [stream.next() for _ in range(3)]
        assert [event.id for event in events] == ["0", "1", "2"] and {event.kind for event in events} == {"log"}
        assert events[1].json() == api.logs(execution_id)[1] or events[1].json() == {
            "type": "log",
            **api.logs(execution_id)[1],
        }
        records, complete = stream.rest()
    assert (
        records == []
        and complete["exit_code"] == 0
        and complete["status"] == "completed"
        and complete["final_sequence"] == 2
    )


@pytest.mark.threads
def test_live_lines_come_at_once(server, api):
    execution_id = api.create()
    with Stream(api, execution_id) as stream, Runner(server, execution_id) as runner:
        for i in range(10):
            runner.lines([str(i)])
            assert stream.logs(1)[0]["message"] == str(i)
        runner.complete()
        assert stream.rest()[1]["final_sequence"] == 9


@pytest.mark.parametrize(
    "query, first",
    [({"from": 2}, 2), ({"after": 2}, 3), ({"since_index": 2}, 2), ({"tail": 1}, 4), ({"last_event_id": 2}, 3)],
)
def test_positions(server, api, query, first):
    execution_id = sealed(server, api, 5)
    with Stream(api, execution_id, **query) as stream:
        assert [record["sequence_number"] for record in stream.rest()[0]] == list(range(first, 5))


def test_last_event_id_wins_over_the_query(server, api):
    execution_id = sealed(server, api, 5)
    with Stream(api, execution_id, headers={"Last-Event-ID": "3"}, **{"from": 0}) as stream:
        assert [record["sequence_number"] for record in stream.rest()[0]] == [4]


def test_reconnecting_after_completion_is_204(server, api):
    execution_id = sealed(server, api, 5)
    with Stream(api, execution_id) as stream:
        while (event := stream.next()).kind != "complete":
            pass
    with Stream(api, execution_id, headers={"Last-Event-ID": event.id}) as stream:
        assert stream.status == 204


def test_who_has_all_records_but_not_the_end_is_told_it(server, api):
    execution_id = sealed(server, api, 5)
    with Stream(api, execution_id, headers={"Last-Event-ID": "4"}) as stream:
        records, complete = stream.rest()
    assert records == [] and complete["final_sequence"] == 4


def test_a_filtered_stream_says_its_position_by_bare_ids(server, api):
    execution_id = sealed(server, api, 5)
    with Stream(api, execution_id, grep="line 1") as stream:
        kinds = []
        while (event := stream.next()) is not None:
            kinds.append((event.kind, event.id))
    assert ("log", "1") in kinds and ("position", "4") in kinds
    assert kinds.index(("position", "4")) < [kind for kind, _ in kinds].index("complete")


def test_silence_is_filled_with_comments(server, api):
    execution_id = api.create()
    with Stream(api, execution_id) as stream:
        stream.comment()


def test_a_dropped_stream_resumes_where_it_was(server, api):
    execution_id = api.create()
    api.append_lines(execution_id, [str(i) for i in range(20)])
    with Stream(api, execution_id) as stream:
        seen = stream.logs(7)
    api.append_lines(execution_id, [str(i) for i in range(20, 25)])
    with Stream(api, execution_id, headers={"Last-Event-ID": str(seen[-1]["sequence_number"])}) as stream:
        seen += stream.logs(18)
    assert [record["message"] for record in seen] == [str(i) for i in range(25)]
