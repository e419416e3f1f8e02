"""GET …/logs: pages, every name of a position, every filter."""

import pytest
from support.ws import Runner

PATH = "/api/v1/executions"


@pytest.fixture(scope="module")
def ten(api):
    """An execution of ten plain lines; its id."""
    execution_id = api.create()
    api.append_lines(execution_id, [f"line {i}" for i in range(10)])
    return execution_id


def numbers(page):
    return [record["sequence_number"] for record in page["logs"]]


def test_an_empty_log_is_an_empty_page(api):
    execution_id = api.create()
    page = api.page(execution_id)
    assert page == {
        "execution_id": execution_id,
        "logs": [],
        "first_sequence": 0,
        "gap": None,
        "next_cursor": None,
        "has_more": False,
        "last_index": 0,
        "status": page["status"],
        "sealed": False,
    }


def test_a_record_shows_its_number_index_and_time(api, ten):
    record = api.page(ten)["logs"][3]
    assert record["execution_id"] == ten and record["sequence_number"] == 3 and record["index"] == 4
    assert record["stream"] == "stdout" and record["message"] == "line 3" and record["timestamp"].endswith("Z")
    assert "type" not in record


def test_pages_join_without_seam(api, ten):
    first = api.page(ten, limit=4)
    assert (
        numbers(first) == [0, 1, 2, 3] and first["has_more"] and first["next_cursor"] == 4 and first["last_index"] == 4
    )
    second = api.page(ten, limit=4, cursor=first["next_cursor"])
    assert numbers(second) == [4, 5, 6, 7] and second["next_cursor"] == 8
    last = api.page(ten, limit=4, cursor=8)
    assert numbers(last) == [8, 9] and not last["has_more"] and last["next_cursor"] is None and last["last_index"] == 10


def test_a_page_that_ends_with_the_log_says_so(api, ten):
    page = api.page(ten, limit=10)
    assert len(page["logs"]) == 10 and not page["has_more"] and page["next_cursor"] is None


def test_the_default_limit_is_100_and_the_largest_10000(api):
    execution_id = api.create()
    api.append_lines(execution_id, [str(i) for i in range(10001)])
    assert len(api.page(execution_id)["logs"]) == 100
    assert len(api.page(execution_id, limit=10000)["logs"]) == 10000
    assert api.messages(execution_id, limit=10000) == [str(i) for i in range(10001)]


@pytest.mark.parametrize(
    "query, first",
    [
        ({"from": 0}, 0),
        ({"from": 7}, 7),
        ({"after": -1}, 0),
        ({"after": 6}, 7),
        ({"cursor": 0}, 0),
        ({"cursor": 7}, 7),
        ({"since_index": 0}, 0),
        ({"since_index": 7}, 7),
        ({"tail": 3}, 7),
        ({"tail": 100}, 0),
        ({"since": "1h"}, 0),
        ({"since": "10m"}, 0),
        ({"since": "3d"}, 0),
        ({"since": "2001-01-01T00:00:00Z"}, 0),
        ({"since": "2001-01-01T00:00:00"}, 0),
        ({"since": "2001-01-01T00:00:00+02:00"}, 0),
    ],
)
def test_every_name_of_a_position(api, ten, query, first):
    assert numbers(api.page(ten, **query)) == list(range(first, 10))


@pytest.mark.parametrize(
    "query",
    [{"from": 10}, {"from": 500}, {"after": 9}, {"after": 10**12}, {"tail": 0}, {"since": "2099-01-01T00:00:00Z"}],
)
def test_a_position_past_the_end_is_an_empty_page(api, ten, query):
    page = api.page(ten, **query)
    assert page["logs"] == [] and not page["has_more"] and page["next_cursor"] is None


@pytest.mark.parametrize(
    "query, code",
    [
        ({name: value}, "bad_cursor")
        for name in ("from", "cursor", "since_index")
        for value in ("-1", "x", "1.5", "", "99999999999999999999")
    ]
    + [({"after": value}, "bad_cursor") for value in ("-2", "x", "")]
    + [({"tail": value}, "bad_cursor") for value in ("-1", "x")]
    + [({"since": value}, "bad_cursor") for value in ("yesterday", "10y", "2025-13-01T00:00:00Z")]
    + [
        ({"from": 1, "after": 1}, "malformed"),
        ({"from": 1, "tail": 1}, "malformed"),
        ({"cursor": 1, "since": "1h"}, "malformed"),
    ],
)
def test_a_position_that_makes_no_sense_is_refused(api, ten, query, code):
    answer = api.get(f"{PATH}/{ten}/logs", query=query)
    assert (answer.status, answer.code) == (400, code), answer


def test_since_begins_at_the_first_record_of_that_time(api):
    execution_id = api.create()
    api.append(execution_id, [{"message": str(i), "timestamp": f"2025-11-15T10:30:{i:02d}.500Z"} for i in range(10)])
    assert numbers(api.page(execution_id, since="2025-11-15T10:30:04.500Z")) == list(range(4, 10))
    assert numbers(api.page(execution_id, since="2025-11-15T10:30:04.501Z")) == list(range(5, 10))
    assert numbers(api.page(execution_id, since="2025-11-15T12:30:07.000+02:00")) == [7, 8, 9]


# --- filters
RECORDS = [
    {"message": "plain out"},
    {"message": "plain err", "stream": "stderr"},
    {"message": "careful", "level": "warn"},
    {"message": "Broken pipe", "level": "error", "stream": "stderr"},
    {"message": "died", "level": "FATAL", "timestamp": "2025-01-01T00:00:00.000Z"},
    {"message": "noise", "level": "debug"},
    {"message": "go", "stream": "event", "event_type": "step_started", "category": "business", "node_id": "n1"},
    {
        "message": "done",
        "stream": "event",
        "event_type": "step_completed",
        "log_category": "business",
        "node_id": "n2",
        "is_milestone": True,
    },
    {"message": "urgent", "display_priority": 9},
    {"message": "later", "timestamp": "2025-01-01T00:00:01.000Z", "display_priority": 2},
]


@pytest.fixture(scope="module")
def mixed(api):
    execution_id = api.create()
    api.append(execution_id, RECORDS)
    return execution_id


FILTERS = [
    ({"stream": "stdout"}, [0, 2, 4, 5, 8, 9]),
    ({"stream": "stderr"}, [1, 3]),
    ({"stream": "event"}, [6, 7]),
    ({"stream": ["stderr", "event"]}, [1, 3, 6, 7]),
    ({"stream": "stderr,event"}, [1, 3, 6, 7]),
    ({"level": "ERROR"}, [3]),
    ({"level": "error"}, [3]),
    ({"level": "warn"}, [2]),
    ({"level": "fatal"}, [4]),
    ({"level": "INFO"}, [0, 1, 6, 7, 8, 9]),
    ({"level": ["ERROR", "DEBUG"]}, [3, 5]),
    ({"min_level": "WARNING"}, [2, 3, 4]),
    ({"min_level": "info"}, [0, 1, 2, 3, 4, 6, 7, 8, 9]),
    ({"category": "business"}, [6, 7]),
    ({"category": "technical"}, [0, 1, 2, 3, 4, 5, 8, 9]),
    ({"event_type": "step_started"}, [6]),
    ({"event_type": "step_started,step_completed"}, [6, 7]),
    ({"node": "n1"}, [6]),
    ({"node": ["n1", "n2"]}, [6, 7]),
    ({"milestone": "true"}, [7]),
    ({"min_priority": "6"}, [8]),
    ({"min_priority": "5"}, [0, 1, 2, 3, 4, 5, 6, 7, 8]),
    ({"start_time": "2025-01-01T00:00:00.000Z", "end_time": "2025-01-01T00:00:01.000Z"}, [4, 9]),
    ({"end_time": "2025-01-01T00:00:00.999Z"}, [4]),
    ({"start_time": "2025-06-01T00:00:00Z"}, [0, 1, 2, 3, 5, 6, 7, 8]),
    ({"grep": "plain"}, [0, 1]),
    ({"grep": "Broken pipe"}, [3]),
    ({"grep": "broken"}, []),
    ({"regex": "^d(ied|one)$"}, [4, 7]),
    ({"regex": "(?i)broken"}, [3]),
    ({"stream": "stderr", "grep": "pipe"}, [3]),
]


@pytest.mark.parametrize("query, expected", FILTERS)
def test_every_filter(api, mixed, query, expected):
    page = api.page(mixed, **query)
    assert numbers(page) == expected
    assert page["last_index"] == len(RECORDS) and not page["has_more"]


@pytest.mark.parametrize(
    "query",
    [
        {"stream": "stdin"},
        {"level": "loud"},
        {"min_level": "loud"},
        {"category": "other"},
        {"milestone": "perhaps"},
        {"min_priority": "0"},
        {"min_priority": "11"},
        {"min_priority": "x"},
        {"start_time": "noon"},
        {"end_time": "2025-99-01T00:00:00Z"},
        {"regex": "("},
        {"regex": "[a-"},
        {"limit": "0"},
        {"limit": "10001"},
        {"limit": "many"},
    ],
)
def test_a_filter_that_makes_no_sense_is_refused(api, mixed, query):
    answer = api.get(f"{PATH}/{mixed}/logs", query=query)
    assert answer.status in (400, 422) and answer.code in ("malformed", "invalid"), answer


def test_tail_counts_what_matches(api, mixed):
    assert numbers(api.page(mixed, tail=1, stream="stderr")) == [3]
    assert numbers(api.page(mixed, tail=2, level="INFO")) == [8, 9]


def test_a_filtered_page_may_be_empty_with_more_to_come_and_still_ends(api):
    execution_id = api.create()
    for base in range(0, 30000, 10000):
        api.append_lines(execution_id, [f"hay {base + i}" for i in range(10000)])
    api.append_lines(execution_id, ["needle"])
    found, cursor, pages = [], 0, 0
    while True:
        page = api.page(execution_id, cursor=cursor, grep="needle", limit=10)
        found += numbers(page)
        pages += 1
        if not page["has_more"]:
            break
        assert page["next_cursor"] > cursor, "no progress"
        cursor = page["next_cursor"]
        assert pages < 1000
    assert found == [30000] and page["last_index"] == 30001


def test_a_regex_that_runs_away_is_stopped_within_its_budget(api):
    execution_id = api.create()
    api.append_lines(execution_id, ["a" * 5000 + "b"] * 20)
    answer = api.get(f"{PATH}/{execution_id}/logs", query={"regex": "(a+)+(a+)+$c"})
    assert answer.status in (200, 422), answer


def test_a_sealed_log_says_so_on_its_page(server, api):
    execution_id = api.create()
    with Runner(server, execution_id) as runner:
        runner.lines(["only"])
        runner.complete(2)
    page = api.page(execution_id)
    assert page["sealed"] is True and page["status"] == "failed"
