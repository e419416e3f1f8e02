"""Credentials: keys, tickets, roles, revocation; and that none of them ends up in a log."""

import contextlib
import datetime
import re
import stat
import uuid

import pytest
from support import postgres
from support.api import Api, RawConnection, eventually
from support.job_worker import JobWorker
from support.sse import Stream
from support.ws import Follower, Refused, Runner, WebSocket

PATH = "/api/v1/executions"
ROLES = ("viewer", "user", "service", "admin", "operator")
NO_ROLE = "none"


def test_the_first_start_writes_an_operator_key_for_its_owner_alone(own_server):
    path = own_server.data / "admin.key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert re.fullmatch(r"rnl_[A-Za-z0-9_-]{43}", own_server.operator_key)
    before = own_server.operator_key
    own_server.stop()
    own_server.restart()
    assert own_server.operator_key == before
    assert own_server.api().get(PATH).status == 200


def test_a_key_is_shown_once_and_then_only_by_its_handle(api):
    made = api.key("viewer", name="grafana")
    assert re.fullmatch(r"rnl_[A-Za-z0-9_-]{43}", made["key"]) and made["key_id"].startswith("key_")
    listed = api.expect(200, "GET", "/api/v1/keys")["keys"]
    mine = next(key for key in listed if key["key_id"] == made["key_id"])
    assert mine["name"] == "grafana" and mine["role"] == "viewer"
    assert "key" not in mine and made["key"] not in str(listed)


def test_the_last_use_of_a_key_is_kept(servers):
    api = servers().api()
    made = api.key("viewer")

    def last_used():
        Api(api.port, made["key"]).get(PATH)
        return next(key for key in api.expect(200, "GET", "/api/v1/keys")["keys"] if key["key_id"] == made["key_id"])[
            "last_used_at"
        ]

    assert eventually(last_used, "last_used_at is set")


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer ", "Bearer rnl_wrong", "Basic dXNlcjpwYXNz", "rnl_", "Bearer " + "x" * 500]
)
def test_a_wrong_credential_is_401(api, header):
    headers = {} if header is None else {"Authorization": header}
    for path in (PATH, f"{PATH}/exec_x/logs", "/api/v1/keys", f"{PATH}/exec_x/logs/stream"):
        answer = api.get(path, token=None, headers=headers)
        assert (answer.status, answer.code) == (401, "unauthorized"), answer


def test_the_public_routes_need_none(api):
    for path in ("/health", "/ready", "/api/v1/public/health", "/metrics"):
        assert api.get(path, token=None).status == 200, path


def test_a_revoked_key_is_refused_at_once(api):
    made = api.key("viewer")
    holder = Api(api.port, made["key"])
    assert holder.get(PATH).status == 200
    assert api.delete(f"/api/v1/keys/{made['key_id']}").status in (200, 204)
    assert holder.get(PATH).status == 401
    assert api.delete("/api/v1/keys/key_nobody").status == 404


def test_revoking_a_key_ends_its_streams(server, api):
    made = api.key("service")
    execution_id = api.create()
    follower = Follower(server, execution_id, token=made["key"])
    runner = Runner(server, execution_id, token=made["key"])
    stream = Stream(Api(api.port, made["key"]), execution_id)
    api.delete(f"/api/v1/keys/{made['key_id']}")
    assert follower.closed_with() == 4401
    assert runner.closed_with() == 4401
    while stream.next() is not None:
        pass


UPGRADE = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
SLOW_BODIES = {
    "records": ("POST", PATH + "/{id}/logs", "Content-Type: application/json\r\n", b'{"message":"late"}'),
    "a change": ("PATCH", PATH + "/{id}", "Content-Type: application/json\r\n", b'{"metadata":{"a":1}}'),
    "an execution": ("POST", PATH, "Content-Type: application/json\r\n", b'{"execution_id":"late"}'),
    "a key": ("POST", "/api/v1/keys", "Content-Type: application/json\r\n", b'{"name":"late","role":"viewer"}'),
    "a ticket": ("POST", "/api/v1/tickets", "", b"12345"),
    "a stream": ("GET", PATH + "/{id}/logs?format=ndjson&follow=true", "", b"12345"),
    "events": ("GET", PATH + "/{id}/logs/stream", "", b"12345"),
    "a follower": ("GET", "/ws/executions/{id}/logs", UPGRADE, b"12345"),
    "a runner": ("GET", "/ws/runner/executions/{id}/stream", UPGRADE, b"12345"),
}


@pytest.mark.parametrize("how", ["revoked", "expired"])
@pytest.mark.parametrize("what", SLOW_BODIES)
def test_a_credential_that_ends_before_the_body_does_is_worth_nothing(server, api, what, how):
    method, path, headers, body = SLOW_BODIES[what]
    execution_id = api.create()
    api.append_lines(execution_id, ["one"])
    soon = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=1 if how == "expired" else 3600)
    made = api.key("admin", expires_at=soon.strftime("%Y-%m-%dT%H:%M:%S.%fZ"))
    before = api.status(execution_id)
    with RawConnection(server.port) as connection:
        head = f"{method} {path.format(id=execution_id)} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {made['key']}\r\n"
        head += f"{headers}Expect: 100-continue\r\nContent-Length: {len(body)}\r\n\r\n"
        connection.send(head.encode())
        first = connection._reader.file.peek(12)[:12]
        if first != b"HTTP/1.1 100":
            # Where no body is taken, it is not waited for.
            assert headers in ("", UPGRADE) and connection.answer(method).status == 413
            return
        connection.told_to_go_on()  # the head was judged, and let in
        connection.send(body[:2])
        if how == "revoked":
            api.expect(200, "DELETE", f"/api/v1/keys/{made['key_id']}")
        eventually(lambda: Api(server.port, made["key"]).get(PATH).status == 401, "the key is good no more")
        answer = connection.send(body[2:]).answer(method)
        code = "unauthorized" if how == "revoked" else "token_expired"
        assert (answer.status, answer.code) == (401, code), answer
    assert api.status(execution_id) == before
    assert api.messages(execution_id) == ["one"]
    assert api.get(f"{PATH}/late").status == 404


def test_an_expired_key_is_refused_and_its_stream_ends(server, api):
    soon = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=2)
    made = api.key("viewer", expires_at=soon.strftime("%Y-%m-%dT%H:%M:%S.%fZ"))
    execution_id = api.create()
    with Follower(server, execution_id, token=made["key"]) as follower:
        assert follower.closed_with() == 4401
    assert Api(api.port, made["key"]).get(PATH).status == 401


# --- roles
R, S, C, W, J, P, K, O, ANY = "read", "submit", "cancel", "write", "work", "purge", "keys", "operate", "any"
MAY = {
    R: {"viewer", "user", "service", "admin", "operator"},
    S: {"user", "service", "admin", "operator"},
    C: {"user", "service", "admin", "operator"},
    W: {"user", "service", "admin", "operator"},
    J: {"service", "admin", "operator"},
    P: {"admin", "operator"},
    K: {"admin", "operator"},
    O: {"operator"},
    ANY: {NO_ROLE, "viewer", "user", "service", "admin", "operator"},
}
ROUTES = [
    ("GET", "/health", None, ANY),
    ("GET", "/ready", None, ANY),
    ("GET", "/api/v1/public/health", None, ANY),
    ("GET", "/metrics", None, ANY),
    ("POST", PATH, {}, S),
    ("GET", PATH, None, R),
    ("GET", PATH + "/{id}", None, R),
    ("GET", PATH + "/{id}/status", None, R),
    ("PATCH", PATH + "/{id}", {"metadata": {"k": 1}}, W),
    ("PATCH", PATH + "/{id}", {"status": "running"}, W),
    ("DELETE", PATH + "/{id}", None, C),
    ("DELETE", PATH + "/{sealed}?purge=true", None, P),
    ("DELETE", PATH + "/{sealed}/artifacts", None, P),
    ("GET", PATH + "/{id}/logs", None, R),
    ("GET", PATH + "/{id}/logs?format=raw", None, R),
    ("POST", PATH + "/{id}/logs", {"message": "m"}, W),
    ("GET", PATH + "/{sealed}/logs/stream", None, R),
    ("POST", "/api/v1/tickets", None, R),
    ("GET", "/api/v1/keys", None, K),
    ("POST", "/api/v1/keys", {"role": "viewer", "name": "made"}, K),
    ("DELETE", "/api/v1/keys/{key}", None, K),
    ("POST", "/api/v1/backup", {"path": "{backup}"}, O),
    ("POST", "/api/v1/accounts", {"name": "{fresh}"}, O),
    ("GET", "/api/v1/accounts", None, O),
    ("GET", "/api/v1/accounts/{account}", None, O),
    ("PATCH", "/api/v1/accounts/{account}", {"suspended": False}, O),
    ("DELETE", "/api/v1/accounts/{account}", None, O),
    ("WS", "/ws/executions/{sealed}/logs", None, R),
    ("WS", "/ws/runner/executions/{id}/stream", None, W),
    ("WS", "/ws/streams", None, R),
    ("WS", "/ws/workers", None, J),
    ("GET", "/api/v1/workers", None, R),
    ("POST", "/api/v1/workers/{worker}/drain", None, J),
    ("POST", "/api/v1/workers/{worker}/resume", None, J),
]


@pytest.fixture
def held():
    with contextlib.ExitStack() as stack:
        yield stack


def connected_worker(server, api, held):
    """Its identifier. It takes no jobs."""
    id = held.enter_context(JobWorker(server, slots=0)).welcome["worker_id"]
    listed = lambda: [one["worker_id"] for one in api.get("/api/v1/workers").json()["workers"]]  # noqa: E731
    eventually(lambda: id in listed(), "the worker is listed")
    return id


@pytest.mark.parametrize("role", ROLES + (NO_ROLE,))
@pytest.mark.parametrize("method, path, body, action", ROUTES, ids=lambda value: str(value)[:60])
def test_route_by_role(server, api, role_keys, tmp_path, held, method, path, body, action, role):
    token = role_keys.get(role)
    owner = Api(api.port, token) if role in ("user", "service", "admin", "operator") else api
    names = {"id": owner.create(), "backup": f"{role}-{tmp_path.name}.db"}
    if "{sealed}" in path:
        names["sealed"] = owner.create()
        with Runner(server, names["sealed"]) as runner:
            runner.complete()
    if "{key}" in path:
        names["key"] = api.key("viewer")["key_id"]
    if "{worker}" in path:
        names["worker"] = connected_worker(server, api, held)
    names["fresh"] = f"account-{uuid.uuid4().hex}"
    if "{account}" in path:
        names["account"] = api.expect(201, "POST", "/api/v1/accounts", {"name": names["fresh"]})["name"]
    path = path.format(**names)
    body = (
        {name: value.format(**names) if isinstance(value, str) else value for name, value in body.items()}
        if body
        else body
    )
    if method == "WS":
        try:
            with WebSocket(server, path, token):
                status = 101
        except Refused as refused:
            status = refused.status
    else:
        status = api.request(method, path, body, token=token).status
    allowed = role in MAY[action]
    expected = range(100, 300) if allowed else ([401] if role == NO_ROLE else [403])
    if allowed and postgres.WANTED and path == "/api/v1/backup":
        expected = [501]
    assert status in expected, (role, method, path, status)


def test_a_user_sees_what_it_owns_alone(server, api):
    one, other = api.as_role("user"), api.as_role("user")
    mine = one.create()
    assert other.get(f"{PATH}/{mine}").status == 404
    assert other.get(f"{PATH}/{mine}/logs").status == 404
    assert other.post(f"{PATH}/{mine}/logs", {"message": "m"}).status == 404
    assert other.delete(f"{PATH}/{mine}").status == 404
    with Follower(server, mine, token=other.token) as follower:
        assert follower.closed_with() == 4404
    assert mine not in [e["execution_id"] for e in other.expect(200, "GET", PATH, query={"limit": 100})["executions"]]
    assert mine in [e["execution_id"] for e in one.expect(200, "GET", PATH, query={"limit": 100})["executions"]]
    assert api.as_role("viewer").get(f"{PATH}/{mine}").status == 200


def test_guessing_is_slowed_down_and_locks_out_nobody_who_has_a_good_credential(servers):
    server = servers("--failed-logins-max", "5")
    api = server.api()
    known, fresh = api.key("viewer")["key"], api.key("viewer")["key"]
    assert api.get(PATH, token=known).status == 200
    execution_id = api.create()
    ticket = api.expect(201, "POST", "/api/v1/tickets")["ticket"]
    statuses = [api.get(PATH, token=f"rnl_{i:043d}").status for i in range(8)]
    assert statuses == [401] * 5 + [429] * 3
    assert api.get(PATH, token="nonsense").status == 429
    assert api.get(PATH, token=f"rnl_{9:043d}").headers["Retry-After"]
    assert api.get(PATH, token=known).status == 200
    assert api.get(PATH, token=fresh).status == 200  # that nobody had used before
    with Follower(server, execution_id, token=None, access_token=ticket) as follower:
        assert follower.expect("state")


def test_no_credential_is_ever_logged(servers):
    server = servers("--log-level", "debug")
    api = server.api()
    execution_id = api.create()
    key = api.key("viewer")["key"]
    ticket = api.expect(201, "POST", "/api/v1/tickets")["ticket"]
    with Follower(server, execution_id, token=None, access_token=ticket):
        pass
    by_protocol = api.expect(201, "POST", "/api/v1/tickets")["ticket"]
    with Follower(server, execution_id, token=None, subprotocols=["runnel.v1", f"runnel.ticket.{by_protocol}"]):
        pass
    api.get(PATH, token=key)
    api.get(f"{PATH}/{execution_id}/logs/stream", token=None, query={"access_token": "rnl_" + "w" * 43})
    server.stop()
    log = server.process.err.data.decode()
    for secret in (server.operator_key, key, ticket, by_protocol, "rnl_" + "w" * 43):
        assert secret not in log
    server.start()
