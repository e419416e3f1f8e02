"""Tickets: what opens a stream where headers cannot be set, and opens it again."""

import pytest
from support.api import Api
from support.sse import EventSource, Stream
from support.ws import Follower, RawWebSocket, Refused, Runner, WebSocket, handshake

PATH = "/api/v1/executions"


def ticket_of(api):
    return api.expect(201, "POST", "/api/v1/tickets")["ticket"]


def refused(server, execution_id, **options):
    with pytest.raises(Refused) as raised:
        Follower(server, execution_id, token=None, **options)
    return raised.value.status


# --- reconnecting
def test_an_event_source_comes_back_by_itself_and_stops_at_the_end(server, api):
    execution_id = api.create()
    source = EventSource(api, execution_id, ticket_of(api))
    for i in range(5):  # cut after each record
        api.append(execution_id, {"message": str(i)})
        source.run(lambda source: len(source.records) > i)
    api.append(execution_id, {"message": "5"})
    api.patch(f"{PATH}/{execution_id}", {"status": "failed", "exit_code": 1})
    source.run()
    assert [record["message"] for record in source.records] == [str(i) for i in range(6)]
    assert source.statuses == [200] * 6 + [204] and source.kinds[-1] == "complete"


def test_an_event_source_on_an_empty_log_stops_at_the_end_too(api):
    execution_id = api.create()
    api.patch(f"{PATH}/{execution_id}", {"status": "cancelled"})
    source = EventSource(api, execution_id, ticket_of(api)).run()
    assert source.statuses == [200, 204] and source.records == []


@pytest.mark.parametrize("name", ["lastEventId", "last_event_id"])
def test_a_polyfill_that_sends_the_last_id_in_the_address_resumes_and_stops(api, name):
    execution_id = api.create()
    api.append_lines(execution_id, ["a", "b", "c"])
    api.patch(f"{PATH}/{execution_id}", {"status": "failed"})
    ticket = ticket_of(api)
    with Stream(api, execution_id, token="none", access_token=ticket, **{name: 1}) as stream:
        records, complete = stream.rest()
    assert [record["message"] for record in records] == ["c"] and complete["final_sequence"] == 2
    with Stream(api, execution_id, token="none", access_token=ticket, **{name: 3}) as stream:
        assert stream.status == 204


def test_a_reconnection_is_no_failed_login(servers):
    server = servers("--failed-logins-max", "1")
    api = server.api()
    execution_id = api.create()
    api.append(execution_id, {"message": "m"})
    ticket = ticket_of(api)
    for _ in range(5):
        with Follower(server, execution_id, token=None, access_token=ticket) as follower:
            assert follower.logs(1)
    assert api.get(PATH, token="nonsense").status == 401  # the first one


def test_several_streams_of_one_ticket_may_be_open_at_once(server, api):
    execution_id = api.create()
    ticket = ticket_of(api)
    with Follower(server, execution_id, token=None, access_token=ticket) as one:
        with Follower(server, execution_id, token=None, access_token=ticket) as other:
            api.append(execution_id, {"message": "seen"})
            assert one.logs(1) and other.logs(1)


# --- what it is bound to
def test_a_ticket_is_bound_by_its_first_use_to_one_execution_and_one_kind_of_stream(server, api):
    execution_id, other = api.create(), api.create()
    ticket = ticket_of(api)
    with Follower(server, execution_id, token=None, access_token=ticket):
        pass
    assert refused(server, other, access_token=ticket) == 401
    with Stream(api, execution_id, token="none", access_token=ticket) as stream:
        assert stream.status == 401
    with pytest.raises(Refused) as raised:
        WebSocket(server, f"/ws/runner/executions/{execution_id}/stream", None, {"access_token": ticket})
    assert raised.value.status == 401
    with Follower(server, execution_id, token=None, access_token=ticket) as follower:
        assert follower.expect("state")


def test_a_runner_comes_back_with_its_ticket(server, api):
    execution_id = api.create()
    ticket = ticket_of(api.as_role("service"))
    runner = Runner(server, execution_id, token=None, access_token=ticket)
    runner.lines(["one"])
    runner.cut()
    epoch = runner.ready["epoch"]
    with Runner(server, execution_id, token=None, access_token=ticket, epoch=epoch) as runner:
        assert runner.ready["epoch"] == epoch and runner.next == 1
        runner.lines(["two"])
    assert api.messages(execution_id) == ["one", "two"]


def test_a_ticket_has_the_rights_of_who_asked(server, api):
    execution_id = api.create()
    with pytest.raises(Refused) as raised:
        WebSocket(
            server,
            f"/ws/runner/executions/{execution_id}/stream",
            None,
            {"access_token": ticket_of(api.as_role("viewer"))},
        )
    assert raised.value.status == 403


def test_a_ticket_opens_streams_only(api):
    ticket = ticket_of(api)
    assert api.get(PATH, token=None, query={"access_token": ticket}).status == 401
    assert api.get(PATH, token=ticket).status == 401
    assert api.post("/api/v1/tickets", token=ticket).status == 401


def test_a_ticket_and_its_streams_end_with_its_key(server, api):
    made = api.key("viewer")
    execution_id = api.create()
    ticket = ticket_of(Api(api.port, made["key"]))
    follower = Follower(server, execution_id, token=None, access_token=ticket)
    api.expect(200, "DELETE", f"/api/v1/keys/{made['key_id']}")
    assert follower.closed_with() == 4401
    assert refused(server, execution_id, access_token=ticket) == 401


# --- how it is sent
def test_a_ticket_by_subprotocol_opens_a_websocket_and_is_never_echoed(server, api):
    execution_id = api.create()
    api.append(execution_id, {"message": "m"})
    ticket = ticket_of(api)
    for _ in range(2):
        with Follower(
            server, execution_id, token=None, subprotocols=["runnel.v1", f"runnel.ticket.{ticket}"]
        ) as follower:
            assert follower.ws.subprotocol == "runnel.v1"
            assert ticket not in str(follower.headers)
            assert follower.logs(1)


def test_without_the_real_subprotocol_none_is_selected(server, api):
    execution_id = api.create()
    request = handshake(
        server, f"/ws/executions/{execution_id}/logs", None, Sec_WebSocket_Protocol=f"runnel.ticket.{ticket_of(api)}"
    )
    raw = RawWebSocket.__new__(RawWebSocket)
    super(RawWebSocket, raw).__init__(server.port)
    with raw:
        answer = raw.send(request).answer()
        assert answer.status == 101 and answer.headers["Sec-WebSocket-Protocol"] is None


def test_a_wrong_ticket_and_an_api_key_by_subprotocol_are_refused(server, api):
    execution_id = api.create()
    for credential in ("rnt_" + "w" * 43, "", api.token):
        assert refused(server, execution_id, subprotocols=["runnel.v1", f"runnel.ticket.{credential}"]) == 401
    answer = api.get(
        f"{PATH}/{execution_id}/logs/stream",
        token=None,
        headers={"Sec-WebSocket-Protocol": f"runnel.ticket.{ticket_of(api)}"},
    )
    assert answer.status == 401  # that is no WebSocket


def test_an_api_key_is_never_taken_from_the_address(server, api):
    execution_id = api.create()
    assert refused(server, execution_id, access_token=api.token) == 401
    assert api.get(f"{PATH}/{execution_id}/logs/stream", token=None, query={"access_token": api.token}).status == 401
