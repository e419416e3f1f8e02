"""Records that continue the one before them: a filter lets a group of them through as one, or none of it."""

import json

import pytest
from support.cli import Cli
from support.ws import Follower, Runner

PATH = "/api/v1/executions"

LOG = [
    {"message": "begin", "stream": "stderr"},  # 0
    {"message": "it failed", "level": "error", "stream": "stderr", "node_id": "fetch"},  # 1
    {"message": "Traceback:", "stream": "stderr", "continues": True},  # 2
    {"message": "  at main", "stream": "stderr", "continues": True, "level": "debug"},  # 3
    {"message": "ValueError: no", "stream": "stderr", "continues": True},  # 4
    {"message": "quiet", "stream": "stdout", "continues": True},  # 5: of another stream, so by itself
    {"message": "more", "stream": "stdout", "continues": True, "level": "error"},  # 6
    {"message": "a line", "stream": "stderr", "level": "error"},  # 7
    {"message": "done", "event_type": "step_completed", "is_milestone": True, "display_priority": 9},  # 8
    {"message": "in all", "stream": "event", "continues": True},  # 9
]


@pytest.fixture(scope="module", params=["at once", "one by one"])
def groups(request, api):
    """A log, in one chunk or in one for each record."""
    execution_id = api.create()
    if request.param == "at once":
        api.append(execution_id, LOG)
    else:
        for record in LOG:
            api.append(execution_id, record)
    api.expect(200, "PATCH", f"{PATH}/{execution_id}", {"status": "failed", "exit_code": 1})
    return execution_id


def numbers(records):
    return [record["sequence_number"] for record in records if "sequence_number" in record]


FILTERS = [
    ({}, list(range(10))),
    ({"level": "error"}, [1, 2, 3, 4, 7]),
    ({"min_level": "warning"}, [1, 2, 3, 4, 7]),
    ({"level": "debug"}, []),
    ({"level": "info"}, [0, 5, 6, 8, 9]),
    ({"node": "fetch"}, [1, 2, 3, 4]),
    ({"event_type": "step_completed"}, [8, 9]),
    ({"milestone": "true"}, [8, 9]),
    ({"min_priority": 6}, [8, 9]),
    ({"stream": "stderr"}, [0, 1, 2, 3, 4, 7]),
    ({"grep": "ValueError"}, [1, 2, 3, 4]),
    ({"regex": "^it f"}, [1, 2, 3, 4]),
    ({"regex": "^.*: no$", "level": "error"}, [1, 2, 3, 4]),
    ({"grep": "ValueError", "level": "info"}, []),
    ({"grep": "e", "invert": "true"}, []),
    ({"grep": "ValueError", "invert": "true"}, [0, 5, 6, 7, 8, 9]),
    ({"from": 3, "level": "error"}, [3, 4, 7]),
    ({"from": 4, "node": "fetch"}, [4]),
    ({"from": 3, "grep": "it failed"}, [3, 4]),
    ({"from": 9, "milestone": "true"}, [9]),
    ({"tail": 1}, [8, 9]),
    ({"tail": 2, "level": "error"}, [1, 2, 3, 4, 7]),
    ({"tail": 1, "stream": "stdout"}, [5, 6]),
    ({"tail": 1, "grep": "at main"}, [1, 2, 3, 4]),
    ({"tail": 3}, [5, 6, 7, 8, 9]),
]


@pytest.mark.parametrize("query, expected", FILTERS)
def test_a_group_passes_as_one_in_pages_streams_and_followers(server, api, groups, query, expected):
    assert numbers(api.logs(groups, **query)) == expected
    assert numbers(api.logs(groups, limit=1, **query)) == expected
    answer = api.get(f"{PATH}/{groups}/logs", query={"format": "ndjson", **query})
    assert numbers(json.loads(line) for line in answer.body.splitlines()) == expected
    with Follower(server, groups, **query) as follower:
        logs, _ = follower.rest()
    assert numbers(logs) == expected


def test_what_continues_says_so_and_nothing_else_does(api, groups):
    shown = [record.get("continues") for record in api.logs(groups)]
    assert shown == [None, None, True, True, True, True, True, None, None, True]


@pytest.mark.parametrize("query", [{"level": "error"}, {"grep": "failed"}, {"node": "fetch"}])
def test_a_live_follower_gets_a_group_line_by_line(server, api, query):
    execution_id = api.create()
    with Follower(server, execution_id, **query) as follower, Runner(server, execution_id) as runner:
        runner.send(runner.record("failed", level="ERROR", node_id="fetch"))
        assert numbers(follower.logs(1)) == [0]
        for number in range(1, 4):
            runner.send(runner.record(f"line {number}", continues=True))
            assert numbers(follower.logs(1)) == [number]
        runner.send(runner.record("other"))
        runner.send(runner.record("of the other", continues=True))
        runner.complete()
        logs, _ = follower.rest()
    assert logs == []


def test_a_text_that_comes_in_one_piece_brings_the_group_to_a_live_follower(server, api):
    execution_id = api.create()
    with Follower(server, execution_id, grep="needle") as follower:
        api.append(execution_id, [{"message": "x"}, {"message": "y"}])
        api.append(execution_id, [{"message": "a"}, {"message": "b", "continues": True}, {"message": "z"}])
        group = [{"message": "first"}, {"message": "second", "continues": True}]
        api.append(execution_id, group + [{"message": "the needle", "continues": True}])
        assert numbers(follower.logs(3)) == [5, 6, 7]


def test_a_group_over_many_chunks_and_reads_is_still_one(api):
    execution_id = api.create()
    for _ in range(4):
        api.append(execution_id, [{"message": f"noise {i} " + "." * 100} for i in range(2000)])
    api.append(execution_id, {"message": "failed", "level": "error"})
    for _ in range(4):
        api.append(execution_id, [{"message": f"frame {i}", "continues": True} for i in range(500)])
    api.append(execution_id, [{"message": "cause: xyzzy", "continues": True}, {"message": "after"}])
    expected = list(range(8000, 10002))
    assert numbers(api.logs(execution_id, level="error")) == expected
    assert numbers(api.logs(execution_id, level="error", limit=7, **{"from": 9995})) == expected[1995:]
    assert numbers(api.logs(execution_id, grep="xyzzy", limit=10000)) == expected
    assert numbers(api.logs(execution_id, tail=1, grep="xyzzy", limit=10000)) == expected


def test_a_group_is_bounded(api):
    """What is beyond 8,192 records is looked at by itself."""
    execution_id = api.create()
    api.append(execution_id, {"message": "failed", "level": "error"})
    for _ in range(9):
        api.append(execution_id, [{"message": "frame", "continues": True} for _ in range(1000)])
    assert numbers(api.logs(execution_id, level="error", limit=10000)) == list(range(8192))


def test_the_command_line_shows_a_group_as_one(server, api, groups, tmp_path):
    cli = Cli(tmp_path / "home", server)
    shown = cli.run("logs", groups, "--min-level", "warning", expect=0).text()
    lines = shown.splitlines()
    assert lines == ["it failed", "Traceback:", "  at main", "ValueError: no", "a line"]
    shown = cli.run("logs", groups, "--grep", "ValueError", expect=0).text()
    assert shown.splitlines() == lines[:4]


def test_it_must_be_true_or_false(api):
    execution_id = api.create()
    answer = api.post(f"{PATH}/{execution_id}/logs", [{"message": "m", "continues": "yes"}])
    assert answer.status == 422 and answer.json()["error"]["fields"][0]["name"] == "[0].continues", answer


def test_events_without_a_level_have_that_of_their_type_and_the_digest_stays(server, api):
    execution_id = api.create()
    types = ["node_started", "node_failed", "node_awaiting_input", "step_skipped", "workflow_completed", "separator"]
    api.append(execution_id, [{"event_type": name, "message": name} for name in types])
    api.append(execution_id, {"event_type": "node_failed", "message": "by itself", "level": "debug"})
    shown = [record.get("level") for record in api.logs(execution_id)]
    assert shown == ["INFO", "ERROR", "WARNING", "WARNING", "INFO", None, "DEBUG"]
    assert numbers(api.logs(execution_id, level="error")) == [1]
    assert numbers(api.logs(execution_id, min_level="warning")) == [1, 2, 3]
    assert numbers(api.logs(execution_id, level="info")) == [0, 4, 5]
    assert numbers(api.logs(execution_id, level="debug")) == [6]
    bare = api.create()
    api.append(bare, [{"event_type": name, "message": name} for name in types])
    api.append(bare, {"event_type": "node_failed", "message": "by itself", "level": "debug"})
    assert api.status(bare)["digest"] == api.status(execution_id)["digest"]
    told = api.create()
    api.append(told, [{"event_type": "node_failed", "message": "m", "level": "error"}])
    untold = api.create()
    api.append(untold, [{"event_type": "node_failed", "message": "m"}])
    assert api.status(told)["digest"] != api.status(untold)["digest"]
