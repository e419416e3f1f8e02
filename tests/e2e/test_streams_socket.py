"""One WebSocket for many followers: subscriptions, each with a position and filters of its own."""

import signal

import pytest
from support.api import eventually
from support.ws import Refused, Runner, WebSocket

PATH = "/api/v1/executions"


class Streams(WebSocket):
    def __init__(self, server, token="", query=None):
        super().__init__(server, "/ws/streams", token, query)

    def subscribe(self, id, **fields):
        self.send({"type": "subscribe", "id": id, "kind": "execution", **fields})

    def unsubscribe(self, id):
        self.send({"type": "unsubscribe", "id": id, "kind": "execution"})

    def until_complete(self, *ids):
        """{id: messages} once all of these are complete."""
        waiting, heard = set(ids), {id: [] for id in ids}

        def is_last(message):
            id = message.get("execution_id")
            if message["type"] == "log":
                heard[id].append(message["message"])
            elif message["type"] == "complete":
                waiting.discard(id)
            return not waiting

        self.collect(is_last)
        return heard

    def logs(self, count):
        seen = []

        def is_last(message):
            if message["type"] == "log":
                seen.append((message["execution_id"], message["message"]))
            return len(seen) >= count

        self.collect(is_last)
        return seen


def sealed(server, api, lines):
    id = api.create()
    with Runner(server, id) as runner:
        if lines:
            runner.lines(lines)
        runner.complete()
    return id


def test_logs_that_end_in_the_turn_in_which_the_socket_has_drained(server, api):
    """They are larger than what a socket gets at once, so the last of it goes out when it has taken the rest."""
    lines = [f"{i} " + "x" * 200 for i in range(3000)]
    ids = [api.create() for _ in range(3)]
    for id in ids:
        api.append_lines(id, lines)
        api.expect(200, "PATCH", f"{PATH}/{id}", {"status": "failed", "exit_code": 1})
    with Streams(server) as streams:
        for id in ids:
            streams.subscribe(id)
        assert streams.until_complete(*ids) == {id: lines for id in ids}
        streams.subscribe(ids[0])  # the socket goes on
        assert streams.until_complete(ids[0]) == {ids[0]: lines}


@pytest.mark.threads
def test_executions_are_followed_on_one_connection(server, api):
    ids = [api.create() for _ in range(3)]
    with Streams(server) as streams:
        for id in ids:
            streams.subscribe(id)
        for i, id in enumerate(ids):
            with Runner(server, id) as runner:
                runner.lines([f"{i} a", f"{i} b"])
                runner.complete()
        heard = streams.until_complete(*ids)
        streams.ping()  # the socket goes on
    assert heard == {id: [f"{i} a", f"{i} b"] for i, id in enumerate(ids)}


def test_each_subscription_has_a_position_of_its_own(server, api):
    ids = [sealed(server, api, [str(i) for i in range(5)]) for _ in range(6)]
    with Streams(server) as streams:
        streams.subscribe(ids[0])
        streams.subscribe(ids[1], cursor=2)
        streams.subscribe(ids[2], cursor="2")
        streams.subscribe(ids[3], tail=1)
        streams.subscribe(ids[4], **{"from": 4})
        streams.subscribe(ids[5], cursor=-1)
        heard = streams.until_complete(*ids)
    everything = ["0", "1", "2", "3", "4"]
    assert [heard[id] for id in ids] == [everything, ["3", "4"], ["3", "4"], ["4"], ["4"], everything]


def test_each_subscription_has_filters_of_its_own(server, api):
    records = [
        {"message": "out", "stream": "stdout", "level": "ERROR"},
        {"message": "err", "stream": "stderr"},
        {"message": "out warn", "stream": "stdout", "level": "WARNING"},
    ]
    ids = [api.create() for _ in range(4)]
    for id in ids:
        api.append(id, records)
        with Runner(server, id) as runner:
            runner.complete(final_sequence=-1)
    with Streams(server) as streams:
        streams.subscribe(ids[0], filters={"stream": "stderr"})
        streams.subscribe(ids[1], filters={"level": ["ERROR", "WARNING"]})
        streams.subscribe(ids[2], filters={"grep": "WARN", "ignore_case": True})
        streams.subscribe(ids[3], filters=None)
        heard = streams.until_complete(*ids)
    assert [heard[id] for id in ids] == [["err"], ["out", "out warn"], ["out warn"], ["out", "err", "out warn"]]


def test_what_is_told_beside_records_says_of_whom(server, api):
    id = api.create()
    with Streams(server) as streams:
        streams.subscribe(id, cursor=7)
        state = streams.expect("state")
        assert (state["execution_id"], state["status"]) == (id, "queued")
        position = streams.expect("position")
        assert (position["execution_id"], position["sequence_number"]) == (id, -1)
        with Runner(server, id) as runner:
            runner.complete()
        complete = streams.expect("complete")
        assert (complete["execution_id"], complete["status"], complete["final_sequence"]) == (id, "completed", -1)


def test_a_lost_connection_goes_on_by_the_cursors(server, api):
    ids = [api.create() for _ in range(20)]
    runners = [Runner(server, id) for id in ids]
    last = dict.fromkeys(ids, -1)
    seen = {id: [] for id in ids}

    def take(message):
        if message["type"] == "log":
            last[message["execution_id"]] = message["sequence_number"]
            seen[message["execution_id"]].append(message["message"])

    for turn in range(4):
        with Streams(server) as streams:
            for id in ids:
                streams.subscribe(id, cursor=last[id])
            for runner in runners:
                runner.lines([f"{turn} {i}" for i in range(3)])
            wanted = sum(map(len, seen.values())) + 30  # half of what is new, then it is cut
            streams.collect(lambda message: take(message) or sum(map(len, seen.values())) >= wanted)
            streams.cut()
    for runner in runners:
        runner.complete()
        runner.close()
    with Streams(server) as streams:
        for id in ids:
            streams.subscribe(id, cursor=last[id])
        done = set()

        def is_last(message):
            take(message)
            if message["type"] == "complete":
                done.add(message["execution_id"])
            return len(done) == len(ids)

        streams.collect(is_last)
    assert all(lines == [f"{turn} {i}" for turn in range(4) for i in range(3)] for lines in seen.values())


def test_an_unsubscribed_one_says_no_more(server, api):
    one, other = api.create(), api.create()
    with Streams(server) as streams, Runner(server, one) as first, Runner(server, other) as second:
        streams.subscribe(one)
        streams.subscribe(other)
        first.lines(["a"])
        assert streams.logs(1) == [(one, "a")]
        streams.unsubscribe(one)
        told = streams.expect("unsubscribed")
        assert (told["id"], told["kind"]) == (one, "execution")
        first.lines(["b"])
        second.lines(["c"])
        assert streams.logs(1) == [(other, "c")]
        streams.subscribe(one, cursor=0)
        assert streams.logs(1) == [(one, "b")]
        streams.unsubscribe("never-subscribed")
        assert streams.expect("unsubscribed")["id"] == "never-subscribed"


def test_what_cannot_be_followed_is_told_and_the_socket_stays(server, api):
    id = api.create()
    private = api.as_role("user").create()
    purged = sealed(server, api, ["x"])
    api.delete(f"{PATH}/{purged}?purge=true")
    user = api.key("user")["key"]
    with Streams(server) as streams:
        streams.subscribe(purged)
        assert streams.expect("error")["code"] == "expired"
        streams.subscribe("there-is-none")
        error = streams.expect("error")
        assert (error["code"], error["execution_id"]) == ("not_found", "there-is-none")
        streams.subscribe(id)
        streams.subscribe(id)
        assert streams.expect("error")["code"] == "conflict"
        with Runner(server, id) as runner:
            runner.lines(["still followed"])
        assert streams.logs(1) == [(id, "still followed")]
    with Streams(server, user) as streams:
        streams.subscribe(private)
        assert streams.expect("error")["code"] == "not_found"


@pytest.mark.parametrize(
    ("fields", "code", "text"),
    [
        ({"cursor": -2}, "bad_cursor", "cursor"),
        ({"cursor": "x"}, "bad_cursor", "cursor"),
        ({"cursor": 1.5}, "bad_cursor", "cursor"),
        ({"cursor": [1]}, "bad_cursor", "cursor"),
        ({"cursor": 1, "tail": 2}, "malformed", "second position"),
        ({"colour": "red"}, "invalid", "colour"),
        ({"filters": {"colour": "red"}}, "invalid", "colour"),
        ({"filters": {"stream": "stdin"}}, "invalid", "stream"),
        ({"filters": {"stream": {}}}, "invalid", "stream"),
        ({"filters": {"node": ["x"] * 65}}, "invalid", "node"),
        ({"filters": {"grep": "x" * 1025}}, "invalid", "grep"),
        ({"filters": {"regex": "("}}, "invalid", ""),
        ({"filters": ["stream"]}, "invalid", "filters"),
        ({"incarnation": 7}, "invalid", "incarnation"),
        ({"kind": "workflow"}, "invalid", "kind"),
        ({"kind": 7}, "invalid", "kind"),
        ({"id": "no id"}, "invalid", "id"),
        ({"id": None}, "invalid", "id"),
        ({"type": "nonsense"}, "invalid", "type"),
        ({"type": None}, "invalid", "type"),
    ],
    ids=str,
)
def test_a_wrong_frame_is_answered_and_the_socket_stays(server, api, fields, code, text):
    id = sealed(server, api, ["line"])
    with Streams(server) as streams:
        streams.send({"type": "subscribe", "id": id, "kind": "execution", **fields})
        error = streams.expect("error")
        assert error["code"] == code and text in error["error"]
        streams.subscribe(id)
        assert streams.until_complete(id)[id] == ["line"]


@pytest.mark.parametrize("frame", ["nonsense", "[]", b"\0", '"subscribe"', '{"type":"subscribe","type":"x"}'])
def test_a_frame_that_is_no_object_ends_the_socket(server, frame):
    with Streams(server) as streams:
        streams.send(frame)
        messages, code = streams.until_closed()
        assert code == 1008 and messages[-1]["code"] == "malformed"


def test_a_frame_over_the_limit_ends_the_socket(server, api):
    with Streams(server) as streams:
        streams.subscribe("x" * 70000)
        assert streams.closed_with() == 1009


def test_each_subscription_takes_a_place_among_the_followers_of_the_account(servers):
    server = servers("--followers-max", "3")
    api = server.api()
    ids = [api.create() for _ in range(5)]
    with Streams(server) as streams:
        for id in ids[:4]:
            streams.subscribe(id)
        error = streams.expect("error")
        assert (error["code"], error["execution_id"]) == ("too_many_requests", ids[3])
        streams.unsubscribe(ids[0])
        streams.expect("unsubscribed")
        streams.subscribe(ids[4])
        assert streams.expect("state")["execution_id"]
    eventually(lambda: api.metrics()["runnel_followers"] == 0, "the places were given back")
    with Streams(server) as streams:
        for id in ids[:3]:
            streams.subscribe(id)
        states = streams.collect(lambda message: message.get("execution_id") == ids[2])
        assert all(message["type"] != "error" for message in states)


def test_a_ticket_opens_it(server, api):
    ticket = api.expect(201, "POST", "/api/v1/tickets")["ticket"]
    id = sealed(server, api, ["line"])
    for _ in range(2):  # and again, after a loss
        with Streams(server, None, {"access_token": ticket}) as streams:
            streams.subscribe(id)
            assert streams.until_complete(id)[id] == ["line"]


def test_a_revoked_key_ends_it(server, api):
    key = api.key("viewer")
    with Streams(server, key["key"]) as streams:
        streams.subscribe(api.create())
        streams.expect("state")
        api.delete(f"/api/v1/keys/{key['key_id']}")
        assert streams.closed_with() == 4401


def test_without_a_credential_there_is_none(server):
    with pytest.raises(Refused) as refused:
        Streams(server, None)
    assert refused.value.status == 401


def test_a_shutdown_tells_everything_that_is_durable(servers):
    server = servers()
    api = server.api()
    ids = [api.create() for _ in range(5)]
    for id in ids:
        api.append_lines(id, [f"line {i}" for i in range(1000)])
    with Streams(server) as streams, Streams(server) as idle:
        for id in ids:
            streams.subscribe(id)
        begun = set()
        before = streams.collect(lambda m: begun.add(m.get("execution_id")) or len(begun) == len(ids))
        server.process.signal(signal.SIGTERM)
        messages, code = streams.until_closed()
        assert code == 1001
        assert sum(message["type"] == "log" for message in before + messages) == 5000
        assert idle.closed_with() == 1001


def test_a_long_log_does_not_keep_the_others_from_their_turn(server, api):
    flood = api.create()
    for _ in range(10):
        api.append_lines(flood, ["x" * 1000] * 2000)
    calm = [sealed(server, api, ["calm"]) for _ in range(10)]
    with Streams(server) as streams:
        streams.subscribe(flood)
        streams.expect("log")
        for id in calm:
            streams.subscribe(id)
        before = []
        done = set()

        def is_last(message):
            if message["type"] == "complete":
                done.add(message["execution_id"])
            before.append(message["execution_id"] == flood)
            return len(done) == len(calm)

        streams.collect(is_last)
        assert sum(before) < 20000
