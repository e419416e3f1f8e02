"""Each limit of the contract, at its edge: what just fits is taken, one more is refused clearly."""

import json

import pytest
from support.api import RawConnection, eventually, exchange
from support.ws import RawWebSocket, Runner, frame

PATH = "/api/v1/executions"


def nested(depth):
    """A record whose whole JSON text is `depth` deep."""
    return '{"message":"m","data":' + "[" * (depth - 1) + "]" * (depth - 1) + "}"


@pytest.mark.parametrize("depth, status", [(64, 201), (65, 400)])
def test_json_depth(api, depth, status):
    answer = api.post(f"{PATH}/{api.create()}/logs", nested(depth), headers={"Content-Type": "application/json"})
    assert answer.status == status, answer


@pytest.mark.parametrize("size, status", [(65536, 201), (65537, 413)])
def test_body_size(servers, size, status):
    api = servers("--body-max", "65536").api()
    body = json.dumps({"script": ""})
    body = json.dumps({"script": "x" * (size - len(body))})
    assert len(body) == size
    answer = api.post(PATH, body, headers={"Content-Type": "application/json"})
    assert answer.status == status, answer
    assert status == 201 or answer.code == "too_large"


def test_the_default_body_limit_is_8_mib(api):
    answer = api.post(PATH, b" " * (8 * 1024 * 1024 + 1), headers={"Content-Type": "application/json"})
    assert (answer.status, answer.code) == (413, "too_large")


@pytest.mark.parametrize("size, status", [(8000, 200), (9000, 414)])
def test_url_length(server, size, status):
    path = "/health?" + "q" * (size - 8)
    answer = exchange(server.port, f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
    assert answer.status == status, answer


@pytest.mark.parametrize("size, status", [(15000, 200), (17000, 431)])
def test_header_size(server, size, status):
    answer = exchange(server.port, f"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Long: {'h' * size}\r\n\r\n".encode())
    assert answer.status == status, answer


@pytest.mark.parametrize("size, fine", [(60 * 1024, True), (66 * 1024, False)])
def test_structured_fields_of_a_record(api, size, fine):
    answer = api.post(f"{PATH}/{api.create()}/logs", {"message": "m", "data": {"blob": "d" * size}})
    assert answer.status == (201 if fine else 413), answer


@pytest.mark.parametrize("size, code", [(1024 * 1024 - 200, None), (1024 * 1024 + 1, 1009)])
def test_frame_size(server, api, size, code):
    with RawWebSocket(server, f"/ws/runner/executions/{api.create()}/stream") as socket:
        socket.frame()
        records = json.dumps([{"sequence_number": i, "message": "m" * 10000} for i in range(104)])
        text = records[:-1] + " " * (size - len(records)) + "]" if size > len(records) else records
        socket.send(frame(1, text.encode()))
        if code:
            assert socket.close_code() == code
        else:
            kind, payload = socket.frame()
            assert json.loads(payload)["type"] == "ack"


def test_connections(servers):
    server = servers("--connections-max", "8", "--loops", "1")
    held = [RawConnection(server.port) for _ in range(8)]
    for connection in held:
        assert connection.send(b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").answer().status == 200
    assert exchange(server.port, b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").status in (503, 0)
    held.pop().close()
    eventually(
        lambda: exchange(server.port, b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n").status
        == 200,
        "a place became free",
    )
    for connection in held:
        connection.close()


def limited_to_files(servers, files, *flags):
    """A server that may not open more files, and what its log says of connections_max."""
    server = servers("--loops", "1", "--log-level", "debug", *flags, start=False)
    argv = server.argv
    server.argv = lambda listen=None: ["prlimit", f"--nofile={files}:{files}", *argv(listen)]
    server.start()
    return server, [(entry["level"], entry["connections_max"]) for entry in server.log() if "connections_max" in entry]


def test_connections_are_refused_before_files_run_out(servers):
    server, said = limited_to_files(servers, 276, "--connections-max", "1000")
    assert said == [("INFO", 138)]
    held = [RawConnection(server.port) for _ in range(138)]
    for connection in held:
        assert connection.send(b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").answer().status == 200
    assert exchange(server.port, b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").status in (503, 0)
    for connection in held:
        connection.close()


@pytest.mark.parametrize(
    "files, said", [(1000, [("DEBUG", 744)]), (1255, [("DEBUG", 999)]), (1256, []), (999, [("INFO", 743)])]
)
def test_files_that_are_lacking_only_for_the_server_itself_are_no_news(servers, files, said):
    assert limited_to_files(servers, files, "--connections-max", "1000")[1] == said


def test_open_executions(servers):
    server = servers("--open-executions-max", "3")
    api = server.api()
    made = [api.create() for _ in range(3)]
    answer = api.post(PATH, {})
    assert (answer.status, answer.code) == (429, "too_many_requests") and answer.headers["Retry-After"]
    with Runner(server, made[0]) as runner:
        runner.complete()
    api.create()


def test_an_id_in_the_address_is_bounded(api):
    assert api.get(f"{PATH}/{'x' * 255}").status == 404
    assert api.get(f"{PATH}/{'x' * 256}").status in (400, 404)
