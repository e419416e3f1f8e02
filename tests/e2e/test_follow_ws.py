"""The WebSocket for followers: late, early, resumed, filtered, past the end, through restarts."""

import json

import pytest
from support.api import eventually
from support.ws import Follower, RawWebSocket, Refused, Runner, frame

PATH = "/api/v1/executions"


def numbers(messages):
    return [message["sequence_number"] for message in messages]


def sealed(server, api, count):
    execution_id = api.create()
    with Runner(server, execution_id) as runner:
        if count:
            runner.lines([f"line {i}" for i in range(count)])
        runner.complete()
    return execution_id


def test_a_late_follower_gets_all_then_complete_then_close_1000(server, api):
    execution_id = sealed(server, api, 250)
    with Follower(server, execution_id) as follower:
        logs, complete = follower.rest()
    assert numbers(logs) == list(range(250))
    assert complete == {"type": "complete", "execution_id": execution_id, "exit_code": 0, "status": "completed", "final_sequence": 249}


def test_a_log_message_is_the_record_with_its_type(server, api):
    execution_id = api.create()
    api.append(execution_id, {"message": "m", "stream": "stderr", "level": "warn", "data": {"k": [1, None]}})
    with Follower(server, execution_id) as follower:
        message = follower.expect("log")
    assert message.pop("type") == "log"
    assert message == api.logs(execution_id)[0]


def test_an_execution_without_output_completes_with_final_sequence_minus_1(server, api):
    with Follower(server, sealed(server, api, 0)) as follower:
        logs, complete = follower.rest()
    assert logs == [] and complete["final_sequence"] == -1


@pytest.mark.threads
def test_an_early_follower_sees_the_first_line(server, api):
    execution_id = api.create()
    with Follower(server, execution_id) as follower, Runner(server, execution_id) as runner:
        runner.lines(["first"])
        assert follower.logs(1)[0]["message"] == "first"
        runner.lines(["second"])
        assert follower.logs(1)[0]["message"] == "second"
        runner.complete()
        assert follower.rest()[1]["final_sequence"] == 1


POSITIONS = [
    ({}, 0),
    ({"from": 6}, 6),
    ({"after": 5}, 6),
    ({"after": -1}, 0),
    ({"cursor": 5}, 6),
    ({"cursor": -1}, 0),
    ({"since_index": 6}, 6),
    ({"tail": 4}, 6),
    ({"tail": 0}, 10),
    ({"since": "2025-11-15T10:30:15.123Z"}, 0),
    ({"since": "1h"}, 10),
    ({"since": "2099-01-01T00:00:00Z"}, 10),
]


@pytest.mark.parametrize("query, first", POSITIONS)
def test_every_name_of_a_position(server, api, query, first):
    execution_id = sealed(server, api, 10)
    with Follower(server, execution_id, **query) as follower:
        assert numbers(follower.rest()[0]) == list(range(first, 10))


def test_a_follower_past_the_end_is_told_so_and_waits_for_its_record(server, api):
    execution_id = api.create()
    api.append_lines(execution_id, ["0", "1"])
    with Follower(server, execution_id, **{"from": 4}) as follower:
        assert follower.expect("position")["sequence_number"] <= 3
        api.append_lines(execution_id, ["2", "3", "4"])
        assert follower.logs(1)[0]["sequence_number"] == 4


@pytest.mark.threads
def test_resuming_by_the_last_number_neither_repeats_nor_skips(server, api):
    execution_id = api.create()
    seen = []
    with Runner(server, execution_id) as runner:
        for burst in range(6):
            runner.lines([f"{burst}/{i}" for i in range(40)])
            with Follower(server, execution_id, after=numbers(seen)[-1] if seen else -1) as follower:
                seen += follower.logs(30)
                follower.cut()
        runner.complete()
    with Follower(server, execution_id, after=seen[-1]["sequence_number"]) as follower:
        seen += follower.rest()[0]
    assert numbers(seen) == list(range(240))


FILTERS = [
    ({"stream": "stderr"}, [1, 4]),
    ({"level": "ERROR"}, [2]),
    ({"min_level": "WARNING"}, [2, 3]),
    ({"category": "business"}, [5]),
    ({"event_type": "step_started"}, [5]),
    ({"node": "n1"}, [5]),
    ({"milestone": "true"}, [5]),
    ({"min_priority": "8"}, [3]),
    ({"start_time": "2025-11-15T10:30:03Z", "end_time": "2025-11-15T10:30:04Z"}, [3, 4]),
    ({"grep": "needle"}, [4]),
    ({"regex": "^n.*e$"}, [4]),
]
MIXED = [
    {"message": "a"},
    {"message": "b", "stream": "stderr"},
    {"message": "c", "level": "error"},
    {"message": "d", "level": "warning", "display_priority": 9},
    {"message": "needle", "stream": "stderr"},
    {"message": "f", "stream": "event", "event_type": "step_started", "node_id": "n1", "category": "business", "is_milestone": True},
    {"message": "g"},
]


@pytest.mark.parametrize("query, expected", FILTERS)
def test_a_filtered_follower_gets_what_matches_and_its_position_before_complete(server, api, query, expected):
    execution_id = api.create()
    timed = [{**record, "timestamp": f"2025-11-15T10:30:0{i}.000Z"} for i, record in enumerate(MIXED)]
    with Follower(server, execution_id, **query) as follower, Runner(server, execution_id) as runner:
        runner.send([runner.record(record.pop("message"), record.pop("stream", "stdout"), **record) for record in timed])
        runner.complete()
        messages, code = follower.until_closed()
    assert code == 1000
    assert numbers(m for m in messages if m["type"] == "log") == expected
    positions = numbers(m for m in messages if m["type"] == "position")
    assert positions == sorted(positions)
    assert expected[-1:] == [6] or positions[-1] == 6
    assert [m["type"] for m in messages if m["type"] != "state"][-1] == "complete"


def test_a_filtered_follower_of_a_quiet_match_gets_its_position_meanwhile(server, api):
    execution_id = api.create()
    with Follower(server, execution_id, grep="never") as follower:
        api.append_lines(execution_id, ["a", "b", "c"])
        follower.collect(lambda m: m["type"] == "position" and m["sequence_number"] == 2, timeout=25)


def test_a_filtered_resume_counts_by_sequence_number(server, api):
    execution_id = api.create()
    api.append(execution_id, MIXED)
    with Follower(server, execution_id, stream="stderr", after=1) as follower:
        assert numbers(follower.logs(1)) == [4]


def test_state_is_told_when_it_changes(server, api):
    execution_id = api.create()
    with Follower(server, execution_id) as follower:
        with Runner(server, execution_id) as runner:
            follower.collect(lambda m: m["type"] == "state" and m["status"] == "running" and m["runner_connected"])
            runner.lines(["x"])
            runner.cut()
        follower.collect(lambda m: m["type"] == "state" and not m["runner_connected"])


def test_the_upgrade_names_the_incarnation(server, api):
    execution_id = api.create()
    with Follower(server, execution_id) as follower, Runner(server, execution_id) as runner:
        assert follower.headers["X-Runnel-Incarnation"] == runner.ready["incarnation"]


@pytest.mark.threads
def test_a_restarted_server_goes_on_where_each_follower_was(servers):
    server = servers()
    api = server.api()
    execution_id = api.create()
    api.append_lines(execution_id, ["0", "1", "2"])
    with Follower(server, execution_id) as follower:
        before = follower.logs(3)
        server.kill()
        assert follower.closed_with() == 1006
    server.restart()
    with Follower(server, execution_id, after=before[-1]["sequence_number"]) as follower:
        api.append_lines(execution_id, ["3", "4"])
        assert [message["message"] for message in follower.logs(2)] == ["3", "4"]


@pytest.mark.threads
def test_followers_on_all_loops_see_the_same(servers):
    server = servers("--workers", "4")
    api = server.api()
    execution_id = api.create()
    followers = [Follower(server, execution_id) for _ in range(12)]
    with Runner(server, execution_id) as runner:
        for i in range(20):
            runner.lines([f"{i}.{j}" for j in range(10)], wait=False)
        runner.complete()
    expected = [f"{i}.{j}" for i in range(20) for j in range(10)]
    for follower in followers:
        assert [message["message"] for message in follower.rest()[0]] == expected
        follower.close()


def test_a_followers_ping_is_answered(server, api):
    with Follower(server, api.create()) as follower:
        follower.ping()


def test_an_offer_of_compression_is_declined_not_refused(server, api):
    execution_id = sealed(server, api, 3)
    with Follower(server, execution_id, compression="deflate") as follower:
        assert "Sec-WebSocket-Extensions" not in follower.headers
        assert len(follower.rest()[0]) == 3


def test_no_pong_ends_the_socket_with_1001(servers):
    server = servers("--ping-seconds", "1", "--pong-timeout-seconds", "2")
    execution_id = server.api().create()
    with RawWebSocket(server, f"/ws/executions/{execution_id}/logs") as silent:
        assert silent.close_code() == 1001


def test_a_follower_that_answers_pings_stays(servers):
    server = servers("--ping-seconds", "1", "--pong-timeout-seconds", "2")
    api = server.api()
    execution_id = api.create()
    api.append_lines(execution_id, ["first"])
    with RawWebSocket(server, f"/ws/executions/{execution_id}/logs") as answering:
        pings = 0
        while pings < 5:
            kind, payload = answering.frame()
            if kind & 0x0F == 9:
                pings += 1
                answering.send(frame(10, payload))
        api.append_lines(execution_id, ["second"])
        while True:
            kind, payload = answering.frame()
            if kind & 0x0F == 1 and json.loads(payload).get("message") == "second":
                break


def test_a_purged_execution_is_refused_with_4410(server, api):
    execution_id = sealed(server, api, 3)
    assert api.delete(f"{PATH}/{execution_id}", query={"purge": "true"}).status == 200
    with Follower(server, execution_id) as follower:
        messages, code = follower.until_closed()
    assert code == 4410 and messages[-1]["type"] == "error" and messages[-1]["code"] == "expired"


def test_an_unknown_execution_is_refused_with_4404(server):
    with Follower(server, "exec_nowhere") as follower:
        messages, code = follower.until_closed()
    assert code == 4404 and messages == [{"type": "error", "execution_id": "exec_nowhere", "code": "not_found", "error": messages[0]["error"]}]


def test_the_account_has_a_limit_of_followers(servers):
    server = servers("--followers-max", "3")
    execution_id = server.api().create()
    held = [Follower(server, execution_id) for _ in range(3)]
    with pytest.raises(Refused) as refused:
        Follower(server, execution_id)
    assert refused.value.status == 429 and refused.value.headers["Retry-After"]
    held[0].close()

    def again():
        try:
            return Follower(server, execution_id)
        except Refused:
            return None

    eventually(again, "a place became free").close()
    for follower in held:
        follower.close()
