"""OpenTelemetry's logs by OTLP/HTTP: real exporters, what becomes what, and what is refused."""

import gzip
import json
import struct
import subprocess
import zlib

import pytest
from support.faults import rounds
from support.npm import NPM, needs_npm
from support.wire import field, fields, varint

PROTOBUF = "application/x-protobuf"


def text(value):
    return field(1, value)


def pair(key, value):
    return field(1, key) + field(2, value)


def request(*logs, resource=()):
    resource = b"".join(field(1, pair(key, text(value))) for key, value in resource)
    scope = field(1, field(1, "lib") + field(2, "2"))
    return field(1, field(1, resource) + field(2, scope + b"".join(field(2, log) for log in logs)))


def export(api, body, type=PROTOBUF, **headers):
    body = json.dumps(body).encode() if isinstance(body, dict) else body
    return api.post("/v1/logs", body, headers={"Content-Type": type, **headers})


def in_json(*logs, resource=()):
    attributes = [{"key": key, "value": {"stringValue": value}} for key, value in resource]
    return {
        "resourceLogs": [
            {
                "resource": {"attributes": attributes},
                "scopeLogs": [{"scope": {"name": "lib", "version": "2"}, "logRecords": list(logs)}],
            }
        ]
    }


def of(id):
    return (("runnel.execution_id", id),)


# --- Real exporters


@needs_npm
@pytest.mark.parametrize(
    "kind, compression, count", [("http", "none", 3000), ("proto", "gzip", rounds(100_000, least=20_000))]
)
def test_every_record_of_a_real_exporter_arrives_once_and_in_order(server, api, kind, compression, count):
    id = f"otel-{kind}-{compression}"
    argv = ["node", "otlp.mjs", f"http://127.0.0.1:{server.port}", api.token, kind, str(count), id, compression]
    done = subprocess.run(argv, cwd=NPM, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["failed"] == []
    records = api.logs(id, limit=10000)
    assert [record["message"] for record in records] == [f"line {i}" for i in range(count)]
    assert [i for i, record in enumerate(records) if record["level"] == "ERROR"] == list(range(0, count, 100))
    some = records[7]
    assert (some["node_id"], some["producer"], some["stream"]) == ("n1", "shop", "stdout")
    attributes = {"i": 7, "price": 1.5, "ok": True, "tags": ["a", "b"], "deep": {"x": {"y": "z"}}}
    assert some["data"]["attributes"] == {**attributes, "runnel.node_id": "n1"}
    assert some["data"]["resource"] == {"service.name": "shop", "runnel.execution_id": id}
    assert some["data"]["scope"] == {"name": "cart", "version": "1.2.3"}
    assert api.status(id)["status"] == "running"


# --- What becomes what


TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
NS = 1_700_000_000_123_456_789


def rich_protobuf():
    nested = field(6, field(1, pair("y", field(5, field(1, field(3, 5)) + field(1, field(2, 1))))))
    return request(
        varint(1 << 3 | 1) + struct.pack("<Q", NS)
        + varint(11 << 3 | 1) + struct.pack("<Q", NS + 10**9)
        + field(2, 13) + field(3, "WARN") + field(5, text("careful"))
        + field(6, pair("x", nested)) + field(6, pair("f", varint(4 << 3 | 1) + struct.pack("<d", 0.5)))
        + field(6, pair("b", field(7, b"\x00\xff"))) + field(6, pair("n", field(3, 2**64 - 3)))
        + field(6, pair("exception.stacktrace", text("at here")))
        + field(7, 2) + varint(8 << 3 | 5) + struct.pack("<I", 1)
        + field(9, bytes.fromhex(TRACE)) + field(10, bytes.fromhex(SPAN)) + field(12, "com.Shop.Paid"),
        resource=(("service.name", "shop"), ("runnel.node_id", "pay")),
    )  # fmt: skip


def rich_json():
    def attribute(key, **value):
        return {"key": key, "value": value}

    nested = {"values": [{"key": "y", "value": {"arrayValue": {"values": [{"intValue": "5"}, {"boolValue": True}]}}}]}
    return in_json(
        {
            "timeUnixNano": str(NS),
            "observedTimeUnixNano": str(NS + 10**9),
            "severityNumber": 13,
            "severityText": "WARN",
            "body": {"stringValue": "careful"},
            "attributes": [
                attribute("x", kvlistValue=nested),
                attribute("f", doubleValue=0.5),
                attribute("b", bytesValue="AP8="),
                attribute("n", intValue="-3"),
                attribute("exception.stacktrace", stringValue="at here"),
            ],
            "droppedAttributesCount": 2,
            "flags": 1,
            "traceId": TRACE.upper(),
            "spanId": SPAN,
            "eventName": "com.Shop.Paid",
            "ofANewerVersion": {"x": 1},
        },
        resource=(("service.name", "shop"), ("runnel.node_id", "pay")),
    )


@pytest.mark.parametrize("body, type", [(rich_protobuf(), PROTOBUF), (rich_json(), "application/json; charset=utf-8")])
def test_a_record_keeps_all_that_it_had(servers, body, type):
    api = servers().api()
    answer = export(api, body, type)
    assert (answer.status, answer.body) == (200, b"" if type == PROTOBUF else b"{}")
    assert answer.headers["Content-Type"] == type.split(";")[0]
    (record,) = api.logs(TRACE)
    assert record["timestamp"] == "2023-11-14T22:13:20.123Z"
    assert (record["stream"], record["level"], record["message"]) == ("event", "WARNING", "careful")
    assert (record["event_type"], record["node_id"], record["producer"]) == ("com_shop_paid", "pay", "shop")
    assert record["stack_trace"] == "at here"
    assert record["data"] == {
        "attributes": {"x": {"y": [5, True]}, "f": 0.5, "b": "AP8=", "n": -3, "exception.stacktrace": "at here"},
        "resource": {"service.name": "shop", "runnel.node_id": "pay"},
        "scope": {"name": "lib", "version": "2"},
        "severity_text": "WARN",
        "event_name": "com.Shop.Paid",
        "trace_id": TRACE,
        "span_id": SPAN,
        "traceparent": f"00-{TRACE}-{SPAN}-01",
        "observed_timestamp": "2023-11-14T22:13:21.123Z",
        "dropped_attributes_count": 2,
    }


SEVERITIES = [(0, None), (1, "DEBUG"), (8, "DEBUG"), (9, "INFO"), (12, "INFO"), (16, "WARNING"), (17, "ERROR")]


@pytest.mark.parametrize("number, level", [*SEVERITIES, (24, "CRITICAL"), (25, None)])
def test_severities_are_levels(api, number, level):
    id = f"severity-{number}"
    assert export(api, request(field(2, number) + field(5, text("x")), resource=of(id))).status == 200
    assert api.logs(id)[0].get("level") == level


def test_a_record_goes_to_its_own_execution_before_its_resources(api):
    own = field(6, pair("runnel.execution_id", text("its-own")))
    body = request(field(5, text("a")) + own, field(5, text("b")), resource=of("the-resources"))
    assert export(api, body).status == 200
    assert api.messages("its-own") == ["a"] and api.messages("the-resources") == ["b"]


def test_a_body_that_is_no_text_is_json_and_none_is_empty(api):
    body = request(
        field(5, field(3, 7)), field(5, field(6, field(1, pair("k", text("v"))))), b"", resource=of("bodies")
    )
    assert export(api, body).status == 200
    assert api.messages("bodies") == ["7", '{"k":"v"}', ""]


# --- What is refused


@pytest.mark.parametrize("type", [PROTOBUF, "application/json"])
def test_what_cannot_be_taken_is_told_and_the_rest_is_taken(servers, type):
    api = servers().api()
    sealed = api.create()
    api.expect(200, "PATCH", f"/api/v1/executions/{sealed}", {"status": "failed", "exit_code": 1})
    big = "x" * 70_000
    if type == PROTOBUF:
        body = request(field(5, text("good")), field(6, pair("big", text(big))), resource=of("partly"))
        body += request(field(5, text("nowhere"))) + request(field(5, text("late")), resource=of(sealed))
    else:
        large = {"attributes": [{"key": "big", "value": {"stringValue": big}}]}
        body = in_json({"body": {"stringValue": "good"}}, large, resource=of("partly"))
        for message, resource in (("nowhere", ()), ("late", of(sealed))):
            body["resourceLogs"] += in_json({"body": {"stringValue": message}}, resource=resource)["resourceLogs"]
    answer = export(api, body, type)
    assert answer.status == 200
    if type == PROTOBUF:
        partial = fields(fields(answer.body)[1])
        assert partial[1] == 3 and b"sealed" in partial[2]
    else:
        partial = answer.json()["partialSuccess"]
        assert partial["rejectedLogRecords"] == "3" and "sealed" in partial["errorMessage"]
    assert api.messages("partly") == ["good"]


def test_the_same_body_again_is_taken_once(api):
    bodies = [request(field(5, text(word)), field(5, text(word + "!")), resource=of("again")) for word in ("a", "b")]
    for body in (bodies[0], bodies[0], bodies[1], bodies[0]):
        answer = export(api, body)
        assert (answer.status, answer.body) == (200, b"")
    assert api.messages("again") == ["a", "a!", "b", "b!"]


def deep(levels):
    value = text("x")
    for _ in range(levels):
        value = field(5, field(1, value))
    return request(field(5, value), resource=of("deep"))


WRONG = {
    "cut off": (request(field(5, text("x")), resource=of("cut"))[:-1], PROTOBUF),
    "a group": (b"\x0b", PROTOBUF),
    "no end of a number": (b"\x08" + b"\xff" * 11, PROTOBUF),
    "too deep": (deep(100), PROTOBUF),
    "much too deep": (deep(2000), PROTOBUF),
    "no JSON": (b"{", "application/json"),
    "an array": (b"[]", "application/json"),
}


@pytest.mark.parametrize("body, type", WRONG.values(), ids=WRONG.keys())
def test_a_body_that_is_not_what_it_says_is_a_status_of_400(api, body, type):
    answer = export(api, body, type)
    assert answer.status == 400 and answer.headers["Content-Type"] == type
    status = fields(answer.body) if type == PROTOBUF else answer.json()
    assert status[1 if type == PROTOBUF else "code"] == 3
    assert api.get("/api/v1/executions/deep").status == 404


def test_half_an_emoji_and_a_nul_do_not_cost_the_other_records(api):
    """As JavaScript writes a text that was cut within one. Exporters drop a request that gets 400."""
    body = in_json({"body": {"stringValue": "A"}}, {"body": {"stringValue": "B"}}, resource=of("halves"))
    odd = json.dumps(body).replace('"A"', '"cut \\ud83d"').replace('"B"', '"\\u0000"').encode()
    assert export(api, odd, "application/json").status == 200
    assert api.messages("halves") == ["cut \ufffd", "\0"]


def test_keys_with_a_nul_stay_apart(api):
    attributes = b"".join(field(6, pair(key, text(key[2:]))) for key in ("a\0one", "a\0two"))
    assert export(api, request(field(5, text("line")) + attributes, resource=of("nul-keys"))).status == 200
    (record,) = api.logs("nul-keys")
    assert record["data"]["attributes"] == {"a\ufffdone": "one", "a\ufffdtwo": "two"}


def test_json_of_too_many_values_is_refused_before_it_is_read(api):
    many = b'{"resourceLogs":[' + b"[]," * 1_000_000 + b"[]]}"
    answer = export(api, many, "application/json")
    assert answer.status == 413 and "1,000,000 values" in answer.json()["message"]
    text = {"body": {"stringValue": "," * 1_100_000}}
    assert export(api, in_json(text, resource=of("commas")), "application/json").status == 200
    assert "".join(api.messages("commas", limit=1000)) == "," * 1_100_000


def test_a_small_request_does_not_become_large_by_what_its_records_share(api):
    """Each record keeps the resource, so it counts for each."""
    shared = (*of("amplified-otlp"), ("large", "x" * 60_000))
    answer = export(api, request(*[field(5, text("y"))] * 1200, resource=shared))
    assert answer.status == 413 and b"64 MiB" in fields(answer.body)[2]
    answer = export(api, in_json(*[{"body": {"stringValue": "y"}}] * 1200, resource=shared), "application/json")
    assert answer.status == 413 and "64 MiB" in answer.json()["message"]
    assert api.get("/api/v1/executions/amplified-otlp").status == 404
    assert export(api, request(*[field(5, text("y"))] * 900, resource=shared)).status == 200
    assert api.status("amplified-otlp")["last_index"] == 900


def test_values_may_be_as_deep_as_they_usually_are(api):
    assert export(api, deep(30)).status == 200
    assert api.messages("deep") == ["[" * 30 + '"x"' + "]" * 30]


def test_other_types_and_what_unfolds_too_large_are_refused(api):
    assert export(api, b"x", "text/plain").status == 415
    huge = gzip.compress(bytes(21 * 1024 * 1024))
    answer = export(api, huge, **{"Content-Encoding": "gzip"})
    assert answer.status == 413
    assert export(api, zlib.compress(b"x"), **{"Content-Encoding": "deflate"}).status == 415


def test_only_who_may_write_may_send_and_to_its_own(servers):
    api = servers().api()
    body = request(field(5, text("x")), resource=of("somebodys"))
    assert export(api.as_role("viewer"), body).status == 403
    assert export(api.as_role("user", name="anna"), body).status == 200
    other = export(api.as_role("user", name="bert"), body)
    assert other.status == 200 and fields(fields(other.body)[1])[1] == 1
    assert api.messages("somebodys") == ["x"]


def test_a_request_for_more_than_a_thousand_executions_keeps_the_first_thousand(servers):
    api = servers().api()
    body = b"".join(request(field(5, text("x")), resource=of(f"many-{i}")) for i in range(1003))
    partial = fields(fields(export(api, body).body)[1])
    assert partial[1] == 3 and b"1,000" in partial[2]
    assert api.messages("many-999") == ["x"] and api.get("/api/v1/executions/many-1000").status == 404
