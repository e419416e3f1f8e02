"""Logs that come late from CloudWatch Logs, by subscriptions through Data Firehose: in any order, more than once, after
the end of their execution."""

import base64
import concurrent.futures
import datetime
import gzip
import http.client
import json
import random
import subprocess

from support.api import eventually
from support.cli import Cli
from support.ws import Follower

PATH = "/api/v1/sources/cloudwatch/firehose"
SECOND = 1_700_000_000_000


def event(number, message=None, at=None):
    """An event as CloudWatch has it: its ids are numbers of 56 digits that grow with the time."""
    at = SECOND + number if at is None else at
    return {"id": f"{at:028d}{number:028d}", "timestamp": at, "message": message or f"line {number}"}


def payload(run, events, **fields):
    """What a subscription sends: base64 of gzip of the envelope."""
    envelope = {
        "messageType": "DATA_MESSAGE",
        "owner": "123456789012",
        "logGroup": "/ecs/jobs",
        "logStream": f"task/runner/{run}",
        "subscriptionFilters": ["all"],
        "logEvents": events,
        **fields,
    }
    return base64.b64encode(gzip.compress(json.dumps(envelope).encode())).decode()


def deliver(api, *payloads, request_id="ed4acda5-034f-9f42-bba1-f29aea6d7d8f", key=None, **options):
    body = {"requestId": request_id, "timestamp": 1578090901599, "records": [{"data": data} for data in payloads]}
    headers = {
        "Content-Type": "application/json",
        "X-Amz-Firehose-Protocol-Version": "1.0",
        "X-Amz-Firehose-Request-Id": request_id,
        "X-Amz-Firehose-Access-Key": key or api.token,
        **options.pop("headers", {}),
    }
    return api.post(PATH, options.pop("body", body), headers=headers, token=None, **options)


def taken(api, run, events, **options):
    answer = deliver(api, payload(run, events), **options)
    assert answer.status == 200, answer
    return answer.json()


def late_server(servers, quiet=3600, reorder=0, **options):
    return servers("--source-quiet-seconds", str(quiet), "--source-reorder-ms", str(reorder), **options)


def sealed(api, run):
    return eventually(lambda: (status := api.status(run)) and status["sealed"] and status, f"the seal of {run}")


def test_a_subscription_s_events_become_records_of_the_execution_that_its_stream_names(servers):
    server = late_server(servers)
    api = server.api()
    events = [event(1, "one"), {**event(2, "two"), "extractedFields": {"level": "ERROR", "stream": "stderr"}}]
    answer = taken(api, "run-1", events)
    assert answer["requestId"] == "ed4acda5-034f-9f42-bba1-f29aea6d7d8f" and answer["timestamp"] > SECOND
    assert set(answer) == {"requestId", "timestamp"}
    one, two = api.logs("run-1")
    assert (one["message"], one["stream"], one["timestamp"], one["index"]) == (
        "one",
        "stdout",
        "2023-11-14T22:13:20.001Z",
        1,
    )
    assert one["data"] == {"log_group": "/ecs/jobs", "log_stream": "task/runner/run-1", "event_id": events[0]["id"]}
    assert (two["stream"], two["level"], two["data"]["extracted_fields"]) == (
        "stderr",
        "ERROR",
        events[1]["extractedFields"],
    )
    status = api.status("run-1")
    assert (status["status"], status["sealed"], status["last_index"]) == ("running", False, 2)


def test_duplicates_disorder_and_delays_give_the_same_numbering_again(servers):
    server = late_server(servers)
    api = server.api()
    events = [event(i) for i in range(200)]
    taken(api, "run", events[100:])
    taken(api, "run", events[:100])
    before = [(record["index"], record["message"]) for record in api.logs("run", limit=1000)]
    assert [message for _, message in before] == [f"line {i}" for i in [*range(100, 200), *range(100)]]
    chance = random.Random(7)
    for _ in range(5):
        again = chance.sample(events, 150)
        answer = deliver(api, *(payload("run", part) for part in (again[:70], again[60:])))
        assert answer.status == 200, answer
    assert [(record["index"], record["message"]) for record in api.logs("run", limit=1000)] == before
    metrics = api.metrics()
    assert metrics["runnel_source_events_total"] == 200
    assert metrics["runnel_source_repeated_total"] == 5 * 160
    # Also after a restart, from another loop, and after the seal.
    server.stop()
    server.start()
    api = server.api()
    taken(api, "run", events)
    assert [(record["index"], record["message"]) for record in api.logs("run", limit=1000)] == before


def test_what_comes_within_the_window_is_sorted_by_time(servers):
    server = late_server(servers, reorder=60000)
    api = server.api()
    parts = [[event(7), event(2)], [event(9), event(1), event(2)], [event(4)]]
    # So much at once ends the window: what waits, and these, are numbered together.
    large = [event(100 + i, "x" * 200_000) for i in range(25)]

    def waiting(count):
        return eventually(lambda: api.metrics()["runnel_source_waiting"] == count, f"{count} events that wait")

    with concurrent.futures.ThreadPoolExecutor(4) as threads:
        answers = []
        for count, part in zip((2, 5, 6), parts):
            answers.append(threads.submit(deliver, server.api(), payload("run", part)))
            waiting(count)
        assert api.logs("run") == []  # nothing is numbered before the window has ended
        answers.append(threads.submit(deliver, server.api(), payload("run", large)))
        assert [answer.result(90).status for answer in answers] == [200] * 4
    records = [record for record in api.logs("run", limit=1000) if record["message"].startswith("line")]
    assert [(record["index"], record["message"]) for record in records] == [
        (index + 1, f"line {number}") for index, number in enumerate((1, 2, 4, 7, 9))
    ]
    waiting(0)


def test_a_server_that_stops_within_the_window_has_taken_nothing(servers):
    server = late_server(servers, reorder=60000)
    api = server.api()
    with concurrent.futures.ThreadPoolExecutor(1) as threads:
        answer = threads.submit(deliver, server.api(), payload("run", [event(1)]))
        eventually(lambda: api.metrics()["runnel_source_waiting"] == 1, "the event that waits")
        server.kill()
        assert isinstance(answer.exception(90), OSError | http.client.HTTPException)
    server.flags += ["--source-reorder-ms", "0"]
    server.start()
    taken(server.api(), "run", [event(1)])  # Firehose sends it again
    assert server.api().messages("run") == ["line 1"]


def test_a_control_message_and_an_empty_delivery_are_answered(servers):
    api = late_server(servers).api()
    control = base64.b64encode(
        gzip.compress(
            json.dumps(
                {
                    "messageType": "CONTROL_MESSAGE",
                    "owner": "CloudwatchLogs",
                    "logGroup": "",
                    "logStream": "",
                    "subscriptionFilters": [],
                    "logEvents": [event(1, "CWL CONTROL MESSAGE: Checking health of destination Firehose.")],
                }
            ).encode()
        )
    ).decode()
    assert deliver(api, control).status == 200
    assert deliver(api).status == 200
    assert api.expect(200, "GET", "/api/v1/executions")["executions"] == []


def test_what_is_wrong_is_answered_in_the_words_of_firehose(servers):
    api = late_server(servers).api()
    wrong = [
        (415, {"headers": {"Content-Type": "text/plain"}, "body": b"x"}),
        (400, {"body": b"{"}),
        (400, {"body": {"requestId": "ed4acda5-034f-9f42-bba1-f29aea6d7d8f", "timestamp": 1}}),
        (400, {"body": {"records": [{"data": "not base64"}]}}),
        (400, {"body": {"records": [{}]}}),
        (413, {"body": {"records": [{"data": base64.b64encode(gzip.compress(b" " * (64 << 20) + b"x")).decode()}]}}),
    ]
    for status, options in wrong:
        answer = deliver(api, **options)
        assert answer.status == status, (options, answer)
        told = answer.json()
        assert told["requestId"] == "ed4acda5-034f-9f42-bba1-f29aea6d7d8f" and told["errorMessage"], told
    assert deliver(api, key="rnl_" + "x" * 43).status == 401
    viewer = api.key("viewer")["key"]
    assert deliver(api, payload("run", [event(1)]), key=viewer).status == 403
    assert api.get("/api/v1/executions/run").status == 404


def test_a_late_log_outlives_its_execution_and_is_sealed_when_it_is_quiet(servers):
    server = late_server(servers, quiet=3600)
    api = server.api()
    taken(api, "long", [event(1)])
    api.expect(200, "PATCH", "/api/v1/executions/long", {"status": "completed", "exit_code": 0})
    taken(api, "long", [event(2)])  # comes late, and is not lost
    status = api.status("long")
    assert (status["status"], status["exit_code"], status["sealed"], status["last_index"]) == ("completed", 0, False, 2)
    server.stop()
    server.flags += ["--source-quiet-seconds", "1"]
    server.start()
    api = server.api()
    taken(api, "short", [event(1), event(2)])
    with Follower(server, "short", token=api.token) as follower:
        logs, complete = follower.rest()
        assert [log["message"] for log in logs] == ["line 1", "line 2"] and complete["status"] == "lost"
    status = sealed(api, "short")
    kept = datetime.datetime.fromisoformat(status["expires_at"]) - datetime.datetime.now(datetime.timezone.utc)
    assert datetime.timedelta(days=6, hours=23) < kept < datetime.timedelta(days=7, minutes=1)
    # A repetition is known; what is new is refused, told, and counted. Firehose keeps it in its bucket.
    taken(api, "short", [event(2), event(1)])
    late = deliver(api, payload("short", [event(2), event(3)]))
    assert late.status == 400 and "events were not taken: the log is sealed" in late.json()["errorMessage"]
    assert api.messages("short") == ["line 1", "line 2"]
    assert api.metrics()["runnel_source_refused_total"] == 2


# --- The tests that "Log Streaming Reliability" asks for


def test_late_connection_gets_all_and_since_index_goes_on_from_there(servers, tmp_path):
    server = late_server(servers)
    api = server.api()
    taken(api, "run", [event(i) for i in range(30)])
    page = api.page("run", limit=10)
    assert page["last_index"] == 10 and [log["index"] for log in page["logs"]] == list(range(1, 11))
    with Follower(server, "run", token=api.token, since_index=page["last_index"]) as follower:
        assert [log["index"] for log in follower.logs(20)] == list(range(11, 31))
        taken(api, "run", [event(i) for i in range(25, 40)])
        assert [log["index"] for log in follower.logs(10)] == list(range(31, 41))
    # Disconnected meanwhile: nothing is missing, nothing twice.
    taken(api, "run", [event(i) for i in range(35, 50)])
    with Follower(server, "run", token=api.token, since_index=40) as follower:
        assert [log["message"] for log in follower.logs(10)] == [f"line {i}" for i in range(40, 50)]
    with Follower(server, "run", token=api.token, since="2023-11-14T22:13:20.045Z") as follower:
        assert follower.logs(5)[0]["message"] == "line 45"
    assert api.page("run", since_index=50)["logs"] == []


def test_logs_of_a_late_execution_can_be_piped(servers, tmp_path):
    server = late_server(servers)
    api, cli = server.api(), Cli(tmp_path / "home", server)
    taken(api, "run", [event(i, f"error {i}" if i % 10 == 0 else None) for i in range(100)])
    listed = cli.ok("logs", "run").text()
    found = subprocess.run(["grep", "error"], input=listed, capture_output=True, text=True).stdout.splitlines()
    assert found == [f"error {i}" for i in range(0, 100, 10)]


def test_a_high_volume_is_complete_and_in_order(servers):
    server = late_server(servers)
    api = server.api()
    count, size = 20_000, 500
    for start in range(0, count, 4 * size):
        answer = deliver(
            api,
            *(payload("run", [event(i) for i in range(at, at + size)]) for at in range(start, start + 4 * size, size)),
        )
        assert answer.status == 200, answer
    messages = api.messages("run", limit=10000)
    assert messages == [f"line {i}" for i in range(count)]
