"""Malformed requests, bodies, messages and credentials: one row each, with the exact answer; frames are in
test_rfc6455.py. The server
must serve on after every one."""

import pytest
from support.api import exchange
from support.ws import Refused, Runner, WebSocket, handshake

EXECUTIONS = "/api/v1/executions"


@pytest.fixture(scope="module")
def ids(server, api):
    """What the rows' {placeholders} stand for."""
    names = {"open": api.create(), "sealed": api.create(), "purged": api.create()}
    api.append_lines(names["open"], ["a", "b"])
    for name in ("sealed", "purged"):
        with Runner(server, names[name]) as runner:
            runner.complete()
    api.expect(200, "DELETE", f"{EXECUTIONS}/{names['purged']}", query={"purge": "true"})
    return names


# --- 1. Bytes that are not HTTP, or not the HTTP that is spoken here: (name, bytes, status, code); status 0: closed
# without an answer
HOST = b"Host: 127.0.0.1\r\n"
GET = b"GET /health HTTP/1.1\r\n"
KEY = b"rnl_of-the-operator"  # stands for it: a body is read only for who may send one
POST = b"POST /api/v1/executions HTTP/1.1\r\n" + HOST + b"Authorization: Bearer " + KEY + b"\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
RAW = [
    ("not http at all", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400, "malformed"),
    ("an unknown method", b"FROB /health HTTP/1.1\r\n" + HOST + b"\r\n", 501, "not_implemented"),
    ("a method of WebDAV", b"PROPFIND /health HTTP/1.1\r\n" + HOST + b"\r\n", 501, "not_implemented"),
    (
        "a method that asks for a tunnel",
        b"CONNECT example.com:443 HTTP/1.1\r\n" + HOST + b"\r\n",
        501,
        "not_implemented",
    ),
    ("a method in small letters", b"get /health HTTP/1.1\r\n" + HOST + b"\r\n", 501, "not_implemented"),
    ("a method of 64 letters", b"G" * 64 + b" /health HTTP/1.1\r\n" + HOST + b"\r\n", 501, "not_implemented"),
    ("a method that cannot be one", b"GE:T /health HTTP/1.1\r\n" + HOST + b"\r\n", 400, "malformed"),
    ("a target with a foreign host", b"GET http://evil.example/health HTTP/1.1\r\n" + HOST + b"\r\n", 403, "forbidden"),
    ("a target with a user", b"GET http://me@127.0.0.1/health HTTP/1.1\r\n" + HOST + b"\r\n", 400, "malformed"),
    ("a target without a host", b"GET http:///health HTTP/1.1\r\n" + HOST + b"\r\n", 400, "malformed"),
    ("a target of another scheme", b"GET ftp://127.0.0.1/health HTTP/1.1\r\n" + HOST + b"\r\n", 400, "malformed"),
    ("a path without a slash", b"GET health HTTP/1.1\r\n" + HOST + b"\r\n", 400, "malformed"),
    ("an asterisk for GET", b"GET * HTTP/1.1\r\n" + HOST + b"\r\n", 400, "malformed"),
    ("no path", b"GET HTTP/1.1\r\n" + HOST + b"\r\n", 400, "malformed"),
    ("no version", b"GET /health\r\n" + HOST + b"\r\n", 400, "malformed"),
    ("a version of the future", b"GET /health HTTP/3.0\r\n" + HOST + b"\r\n", 400, "malformed"),
    ("a version that is none", b"GET /health HTTP/x.y\r\n" + HOST + b"\r\n", 400, "malformed"),
    ("two spaces in the request line", b"GET  /health HTTP/1.1\r\n" + HOST + b"\r\n", 400, "malformed"),
    ("a NUL in the path", b"GET /hea\0lth HTTP/1.1\r\n" + HOST + b"\r\n", 400, "malformed"),
    ("a control byte in the path", b"GET /hea\x01lth HTTP/1.1\r\n" + HOST + b"\r\n", 400, "malformed"),
    ("no Host", GET + b"\r\n", 400, "malformed"),
    ("two Hosts", GET + HOST + b"Host: localhost\r\n\r\n", 400, "malformed"),
    ("a foreign Host", GET + b"Host: evil.example\r\n\r\n", 403, "forbidden"),
    ("a foreign Origin", GET + HOST + b"Origin: https://evil.example\r\n\r\n", 403, "forbidden"),
    ("Origin null", GET + HOST + b"Origin: null\r\n\r\n", 403, "forbidden"),
    ("a header without colon", GET + HOST + b"Broken header\r\n\r\n", 400, "malformed"),
    ("a header without name", GET + HOST + b": value\r\n\r\n", 400, "malformed"),
    ("a space before the colon", GET + HOST + b"X-A : 1\r\n\r\n", 400, "malformed"),
    ("a NUL in a header", GET + HOST + b"X-A: a\0b\r\n\r\n", 400, "malformed"),
    ("a folded header", GET + HOST + b"X-A: a\r\n b\r\n\r\n", 400, "malformed"),
    ("a bare LF in a header", GET + HOST + b"X-A: a\nX-B: b\r\n\r\n", 400, "malformed"),
    ("a bare CR in a header", GET + HOST + b"X-A: a\rX-B: b\r\n\r\n", 400, "malformed"),
    ("a path over 8 KiB", b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", 414, "uri_too_long"),
    ("a header over 16 KiB", GET + HOST + b"X-A: " + b"a" * 17000 + b"\r\n\r\n", 431, "headers_too_large"),
    ("headers over 16 KiB together", GET + HOST + b"X-A: aaaaaaaa\r\n" * 1200 + b"\r\n", 431, "headers_too_large"),
    ("a broken escape in the path", b"GET /api/v1/executions/%zz HTTP/1.1\r\n" + HOST + b"\r\n", 400, "malformed"),
    ("a cut escape in the path", b"GET /api/v1/executions/%4 HTTP/1.1\r\n" + HOST + b"\r\n", 400, "malformed"),
    ("a broken escape in the query", b"GET /health?a=%zz HTTP/1.1\r\n" + HOST + b"\r\n", 400, "malformed"),
    ("Content-Length that is no number", POST + b"Content-Length: ten\r\n\r\n", 400, "malformed"),
    ("a negative Content-Length", POST + b"Content-Length: -1\r\n\r\n", 400, "malformed"),
    ("a Content-Length that overflows", POST + b"Content-Length: 99999999999999999999999\r\n\r\n", 400, "malformed"),
    ("a Content-Length with a sign", POST + b"Content-Length: +2\r\n\r\n{}", 400, "malformed"),
    ("two Content-Lengths", POST + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", 400, "malformed"),
    (
        "Content-Length beside chunked",
        POST + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
        "malformed",
    ),
    ("an unknown Transfer-Encoding", POST + b"Transfer-Encoding: gzip\r\n\r\n", 400, "malformed"),
    ("an empty Transfer-Encoding", POST + b"Transfer-Encoding:\r\n\r\n", 400, "malformed"),
    (
        "an empty Transfer-Encoding beside a length",
        POST + b"Transfer-Encoding: \r\nContent-Length: 2\r\n\r\n{}",
        400,
        "malformed",
    ),
    ("a chunk extension without a name", POST + CHUNKED + b"2;\r\n{}\r\n0\r\n\r\n", 400, "malformed"),
    ("a chunk extension with two names", POST + CHUNKED + b"2;a b\r\n{}\r\n0\r\n\r\n", 400, "malformed"),
    ("a chunk extension without its value", POST + CHUNKED + b"2;a=\r\n{}\r\n0\r\n\r\n", 400, "malformed"),
    ("a chunk extension with an open quote", POST + CHUNKED + b'2;a="\r\n{}\r\n0\r\n\r\n', 400, "malformed"),
    ("a bare LF in a chunk extension", POST + CHUNKED + b"2;a\n{}\r\n0\r\n\r\n", 400, "malformed"),
    ("white space behind a chunk size", POST + CHUNKED + b"2 \r\n{}\r\n0\r\n\r\n", 400, "malformed"),
    ("a chunk extension of 20 KB", POST + CHUNKED + b"2;a=" + b"x" * 20000 + b"\r\n{}\r\n0\r\n\r\n", 413, "too_large"),
    (
        "chunk extensions of 20 KB together",
        POST + CHUNKED + (b"1;a=" + b"x" * 200 + b"\r\n \r\n") * 100,
        413,
        "too_large",
    ),
    ("chunked that is not the last", POST + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n", 400, "malformed"),
    ("a chunk size that is no number", POST + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n", 400, "malformed"),
    (
        "a chunk size that overflows",
        POST + b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
        400,
        "malformed",
    ),
    (
        "a chunk longer than it says",
        POST + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}}\r\n0\r\n\r\n",
        400,
        "malformed",
    ),
    ("a body over the limit by its length", POST + b"Content-Length: 8388609\r\n\r\n", 413, "too_large"),
    ("a chunk over the limit", POST + b"Transfer-Encoding: chunked\r\n\r\n800001\r\n" + b"x" * 4096, 413, "too_large"),
]


@pytest.mark.parametrize("data, status, code", [row[1:] for row in RAW], ids=[row[0] for row in RAW])
def test_raw_requests(server, data, status, code):
    answer = exchange(server.port, data.replace(KEY, server.operator_key.encode()))
    assert (answer.status, answer.code) == (status, code), answer
    assert exchange(server.port, GET + HOST + b"\r\n").status == 200


# --- 2. Requests with a good credential: (method, path, body or None, headers, status, code)
JSON = {"Content-Type": "application/json"}
NDJSON = {"Content-Type": "application/x-ndjson"}
LOGS = EXECUTIONS + "/{open}/logs"


def backup(body):
    made = ("POST", "/api/v1/backup", body, JSON, 422, "invalid")
    return pytest.param(*made, marks=pytest.mark.sqlite("`runnel backup` and `restore`"))


REQUESTS = [
    ("GET", "/nobody", None, {}, 404, "no_such_route"),
    ("GET", "/api/v1/nothing", None, {}, 404, "no_such_route"),
    ("GET", "/api/v2/executions", None, {}, 404, "no_such_route"),
    ("GET", "/health/", None, {}, 404, "no_such_route"),
    ("GET", "//health", None, {}, 404, "no_such_route"),
    ("GET", EXECUTIONS + "/", None, {}, 404, "no_such_route"),
    ("GET", EXECUTIONS + "/{open}/nothing", None, {}, 404, "no_such_route"),
    ("GET", EXECUTIONS + "/../keys", None, {}, 404, "no_such_route"),
    ("GET", EXECUTIONS + "/exec_nowhere", None, {}, 404, "not_found"),
    ("GET", EXECUTIONS + "/exec_nowhere/logs", None, {}, 404, "not_found"),
    ("GET", EXECUTIONS + "/exec_nowhere/logs/stream", None, {}, 404, "not_found"),
    ("GET", EXECUTIONS + "/-begins-wrong", None, {}, 404, "not_found"),
    ("GET", EXECUTIONS + "/with%20space", None, {}, 404, "not_found"),
    ("GET", EXECUTIONS + "/with%2Fslash", None, {}, 404, "not_found"),
    ("GET", EXECUTIONS + "/with%00nul", None, {}, 404, "not_found"),
    ("GET", EXECUTIONS + "/" + "x" * 256, None, {}, 404, "not_found"),
    ("GET", EXECUTIONS + "/{purged}", None, {}, 410, "expired"),
    ("GET", EXECUTIONS + "/{purged}/logs", None, {}, 410, "expired"),
    ("PATCH", EXECUTIONS + "/{purged}", "{}", JSON, 410, "expired"),
    ("DELETE", EXECUTIONS + "/{purged}", None, {}, 410, "expired"),
    ("PUT", EXECUTIONS, "{}", JSON, 405, "method_not_allowed"),
    ("DELETE", EXECUTIONS, None, {}, 405, "method_not_allowed"),
    ("POST", EXECUTIONS + "/{open}", "{}", JSON, 405, "method_not_allowed"),
    ("PUT", LOGS, "{}", JSON, 405, "method_not_allowed"),
    ("POST", "/health", "{}", JSON, 405, "method_not_allowed"),
    ("GET", "/api/v1/tickets", None, {}, 405, "method_not_allowed"),
    ("PATCH", "/api/v1/keys", "{}", JSON, 405, "method_not_allowed"),
    ("GET", "/api/v1/backup", None, {}, 405, "method_not_allowed"),
    # parameters
    ("GET", EXECUTIONS + "?status=asleep", None, {}, 400, "malformed"),
    ("GET", EXECUTIONS + "?limit=0", None, {}, 400, "malformed"),
    ("GET", EXECUTIONS + "?limit=1001", None, {}, 400, "malformed"),
    ("GET", EXECUTIONS + "?limit=x", None, {}, 400, "malformed"),
    ("GET", EXECUTIONS + "?cursor=x", None, {}, 400, "bad_cursor"),
    ("GET", EXECUTIONS + "?cursor=17", None, {}, 400, "bad_cursor"),
    ("GET", "/api/v1/accounts?cursor=" + "0" * 32, None, {}, 400, "bad_cursor"),
    ("GET", "/api/v1/accounts?limit=0", None, {}, 400, "malformed"),
    ("POST", "/api/v1/accounts", '{"name": "a b"}', JSON, 422, "invalid"),
    ("POST", "/api/v1/accounts", '{"name": "a", "tier": 1}', JSON, 422, "invalid"),
    ("GET", "/api/v1/accounts/a%20b", None, {}, 404, "not_found"),
    ("PATCH", "/api/v1/accounts/nobody", '{"suspended": true}', JSON, 404, "not_found"),
    ("PATCH", "/api/v1/accounts/default", '{"suspended": 1}', JSON, 422, "invalid"),
    ("DELETE", "/api/v1/accounts/nobody", None, {}, 404, "not_found"),
    ("DELETE", "/api/v1/accounts/nobody?purge=perhaps", None, {}, 400, "malformed"),
    ("GET", EXECUTIONS + "?since=yesterday", None, {}, 400, "malformed"),
    ("GET", EXECUTIONS + "?metadata.=x", None, {}, 400, "malformed"),
    ("GET", EXECUTIONS + "?unknown=1", None, {}, 400, "malformed"),
    ("DELETE", EXECUTIONS + "/{sealed}?purge=perhaps", None, {}, 400, "malformed"),
    ("GET", LOGS + "?from=-1", None, {}, 400, "bad_cursor"),
    ("GET", LOGS + "?from=", None, {}, 400, "bad_cursor"),
    ("GET", LOGS + "?from=1e3", None, {}, 400, "bad_cursor"),
    ("GET", LOGS + "?from=0x10", None, {}, 400, "bad_cursor"),
    ("GET", LOGS + "?from=%201", None, {}, 400, "bad_cursor"),
    ("GET", LOGS + "?from=18446744073709551616", None, {}, 400, "bad_cursor"),
    ("GET", LOGS + "?after=-2", None, {}, 400, "bad_cursor"),
    ("GET", LOGS + "?cursor=x", None, {}, 400, "bad_cursor"),
    ("GET", LOGS + "?since_index=-1", None, {}, 400, "bad_cursor"),
    ("GET", LOGS + "?tail=-1", None, {}, 400, "bad_cursor"),
    ("GET", LOGS + "?since=never", None, {}, 400, "bad_cursor"),
    ("GET", LOGS + "?from=1&from=2", None, {}, 400, "malformed"),
    ("GET", LOGS + "?from=1&after=2", None, {}, 400, "malformed"),
    ("GET", LOGS + "?cursor=1&tail=2", None, {}, 400, "malformed"),
    ("GET", LOGS + "?limit=0", None, {}, 400, "malformed"),
    ("GET", LOGS + "?limit=10001", None, {}, 400, "malformed"),
    ("GET", LOGS + "?limit=-1", None, {}, 400, "malformed"),
    ("GET", LOGS + "?format=pdf", None, {}, 400, "malformed"),
    ("GET", LOGS + "?follow=maybe", None, {}, 400, "malformed"),
    ("GET", LOGS + "?format=chunk&grep=x", None, {}, 400, "malformed"),
    ("GET", LOGS + "?stream=stdin", None, {}, 400, "malformed"),
    ("GET", LOGS + "?level=LOUD", None, {}, 400, "malformed"),
    ("GET", LOGS + "?min_level=", None, {}, 400, "malformed"),
    ("GET", LOGS + "?category=x", None, {}, 400, "malformed"),
    ("GET", LOGS + "?milestone=x", None, {}, 400, "malformed"),
    ("GET", LOGS + "?min_priority=11", None, {}, 400, "malformed"),
    ("GET", LOGS + "?start_time=noon", None, {}, 400, "malformed"),
    ("GET", LOGS + "?regex=(", None, {}, 400, "malformed"),
    ("GET", LOGS + "?regex=%ff", None, {}, 400, "malformed"),
    ("GET", LOGS + "?colour=red", None, {}, 400, "malformed"),
    ("GET", LOGS + "/stream?cursor=1", None, {}, 400, "malformed"),
    ("GET", LOGS + "/stream?from=x", None, {}, 400, "bad_cursor"),
    ("GET", LOGS + "/stream", None, {"Last-Event-ID": "x"}, 400, "bad_cursor"),
    ("GET", LOGS + "/stream", None, {"Last-Event-ID": "-2"}, 400, "bad_cursor"),
    # bodies of executions
    ("POST", EXECUTIONS, "", JSON, 400, "malformed"),
    ("POST", EXECUTIONS, "{", JSON, 400, "malformed"),
    ("POST", EXECUTIONS, "[]", JSON, 400, "malformed"),
    ("POST", EXECUTIONS, "null", JSON, 400, "malformed"),
    ("POST", EXECUTIONS, '"text"', JSON, 400, "malformed"),
    ("POST", EXECUTIONS, "{} {}", JSON, 400, "malformed"),
    ("POST", EXECUTIONS, '{"a":1,}', JSON, 400, "malformed"),
    ("POST", EXECUTIONS, "{'a':1}", JSON, 400, "malformed"),
    ("POST", EXECUTIONS, '{"script":"\\ud800"}', JSON, 400, "malformed"),
    ("POST", EXECUTIONS, b'{"script":"\xff"}', JSON, 400, "malformed"),
    ("POST", EXECUTIONS, '{"script":"a","script":"b"}', JSON, 400, "malformed"),
    ("POST", EXECUTIONS, '{"metadata":' + "[" * 100 + "]" * 100 + "}", JSON, 400, "malformed"),
    ("POST", EXECUTIONS, "{}", {"Content-Type": "text/plain"}, 415, "unsupported_media_type"),
    ("POST", EXECUTIONS, "a=1", {"Content-Type": "application/x-www-form-urlencoded"}, 415, "unsupported_media_type"),
    ("POST", EXECUTIONS, "{}", {**JSON, "Idempotency-Key": "k" * 256}, 400, "malformed"),
    ("POST", EXECUTIONS, '{"unknown":1}', JSON, 422, "invalid"),
    ("POST", EXECUTIONS, '{"execution_id":""}', JSON, 422, "invalid"),
    ("POST", EXECUTIONS, '{"execution_id":"-x"}', JSON, 422, "invalid"),
    ("POST", EXECUTIONS, '{"execution_id":"a b"}', JSON, 422, "invalid"),
    ("POST", EXECUTIONS, '{"execution_id":"a\\u0000b"}', JSON, 422, "invalid"),
    ("POST", EXECUTIONS, '{"script_filename":"a\\u0000b"}', JSON, 422, "invalid"),
    ("POST", EXECUTIONS, '{"metadata":{"a\\u0000b":1}}', JSON, 400, "malformed"),
    ("POST", EXECUTIONS, '{"execution_id":7}', JSON, 422, "invalid"),
    ("POST", EXECUTIONS, '{"script_filename":7}', JSON, 422, "invalid"),
    ("POST", EXECUTIONS, '{"runtime":"' + "r" * 256 + '"}', JSON, 422, "invalid"),
    ("POST", EXECUTIONS, '{"command":"ls"}', JSON, 422, "invalid"),
    ("POST", EXECUTIONS, '{"command":[1]}', JSON, 422, "invalid"),
    ("POST", EXECUTIONS, '{"env":["A=1"]}', JSON, 422, "invalid"),
    ("POST", EXECUTIONS, '{"env":{"A":1}}', JSON, 422, "invalid"),
    ("POST", EXECUTIONS, '{"metadata":[]}', JSON, 422, "invalid"),
    ("POST", EXECUTIONS, '{"timeout_seconds":-1}', JSON, 422, "invalid"),
    ("POST", EXECUTIONS, '{"timeout_seconds":1.5}', JSON, 422, "invalid"),
    ("POST", EXECUTIONS, '{"retries":101}', JSON, 422, "invalid"),
    ("POST", EXECUTIONS, '{"queue":"yes"}', JSON, 422, "invalid"),
    ("POST", EXECUTIONS, '{"execution_id":"{open}"}', JSON, 409, "conflict"),
    ("POST", EXECUTIONS, '{"execution_id":"{purged}"}', JSON, 410, "expired"),
    ("PATCH", EXECUTIONS + "/{open}", "[]", JSON, 400, "malformed"),
    ("PATCH", EXECUTIONS + "/{open}", '{"status":"asleep"}', JSON, 422, "invalid"),
    ("PATCH", EXECUTIONS + "/{open}", '{"status":"lost"}', JSON, 422, "invalid"),
    ("PATCH", EXECUTIONS + "/{open}", '{"status":1}', JSON, 422, "invalid"),
    ("PATCH", EXECUTIONS + "/{open}", '{"exit_code":1}', JSON, 422, "invalid"),
    ("PATCH", EXECUTIONS + "/{open}", '{"status":"failed","exit_code":256}', JSON, 422, "invalid"),
    ("PATCH", EXECUTIONS + "/{open}", '{"status":"failed","exit_code":"1"}', JSON, 422, "invalid"),
    ("PATCH", EXECUTIONS + "/{open}", '{"pin":1}', JSON, 422, "invalid"),
    ("PATCH", EXECUTIONS + "/{open}", '{"metadata":1}', JSON, 422, "invalid"),
    ("PATCH", EXECUTIONS + "/{open}", '{"colour":1}', JSON, 422, "invalid"),
    ("PATCH", EXECUTIONS + "/{sealed}", '{"status":"running"}', JSON, 409, "sealed"),
    ("DELETE", EXECUTIONS + "/{open}?purge=true", None, {}, 409, "conflict"),
    # records
    ("POST", LOGS, "", JSON, 400, "malformed"),
    ("POST", LOGS, "[]", JSON, 400, "malformed"),
    ("POST", LOGS, "7", JSON, 400, "malformed"),
    ("POST", LOGS, "[7]", JSON, 400, "malformed"),
    ("POST", LOGS, "[[]]", JSON, 400, "malformed"),
    ("POST", LOGS, '{"message":"m"', JSON, 400, "malformed"),
    ("POST", LOGS, '{"message":"m"}]', JSON, 400, "malformed"),
    ("POST", LOGS, '[{"message":"m"},]', JSON, 400, "malformed"),
    ("POST", LOGS, '{"message":"m"}{"message":"n"}', JSON, 400, "malformed"),
    ("POST", LOGS, '{"message":"\n"}', JSON, 400, "malformed"),
    ("POST", LOGS, '{"message":"\\x"}', JSON, 400, "malformed"),
    ("POST", LOGS, b'{"message":"\xc3("}', JSON, 400, "malformed"),
    ("POST", LOGS, '{"message":"m","data":' + "[" * 64 + "]" * 64 + "}", JSON, 400, "malformed"),
    ("POST", LOGS, '{"message":"m","data":01}', JSON, 400, "malformed"),
    ("POST", LOGS, '{"message":"m","data":NaN}', JSON, 400, "malformed"),
    ("POST", LOGS, '{"message":"good"}\n{"message":', NDJSON, 400, "malformed"),
    ("POST", LOGS, "{}", JSON, 422, "invalid"),
    ("POST", LOGS, '{"message":7}', JSON, 422, "invalid"),
    ("POST", LOGS, '{"message":null}', JSON, 422, "invalid"),
    ("POST", LOGS, '{"message":"a","message":"b"}', JSON, 422, "invalid"),
    ("POST", LOGS, '{"message":"m","unknown":1}', JSON, 422, "invalid"),
    ("POST", LOGS, '{"message":"m","stream":"stdin"}', JSON, 422, "invalid"),
    ("POST", LOGS, '{"message":"m","level":"LOUD"}', JSON, 422, "invalid"),
    ("POST", LOGS, '{"message":"m","level":3}', JSON, 422, "invalid"),
    ("POST", LOGS, '{"message":"m","timestamp":"noon"}', JSON, 422, "invalid"),
    ("POST", LOGS, '{"message":"m","timestamp":1700000000}', JSON, 422, "invalid"),
    ("POST", LOGS, '{"message":"m","timestamp":"2025-02-30T00:00:00Z"}', JSON, 422, "invalid"),
    ("POST", LOGS, '{"message":"m","partial":1}', JSON, 422, "invalid"),
    ("POST", LOGS, '{"message":"m","sequence_number":-1}', JSON, 422, "invalid"),
    ("POST", LOGS, '{"message":"m","event_type":"Has Space"}', JSON, 422, "invalid"),
    ("POST", LOGS, '{"message":"m","event_type":"' + "e" * 65 + '"}', JSON, 422, "invalid"),
    ("POST", LOGS, '{"message":"m","category":"other"}', JSON, 422, "invalid"),
    ("POST", LOGS, '{"message":"m","node_id":"' + "n" * 256 + '"}', JSON, 422, "invalid"),
    ("POST", LOGS, '{"message":"m","node_type":"' + "n" * 101 + '"}', JSON, 422, "invalid"),
    ("POST", LOGS, '{"message":"m","progress_percentage":100.01}', JSON, 422, "invalid"),
    ("POST", LOGS, '{"message":"m","progress_percentage":"50"}', JSON, 422, "invalid"),
    ("POST", LOGS, '{"message":"m","display_priority":0}', JSON, 422, "invalid"),
    ("POST", LOGS, '{"message":"m","display_priority":11}', JSON, 422, "invalid"),
    ("POST", LOGS, '{"message":"m","is_milestone":"yes"}', JSON, 422, "invalid"),
    ("POST", LOGS, '{"message":"m","step_number":1.5}', JSON, 422, "invalid"),
    ("POST", LOGS, '{"message":"m","duration_seconds":-1}', JSON, 422, "invalid"),
    ("POST", LOGS, '{"message":"m","data":"' + "d" * 65536 + '"}', JSON, 413, "too_large"),
    ("POST", LOGS, "message=m", {"Content-Type": "text/plain"}, 415, "unsupported_media_type"),
    ("POST", LOGS, '{"message":"m"}', {**JSON, "Idempotency-Key": "k" * 256}, 400, "malformed"),
    ("POST", EXECUTIONS + "/{sealed}/logs", '{"message":"m"}', JSON, 409, "sealed"),
    ("POST", EXECUTIONS + "/{purged}/logs", '{"message":"m"}', JSON, 410, "expired"),
    # keys and backup
    ("POST", "/api/v1/keys", "{}", JSON, 422, "invalid"),
    ("POST", "/api/v1/keys", '{"role":"king","name":"n"}', JSON, 422, "invalid"),
    ("POST", "/api/v1/keys", '{"role":"viewer","name":""}', JSON, 422, "invalid"),
    ("POST", "/api/v1/keys", '{"role":"viewer","name":"n","expires_at":"2001-01-01T00:00:00Z"}', JSON, 422, "invalid"),
    ("POST", "/api/v1/keys", '{"role":"viewer","name":"n","expires_at":7}', JSON, 422, "invalid"),
    ("POST", "/api/v1/keys", '{"role":"viewer","name":"n","hash":"x"}', JSON, 422, "invalid"),
    ("DELETE", "/api/v1/keys/key_nobody", None, {}, 404, "not_found"),
    ("POST", "/api/v1/backup", "{}", JSON, 422, "invalid"),
    ("POST", "/api/v1/backup", '{"path":""}', JSON, 422, "invalid"),
    ("POST", "/api/v1/backup", '{"path":"/tmp/elsewhere.db"}', JSON, 422, "invalid"),
    backup('{"path":"../elsewhere.db"}'),
    backup('{"path":"a/../../elsewhere.db"}'),
    backup('{"path":"folder/"}'),
    ("POST", "/api/v1/backup", '{"path":"a\\u0000b"}', JSON, 422, "invalid"),
    ("POST", "/api/v1/backup", '{"path":7}', JSON, 422, "invalid"),
]


def filled(text, ids):
    for name, value in ids.items():
        text = text.replace("{%s}" % name, value)
    return text


@pytest.mark.parametrize("method, path, body, headers, status, code", REQUESTS, ids=lambda value: str(value)[:70])
def test_requests(api, ids, method, path, body, headers, status, code):
    if isinstance(body, str):
        body = filled(body, ids).encode()
    answer = api.request(method, filled(path, ids), body, headers=headers)
    assert (answer.status, answer.code) == (status, code), answer
    assert answer.headers["X-Request-ID"] == answer.json()["error"]["request_id"]


def test_what_was_refused_left_nothing_behind(api, ids):
    assert api.messages(ids["open"]) == ["a", "b"]
    assert api.status(ids["open"])["status"] == "queued"


# --- 3. Credentials: (header value or None, query, status)
GOOD_TICKET_SHAPE = "rnt_" + "x" * 43
CREDENTIALS = [
    (None, "", 401),
    ("", "", 401),
    ("Bearer", "", 401),
    ("Bearer ", "", 401),
    ("bearer", "", 401),
    ("Basic b3BlcmF0b3I6eA==", "", 401),
    ("Digest username=x", "", 401),
    ("Token {key}", "", 401),
    ("{key}", "", 401),
    ("Bearer {key}x", "", 401),
    ("Bearer {key_cut}", "", 401),
    ("Bearer {key} {key}", "", 401),
    ("Bearer rnl_", "", 401),
    ("Bearer rnl_" + "A" * 43, "", 401),
    ("Bearer " + "A" * 4000, "", 401),
    ("Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiJ9.", "", 401),
    ("Bearer " + GOOD_TICKET_SHAPE, "", 401),
    (None, "?access_token={key}", 401),
    (None, "?access_token=", 401),
    (None, "?access_token=" + GOOD_TICKET_SHAPE, 401),
    (None, "?token={key}", 401),
]
DOORS = [
    ("GET", EXECUTIONS),
    ("GET", EXECUTIONS + "/{open}/logs/stream"),
    ("WS", "/ws/executions/{open}/logs"),
    ("WS", "/ws/runner/executions/{open}/stream"),
    ("POST", EXECUTIONS + "/{open}/logs"),
]


@pytest.mark.parametrize("method, path", DOORS)
@pytest.mark.parametrize("header, query, status", CREDENTIALS, ids=lambda value: str(value)[:40])
def test_credentials(server, api, ids, method, path, header, query, status):
    names = {**ids, "key": api.token, "key_cut": api.token[:-1]}
    path = filled(path + query, names)
    headers = {} if header is None else {"Authorization": filled(header, names)}
    if method == "WS":
        with pytest.raises(Refused) as refused:
            WebSocket(server, path, token=None, headers=headers)
        assert refused.value.status == status
    else:
        answer = api.request(method, path, headers=headers, token=None)
        assert (answer.status, answer.code) == (status, "unauthorized")


# --- 4. Handshakes: (changes to the headers, status)
HANDSHAKES = [
    ({"Upgrade": None}, 426),
    ({"Upgrade": "h2c"}, 426),
    ({"Connection": None}, 426),
    ({"Connection": "keep-alive"}, 426),
    ({"Sec_WebSocket_Version": None}, 426),
    ({"Sec_WebSocket_Version": "8"}, 426),
    ({"Sec_WebSocket_Version": "14"}, 426),
    ({"Sec_WebSocket_Key": None}, 400),
    ({"Sec_WebSocket_Key": ""}, 400),
    ({"Sec_WebSocket_Key": "short"}, 400),
    ({"Sec_WebSocket_Key": "A" * 64}, 400),
    ({"Origin": "https://evil.example"}, 403),
    ({"Host": "evil.example"}, 403),
]


@pytest.mark.parametrize("changes, status", HANDSHAKES, ids=lambda value: str(value))
@pytest.mark.parametrize("path", ["/ws/executions/{open}/logs", "/ws/runner/executions/{open}/stream"])
def test_handshakes(server, api, ids, path, changes, status):
    answer = exchange(server.port, handshake(server, filled(path, ids), api.token, **changes))
    assert answer.status == status, answer


WS_QUERIES = [
    ("/ws/executions/{open}/logs?cursor=x", 400),
    ("/ws/executions/{open}/logs?cursor=-2", 400),
    ("/ws/executions/{open}/logs?from=1&after=2", 400),
    ("/ws/executions/{open}/logs?regex=(", 400),
    ("/ws/executions/{open}/logs?unknown=1", 400),
    ("/ws/runner/executions/exec_nowhere/stream", 404),
    ("/ws/runner/executions/{purged}/stream", 410),
    ("/ws/runner/executions/{sealed}/stream", 409),
    ("/ws/runner/executions/{open}/stream?epoch=0", 400),
    ("/ws/runner/executions/{open}/stream?epoch=x", 400),
    ("/ws/runner/executions/{open}/stream?epoch=99", 409),
    ("/ws/runner/executions/{open}/stream?producer=", 400),
    ("/ws/runner/executions/{open}/stream?chunk_versions=x", 400),
    ("/ws/runner/executions/{open}/stream?chunk_versions=2,x", 400),
    ("/ws/runner/executions/{open}/stream?producer=a%20b", 400),
    ("/ws/runner/executions/{open}/stream?producer=idem:x", 400),
    ("/ws/runner/executions/{open}/stream?producer=" + "p" * 97, 400),
    ("/ws/nothing", 404),
]


@pytest.mark.parametrize("path, status", WS_QUERIES)
def test_websocket_addresses(server, ids, path, status):
    with pytest.raises(Refused) as refused:
        WebSocket(server, filled(path, ids))
    assert refused.value.status == status


# --- 5. What a runner must not say; the socket stays open: (text or bytes, code)
MESSAGES = [
    ("", "malformed"),
    ("{", "malformed"),
    ("7", "malformed"),
    ("null", "malformed"),
    ("[7]", "malformed"),
    ("not json", "malformed"),
    ('{"message":"no number"}', "invalid"),
    ('{"sequence_number":0}', "invalid"),
    ('{"sequence_number":-1,"message":"m"}', "invalid"),
    ('{"sequence_number":"0","message":"m"}', "invalid"),
    ('{"sequence_number":0.5,"message":"m"}', "invalid"),
    ('{"sequence_number":0,"message":7}', "invalid"),
    ('{"sequence_number":0,"message":"m","stream":"stdin"}', "invalid"),
    ('{"sequence_number":0,"message":"m","nonsense":1}', "invalid"),
    ('{"sequence_number":0,"message":"m","execution_id":"exec_other"}', "invalid"),
    ('{"type":"dance"}', "invalid"),
    ('{"type":"complete"}', "invalid"),
    ('{"type":"complete","exit_code":"0"}', "invalid"),
    ('{"type":"complete","exit_code":256}', "invalid"),
    ('{"type":"complete","exit_code":-1}', "invalid"),
    ('{"type":"complete","exit_code":0,"final_sequence":-2}', "invalid"),
    ('{"type":"complete","exit_code":0,"final_sequence":"x"}', "invalid"),
    ('{"type":"complete","exit_code":0,"digest":"xyz"}', "invalid"),
    ('{"type":"complete","exit_code":0,"final_sequence":5}', "gap"),
    ('{"sequence_number":7,"message":"m"}', "gap"),
    ('{"sequence_number":0,"message":"%s"}' % ("m" * 10241), "too_long"),
    (b"", "malformed"),
    (b"1234567", "malformed"),
    (b"\0" * 8, "malformed"),
    (b"\0" * 8 + b"RC", "corrupt"),
    (b"\0" * 8 + b"XX" + b"\0" * 100, "corrupt"),
    (b"\0" * 8 + b"RC\x01\x01" + b"\xff" * 64, "corrupt"),
]


@pytest.mark.parametrize("message, code", MESSAGES, ids=lambda value: str(value)[:60])
def test_runner_messages(server, api, message, code):
    execution_id = api.create()
    with Runner(server, execution_id) as runner:
        runner.send(message)
        error = runner.expect("error")
        assert error["code"] == code and error["next_sequence"] == 0 and error["error"], error
        runner.lines(["still alive"])
        runner.complete()
    assert api.messages(execution_id) == ["still alive"]


def test_the_table_is_long_enough():
    rows = len(RAW) + len(REQUESTS) + len(CREDENTIALS) + len(HANDSHAKES) + len(WS_QUERIES) + len(MESSAGES)
    assert rows >= 150
