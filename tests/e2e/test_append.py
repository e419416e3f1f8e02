"""POST …/logs: records without a runner."""

import gzip
import json
import zlib
from concurrent.futures import ThreadPoolExecutor

import pytest
from support.process import Process
from support.ws import Follower

PATH = "/api/v1/executions"


@pytest.fixture
def execution_id(api):
    return api.create()


def test_an_object_an_array_and_ndjson(api, execution_id):
    assert api.append(execution_id, {"message": "object"}) == {"first_sequence": 0, "last_sequence": 0}
    assert api.append(execution_id, [{"message": "a"}, {"message": "b"}]) == {"first_sequence": 1, "last_sequence": 2}
    lines = b'{"message":"n1"}\n{"message":"n2"}\n'
    answer = api.post(f"{PATH}/{execution_id}/logs", lines, headers={"Content-Type": "application/x-ndjson"})
    assert answer.status == 201 and answer.json() == {"first_sequence": 3, "last_sequence": 4}, answer
    assert api.messages(execution_id)[:5] == ["object", "a", "b", "n1", "n2"]


def test_what_is_left_out_has_its_default(api, execution_id):
    api.append(execution_id, {"message": "bare"})
    record = api.logs(execution_id)[0]
    assert record["stream"] == "stdout" and record["timestamp"].endswith("Z") and "partial" not in record


@pytest.mark.parametrize(
    "given, shown",
    [
        ("2025-11-15T10:30:15.123Z", "2025-11-15T10:30:15.123Z"),
        ("2025-11-15T10:30:15", "2025-11-15T10:30:15.000Z"),
        ("2025-11-15T10:30:15.123456", "2025-11-15T10:30:15.123Z"),
        ("2025-11-15T12:30:15.1+02:00", "2025-11-15T10:30:15.100Z"),
    ],
)
def test_timestamps_are_normalised_to_utc_milliseconds(api, execution_id, given, shown):
    api.append(execution_id, {"message": "m", "timestamp": given})
    assert api.logs(execution_id)[0]["timestamp"] == shown


@pytest.mark.parametrize(
    "given, shown",
    [
        ("warn", "WARNING"),
        ("Fatal", "CRITICAL"),
        ("error", "ERROR"),
        ("INFO", "INFO"),
        ("Debug", "DEBUG"),
        ("critical", "CRITICAL"),
    ],
)
def test_levels_are_normalised(api, execution_id, given, shown):
    api.append(execution_id, {"message": "m", "level": given})
    assert api.logs(execution_id)[0]["level"] == shown


def test_time_is_never_used_as_an_order(api, execution_id):
    api.append(execution_id, [{"message": str(i), "timestamp": f"20{30 - i}-01-01T00:00:00Z"} for i in range(10)])
    assert api.messages(execution_id) == [str(i) for i in range(10)]


def test_an_idempotency_key_makes_it_exactly_once(api, execution_id):
    path, key = f"{PATH}/{execution_id}/logs", {"Idempotency-Key": "batch-1"}
    first = api.post(path, [{"message": "a"}, {"message": "b"}], headers=key)
    api.append(execution_id, {"message": "between"})
    again = api.post(path, [{"message": "a"}, {"message": "b"}], headers=key)
    assert first.json() == again.json() == {"first_sequence": 0, "last_sequence": 1}
    assert (first.status, again.status) == (201, 200)
    assert api.messages(execution_id) == ["a", "b", "between"]
    other = api.post(path, [{"message": "x"}, {"message": "y"}], headers=key)
    assert (other.status, other.code) == (422, "idempotency_mismatch"), other


def test_a_retry_without_a_key_may_double(api, execution_id):
    for _ in range(2):
        api.append(execution_id, {"message": "same"})
    assert api.messages(execution_id) == ["same", "same"]


@pytest.mark.parametrize("length, pieces", [(10240, 1), (10241, 2), (25000, 3)])
def test_a_long_message_is_split_into_partial_fragments(api, execution_id, length, pieces):
    message = ("0123456789" * 2500)[:length]
    api.append(execution_id, {"message": message})
    records = api.logs(execution_id)
    assert "".join(record["message"] for record in records) == message and len(records) == pieces
    assert [record.get("partial", False) for record in records] == [True] * (pieces - 1) + [False]


def test_a_split_never_cuts_a_character(api, execution_id):
    message = "x" + "☃" * 8000
    api.append(execution_id, {"message": message})
    assert "".join(api.messages(execution_id)) == message


def test_a_batch_with_one_wrong_record_is_refused_whole(api, execution_id):
    answer = api.post(f"{PATH}/{execution_id}/logs", [{"message": "good"}, {"message": "bad", "stream": "nowhere"}])
    assert answer.status == 422 and answer.json()["error"]["fields"], answer
    assert api.messages(execution_id) == []


def test_records_are_visible_to_followers_when_the_answer_came(server, api, execution_id):
    with Follower(server, execution_id) as follower:
        api.append(execution_id, {"message": "m"})
        assert follower.logs(1)[0]["message"] == "m"


@pytest.mark.threads
def test_concurrent_writers_share_one_sequence(server, api, execution_id):
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda i: api.append_lines(execution_id, [f"{i}-{j}" for j in range(5)]), range(40)))
    ranges = sorted((answer["first_sequence"], answer["last_sequence"]) for answer in answers)
    assert ranges == [(5 * i, 5 * i + 4) for i in range(40)]
    by_number = api.messages(execution_id, limit=1000)
    for i, answer in enumerate(answers):
        first = answer["first_sequence"]
        assert by_number[first : first + 5] == [f"{i}-{j}" for j in range(5)]


def test_half_of_a_surrogate_pair_is_shown_as_replacement(api, execution_id):
    api.append(execution_id, '{"message":"a\\ud800b"}', headers={"Content-Type": "application/json"})
    assert api.messages(execution_id) == ["a\ufffdb"]


def test_large_numbers_and_deep_values_are_kept_as_written(api, execution_id):
    body = '{"message":"m","data":{"big":12345678901234567890,"small":1e-7,"text":"\\u2603"}}'
    api.append(execution_id, body, headers={"Content-Type": "application/json"})
    raw = api.get(f"{PATH}/{execution_id}/logs").body.decode()
    assert "12345678901234567890" in raw and "1e-7" in raw
    assert json.loads(raw)["logs"][0]["data"]["text"] == "☃"


def encoded(coding, data):
    if coding == "gzip":
        return gzip.compress(data)
    with Process(["zstd", "-cq"], stdin=-1) as process:
        process.write(data)
        process.close_stdin()
        assert process.finish() == 0, process.err.data
        return process.out.wait_end()


def post_encoded(api, execution_id, coding, body, **headers):
    headers = {"Content-Encoding": coding, "Content-Type": "application/x-ndjson", **headers}
    return api.post(f"{PATH}/{execution_id}/logs", body, headers=headers)


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
def test_a_compressed_body_is_appended_as_a_plain_one(api, execution_id, coding):
    lines = [f"line {i} of many" for i in range(20000)]
    plain = "".join(json.dumps({"message": line}) + "\n" for line in lines).encode()
    body = encoded(coding, plain)
    answer = post_encoded(api, execution_id, coding, body, **{"Idempotency-Key": "one"})
    assert answer.status == 201 and answer.json() == {"first_sequence": 0, "last_sequence": 19999}, answer
    # The key is of the records, however they are compressed.
    again = api.post(f"{PATH}/{execution_id}/logs", plain, headers={"Idempotency-Key": "one"})
    assert again.status == 200 and again.json() == answer.json(), again
    assert api.messages(execution_id) == lines


def test_other_bodies_may_be_compressed_too(api):
    body = encoded("gzip", b'{"execution_id":"compressed"}')
    answer = api.post(PATH, body, headers={"Content-Encoding": "x-gzip"})
    assert answer.status == 201 and answer.json()["execution_id"] == "compressed", answer
    patch = encoded("zstd", b'{"metadata":{"a":"b"}}')
    answer = api.patch(PATH + "/compressed", patch, headers={"Content-Encoding": "zstd"})
    assert answer.status == 200 and answer.json()["metadata"] == {"a": "b"}, answer


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
def test_a_body_that_becomes_too_large_is_refused_and_nothing_of_it_is_kept(api, execution_id, coding):
    bomb = encoded(coding, b'{"message":"x"}\n' * 4_000_000)
    assert len(bomb) < 500_000
    answer = post_encoded(api, execution_id, coding, bomb)
    assert (answer.status, answer.code) == (413, "too_large"), answer
    assert api.messages(execution_id) == []


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
def test_a_compressed_body_that_is_cut_off_is_refused(api, execution_id, coding):
    body = encoded(coding, b'{"message":"x"}\n' * 1000)
    answer = post_encoded(api, execution_id, coding, body[:-1])
    assert (answer.status, answer.code) == (400, "malformed") and b"cut off" in answer.body, answer
    assert api.messages(execution_id) == []


@pytest.mark.parametrize("coding", ["deflate", "br", "gzip, gzip", "gzip, identity", "snappy"])
def test_other_codings_and_several_are_refused_with_those_that_are_taken(api, execution_id, coding):
    answer = post_encoded(api, execution_id, coding, zlib.compress(b'{"message":"x"}'))
    assert (answer.status, answer.code) == (415, "unsupported_media_type"), answer
    assert answer.headers["Accept-Encoding"] == "gzip, zstd"
    assert api.messages(execution_id) == []
