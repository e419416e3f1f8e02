"""What Loki's clients push: real ones, what becomes what, and what is refused."""

import json
import subprocess

import pytest
from support.npm import NPM, needs_npm
from support.wire import field, varint

PATH = "/loki/api/v1/push"
SECOND = 1_700_000_000


def block(plain):
    """A block of snappy with one literal."""
    return varint(len(plain)) + b"\xfc" + (len(plain) - 1).to_bytes(4, "little") + plain


def entry(line, seconds=SECOND, nanos=0, **metadata):
    pairs = b"".join(field(3, field(1, name) + field(2, value)) for name, value in metadata.items())
    return field(2, field(1, field(1, seconds) + field(2, nanos)) + field(2, line) + pairs)


def stream(labels, *entries):
    return field(1, field(1, labels) + b"".join(entries))


def push(api, body, type="application/x-protobuf", **options):
    body = json.dumps(body).encode() if isinstance(body, dict) else body
    return api.post(PATH, body, headers={"Content-Type": type, **options.pop("headers", {})}, **options)


def push_json(api, *streams):
    return push(
        api, {"streams": [{"stream": labels, "values": values} for labels, values in streams]}, "application/json"
    )


@needs_npm
@pytest.mark.parametrize("kind", ["pino", "winston-json", "winston-protobuf"])
def test_every_line_of_a_real_client_arrives_once(server, api, kind):
    run, count = f"loki-{kind}", 2000
    argv = ["node", "loki.mjs", f"http://127.0.0.1:{server.port}", api.token, kind, str(count), run]
    done = subprocess.run(argv, cwd=NPM, capture_output=True, text=True, timeout=280)
    assert (done.returncode, done.stderr) == (0, "")
    records = api.logs(run, limit=10000)
    messages = [json.loads(record["message"])["msg"] if kind == "pino" else record["message"] for record in records]
    assert sorted(messages) == sorted(f"line {i}" for i in range(count))
    assert {(record["stream"], record["node_id"], record["data"]["labels"]["app"]) for record in records} == {
        ("stderr", "fetch", "shop")
    }
    errors = {message for message, record in zip(messages, records) if record["level"] == "ERROR"}
    assert errors == (set() if kind == "pino" else {f"line {i}" for i in range(0, count, 10)})


def test_labels_and_metadata_become_fields(api):
    labels = '{run_id="fields", node="a\\"b\\u00e9\\x41\\101", stream="stderr", app=`shop`, level="warn",}'
    metadata = {"trace_id": "abc", "level": "fatal"}
    answer = push(api, block(stream(labels, entry("one", nanos=5_000_000), entry("two", SECOND + 1, **metadata))))
    assert (answer.status, answer.body) == (204, b"")
    one, two = api.logs("fields")
    assert (one["node_id"], one["stream"], one["level"], one["message"]) == ('a"b\u00e9AA', "stderr", "WARNING", "one")
    assert one["timestamp"] == "2023-11-14T22:13:20.005Z" and one["data"] == {"labels": {"app": "shop"}}
    assert (two["level"], two["data"]["metadata"]) == ("CRITICAL", {"trace_id": "abc"})
    assert api.status("fields")["status"] == "running"


@pytest.mark.parametrize("wire", ["json", "snappy"])
def test_lines_of_several_streams_are_sorted_by_their_time(api, wire):
    run = f"sorted-{wire}"
    times = {"stdout": [1, 4, 5, 5], "stderr": [2, 3, 5, 6]}
    if wire == "json":
        values = {name: [[str(ns), f"{ns} {name}"] for ns in times[name]] for name in times}
        answer = push_json(api, *(({"run_id": run, "stream": name}, values[name]) for name in times))
    else:
        lines = {name: [entry(f"{ns} {name}", 0, ns) for ns in times[name]] for name in times}
        parts = [stream(f'{{run_id="{run}",stream="{name}"}}', *lines[name]) for name in times]
        answer = push(api, block(b"".join(parts)))
    assert answer.status == 204
    expected = ["1 stdout", "2 stderr", "3 stderr", "4 stdout", "5 stdout", "5 stdout", "5 stderr", "6 stderr"]
    assert api.messages(run) == expected


def test_names_with_a_nul_stay_apart(api):
    metadata = {"a\0one": "one", "a\0two": "two"}
    assert push(api, block(stream('{run_id="loki-nul-names"}', entry("line", **metadata)))).status == 204
    (record,) = api.logs("loki-nul-names")
    assert record["data"]["metadata"] == {"a\ufffdone": "one", "a\ufffdtwo": "two"}


def test_the_same_push_again_is_taken_once(api):
    for line in ("a", "a", "b", "a"):
        assert push_json(api, ({"run_id": "twice"}, [["1", line]])).status == 204
    assert api.messages("twice") == ["a", "b"]


def test_what_cannot_be_taken_is_told_and_the_rest_is_taken(api):
    sealed = api.create()
    api.expect(200, "PATCH", f"/api/v1/executions/{sealed}", {"status": "failed", "exit_code": 1})
    big = {"x": "y" * 70_000}
    answer = push_json(
        api,
        ({"run_id": "some"}, [["1", "good"], ["2", "big", big]]),
        ({"app": "shop"}, [["1", "nowhere"]]),
        ({"run_id": sealed}, [["1", "late"]]),
    )
    assert answer.status == 400 and "3 of 4 lines were not taken" in answer.json()["error"]["message"]
    assert api.messages("some") == ["good"]


GOOD = block(stream('{run_id="wrong"}', entry("x")))
WRONG = {
    "no snappy": (b"\xff\xff\xff", 400),
    "cut off": (GOOD[:-1], 400),
    "claims to be huge": (varint(1 << 31) + b"\0", 413),
    "no message": (block(b"\x0b"), 400),
    "no brace": (block(stream('run_id="wrong"', entry("x"))), 400),
    "no end": (block(stream('{run_id="wrong"', entry("x"))), 400),
    "no quotes": (block(stream("{run_id=wrong}", entry("x"))), 400),
    "an open quote": (block(stream('{run_id="wrong}', entry("x"))), 400),
    "a wrong escape": (block(stream('{run_id="\\q"}', entry("x"))), 400),
    "more behind": (block(stream('{run_id="wrong"} x', entry("x"))), 400),
    "a time before all times": (block(stream('{run_id="wrong"}', entry("x", 2**64 - 5))), 400),
}


@pytest.mark.parametrize("body, status", WRONG.values(), ids=WRONG.keys())
def test_a_push_that_is_malformed_is_refused_whole(api, body, status):
    answer = push(api, body)
    assert answer.status == status
    assert api.get("/api/v1/executions/wrong").status == 404


JSON_WRONG = ["[]", "{", "{}", '{"streams":[{"stream":{"run_id":"wrong"},"values":[["x","y"]]}]}',
              '{"streams":[{"stream":{"run_id":"wrong"},"values":[["1",2]]}]}',
              '{"streams":[{"stream":{"run_id":7},"values":[["1","y"]]}]}']  # fmt: skip


@pytest.mark.parametrize("body", JSON_WRONG)
def test_json_that_is_no_push_is_refused_whole(api, body):
    answer = push(api, body.encode(), "application/json")
    assert answer.status == 400 and "streams" in answer.json()["error"]["message"]
    assert api.get("/api/v1/executions/wrong").status == 404


def test_half_an_emoji_and_a_nul_do_not_cost_the_other_lines(api):
    """As JavaScript writes a text that was cut within one. Clients drop a push that gets 400."""
    odd = r'{"streams":[{"stream":{"run_id":"halved","a":"\ude00"},"values":[["1","cut \ud83d"],["2","\u0000"]]}]}'
    assert push(api, odd.encode(), "application/json").status == 204
    assert [record["message"] for record in api.logs("halved")] == ["cut \ufffd", "\0"]
    assert api.logs("halved")[0]["data"] == {"labels": {"a": "\ufffd"}}


def test_json_of_too_many_values_is_refused_before_it_is_read(api):
    answer = push(api, b'{"streams":[' + b"[]," * 1_000_000 + b"[]]}", "application/json")
    assert answer.status == 413 and "1,000,000 values" in answer.json()["error"]["message"]


def test_a_small_push_does_not_become_large_by_the_labels_of_its_lines(api):
    """Each line keeps them, so they count for each."""
    large = "x" * 60_000
    labels = f'{{run_id="amplified-loki", large="{large}"}}'
    answer = push(api, block(stream(labels, entry("y") * 1200)))
    assert answer.status == 413 and "64 MiB" in answer.json()["error"]["message"]
    answer = push_json(api, ({"run_id": "amplified-loki", "large": large}, [["1", "y"]] * 1200))
    assert answer.status == 413 and "64 MiB" in answer.json()["error"]["message"]
    assert api.get("/api/v1/executions/amplified-loki").status == 404
    assert push(api, block(stream(labels, entry("y") * 900))).status == 204
    assert api.status("amplified-loki")["last_index"] == 900


def test_the_credential_may_be_the_password_of_the_basic_scheme(api):
    body = {"streams": [{"stream": {"run_id": "basic"}, "values": [["1", "x"]]}]}

    def status(user):
        argv = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-u", user, "-d", json.dumps(body)]
        url = f"http://127.0.0.1:{api.port}{PATH}"
        done = subprocess.run([*argv, "-H", "Content-Type: application/json", url], capture_output=True, text=True)
        return done.stdout

    assert status(f"runnel:{api.token}") == "204"
    assert status("runnel:wrong") == "401"
    assert status(f"{api.token}:") == "401"
    assert api.messages("basic") == ["x"]
    answer = push(api, b"x", "text/plain")
    assert answer.status == 415
    assert (
        api.get("/api/v1/executions/basic", token=None, headers={"Authorization": "Basic cnVubmVsOng="}).status == 401
    )
