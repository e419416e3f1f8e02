"""What must hold for any input, tried with many."""

import json

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.jobs import fresh_id, output_of
from support.sse import Stream
from support.ws import Follower, Runner

PATH = "/api/v1/executions"
RELAXED = {
    "deadline": None,
    "suppress_health_check": [HealthCheck.function_scoped_fixture],
    "derandomize": True,
    "database": None,
}

# Newlines often, so that there are lines; the odd bytes often, so that they matter.
piped = st.lists(
    st.sampled_from([b"\n", b"\r", b"\0", b"\xff", b"a", b" ", b"\xe2\x98\x83", b"\xe2", b"line\n", b"\x1b[0m"]),
    max_size=60,
)
messages = st.lists(st.text(st.characters(blacklist_categories=["Cs"]), max_size=40), min_size=1, max_size=30)


@settings(max_examples=25, **RELAXED)
@given(pieces=piped)
def test_any_bytes_that_are_piped_come_through_and_come_back(cli, api, pieces):
    job, data = fresh_id(), b"".join(pieces)
    assert cli.ok("pipe", "--id", job, input=data).out == data
    assert output_of(api, job) == data
    records = api.logs(job, limit=1000)
    assert len(records) == data.count(b"\n") + (not data.endswith(b"\n") and bool(data))


@settings(max_examples=40, **RELAXED)
@given(texts=messages, limit=st.integers(1, 12), start=st.integers(0, 32))
def test_all_ways_to_read_tell_the_same(server, api, texts, limit, start):
    execution_id = api.create()
    with Runner(server, execution_id) as runner:
        runner.lines(texts)
        runner.complete()
    expected = texts[start:]
    assert api.messages(execution_id, limit=limit, **{"from": start}) == expected
    with Follower(server, execution_id, **{"from": start}) as follower:
        assert [record["message"] for record in follower.rest()[0]] == expected
    with Stream(api, execution_id, **{"from": start}) as stream:
        assert [record["message"] for record in stream.rest()[0]] == expected
    lines = (
        api.get(f"{PATH}/{execution_id}/logs", query={"format": "ndjson", "from": start}).body.decode().split("\n")[:-1]
    )
    assert [json.loads(line)["message"] for line in lines] == expected


@settings(max_examples=30, **RELAXED)
@given(texts=messages, cuts=st.lists(st.tuples(st.integers(0, 29), st.integers(1, 30)), max_size=8))
def test_a_runner_may_repeat_itself_in_any_overlap(server, api, texts, cuts):
    """Sends the whole in overlapping pieces, repeated and out of step; what comes out is the whole, once."""
    execution_id = api.create()
    with Runner(server, execution_id) as runner:
        records = [runner.record(text) for text in texts]
        sent = 0
        for back, length in cuts:
            first = max(0, sent - back)
            runner.send(records[first : first + length] or records[:1])
            sent = max(sent, min(first + length, len(records)), 1)
        runner.send(records)
        runner.complete()
    assert api.messages(execution_id, limit=1000) == texts
