"""Compressed answers: which coding, that they are whole, that live streams are left alone, and that many of them
stay bounded."""

import gzip
import json
import socket
import threading

import pytest
from support.api import RawConnection, eventually
from support.process import Process
from support.ws import Runner

LINES = [f"line {i} of a log that says much the same again and again" for i in range(20000)]


@pytest.fixture(scope="module")
def log(api):
    """The path of a sealed log's records."""
    execution_id = api.create()
    for at in range(0, len(LINES), 5000):
        api.append_lines(execution_id, LINES[at : at + 5000])
    return f"/api/v1/executions/{execution_id}/logs"


def decoded(answer):
    coding = answer.headers["Content-Encoding"]
    if coding == "gzip":
        return gzip.decompress(answer.body)
    if coding == "zstd":
        with Process(["zstd", "-dcq"], stdin=-1) as process:
            process.write(answer.body)
            process.close_stdin()
            assert process.finish() == 0, process.err.data
            return process.out.wait_end()
    assert coding is None
    return answer.body


WISHES = [
    (None, None),
    ("", None),
    ("identity", None),
    ("br, deflate", None),
    ("gzip", "gzip"),
    ("gzip, deflate, br", "gzip"),
    ("gzip, deflate, br, zstd", "zstd"),
    ("zstd;q=0.5, gzip;q=0.9", "gzip"),
    ("gzip;q=0, *", "zstd"),
    ("*;q=0", None),
    ("identity, gzip;q=0.5", None),
]


@pytest.mark.parametrize("wish, coding", WISHES)
def test_the_client_s_wish_decides_and_caches_are_told(api, log, wish, coding):
    headers = {} if wish is None else {"Accept-Encoding": wish}
    for query in ("?limit=100", "?limit=10000", "?format=ndjson", "?format=text", "?format=csv", "?format=raw"):
        plain = api.get(log + query, headers={"Accept-Encoding": "identity"})
        answer = api.get(log + query, headers=headers)
        assert answer.status == 200 and answer.headers["Content-Encoding"] == coding, (query, answer.headers)
        assert "Accept-Encoding" in answer.headers["Vary"] and "Accept-Encoding" in plain.headers["Vary"]
        assert decoded(answer) == plain.body
        if coding:
            assert len(answer.body) < len(plain.body) / 4


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
def test_lists_status_and_metrics_are_compressed_when_that_is_worth_it(api, coding):
    for _ in range(5):
        api.create(metadata={"text": "x" * 1000})
    for path, worth in (("/api/v1/executions", True), ("/metrics", True), ("/health", False)):
        answer = api.get(path, headers={"Accept-Encoding": coding})
        assert answer.headers["Content-Encoding"] == (coding if worth else None), path
        assert decoded(answer)


def test_what_is_made_is_not_compressed(api):
    """A key that was just made, beside a name that somebody chose, could be guessed by the length of the answer."""
    answer = api.post("/api/v1/keys", {"role": "viewer", "name": "n" * 200}, headers={"Accept-Encoding": "gzip"})
    assert answer.status == 201 and "Content-Encoding" not in answer.headers
    assert "Content-Encoding" not in api.get("/nowhere", headers={"Accept-Encoding": "gzip"}).headers


def test_a_connection_serves_on_behind_a_compressed_answer(server, log):
    request = (
        f"GET {log}?%s HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {server.operator_key}\r\nAccept-Encoding: gzip\r\n\r\n"
    ).encode()
    with RawConnection(server.port) as connection:
        connection.send(
            request % b"limit=10" + request % b"limit=10000" + request % b"format=text" + request % b"limit=1"
        )
        bodies = [decoded(connection.answer()) for _ in range(4)]
    assert [len(json.loads(body)["logs"]) for body in (bodies[0], bodies[1], bodies[3])] == [10, 10000, 1]
    assert bodies[2].decode().splitlines() == LINES


def test_http_1_0_gets_it_until_the_connection_closes(server, log):
    request = f"GET {log}?format=text HTTP/1.0\r\nHost: localhost\r\nAuthorization: Bearer {server.operator_key}\r\nAccept-Encoding: gzip\r\n\r\n"
    with RawConnection(server.port) as connection:
        answer = connection.send(request.encode()).answer()
        assert decoded(answer).decode().splitlines() == LINES and connection.ended()


def test_head_says_the_coding_and_sends_nothing(server, log):
    for query in ("limit=1000", "format=text"):
        request = f"HEAD {log}?{query} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {server.operator_key}\r\nAccept-Encoding: gzip\r\n\r\n"
        with RawConnection(server.port) as connection:
            answer = connection.send(request.encode() * 2).answer("HEAD")
            assert answer.headers["Content-Encoding"] == "gzip" and "Content-Length" not in answer.headers
            assert connection.answer("HEAD").status == 200


def test_an_entity_tag_is_weak_when_the_bytes_may_differ(server, api):
    execution_id = api.create()
    api.append_lines(execution_id, ["x" * 100] * 100)
    with Runner(server, execution_id) as runner:
        runner.complete()
    path = f"/api/v1/executions/{execution_id}/logs"
    tag = api.get(path).headers["ETag"]
    answer = api.get(path, headers={"Accept-Encoding": "gzip"})
    assert tag.startswith('"') and answer.headers["ETag"] == "W/" + tag and answer.headers["Content-Encoding"] == "gzip"
    again = api.get(path, headers={"Accept-Encoding": "gzip", "If-None-Match": answer.headers["ETag"]})
    assert (
        again.status == 304 and "Accept-Encoding" in again.headers["Vary"] and "Content-Encoding" not in again.headers
    )


@pytest.mark.parametrize("query", ["/stream", "?format=ndjson&follow=true", "?format=chunk"])
def test_live_streams_and_chunks_are_left_as_they_are(api, log, query):
    with api.open("GET", log + query, headers={"Accept-Encoding": "gzip, zstd"}) as stream:
        assert "Content-Encoding" not in stream.headers
        assert stream.read(1)


def test_more_than_there_are_encoders_get_it_plain_and_all_get_it_whole(servers):
    """Readers that do not read keep their encoders, so their number is bounded; nobody is refused for want of one."""
    server = servers("--loops", "1")
    api = server.api()
    execution_id = api.create()
    # Much more than sockets take, also when it is compressed.
    texts = [f"{i * 2654435761 % 2**64:016x}{i * i * 40503 % 2**64:016x}" * 8 for i in range(40000)]
    for at in range(0, len(texts), 5000):
        api.append_lines(execution_id, texts[at : at + 5000])
    path = f"/api/v1/executions/{execution_id}/logs?format=text"
    request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {server.operator_key}\r\nAccept-Encoding: gzip\r\n\r\n"
    held = []
    for _ in range(64):
        connection = RawConnection(server.port)
        connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        held.append(connection.send(request.encode()))
    for connection in held:
        assert b"Content-Encoding: gzip" in connection.socket.recv(600, socket.MSG_PEEK | socket.MSG_WAITALL)
    wanted = "\n".join(texts) + "\n"
    with RawConnection(server.port) as connection:
        answer = connection.send(request.encode()).answer()
        assert answer.headers["Content-Encoding"] is None and answer.headers["Vary"] == "Accept-Encoding"
        assert answer.body.decode() == wanted
    for connection in held:
        connection.close()

    def compressed_again():
        answer = api.get(path, headers={"Accept-Encoding": "gzip"})
        return answer.headers["Content-Encoding"] == "gzip" and decoded(answer).decode() == wanted

    eventually(compressed_again, "an encoder is free again")


def test_a_large_page_does_not_hold_up_the_loop_while_it_is_encoded(servers):
    server = servers("--loops", "1")
    api = server.api()
    execution_id = api.create()
    for _ in range(2):
        api.append(execution_id, [{"message": "y" * 1000} for _ in range(5000)])
    path = f"/api/v1/executions/{execution_id}/logs?limit=10000"
    bodies = []
    readers = [
        threading.Thread(target=lambda: bodies.append(decoded(api.get(path, headers={"Accept-Encoding": "gzip"}))))
        for _ in range(4)
    ]
    for reader in readers:
        reader.start()
    while any(reader.is_alive() for reader in readers):
        assert api.get("/health").status == 200
    assert len(bodies) == 4 and len(bodies[0]) > 1000000
    assert set(bodies) == {api.get(path).body}
