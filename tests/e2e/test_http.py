"""HTTP/1.1 itself: connections, bodies, identifiers, names and origins."""

import json
import re

import pytest
from support.api import RawConnection, exchange


def head(server, line="GET /health HTTP/1.1", **headers):
    headers = {"Host": f"127.0.0.1:{server.port}", **{name.replace("_", "-"): value for name, value in headers.items()}}
    lines = [line] + [f"{name}: {value}" for name, value in headers.items() if value is not None]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def authorized(server, line, **headers):
    return head(server, line, Authorization=f"Bearer {server.operator_key}", **headers)


def test_a_connection_serves_one_request_after_the_other(server):
    with RawConnection(server.port) as connection:
        for _ in range(3):
            assert connection.send(head(server)).answer().status == 200


@pytest.mark.threads
def test_pipelined_requests_are_answered_in_their_order(server, api):
    execution_id = api.create()
    paths = ["/health", f"/api/v1/executions/{execution_id}", "/nowhere", f"/api/v1/executions/{execution_id}/logs", "/ready"]
    with RawConnection(server.port) as connection:
        connection.send(
            b"".join(authorized(server, f"GET {path} HTTP/1.1", X_Request_ID=f"order-{i}") for i, path in enumerate(paths * 4))
        )
        answers = [connection.answer() for _ in paths * 4]
    assert [answer.headers["X-Request-ID"] for answer in answers] == [f"order-{i}" for i in range(20)]
    assert [answer.status for answer in answers] == [200, 200, 404, 200, 200] * 4


def test_a_request_split_into_single_bytes_is_understood(server):
    with RawConnection(server.port) as connection:
        for byte in head(server):
            connection.send(bytes([byte]))
        assert connection.answer().status == 200


def test_a_chunked_body_is_put_together(server, api):
    execution_id = api.create()
    body = json.dumps([{"message": f"part {i}"} for i in range(50)]).encode()
    pieces = b"".join(b"%x;ext=1\r\n%s\r\n" % (len(body[i : i + 7]), body[i : i + 7]) for i in range(0, len(body), 7))
    request = authorized(
        server,
        f"POST /api/v1/executions/{execution_id}/logs HTTP/1.1",
        Transfer_Encoding="chunked",
        Content_Type="application/json",
    )
    answer = exchange(server.port, request + pieces + b"0\r\nX-Trailer: 1\r\n\r\n")
    assert answer.status == 201, answer
    assert answer.json() == {"first_sequence": 0, "last_sequence": 49}
    assert api.messages(execution_id) == [f"part {i}" for i in range(50)]


def test_expect_100_continue_is_answered_before_the_body_is_sent(server, api):
    body = b'{"script_filename":"later.py"}'
    with RawConnection(server.port) as connection:
        connection.send(
            authorized(
                server,
                "POST /api/v1/executions HTTP/1.1",
                Expect="100-continue",
                Content_Length=str(len(body)),
                Content_Type="application/json",
            )
        )
        connection.told_to_go_on()
        assert connection.send(body).answer().status == 201


UNREAD = [
    ("no credential", "POST /api/v1/executions", None, 401),
    ("an unknown key", "POST /api/v1/executions", "Bearer rnl_" + "A" * 43, 401),
    ("a key in another form", "POST /api/v1/executions", "Basic x", 401),
    ("a role that may not", "POST /api/v1/executions", "viewer", 403),
    ("a route that is none", "POST /api/v1/nothing", "operator", 404),
    ("a method that is none of it", "PATCH /api/v1/executions", "operator", 405),
    ("a foreign host", "POST /api/v1/executions", "foreign", 403),
]


@pytest.mark.parametrize("expect", [None, "100-continue"])
@pytest.mark.parametrize("line, who, status", [row[1:] for row in UNREAD], ids=[row[0] for row in UNREAD])
def test_a_body_is_not_read_for_who_may_not_send_it(server, api, line, who, status, expect):
    """The answer comes although not a byte of the body does."""
    headers = {"Authorization": who}
    if who in ("viewer", "operator", "foreign"):
        headers["Authorization"] = f"Bearer {api.as_role('viewer').token if who == 'viewer' else server.operator_key}"
    if who == "foreign":
        headers["Host"] = "evil.example"
    request = head(server, f"{line} HTTP/1.1", Content_Length="8000000", Content_Type="application/json", Expect=expect, **headers)
    with RawConnection(server.port) as connection:
        answer = connection.send(request).answer()
        assert answer.status == status and answer.headers["Connection"] == "close", answer
        assert connection.ended()


def test_a_connection_with_a_good_credential_serves_on_behind_a_body(server, api):
    """A key that the server does not know yet is looked up while the body comes, and what comes behind it."""
    execution_id = api.create()
    for _ in range(20):
        key = api.key("service")["key"]
        body = json.dumps([{"message": "x" * 9000}] * 20).encode()
        request = head(
            server,
            f"POST /api/v1/executions/{execution_id}/logs HTTP/1.1",
            Authorization=f"Bearer {key}",
            Content_Length=len(body),
            Content_Type="application/json",
        )
        with RawConnection(server.port) as connection:
            connection.send(request + body + head(server) + request + body)
            assert [connection.answer().status for _ in range(3)] == [201, 200, 201]
    assert api.status(execution_id)["last_index"] == 20 * 40


def test_head_has_the_headers_of_get_and_no_body(server, api):
    answer = api.request("HEAD", "/health", token=None)
    assert answer.status == 200 and answer.body == b""
    assert int(answer.headers["Content-Length"]) == len(api.get("/health", token=None).body)


def test_http_1_0_is_answered_and_closed(server):
    with RawConnection(server.port) as connection:
        assert connection.send(head(server, "GET /health HTTP/1.0")).answer().status == 200
        assert connection.ended()


def test_connection_close_is_kept_to(server):
    with RawConnection(server.port) as connection:
        answer = connection.send(head(server, Connection="close")).answer()
        assert answer.status == 200 and answer.headers["Connection"].lower() == "close"
        assert connection.ended()


@pytest.mark.parametrize("given", ["a", "A.b_c-9", "x" * 128])
def test_the_callers_request_id_is_kept(api, given):
    answer = api.get("/health", headers={"X-Request-ID": given})
    assert answer.headers["X-Request-ID"] == given


@pytest.mark.parametrize("given", [None, "", "x" * 129, "with space", "ümlaut".encode(), "semi;colon"])
def test_a_request_id_that_will_not_do_is_replaced(api, given):
    answer = api.get("/nowhere", headers={} if given is None else {"X-Request-ID": given})
    made = answer.headers["X-Request-ID"]
    assert re.fullmatch(r"[A-Za-z0-9._-]{1,128}", made)
    assert answer.json()["error"]["request_id"] == made


def test_trace_headers_are_passed_on(api):
    trace = {"X-Trace-ID": "trace-7", "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}
    for path in ("/health", "/nowhere"):
        answer = api.get(path, headers=trace)
        assert {name: answer.headers[name] for name in trace} == trace


def test_every_answer_forbids_sniffing(api):
    for path in ("/health", "/nowhere", "/metrics"):
        assert api.get(path).headers["X-Content-Type-Options"] == "nosniff"


def test_an_error_has_code_message_and_request_id(api):
    answer = api.get("/api/v1/executions/exec_missing")
    assert answer.status == 404 and answer.headers["Content-Type"].startswith("application/json")
    error = answer.json()["error"]
    assert error["code"] == "not_found" and error["message"] and error["request_id"] == answer.headers["X-Request-ID"]


def test_a_wrong_method_says_which_are_right(api):
    answer = api.request("PUT", "/api/v1/executions")
    assert (answer.status, answer.code) == (405, "method_not_allowed")
    assert {"GET", "POST"} <= {method.strip() for method in answer.headers["Allow"].split(",")}


def test_unauthorized_and_unavailable_answers_carry_their_headers(api):
    answer = api.get("/api/v1/executions", token=None)
    assert answer.status == 401 and answer.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "localhost:7117"])
def test_loopback_names_are_good_hosts(server, host):
    assert exchange(server.port, head(server, Host=host)).status == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80"])
def test_other_hosts_are_refused_so_that_dns_rebinding_fails(server, host):
    answer = exchange(server.port, authorized(server, "GET /api/v1/executions HTTP/1.1", Host=host))
    assert answer.status in (400, 403, 421) and answer.code, answer


def test_allowed_hosts_are_added_by_setting(servers):
    server = servers("--allowed-hosts", "logs.example")
    listing = "GET /api/v1/executions HTTP/1.1"
    assert exchange(server.port, authorized(server, listing, Host="logs.example")).status == 200
    assert exchange(server.port, authorized(server, listing, Host="other.example")).status in (400, 403, 421)


def preflight(server, origin):
    return exchange(
        server.port,
        head(
            server,
            "OPTIONS /api/v1/executions HTTP/1.1",
            Origin=origin,
            Access_Control_Request_Method="GET",
            Access_Control_Request_Headers="authorization",
        ),
    )


def test_no_origin_is_allowed_unless_configured(server):
    answer = preflight(server, "https://app.example")
    assert "Access-Control-Allow-Origin" not in answer.headers
    listing = exchange(server.port, authorized(server, "GET /api/v1/executions HTTP/1.1", Origin="https://app.example"))
    assert "Access-Control-Allow-Origin" not in listing.headers


def test_origins_on_the_list_may_call(servers):
    server = servers("--cors-origins", "https://app.example")
    answer = preflight(server, "https://app.example")
    assert answer.status in (200, 204)
    assert answer.headers["Access-Control-Allow-Origin"] == "https://app.example"
    assert "authorization" in answer.headers["Access-Control-Allow-Headers"].lower()
    assert "Access-Control-Allow-Origin" not in preflight(server, "https://evil.example").headers
    listing = exchange(server.port, authorized(server, "GET /api/v1/executions HTTP/1.1", Origin="https://app.example"))
    assert listing.status == 200 and listing.headers["Access-Control-Allow-Origin"] == "https://app.example"
    assert "Origin" in listing.headers["Vary"]
