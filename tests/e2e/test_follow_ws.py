"""The WebSocket for followers: late, early, resumed, filtered, past the end, through restarts."""

import json
import struct
from socket import SO_LINGER, SOL_SOCKET

import pytest
from support.api import RawConnection, eventually
from support.ws import Follower, RawWebSocket, Refused, Runner, WebSocket, frame, handshake

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
    assert complete == {
        "type": "complete",
        "execution_id": execution_id,
        "exit_code": 0,
        "status": "completed",
        "final_sequence": 249,
    }


def test_a_log_message_is_the_record_with_its_type(server, api):
    execution_id = api.create()
    api.append(execution_id, {"message": "m", "stream": "stderr", "level": "warn", "data": {"k": [1, None]}})
    with Follower(server, execution_id) as follower:
        message = follower.expect("log")
    assert message.pop("type") == "log"
    assert message == api.logs(execution_id)[0]


def test_a_batch_is_lines_of_ndjson_in_few_frames(server, api):
    execution_id = api.create()
    api.append_lines(execution_id, [f"line {i} é" for i in range(1000)])
    with WebSocket(server, f"/ws/executions/{execution_id}/logs", query={"batch": "true", "from": 3}) as follower:
        frames = []
        while sum(len(records) for records in frames) < 997:
            lines = [json.loads(line) for line in follower.receive_text().splitlines()]
            frames += [lines] if "type" not in lines[0] else []
        assert len(frames) < 100
        messages = [record["message"] for records in frames for record in records]
        assert messages == [f"line {i} é" for i in range(3, 1000)]
        assert frames[0][0] == api.logs(execution_id)[3]
        api.append_lines(execution_id, ["later"])
        api.expect(200, "PATCH", f"{PATH}/{execution_id}", {"status": "running"})
        api.expect(200, "PATCH", f"{PATH}/{execution_id}", {"status": "completed"})
        rest, code = follower.until_closed()
    assert code == 1000
    assert [told["message"] for told in rest if "type" not in told] == ["later"]
    assert (rest[-1]["type"], rest[-1]["final_sequence"]) == ("complete", 1000)


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
    {
        "message": "f",
        "stream": "event",
        "event_type": "step_started",
        "node_id": "n1",
        "category": "business",
        "is_milestone": True,
    },
    {"message": "g"},
]


@pytest.mark.parametrize("query, expected", FILTERS)
def test_a_filtered_follower_gets_what_matches_and_its_position_before_complete(server, api, query, expected):
    execution_id = api.create()
    timed = [{**record, "timestamp": f"2025-11-15T10:30:0{i}.000Z"} for i, record in enumerate(MIXED)]
    with Follower(server, execution_id, **query) as follower, Runner(server, execution_id) as runner:
        runner.send(
            [runner.record(record.pop("message"), record.pop("stream", "stdout"), **record) for record in timed]
        )
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
        follower.collect(lambda m: m["type"] == "position" and m["sequence_number"] == 2)


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
    server = servers("--loops", "4")
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
    server = servers("--ping-seconds", "1", "--pong-timeout-seconds", "6")  # one stands still for less
    api = server.api()
    execution_id = api.create()
    api.append_lines(execution_id, ["first"])
    with RawWebSocket(server, f"/ws/executions/{execution_id}/logs") as answering:
        pings = 0
        while pings < 8:
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
    assert code == 4404 and messages == [
        {"type": "error", "execution_id": "exec_nowhere", "code": "not_found", "error": messages[0]["error"]}
    ]


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


def test_a_place_comes_back_however_a_follower_ends(servers):
    """Each way of following, in turn, on an account that may have one follower."""
    server = servers("--followers-max", "1")
    api = server.api()
    execution_id, sealed = api.create(), api.create()
    api.append_lines(execution_id, ["one"])
    api.append_lines(sealed, ["one"])
    api.delete(f"/api/v1/executions/{sealed}")
    logs, streams = "/api/v1/executions/{}/logs", "/ws/executions/{}/logs"

    def whole(path, method="GET", **query):
        def follow():
            answer = api.request(method, path.format(sealed), query=query)
            return answer.status if answer.status != 204 else 200

        return follow

    def cut(path):
        def follow():
            with RawConnection(server.port) as connection:
                request = f"GET {path.format(execution_id)} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                connection.send(f"{request}Authorization: Bearer {server.operator_key}\r\n\r\n".encode())
                status = int(connection._reader.readline().split()[1])
                connection.socket.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))  # a reset, not an end
            return status

        return follow

    def socket(target, ends, **headers):
        def follow():
            connection = RawConnection(server.port)
            with connection:
                connection.send(handshake(server, streams.format(target), server.operator_key, **headers))
                status = connection.answer().status
                if ends and status == 101:
                    connection.ended()
            return status

        return follow

    ways = {
        "a whole stream": whole(logs, format="ndjson"),
        "a stream to the end": whole(logs, format="text", follow="true"),
        "HEAD of a stream": whole(logs, "HEAD", format="ndjson"),
        "events to the end": whole(logs + "/stream"),
        "events again after the end": whole(logs + "/stream", after=0),
        "HEAD of events": whole(logs + "/stream", "HEAD"),
        "a stream that is cut": cut(logs + "?format=ndjson&follow=true"),
        "events that are cut": cut(logs + "/stream"),
        "a socket to the end": socket(sealed, True),
        "a socket that is cut": socket(execution_id, False),
        "a handshake that is none": socket(execution_id, False, Sec_WebSocket_Version="12"),
        "a handshake without a key": socket(execution_id, False, Sec_WebSocket_Key=None),
    }
    expected = {
        "a socket to the end": 101,
        "a socket that is cut": 101,
        "a handshake that is none": 426,
        "a handshake without a key": 400,
    }
    for name, follow in [*ways.items(), *ways.items()]:
        # The former one may need a moment to be gone; a place that is never given back stays taken.
        status = eventually(lambda: (lambda status: status != 429 and status)(follow()), f"a place, for {name}")
        assert status == expected.get(name, 200), (name, status)
