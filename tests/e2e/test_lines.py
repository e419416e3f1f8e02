"""Filters on text and `tail` ask of whole lines, however many records a line is in."""

import json

import pytest
from support.api import eventually
from support.ws import Follower, Runner

PATH = "/api/v1/executions"


def part(message, stream="stdout"):
    return {"stream": stream, "message": message, "partial": True}


def end(message, stream="stdout"):
    return {"stream": stream, "message": message}


LOG = [
    end("zero"),  # 0
    part("first nee"),  # 1
    end("aside", "stderr"),  # 2
    part("dle and "),  # 3
    end("its end"),  # 4
    end("other"),  # 5
    {"stream": "event", "event_type": "step_started", "message": "needle in an event"},  # 6
]


@pytest.fixture(scope="module")
def parts(api):
    execution_id = api.create()
    for record in LOG:
        api.append(execution_id, record)
    return execution_id


def numbers(records):
    return [record["sequence_number"] for record in records if "sequence_number" in record]


FILTERS = [
    ({"grep": "needle"}, [1, 3, 4, 6]),
    ({"grep": "needle", "stream": "stdout"}, [1, 3, 4]),
    ({"regex": "^first.*end$"}, [1, 3, 4]),
    ({"regex": "^dle"}, []),
    ({"grep": "NEEDLE", "ignore_case": "true"}, [1, 3, 4, 6]),
    ({"grep": "needle", "invert": "true"}, [0, 2, 5]),
    ({"regex": "^(aside|zero)$", "invert": "true"}, [1, 3, 4, 5, 6]),
    ({"tail": 1}, [6]),
    ({"tail": 3, "stream": "stdout,stderr"}, [1, 2, 3, 4, 5]),
    ({"tail": 2, "stream": "stdout"}, [1, 3, 4, 5]),
    ({"tail": 1, "grep": "first needle", "stream": "stdout"}, [1, 3, 4]),
    ({"from": 3, "grep": "first"}, [3, 4]),
    ({"from": 4, "regex": "^first"}, [4]),
]


@pytest.mark.parametrize("query, expected", FILTERS)
def test_a_line_matches_with_all_its_records(server, api, parts, query, expected):
    assert numbers(api.logs(parts, **query)) == expected
    answer = api.get(f"{PATH}/{parts}/logs", query={"format": "ndjson", **query})
    assert numbers(json.loads(line) for line in answer.body.splitlines()) == expected


@pytest.mark.parametrize(
    "query, expected", [({"grep": "needle"}, [1, 3, 4, 6]), ({"regex": "^first.*end$"}, [1, 3, 4])]
)
def test_pages_of_one_record_cut_a_line_without_losing_a_part(api, parts, query, expected):
    assert numbers(api.logs(parts, limit=1, **query)) == expected


def test_a_live_follower_waits_for_the_end_of_a_line(server, api):
    execution_id = api.create()
    with Follower(server, execution_id, regex="^one two$") as follower, Runner(server, execution_id) as runner:
        for message, partial in (("one ", True), ("two", False), ("one ", True), ("three", False)):
            runner.send(runner.record(message, partial=partial))
        runner.complete()
        logs, _ = follower.rest()
    assert [record["message"] for record in logs] == ["one ", "two"]


def test_a_live_follower_sees_a_prompt_that_matches_while_it_waits(server, api):
    execution_id = api.create()
    with Follower(server, execution_id, grep="Password") as follower, Runner(server, execution_id) as runner:
        runner.send(runner.record("Password: ", partial=True))
        assert follower.logs(1)[0]["message"] == "Password: "


def test_a_line_that_goes_on_does_not_keep_back_for_ever_what_stands_behind_it(server, api):
    execution_id = api.create()
    with Follower(server, execution_id, regex="^shown$|x$") as follower, Runner(server, execution_id) as runner:
        runner.send(runner.record("a bar ...", partial=True))
        runner.send(runner.record("shown", "stderr"))
        assert follower.logs(1)[0]["message"] == "shown"
        runner.send(runner.record("x"))
        runner.complete()
        assert [record["message"] for record in follower.rest()[0]] == ["x"]


def test_an_open_line_at_the_end_of_a_sealed_log_is_a_line(server, api):
    execution_id = api.create()
    with Follower(server, execution_id, regex="left$") as follower, Runner(server, execution_id) as runner:
        runner.send(runner.record("what is ", partial=True))
        runner.send(runner.record("left", partial=True))
        runner.complete()
        assert [record["message"] for record in follower.rest()[0]] == ["what is ", "left"]


def test_tail_of_text_counts_the_lines_that_text_shows(api, parts):
    for form in ("text", "raw"):
        body = api.get(f"{PATH}/{parts}/logs", query={"format": form, "tail": 1}).body
        assert body == b"other\n"


def test_tail_with_since_is_the_last_lines_of_those_since_then(api):
    execution_id = api.create()
    api.append(execution_id, [{"message": str(i), "timestamp": f"2025-11-15T10:30:{i:02}Z"} for i in range(10)])
    since = "2025-11-15T10:30:06Z"
    for query, expected in (
        ({"tail": 2}, ["8", "9"]),
        ({"tail": 50}, ["6", "7", "8", "9"]),
        ({"tail": 1, "grep": "7"}, ["7"]),
    ):
        assert api.messages(execution_id, since=since, **query) == expected
    answer = api.get(f"{PATH}/{execution_id}/logs", query={"tail": 1, "from": 3})
    assert answer.status == 400 and answer.code == "malformed"


def test_a_page_whose_steps_are_spent_ends_early_with_more(servers):
    own = servers("--regex-steps", "20000")
    api = own.api()
    execution_id = api.create()
    api.append_lines(execution_id, [f"line {i} of many that are all alike" for i in range(5000)])
    pattern = "[4][9][9][9]"  # a text in it would be looked for first, at no cost
    page = api.page(execution_id, regex=pattern, limit=10000)
    assert page["has_more"] and 0 < page["next_cursor"] < 5000
    assert numbers(api.logs(execution_id, regex=pattern, limit=10000)) == [4999]
    assert numbers(api.logs(execution_id, regex=" 4[0-9]98 .*", tail=1)) == [4998]
    with Follower(own, execution_id, regex=" 4998 ") as follower:
        assert follower.logs(1)[0]["sequence_number"] == 4998


def test_one_line_that_takes_all_steps_is_an_error_that_says_so(servers):
    own = servers("--regex-steps", "1000")
    api = own.api()
    execution_id = api.create()
    api.append_lines(execution_id, ["fine", "a" * 30 + "b"])
    first = api.page(execution_id, regex="^(a+)+$|fine")
    assert numbers(first["logs"]) == [0] and first["next_cursor"] == 1
    answer = api.get(f"{PATH}/{execution_id}/logs", query={"regex": "^(a+)+$|fine", "cursor": 1})
    assert answer.status == 422 and "steps" in answer.json()["error"]["message"]


def test_chunks_that_are_passed_over_hold_nothing_that_is_looked_for(servers):
    """Of a long log most chunks are known to lack what is looked for; a line over the border of two is found all
    the same."""
    server = servers()
    api = server.api()
    execution_id = api.create()
    lines = [f"worker-{i % 7} processed item {i * 2654435761 % 2**32:08x} in {i % 250} ms" for i in range(40000)]
    rare = {123: "the first rare word", 20000: "another rareness", 39999: "and a RARE end"}
    lines = [rare.get(i, line) for i, line in enumerate(lines)]
    with Runner(server, execution_id) as runner:
        for at in range(0, len(lines), 4000):
            runner.lines(lines[at : at + 4000])
        runner.send([runner.record("a line that is ra", partial=True)])
        runner.send([runner.record("re where its parts meet")])
        runner.complete()
    lines += ["a line that is ra", "re where its parts meet"]

    expected = {
        ("grep", "rare"): [123, 20000, 40000, 40001],
        ("regex", "rare|nowhere"): [123, 20000, 40000, 40001],
        ("regex", "^and a RARE"): [39999],
        ("grep", lines[777][-20:]): [i for i, line in enumerate(lines) if lines[777][-20:] in line],
        ("grep", "not there"): [],
    }
    for _ in range(2):  # as they came, and merged
        for (kind, text), found in expected.items():
            answer = api.get(f"{PATH}/{execution_id}/logs", query={"format": "ndjson", kind: text})
            assert numbers(json.loads(line) for line in answer.body.splitlines()) == found, text
            assert numbers(api.logs(execution_id, **{kind: text})) == found, text
        eventually(server.merged, "merged", 30)
