"""Logs that CloudWatch Logs keeps, fetched by its API when somebody reads them first: once, signed, and whatever goes
wrong on the way."""

import concurrent.futures
import json
import random

import pytest

from support.api import eventually
from support.cloudwatch import CREDENTIALS, GROUP, SECOND, THROTTLED, CloudWatch, event, fault
from support.ws import Follower, WebSocket
from test_cloudwatch import deliver, payload
from test_tls import certificate


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A CloudWatch and a server that fetches from it, for all tests that only want other executions."""
    from support.server import Server

    watch = CloudWatch()
    flags = [*watch.flags(wait_seconds=60), "--source-reorder-ms", "0"]
    one = Server(tmp_path_factory.mktemp("fetching"), flags=flags, env=CREDENTIALS).start()
    yield watch, one
    one.close()
    watch.close()


@pytest.fixture
def watch(made):
    watch = made[0]
    watch.events, watch.page, watch.script, watch.requests, watch.problems = [], 100, [], [], []
    yield watch
    assert watch.problems == []


@pytest.fixture
def api(made):
    return made[1].api()


def kept(api, name, **fields):
    return api.create(execution_id=name, queue=False, source="cloudwatch", **fields)


def numbered(api, name):
    return [(record["index"], record["message"]) for record in api.logs(name, limit=1000)]


def fetched(api, name, count):
    """What has failed, or was not there, is remembered for a moment."""
    eventually(lambda: api.get(f"/api/v1/executions/{name}/logs").status == 200, "the log is fetched")
    return eventually(lambda: len(found := api.logs(name)) == count and found, f"{count} records of {name}")


def of(name, numbers, **fields):
    return [event(number, stream=f"task/runner/{name}", **fields) for number in numbers]


def test_the_first_reading_fetches_the_log_page_by_page_and_no_other_does(watch, api):
    watch.events = of("pages", range(250)) + of("pages-2", range(3))  # whose stream begins in the same way
    kept(api, "pages")
    status = api.status("pages")
    assert (status["status"], status["sealed"], status["last_index"]) == ("running", False, 0)
    assert watch.requests == []
    assert numbered(api, "pages") == [(number + 1, f"line {number}") for number in range(250)]
    assert [asked.get("nextToken") for asked in watch.requests] == [None, "page-100", "page-200"]
    assert watch.requests[0]["logStreamNamePrefix"] == "task/runner/pages"
    record = api.page("pages", limit=1)["logs"][0]
    assert record["data"] == {
        "log_group": GROUP,
        "log_stream": "task/runner/pages",
        "event_id": watch.events[0]["eventId"],
    }
    assert record["timestamp"] == "2023-11-14T22:13:20.000Z"
    api.get("/api/v1/executions/pages/logs/summary")
    assert len(watch.requests) == 3


def test_disorder_and_duplicates_give_the_numbering_of_the_times(watch, api):
    events = of("order", range(300))
    watch.events = random.Random(3).sample(events, 300) + events[40:60]
    kept(api, "order")
    assert numbered(api, "order") == [(number + 1, f"line {number}") for number in range(300)]
    # The same events by a subscription, with some that are new.
    as_sent = [{"id": one["eventId"], "timestamp": one["timestamp"], "message": one["message"]} for one in events[:5]]
    late = {"id": f"{SECOND:028d}{999:028d}", "timestamp": SECOND, "message": "late"}
    assert deliver(api, payload("order", [*as_sent, late])).status == 200
    assert numbered(api, "order")[299:] == [(300, "line 299"), (301, "late")]


def test_what_a_subscription_has_made_is_completed_by_what_came_before_it(watch, api):
    watch.events = of("joined", range(4))
    last = watch.events[3]
    one = {"id": last["eventId"], "timestamp": last["timestamp"], "message": last["message"]}
    assert deliver(api, payload("joined", [one])).status == 200
    assert [message for _, message in numbered(api, "joined")] == ["line 3", "line 0", "line 1", "line 2"]


@pytest.mark.parametrize(
    "trouble",
    [
        THROTTLED,
        (429, b""),
        fault("ServiceUnavailableException", 503),
        (500, b"<html>"),
        (200, b'{"events":[{"eventId":"1","logStr'),
        (200, {"searchedLogStreams": []}),
        b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"events"',
        b"",
    ],
    ids=["throttled", "429", "503", "500", "truncated", "no page", "cut", "closed"],
)
def test_what_is_wrong_for_now_is_asked_again(watch, api, trouble):
    name = f"again-{random.getrandbits(60)}"
    watch.events = of(name, range(150))
    watch.script = [lambda asked: (200, watch.filtered(asked)), trouble]
    kept(api, name)
    assert len(api.logs(name, limit=1000)) == 150
    assert [asked.get("nextToken") for asked in watch.requests] == [None, "page-100", "page-100"]


@pytest.mark.parametrize(
    "answer, said",
    [
        (fault("ExpiredTokenException"), "the credentials have run out"),
        (fault("AccessDeniedException"), "may not do logs:FilterLogEvents (said by AWS)"),
        (fault("ResourceNotFoundException"), "there is no such log group"),
        (fault("UnrecognizedClientException"), "is not known"),
        ((404, b"not here"), "CloudWatch Logs answers 404"),
        ((200, b"[" * 1000), "larger than it may be"),
    ],
    ids=["expired", "denied", "no group", "unknown", "another server", "deep"],
)
def test_what_is_wrong_for_good_is_told_and_no_page_looks_empty(watch, api, answer, said):
    name = f"told-{random.getrandbits(60)}"
    watch.events = of(name, range(2))
    kept(api, name)
    paths = ("logs", "logs/summary", "logs?format=ndjson", "logs/stream", "logs?follow=true&format=text")
    watch.script = [answer] * len(paths)
    for path in paths:
        refused = api.get(f"/api/v1/executions/{name}/{path}")
        assert (refused.status, refused.code) == (503, "unavailable"), refused
        assert said in refused.json()["error"]["message"]
        assert refused.headers["Retry-After"] == "1"
    watch.script = []
    fetched(api, name, 2)  # once it is mended


def test_a_page_that_is_too_large_is_not_read_to_its_end(watch, api):
    watch.events = of("huge", range(2))
    watch.script = [(200, b'{"events":[' + b" " * (17 << 20) + b"]}")]
    kept(api, "huge")
    refused = api.get("/api/v1/executions/huge/logs")
    assert refused.status == 503 and "larger than 16777216 bytes" in refused.json()["error"]["message"]
    fetched(api, "huge", 2)


def test_a_socket_of_many_streams_has_it_fetched(made, watch, api):
    watch.events = of("streamed", range(3))
    kept(api, "streamed")
    with WebSocket(made[1], "/ws/streams", token=api.token) as socket:
        socket.send({"type": "subscribe", "kind": "execution", "id": "streamed"})
        got = socket.collect(lambda frame: frame.get("message") == "line 2")
    assert [frame["message"] for frame in got if frame["type"] == "log"] == ["line 0", "line 1", "line 2"]


def test_followers_see_it_as_it_comes(made, watch, api):
    watch.events = of("followed", range(120))
    kept(api, "followed")
    with Follower(made[1], "followed") as follower:
        assert [record["message"] for record in follower.logs(120)] == [f"line {number}" for number in range(120)]


def test_many_readers_have_one_fetch(watch, api):
    watch.events = of("many", range(250))
    kept(api, "many")
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        pages = list(pool.map(lambda _: api.page("many", limit=1000)["last_index"], range(12)))
    assert pages == [250] * 12
    assert len(watch.requests) == 3


def test_a_log_that_has_not_begun_is_empty_and_asked_for_again(watch, api):
    kept(api, "begins")
    assert api.logs("begins") == []
    watch.events = of("begins", range(2))
    fetched(api, "begins", 2)
    kept(api, "silent")
    api.patch("/api/v1/executions/silent", {"status": "completed"})
    assert api.logs("silent") == []
    asked = len(watch.requests)
    assert api.logs("silent") == [] and len(watch.requests) == asked  # it has ended: nothing will come


def test_who_may_name_a_source(watch, api):
    for role, status in (("service", 201), ("admin", 201), ("user", 422)):
        answer = api.as_role(role).post(
            "/api/v1/executions", {"execution_id": f"by-{role}", "queue": False, "source": "cloudwatch"}
        )
        assert answer.status == status, answer
    fields = {"execution_id": "by-worker", "source": "cloudwatch", "command": ["true"]}
    assert api.post("/api/v1/executions", {**fields, "queue": True}).status == 422
    assert api.post("/api/v1/executions", {"queue": False, "source": "elsewhere"}).status == 422


def test_events_keep_what_is_odd_about_them(watch, api):
    watch.events = [
        {**event(1, "nul\x00 and \u00e9"), "logStreamName": "task/runner/odd"},
        {**event(2, "x" * 30000), "logStreamName": "task/runner/odd"},
    ]
    kept(api, "odd")
    raw = api.get("/api/v1/executions/odd/logs", query={"format": "raw"}).body
    assert raw == b"nul\x00 and \xc3\xa9\n" + b"x" * 30000 + b"\n"


# --- Servers of their own


@pytest.fixture
def own(servers):
    watch = CloudWatch()
    yield watch, lambda env=CREDENTIALS, extra=(), **settings: servers(*watch.flags(**settings), *extra, env=env)
    watch.close()


@pytest.mark.parametrize("how", ["hang", "drip"])
def test_a_peer_that_is_slow_holds_nobody_up(own, how):
    watch, serve = own
    api = serve(wait_seconds=0, fetch_seconds=1).api()
    watch.script = [getattr(watch, how)]
    watch.events = of("hung", range(3))
    kept(api, "hung")
    refused = api.get("/api/v1/executions/hung/logs")
    assert refused.status == 503 and "is being fetched" in refused.json()["error"]["message"]
    assert api.status("hung")["last_index"] == 0
    eventually(lambda: api.metrics()["runnel_source_fetch_failures_total"] == 1, "the fetch gives up")
    fetched(api, "hung", 3)


def test_a_server_that_stops_waits_for_no_peer(own):
    watch, serve = own
    server = serve(wait_seconds=0)
    api = server.api()
    watch.script = [watch.hang]
    kept(api, "hung")
    api.get("/api/v1/executions/hung/logs")
    assert watch.came.acquire(timeout=60)
    server.stop()


def test_a_crash_in_the_middle_of_a_fetch_leaves_no_duplicates(own):
    watch, serve = own
    server = serve(wait_seconds=0)
    api = server.api()
    watch.page = 50
    watch.events = of("cut", range(100), message="x" * 100_000)  # so much that it is stored in parts
    watch.script = [lambda asked: (200, watch.filtered(asked)), watch.hang]
    kept(api, "cut")
    api.get("/api/v1/executions/cut/logs")
    eventually(lambda: api.status("cut")["last_index"] >= 50, "the first part is stored")
    eventually(lambda: len(watch.requests) == 2, "another one is asked for")
    server.kill()
    server.restart()
    watch.let_go.set()
    api = server.api()
    eventually(lambda: api.get("/api/v1/executions/cut/logs?limit=1").status == 200, "it is whole", timeout=90)
    ids = [json.loads(line)["data"]["event_id"] for line in ndjson(api, "cut")]
    assert list(dict.fromkeys(ids)) == [one["eventId"] for one in watch.events]
    raw = api.get("/api/v1/executions/cut/logs", query={"format": "raw"}).body
    assert raw == (b"x" * 100_000 + b"\n") * 100
    assert api.metrics()["runnel_source_repeated_total"] >= 50
    requests = len(watch.requests)
    server.stop()
    server.start()
    server.api().page("cut", limit=1)
    assert len(watch.requests) == requests  # it is marked as fetched


def ndjson(api, name):
    return api.get(f"/api/v1/executions/{name}/logs", query={"format": "ndjson"}).body.splitlines()


def test_credentials_are_read_anew_and_temporary_ones_are_signed_with_their_token(own, tmp_path):
    watch, serve = own
    watch.secrets = {"ASIANEW": "new+secret/"}
    path = tmp_path / "credentials"
    path.write_text("[default]\naws_access_key_id = ASIAOLD\naws_secret_access_key=old\naws_session_token = FQoG==\n")
    api = serve(env={}, credentials=path).api()
    watch.events = of("temporary", range(2))
    kept(api, "temporary")
    refused = api.get("/api/v1/executions/temporary/logs")
    assert refused.status == 503 and "is not known" in refused.json()["error"]["message"]
    assert "FQoG" not in refused.body.decode()
    path.write_text(
        "[other]\naws_access_key_id=X\n[default]\naws_access_key_id=ASIANEW\naws_secret_access_key=new+secret/\n"
    )
    fetched(api, "temporary", 2)
    assert watch.problems == ["UnrecognizedClientException"]


def test_it_is_asked_over_tls_by_the_authority_that_is_named(servers, tmp_path):
    cert, key = certificate(tmp_path, "aws")
    watch = CloudWatch(tls=(cert, key))
    watch.events = of("tls", range(2))
    api = servers(*watch.flags(ca=cert), env=CREDENTIALS).api()
    kept(api, "tls")
    assert len(api.logs("tls")) == 2
    api = servers(*watch.flags(wait_seconds=0, fetch_seconds=1), env=CREDENTIALS).api()
    kept(api, "tls")
    assert api.get("/api/v1/executions/tls/logs").status == 503
    eventually(lambda: api.metrics()["runnel_source_fetch_failures_total"] == 1, "it trusts no other")
    assert len(watch.requests) == 1
    watch.close()


def test_a_quiet_log_is_fetched_before_it_is_sealed(own):
    watch, serve = own
    api = serve(extra=["--source-quiet-seconds", "1"]).api()
    watch.events = of("quiet", range(3))
    kept(api, "quiet")
    eventually(lambda: api.status("quiet")["sealed"], "it is sealed", timeout=90)
    assert len(api.logs("quiet")) == 3


def test_another_account_s_and_an_unconfigured_server_s_logs_are_never_fetched(own, servers):
    watch, serve = own
    server = serve()
    api = server.api()
    kept(api, "left")
    api.expect(201, "POST", "/api/v1/accounts", {"name": "other"})
    other = server.api(token=api.key("service", account="other")["key"])
    refused = other.post("/api/v1/executions", {"queue": False, "source": "cloudwatch"})
    assert refused.status == 422 and "not set up for this account" in refused.body.decode()
    server.stop()
    server.flags = []
    server.start()
    api = server.api()
    refused = api.get("/api/v1/executions/left/logs")
    assert refused.status == 503 and "not set up" in refused.json()["error"]["message"]
    assert api.post("/api/v1/executions", {"queue": False, "source": "cloudwatch"}).status == 422
    assert watch.requests == []


@pytest.mark.parametrize(
    "settings, said",
    [
        ({"log_stream": "all"}, "cloudwatch_log_stream"),
        ({"log_stream": "{execution_id}*"}, "cloudwatch_log_stream"),
        ({"endpoint": "http://logs.example.com/"}, "cloudwatch_endpoint"),
        ({"region": "Frankfurt"}, "cloudwatch_region"),
        ({"account": "nobody"}, "no account"),
        ({"credentials": "/nonexistent/credentials"}, "/nonexistent/credentials"),
    ],
)
def test_what_is_set_wrongly_is_told_at_the_start(own, servers, settings, said):
    watch, _ = own
    server = servers(*watch.flags(**settings), env=CREDENTIALS, start=False)
    process = server.spawn()
    assert process.finish() != 0
    assert said in process.err.wait_end().decode()
