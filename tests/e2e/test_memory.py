"""What the server holds for others is bounded, and nobody can take it all: bodies, answers, records on their way,
followers."""

import base64
import contextlib
import json
import os
import re
import socket
import threading

import pytest
from support import DEADLINE
from support.api import RawConnection, eventually
from support.ws import RawWebSocket, frame

MIB = 1 << 20
# Freed memory that AddressSanitizer keeps back is not what is measured.
ASAN = ":".join(
    filter(None, (os.environ.get("ASAN_OPTIONS"), "quarantine_size_mb=4:thread_local_quarantine_size_kb=64"))
)


def resident(server):
    with open(f"/proc/{server.process.popen.pid}/statm") as file:
        return int(file.read().split()[1]) * 4096


def held(server, holder):
    text = server.api(None).get("/metrics").body.decode()
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith(f"runnel_memory_{holder}_bytes "))


@pytest.fixture
def bounded(servers):
    """A server whose budget is as small as it may be: 8 MiB for requests, 16 for answers, 12 for intake, 8 for what
    is pinned."""
    return servers("--memory-max", 64 * MIB, "--loops", "2", env={"ASAN_OPTIONS": ASAN})


def deaf(server):
    """A connection whose kernel keeps almost nothing of what the server sends."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    connection.settimeout(DEADLINE)
    connection.connect(("127.0.0.1", server.port))
    return connection


def head(server, line, **headers):
    headers = {"Host": "127.0.0.1", **{name.replace("_", "-"): value for name, value in headers.items()}}
    return (line + "".join(f"\r\n{name}: {value}" for name, value in headers.items()) + "\r\n\r\n").encode()


def signed(server, line, **headers):
    return head(server, line, Authorization=f"Bearer {server.operator_key}", **headers)


BODILESS = [
    "GET /health",
    "GET /ready",
    "GET /metrics",
    "GET /api/v1/executions",
    "DELETE /api/v1/keys/x",
    "POST /api/v1/tickets",
]


@pytest.mark.parametrize("route", BODILESS)
@pytest.mark.parametrize("framing", ["Content_Length", "Transfer_Encoding"])
def test_a_body_is_refused_unread_where_none_is_taken(server, route, framing):
    value = str(8 * MIB) if framing == "Content_Length" else "chunked"
    with RawConnection(server.port) as connection:
        answer = connection.send(signed(server, f"{route} HTTP/1.1", **{framing: value})).answer()
        assert (answer.status, answer.code) == (413, "too_large")
        assert answer.headers["Connection"] == "close"
        assert "takes no body" in answer.json()["error"]["message"]


def test_without_a_credential_nobody_moves_the_memory(bounded):
    """The same as the bench's row, on a small scale: bodies, pipelined requests and half a head, none of it with a
    credential."""
    before = resident(bounded)
    hog = b"x" * MIB
    connections = []
    for i in range(150):
        connection = deaf(bounded)
        connections.append(connection)
        try:
            if i % 3 == 0:
                connection.sendall(head(bounded, "GET /health HTTP/1.1", Content_Length=8 * MIB) + hog)
            elif i % 3 == 1:
                connection.setblocking(False)
                connection.send(head(bounded, "GET /metrics HTTP/1.1") * 2000)
            else:
                connection.sendall(head(bounded, "GET /health HTTP/1.1", X_Long="h" * 15000)[:-4])
        except OSError:  # refused, or no more is taken
            pass
    assert bounded.api(None).get("/health").status == 200
    assert resident(bounded) - before < 64 * MIB
    assert held(bounded, "requests") + held(bounded, "answers") <= 2 * 16 * MIB
    for connection in connections:
        connection.close()
    eventually(lambda: held(bounded, "requests") + held(bounded, "answers") == 0, "all to be given back")


def test_a_body_without_room_is_refused_before_it_is_read_and_has_room_later(bounded):
    """4 MiB of 8 are taken, so no second one fits; what is small always does."""
    api = bounded.api()
    size = 4 * MIB + 1
    line, options = "POST /api/v1/executions HTTP/1.1", {"Content_Length": size, "Content_Type": "application/json"}
    with RawConnection(bounded.port) as first, RawConnection(bounded.port) as second:
        first.send(signed(bounded, line, Expect="100-continue", **options)).told_to_go_on()
        assert held(bounded, "requests") == pytest.approx(size, abs=2048)
        answer = second.send(signed(bounded, line, Expect="100-continue", **options)).answer()
        assert (answer.status, answer.code) == (503, "overloaded")
        assert answer.headers["Retry-After"] == "1" and answer.headers["Connection"] == "close"
        assert api.post("/api/v1/executions", {"script": "small"}).status == 201
    eventually(lambda: held(bounded, "requests") == 0, "all to be given back")
    answer = api.post("/api/v1/executions", b" " * (size - 2) + b"{}", headers={"Content-Type": "application/json"})
    assert answer.status == 201, answer


def test_a_list_ends_by_its_bytes_and_goes_on(bounded):
    api = bounded.api()
    for i in range(40):
        assert api.post("/api/v1/executions", {"execution_id": f"e{i}", "metadata": {"a": "v" * 60000}}).status == 201
    found, cursor, pages = [], None, 0
    while True:
        answer = api.get("/api/v1/executions", query={"limit": 1000, **({"cursor": cursor} if cursor else {})})
        assert answer.status == 200 and len(answer.body) < 2 * MIB
        found += [entry["execution_id"] for entry in answer.json()["executions"]]
        cursor = answer.json()["next_cursor"]
        pages += 1
        if cursor is None:
            break
    assert found == [f"e{i}" for i in reversed(range(40))] and pages == 3


def rest_of(connection):
    """(what was announced, what came) of an answer."""
    data, announced, at = b"", 0, 0
    try:
        while len(data) < at + announced or not at:
            piece = connection.recv(MIB)
            if not piece:
                break
            data += piece
            if not at and (at := data.find(b"\r\n\r\n") + 4) >= 4:
                announced = int(re.search(rb"content-length: *(\d+)", data[:at], re.I)[1])
    except ConnectionError:
        pass
    return announced, len(data) - at


def test_answers_that_nobody_reads_are_bounded_and_those_without_progress_are_cut(servers):
    """Pages of some 4 MiB: the account may have 16 MiB of them. Later ones are shorter, and after 10 s all have
    room again."""
    server = servers("--memory-max", 128 * MIB, "--loops", "2")
    api = server.api()
    execution_id = api.create()
    fat = [{"message": "x", "event_type": "e", "data": {"k": "v" * 50000}} for _ in range(40)]
    for _ in range(5):
        assert api.post(f"/api/v1/executions/{execution_id}/logs", fat).status == 201
    page = signed(server, f"GET /api/v1/executions/{execution_id}/logs?limit=10000 HTTP/1.1")
    connections = [deaf(server) for _ in range(20)]
    for count in (1, 2):
        connections[count - 1].sendall(page)
        eventually(lambda: held(server, "answers") > count * 3 * MIB, "the answer to be held")
    for connection in connections[2:]:
        connection.sendall(page)
        assert held(server, "answers") <= 16 * MIB + 256 * 1024  # one in the making is counted in steps
    for connection in connections:
        connection.recv(1, socket.MSG_PEEK)  # all were answered
    eventually(lambda: held(server, "answers") < 8 * MIB, "the slow ones to be cut", 60)
    ends = [rest_of(connection) for connection in connections]
    assert any(came < announced for announced, came in ends), ends
    assert any(0 < came == announced < 3 * MIB for announced, came in ends), ends
    eventually(lambda: held(server, "answers") == 0, "all to be given back")
    answer = api.get(f"/api/v1/executions/{execution_id}/logs", query={"limit": 10000})
    assert answer.status == 200 and answer.json()["has_more"]
    assert 4 * MIB < len(answer.body) < 5 * MIB


def gauge(server, name):
    return server.api(None).metrics()[f"runnel_{name}"]


@pytest.mark.parametrize(
    "path",
    [
        "/ws/executions/{}/logs?from={}",
        "/api/v1/executions/{}/logs/stream?from={}",
        "/api/v1/executions/{}/logs?format=ndjson&from={}",
    ],
)
def test_followers_that_do_not_read_keep_no_chunks(bounded, path):
    """Forty at places of their own in a log of 200,000 lines: each may keep some 64 KiB, and the cache goes back to
    its 16 MiB. More is behind each of them than the 2 MiB that the kernel takes in for it, so none is at its end."""
    api = bounded.api()
    execution_id = api.create()
    line = "of a rather long log, with some words in it"
    for first in range(0, 200_000, 20_000):
        api.append_lines(execution_id, [f"line number {i} {line}" for i in range(first, first + 20_000)])
    upgrade = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec_WebSocket_Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Sec_WebSocket_Version": "13",
    }
    connections = [deaf(bounded) for _ in range(40)]
    for i, connection in enumerate(connections):
        target = path.format(execution_id, i * 4000)
        connection.sendall(signed(bounded, f"GET {target} HTTP/1.1", **(upgrade if path.startswith("/ws") else {})))
        assert connection.recv(12) in (b"HTTP/1.1 101", b"HTTP/1.1 200")
    eventually(lambda: gauge(bounded, "followers") == 40, "all to be followers")
    eventually(lambda: gauge(bounded, "cache_bytes") <= 16 * MIB, "the cache to let go")
    assert held(bounded, "pinned") <= 4 * MIB
    # One of them reads on, slowly at first, and gets everything.
    last, data = connections[37], b""
    last.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, MIB)
    while f"line number 199999 {line}".encode() not in data[-200_000:]:
        data += last.recv(MIB)
    found = [int(number) for number in re.findall(rb"line number (\d+) ", data)]
    assert found == list(range(148_000, 200_000))


class ComeBack(Exception):
    """It was closed with 1013, as one is whose message is not whole for long: what it has not sent yet waits."""


class Flood(threading.Thread):
    """A runner that sends frames of about 600 KB, incompressible, as fast as they are taken, and comes back if it is
    told to."""

    FRAMES, RECORDS = 8, 60

    def __init__(self, server, execution_id):
        super().__init__(daemon=True)
        self.server = server
        self.execution_id = execution_id
        self.noise = [base64.b64encode(os.urandom(7000)).decode() for _ in range(self.RECORDS)]
        self.failure = None
        self.start()

    @staticmethod
    def next(runner):
        while (found := runner.frame())[0] & 15 != 1:  # a ping
            if found[0] & 15 == 8 and found[1][:2] == (1013).to_bytes(2, "big"):
                raise ComeBack
            assert found[0] & 15 == 9, found
        return json.loads(found[1])

    def run(self):
        path = f"/ws/runner/executions/{self.execution_id}/stream"
        try:
            while path:
                with contextlib.suppress(ComeBack), RawWebSocket(self.server, path) as runner:
                    ready = self.next(runner)
                    assert ready["type"] == "ready"
                    path = path.partition("?")[0] + f"?epoch={ready['epoch']}"
                    self.send(runner, ready["next_sequence"])
                    path = None
        except Exception as error:
            self.failure = error

    def send(self, runner, begin):
        total = self.FRAMES * self.RECORDS
        for first in range(begin, total, self.RECORDS):
            records = [
                {"sequence_number": i, "message": self.noise[i % self.RECORDS]}
                for i in range(first, min(first + self.RECORDS, total))
            ]
            runner.send(frame(1, json.dumps(records).encode()))
        acked = begin - 1
        while acked < total - 1:
            message = self.next(runner)
            assert message["type"] == "ack", message
            acked = message["sequence_number"]


def test_runners_that_flood_are_read_no_faster_than_they_are_stored(bounded):
    """Twelve of them, whose account may have 6 MiB under way, and each one frame beside that; all are acknowledged
    in the end."""
    api = bounded.api()
    floods = [Flood(bounded, api.create()) for _ in range(12)]
    most = 0
    while any(flood.is_alive() for flood in floods):
        most = max(most, held(bounded, "intake"))
    assert [flood.failure for flood in floods if flood.failure] == []
    assert 0 < most <= 6 * MIB + 12 * 2 * MIB
    for flood in floods:
        assert api.status(flood.execution_id)["last_index"] == Flood.FRAMES * Flood.RECORDS
    eventually(lambda: held(bounded, "intake") + held(bounded, "requests") == 0, "all to be given back")


def test_half_messages_are_bounded_and_their_runners_told_to_come_back(bounded):
    """Frames of 1 MiB less a byte: an account may have 4 MiB of them. The next ones wait, and after 10 s are closed
    with 1013."""
    api = bounded.api()
    sockets = [RawWebSocket(bounded, f"/ws/runner/executions/{api.create()}/stream") for _ in range(8)]
    for runner in sockets:
        assert json.loads(runner.frame()[1])["type"] == "ready"
        try:
            runner.send(frame(1, b" " * MIB)[:-1])
        except OSError:
            pass
    assert sockets[-1].close_code() == 1013
    assert held(bounded, "requests") <= 4 * MIB
    for runner in sockets:
        runner.close()
    eventually(lambda: held(bounded, "requests") == 0, "all to be given back")
