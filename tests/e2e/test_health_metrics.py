"""Health, readiness, metrics."""

import pathlib
import random
import re
import subprocess

import pytest
from support import postgres
from support.api import eventually, exchange
from support.process import Process
from support.server import clean_env
from support.small_disk import in_own_mount_namespace
from support.sse import Stream
from support.ws import Follower, Runner


@pytest.mark.parametrize("path", ["/health", "/ready", "/api/v1/public/health"])
def test_a_healthy_server_says_so(api, path):
    answer = api.get(path, token=None)
    assert answer.status == 200 and answer.headers["Content-Type"].startswith("application/json")
    assert answer.json()["status"] in ("ok", "ready", "healthy")


def test_metrics_are_in_prometheus_text_format(api):
    answer = api.get("/metrics", token=None)
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    helped, typed = set(), {}
    for line in answer.body.decode().splitlines():
        if line.startswith("# HELP "):
            helped.add(line.split()[2])
        elif line.startswith("# TYPE "):
            typed[line.split()[2]] = line.split()[3]
        else:
            assert re.fullmatch(
                r'(runnel|process)_[a-z_]+(\{[a-z_]+="[^"]*"(,[a-z_]+="[^"]*")*\})? [0-9.e+-]+(Inf)?', line
            ), line
            family = re.sub(r"_(bucket|sum|count)$", "", line.split("{")[0].split(" ")[0])
            assert family in typed or line.split("{")[0].split(" ")[0] in typed, line
    assert helped == set(typed)
    assert typed["runnel_commit_seconds"] == "histogram" and typed["runnel_followers"] == "gauge"


@pytest.mark.threads
def test_counters_follow_what_happens(servers):
    server = servers()
    api = server.api()
    before = api.metrics()
    execution_id = api.create()
    with Follower(server, execution_id) as follower, Runner(server, execution_id) as runner:
        runner.lines([f"{i}" for i in range(100)])
        follower.logs(100)
        eventually(lambda: api.metrics()["runnel_followers"] == 1 and api.metrics()["runnel_runners"] == 1, "gauges")
        repeat = runner.record("99")
        repeat["sequence_number"] = 99
        runner.send(repeat)
        runner.acked(99)
        bad = runner.record("gap")
        bad["sequence_number"] = 500
        runner.send(bad)
        runner.expect("error")
    with Stream(api, execution_id, **{"from": 50}) as stream:
        stream.logs(50)
    api.get("/api/v1/executions/none")

    def change(name):
        return lambda after: after.get(name, 0) - before.get(name, 0)

    expected = {
        "runnel_records_ingested_total": 100,
        "runnel_record_bytes_ingested_total": 190,
        "runnel_records_delivered_total": 150,
        "runnel_duplicates_refused_total": 1,
        "runnel_gaps_total": 1,
        "runnel_resumes_total": 1,
        'runnel_refusals_total{reason="not_found"}': 1,
        "runnel_followers": 0,
        "runnel_runners": 0,
    }

    def matches():
        after = api.metrics()
        return {name: change(name)(after) for name in expected} == expected

    try:
        eventually(matches, "counters")
    except AssertionError:
        after = api.metrics()
        assert {name: change(name)(after) for name in expected} == expected
    after = api.metrics()
    assert after["runnel_commit_seconds_count"] > 0
    assert after["runnel_ingest_to_delivery_seconds_count"] > 0 and after["runnel_connections"] >= 1
    for name in ("runnel_fsync_seconds_count", "runnel_store_bytes"):  # a database has its own figures
        assert name not in after if postgres.WANTED else after[name] > 0


def test_metrics_tell_routes_transports_events_and_whole_logs(servers):
    server = servers()
    api = server.api()
    execution_id = api.create()
    api.post(
        f"/api/v1/executions/{execution_id}/logs", [{"message": "x", "event_type": "node_failed", "node_id": "n"}] * 3
    )
    api.post(f"/api/v1/executions/{execution_id}/logs", [{"message": "x", "event_type": "of_my_own", "node_id": "n"}])
    assert api.page(execution_id)["last_index"] == 4
    api.get("/api/v1/executions/none")
    api.get("/nowhere")
    with Stream(api, execution_id) as stream:
        stream.logs(4)
        eventually(lambda: api.metrics()['runnel_followers{transport="sse"}'] == 1, "the follower by its transport")
    for id in (execution_id, api.create()):
        api.expect(200, "PATCH", f"/api/v1/executions/{id}", {"status": "failed", "exit_code": 3})
    eventually(lambda: api.metrics()["runnel_sealed_total"] == 2, "both are sealed")
    metrics = api.metrics()
    status = 'method="GET",route="/api/v1/executions/{id}"'
    assert metrics[f'runnel_http_answers_total{{{status},class="4xx"}}'] == 1
    assert metrics['runnel_http_answers_total{method="",route="",class="4xx"}'] == 1
    assert metrics[f"runnel_http_request_seconds_count{{{status}}}"] >= 1
    connected = 'runnel_http_request_seconds_count{method="GET",route="/api/v1/executions/{id}/logs/stream"}'
    assert metrics[connected] == 1
    assert metrics['runnel_trace_events_total{event_type="node_failed"}'] == 3
    assert metrics['runnel_trace_events_total{event_type="other"}'] == 1
    assert metrics["runnel_sealed_with_records_total"] == 1 and metrics["runnel_sealed_records_total"] == 4
    assert metrics["runnel_page_records_total"] == 4
    assert metrics["runnel_store_read_seconds_count"] > 0
    assert metrics["process_cpu_seconds_total"] > 0 and metrics["process_resident_memory_bytes"] > 1e6
    assert 3 < metrics["process_open_fds"] <= metrics["process_max_fds"]


def test_stream_latency_counts_from_the_capture_of_a_record(servers):
    server = servers()
    api = server.api()
    execution_id = api.create()
    with Follower(server, execution_id) as follower:
        long_ago = "2020-01-01T00:00:00Z"
        api.post(f"/api/v1/executions/{execution_id}/logs", [{"message": "late", "timestamp": long_ago}])
        follower.logs(1)
        eventually(lambda: api.metrics()["runnel_stream_latency_seconds_count"] == 1, "the hand-over")
    assert api.metrics()["runnel_stream_latency_seconds_sum"] > 5 * 365 * 86400


@pytest.mark.sqlite("its file, and the disk that it lies on")
@pytest.mark.skipif(not in_own_mount_namespace(), reason="this machine allows no mount namespaces")
def test_a_full_disk_is_507_and_not_ready_and_ends_when_there_is_room(servers):
    """The data folder is a small tmpfs of the server's own, made larger in the end."""
    server = servers(start=False)
    server.data.mkdir()
    small = f'mount -t tmpfs -o size=4m tmpfs {server.data} && exec "$@"'
    server.process = Process(
        ["unshare", "-rm", "sh", "-c", small, "sh", *server.argv()], env=clean_env(server.root), cwd=str(server.root)
    )
    server.await_ready()
    api = server.api(pathlib.Path(f"/proc/{server.process.pid}/root{server.data}/admin.key").read_text().strip())
    execution_id = api.create()
    source = random.Random(7)
    stored = 0
    for _ in range(100):
        lines = [source.randbytes(2000).hex() for _ in range(100)]
        answer = api.post(f"/api/v1/executions/{execution_id}/logs", [{"message": line} for line in lines])
        if answer.status != 201:
            break
        stored += 100
    assert (answer.status, answer.code) == (507, "store_full"), answer
    assert api.get("/ready", token=None).status == 503
    assert api.get("/health", token=None).status == 200
    assert api.page(execution_id, limit=1)["last_index"] == 1
    assert len(api.logs(execution_id, limit=10000)) == stored
    enter = ["nsenter", "-t", str(server.process.pid), "-U", "-m", "--preserve-credentials"]
    subprocess.run([*enter, "mount", "-o", "remount,size=64m", str(server.data)], check=True)
    eventually(
        lambda: api.post(f"/api/v1/executions/{execution_id}/logs", {"message": "room again"}).status == 201,
        "room again",
    )
    assert api.messages(execution_id, limit=10000)[stored:] == ["room again"]
    eventually(lambda: api.get("/ready", token=None).status == 200, "ready again")


HEAD_REFUSALS = {
    "forbidden": b"GET /health HTTP/1.1\r\nHost: elsewhere.example\r\n\r\n",
    "no_such_route": b"GET /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "method_not_allowed": b"DELETE /health HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "unauthorized": b"POST /api/v1/executions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\n",
    "malformed": b"GET /health HTTP/1.1\r\nHost localhost\r\n\r\n",
    "uri_too_long": b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "headers_too_large": b"GET /health HTTP/1.1\r\nHost: localhost\r\nA: " + b"a" * 17000 + b"\r\n\r\n",
    "upgrade_required": b"GET /ws/executions/plain/logs HTTP/1.1\r\n"
    b"Host: localhost\r\nAuthorization: Bearer KEY\r\n\r\n",
}


def test_what_is_refused_by_its_head_is_counted(servers):
    server = servers()
    api = server.api()
    api.create(execution_id="plain")
    before = api.metrics()
    for _ in range(3):
        for reason, request in HEAD_REFUSALS.items():
            assert exchange(server.port, request.replace(b"KEY", server.operator_key.encode())).code == reason
    after = api.metrics()
    for reason in HEAD_REFUSALS:
        name = f'runnel_refusals_total{{reason="{reason}"}}'
        assert after[name] - before.get(name, 0) == 3, name
    # Those, and the first look at the metrics.
    assert after["runnel_http_requests_total"] - before["runnel_http_requests_total"] == 3 * len(HEAD_REFUSALS) + 1
