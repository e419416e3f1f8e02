"""POST …/logs: records without a runner."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
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
