"""HTTP/1.1 itself: connections, bodies, identifiers, names and origins."""

import email.utils
import json
import os
import pathlib
import re
import resource
import threading
import time

import pytest
from support.api import RawConnection, exchange
from support.server import Server
from support.ws import Runner


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
    paths = [
        "/health",
        f"/api/v1/executions/{execution_id}",
        "/nowhere",
        f"/api/v1/executions/{execution_id}/logs",
        "/ready",
    ]
    with RawConnection(server.port) as connection:
        connection.send(
            b"".join(
                authorized(server, f"GET {path} HTTP/1.1", X_Request_ID=f"order-{i}")
                for i, path in enumerate(paths * 4)
            )
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
    request = head(
        server, f"{line} HTTP/1.1", Content_Length="8000000", Content_Type="application/json", Expect=expect, **headers
    )
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
    assert [method.strip() for method in answer.headers["Allow"].split(",")] == ["GET", "HEAD", "POST"]
    assert api.request("POST", "/ws/executions/x/logs").headers["Allow"] == "GET"


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


# --- what every answer says
def test_every_answer_has_the_date_and_forbids_keeping_it(server, api):
    execution_id = api.create()
    paths = [
        "/health",
        "/nowhere",
        "/metrics",
        "/api/v1/executions",
        f"/api/v1/executions/{execution_id}",
        f"/api/v1/executions/{execution_id}/logs",
    ]
    for path in paths:
        before = time.time()
        answer = api.get(path)
        said = email.utils.parsedate_to_datetime(answer.headers["Date"]).timestamp()
        assert int(before) <= said <= time.time(), answer.headers["Date"]
        assert answer.headers.get_all("Cache-Control") == ["no-store"], path
    with api.open("GET", f"/api/v1/executions/{execution_id}/logs/stream") as stream:
        assert stream.headers["Cache-Control"] == "no-store" and stream.headers["Date"]


def sealed(server, api):
    execution_id = api.create()
    api.append_lines(execution_id, ["a", "b"])
    with Runner(server, execution_id) as runner:
        runner.complete()
    return f"/api/v1/executions/{execution_id}/logs"


MATCHES = [
    ("{tag}", 304),
    ("W/{tag}", 304),
    ('"other", {tag}', 304),
    ('"a,b" ,W/{tag}, "c"', 304),
    ("*", 304),
    ('"other"', 200),
    ('"other", W/"more"', 200),
    ("{bare}", 200),
    ("", 200),
]


@pytest.mark.parametrize("value, status", MATCHES)
def test_if_none_match_takes_lists_and_weak_tags(server, api, value, status):
    path = sealed(server, api)
    first = api.get(path)
    tag = first.headers["ETag"]
    assert first.headers.get_all("Cache-Control") == ["private, no-cache"]
    again = api.get(path, headers={"If-None-Match": value.format(tag=tag, bare=tag.strip('"'))})
    assert again.status == status and again.headers["ETag"] == tag
    assert (again.body == b"") == (status == 304)


@pytest.mark.parametrize("query", ["/stream", "?format=ndjson", "?follow=true"])
def test_head_of_a_stream_has_no_length(server, api, query):
    path = sealed(server, api)
    with RawConnection(server.port) as connection:
        connection.send(authorized(server, f"HEAD {path}{query} HTTP/1.1"))
        answer = connection.answer("HEAD")
        assert answer.status == 200 and "Content-Length" not in answer.headers, answer.headers
        assert connection.send(head(server)).answer().status == 200  # and the connection serves on


def test_a_target_may_name_the_host(server):
    line = f"GET http://127.0.0.1:{server.port}/health HTTP/1.1"
    assert exchange(server.port, head(server, line)).status == 200
    assert exchange(server.port, head(server, line, Host="elsewhere.example")).status == 200


def test_chunk_extensions_of_every_form_are_taken(server, api):
    execution_id = api.create()
    request = authorized(
        server,
        f"POST /api/v1/executions/{execution_id}/logs HTTP/1.1",
        Transfer_Encoding="chunked",
        Content_Type="application/json",
    )
    body = b'{"message":"x"}'
    pieces = [b"5 ; a\r\n", b'5;b = "q\\";\t,\xc3\xa4"\t;c=d\r\n', b"5;e\t;f\r\n"]
    chunks = b"".join(line + body[5 * i : 5 * i + 5] + b"\r\n" for i, line in enumerate(pieces))
    assert exchange(server.port, request + chunks + b'0;g=""\r\n\r\n').status == 201
    assert api.messages(execution_id) == ["x"]


# --- the credential
def test_x_runnel_token_serves_too_and_goes_first(server, api, role_keys):
    key, none = {"X-Runnel-Token": server.operator_key}, {"X-Runnel-Token": "rnl_" + "A" * 43}
    assert api.get("/api/v1/executions", token=None, headers=key).status == 200
    assert api.get("/api/v1/executions", token=None, headers={**key, "Authorization": "Basic dTpw"}).status == 200
    assert api.get("/api/v1/executions", headers=none).status == 401  # though Authorization is good
    viewer = {"X-Runnel-Token": role_keys["viewer"]}
    assert api.post("/api/v1/executions", {}, headers=viewer).status == 403  # though Authorization may
    assert api.get("/api/v1/executions", headers={"X-Runnel-Token": " "}).status == 200  # an empty one is none


def test_no_credential_is_in_the_log(servers):
    server = servers("--log-level", "debug")
    api = server.api()
    secret = api.key("viewer")["key"]
    api.get("/api/v1/executions", token=None, headers={"X-Runnel-Token": secret})
    api.get("/api/v1/executions", token=secret)
    server.stop()
    log = server.process.err.data
    assert b"/api/v1/executions" in log and secret.encode() not in log


def test_metrics_ask_for_a_credential_if_the_setting_says_so(servers, api, role_keys):
    assert api.get("/metrics", token=None).status == 200
    server = servers("--metrics-credential")
    own = server.api()
    assert own.get("/metrics", token=None).status == 401
    assert own.get("/health", token=None).status == 200
    answer = own.get("/metrics", token=own.key("viewer")["key"])
    assert answer.status == 200 and b"runnel_connections" in answer.body


# --- names and origins
HTTPS_BY_PROXY = {"X_Forwarded_Proto": "https"}
SAME = [
    # headers of a request that came over https, its Origin, whether it is its own
    ("runnel.example", "https://runnel.example", 200),
    ("runnel.example:443", "https://runnel.example", 200),
    ("runnel.example", "https://runnel.example:443", 200),
    ("RUNNEL.example", "https://runnel.EXAMPLE", 200),
    ("runnel.example:8443", "https://runnel.example:8443", 200),
    ("runnel.example", "https://runnel.example:8443", 403),
    ("runnel.example:80", "https://runnel.example", 403),
    ("runnel.example", "http://runnel.example", 403),  # another origin than the https one
    ("other.example", "https://other.example", 403),
]


@pytest.fixture(scope="module")
def behind(tmp_path_factory):
    server = Server(
        tmp_path_factory.mktemp("behind"),
        flags=["--trusted-proxies", "127.0.0.0/8", "--allowed-hosts", "runnel.example"],
    )
    yield server.start()
    server.close()


@pytest.mark.parametrize("host, origin, status", SAME)
def test_default_ports_are_the_same_as_none(behind, host, origin, status):
    answer = exchange(
        behind.port, authorized(behind, "GET /api/v1/executions HTTP/1.1", Host=host, Origin=origin, **HTTPS_BY_PROXY)
    )
    assert answer.status == status, answer


# --- CORS
ORIGIN = "https://app.example"


@pytest.fixture(scope="module")
def shared_with_pages(tmp_path_factory):
    flags = ["--cors-origins", ORIGIN + ":443", "--body-max", "65536", "--failed-logins-max", "3"]
    server = Server(tmp_path_factory.mktemp("cors"), flags=flags)
    yield server.start()
    server.close()


REFUSALS = [
    ("GET /api/v1/executions", {"Authorization": None}, b"", 401),
    ("GET /nowhere", {}, b"", 404),
    ("PUT /api/v1/executions", {}, b"", 405),
    ("POST /api/v1/executions", {"Content_Length": "70000"}, b"", 413),
    ("POST /api/v1/executions", {"Transfer_Encoding": "chunked"}, b"11171\r\n", 413),
    ("POST /api/v1/executions", {"Transfer_Encoding": "chunked"}, b"x\r\n", 400),
    ("POST /api/v1/executions", {"Content_Length": "2", "Content_Type": "text/plain"}, b"{}", 415),
]


def is_shared(answer):
    exposed = {name.strip().lower() for name in answer.headers.get("Access-Control-Expose-Headers", "").split(",")}
    assert answer.headers.get_all("Access-Control-Allow-Origin") == [ORIGIN], answer.headers
    assert {"x-request-id", "etag", "location", "retry-after", "x-runnel-incarnation", "date"} <= exposed
    assert "Origin" in ", ".join(answer.headers.get_all("Vary"))


@pytest.mark.parametrize("line, headers, body, status", REFUSALS)
def test_refusals_may_be_read_by_the_page_that_caused_them(shared_with_pages, line, headers, body, status):
    server = shared_with_pages
    given = {
        "Authorization": f"Bearer {server.operator_key}",
        "Content_Type": "application/json",
        "Origin": ORIGIN,
        **headers,
    }
    answer = exchange(server.port, head(server, line + " HTTP/1.1", **given) + body)
    assert answer.status == status, answer
    is_shared(answer)
    foreign = exchange(
        server.port, head(server, line + " HTTP/1.1", **{**given, "Origin": "https://evil.example"}) + body
    )
    assert foreign.status in (400, 403, 413) and "Access-Control-Allow-Origin" not in foreign.headers


def test_refusals_of_role_and_rate_may_be_read_too(shared_with_pages):
    server = shared_with_pages
    viewer = server.api().key("viewer")["key"]
    answer = server.api(token=viewer).post("/api/v1/executions", {}, headers={"Origin": ORIGIN})
    assert answer.status == 403
    is_shared(answer)
    unknown = server.api(token="rnl_" + "A" * 43)
    answers = [unknown.get("/api/v1/executions", headers={"Origin": ORIGIN}) for _ in range(5)]
    assert {answer.status for answer in answers} >= {429}
    for answer in answers:
        is_shared(answer)


def test_a_preflight_allows_whatever_headers_are_asked_for(shared_with_pages):
    server = shared_with_pages
    wanted = (
        "authorization, x-runnel-token, idempotency-key, last-event-id, x-trace-id, traceparent, if-none-match, x-own"
    )
    request = head(
        server,
        "OPTIONS /api/v1/executions HTTP/1.1",
        Origin=ORIGIN,
        Access_Control_Request_Method="PATCH",
        Access_Control_Request_Headers=wanted,
    )
    answer = exchange(server.port, request)
    assert answer.status == 204 and answer.headers["Access-Control-Allow-Headers"] == wanted
    assert {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"} == {
        m.strip() for m in answer.headers["Access-Control-Allow-Methods"].split(",")
    }
    broken = head(
        server,
        "OPTIONS /api/v1/executions HTTP/1.1",
        Origin=ORIGIN,
        Access_Control_Request_Method="GET",
        Access_Control_Request_Headers="a;b",
    )
    assert "a;b" not in exchange(server.port, broken).headers["Access-Control-Allow-Headers"]


def test_answers_to_nobodys_page_vary_all_the_same(shared_with_pages):
    server = shared_with_pages
    answer = exchange(server.port, head(server))
    assert answer.headers["Vary"] == "Origin" and "Access-Control-Allow-Origin" not in answer.headers


# --- accepting
def test_running_out_of_files_is_said_by_its_name_and_passes(servers):
    server = servers("--loops", "1", "--connections-max", "1000")
    api = server.api()
    limit = resource.prlimit(server.process.popen.pid, resource.RLIMIT_NOFILE)
    opened = len(os.listdir(f"/proc/{server.process.popen.pid}/fd"))
    resource.prlimit(server.process.popen.pid, resource.RLIMIT_NOFILE, (opened + 3, limit[1]))
    connections = [server.connect() for _ in range(8)]
    entry = server.wait_log(lambda entry: "cannot be accepted" in (entry["message"] or ""))
    assert entry["level"] == "ERROR" and entry["reason"].startswith("EMFILE: ") and entry["cure"], entry
    spent = cpu_seconds(server)
    threading.Event().wait(1.5)
    assert cpu_seconds(server) - spent < 0.5  # it does not turn round and round meanwhile
    resource.prlimit(server.process.popen.pid, resource.RLIMIT_NOFILE, limit)
    for connection in connections:
        connection.close()
    assert api.get("/health").status == 200
    assert api.metrics()["runnel_accept_failures_total"] >= 1


def cpu_seconds(server):
    fields = pathlib.Path(f"/proc/{server.process.popen.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
