"""Searches: in one log, and over the logs of an account."""

import json
import random
import re
import socket
import urllib.parse
import uuid

import pytest
from support.api import eventually
from support.cli import Cli
from support.schemas import assert_fits
from test_accounts import Account
from test_log_front import cut_log

PATH = "/api/v1/executions"
NEEDLE = "needle"


@pytest.fixture
def account(api):
    """An account of its own, so that searches over all logs find what the test has made."""
    return Account(api)


@pytest.fixture
def own(account):
    return account.client("admin")


def search(api, execution_id, q=NEEDLE, **query):
    answer = api.expect(200, "GET", f"{PATH}/{execution_id}/logs/search", query={"q": q, **query})
    assert_fits("LogSearch", answer)
    for hit in answer["hits"]:
        assert_fits("Hit", hit)
    return answer


def search_all(api, q=NEEDLE, **query):
    """All answers to one question, put together."""
    hits, answers = [], []
    while True:
        answer = api.expect(200, "GET", "/api/v1/search", query={"q": q, **query})
        assert_fits("Search", answer)
        hits += answer["hits"]
        answers.append(answer)
        if answer["next_cursor"] is None:
            return hits, answers
        query["cursor"] = answer["next_cursor"]


def counted(api, execution_id, q=NEEDLE, **query):
    """The sums over as many answers as it takes: count, density."""
    count, density, answers = 0, None, 0
    while True:
        answer = search(api, execution_id, q, **query)
        answers += 1
        count += answer["count"]
        counts = answer["density"] and answer["density"]["counts"]
        density = [a + b for a, b in zip(density, counts)] if density else counts
        if answer["complete"]:
            return count, density, answers
        query["cursor"] = answer["next_cursor"]


def numbers(answer):
    return [hit["sequence_number"] for hit in answer["hits"]]


def seal(api, execution_id):
    api.expect(200, "PATCH", f"{PATH}/{execution_id}", {"status": "failed", "exit_code": 3})


def lines_with(rng, count, share):
    return [f"line {i} {rng.choice('abc')} {NEEDLE if rng.random() < share else 'hay'} end" for i in range(count)]


def test_a_search_tells_how_many_lines_match_and_which(own):
    log = own.create()
    own.append_lines(log, ["nothing", "a needle", "two needles: needle", "", "Needle"])
    answer = search(own, log, buckets=5)
    assert answer["count"] == 2 and numbers(answer) == [1, 2]
    assert (answer["first_hit"], answer["last_hit"], answer["last_index"]) == (1, 2, 5)
    assert answer["complete"] is True and answer["next_cursor"] is None
    assert answer["density"] == {"from": 0, "width": 1, "counts": [0, 1, 1, 0, 0]}
    assert answer["hits"][0]["message"] == "a needle" and answer["hits"][0]["ranges"] == [[2, 8]]
    assert answer["hits"][1]["ranges"] == [[4, 10], [13, 19]]
    assert answer["scanned_bytes"] == len("nothing\na needle\ntwo needles: needle\n\nNeedle\n")
    none = search(own, log, "no such text", buckets=5)
    assert (none["count"], none["hits"], none["first_hit"], none["last_hit"]) == (0, [], None, None)
    assert none["density"]["counts"] == [0] * 5


def test_a_log_without_lines_is_searched_too(own):
    log = own.create()
    answer = search(own, log, buckets=3)
    assert (answer["count"], answer["complete"], answer["hits"]) == (0, True, [])


@pytest.mark.parametrize(
    "q, query, expected",
    [
        ("needle", {"case": "false"}, [0, 1, 3]),
        ("NEEDLE", {"case": "false"}, [0, 1, 3]),
        ("NEEDLE", {}, []),
        ("^Needle$", {"regex": "true"}, [1]),
        ("^needle$", {"regex": "true", "case": "false"}, [1]),
        (r"\d{3}-\d+", {"regex": "true"}, [2]),
        (r"a\s+needle", {"regex": "true"}, [0, 3]),
        ("end$", {"regex": "true"}, [2, 5]),
        ("^$", {"regex": "true"}, [4]),
        (r"needle[^x]*line", {"regex": "true"}, []),  # not over the end of a line
        ("needle\nNeedle", {}, []),
        ("(?i)NEEDLE in", {"regex": "true"}, [3]),
        ("needle", {"stream": "stderr"}, [3]),
        ("e", {"min_level": "ERROR"}, [5]),
        ("e", {"event_type": "step_failed"}, [5]),
        ("e", {"node": "n1"}, [5]),
        ("[needle", {}, []),
        ("🎈", {}, [6]),
    ],
)
def test_texts_patterns_and_filters_choose_the_lines(own, q, query, expected):
    log = own.create()
    own.append_lines(log, ["a needle", "Needle", "555-1234 end"])
    own.append_lines(log, ["a needle in stderr"], stream="stderr")
    own.append_lines(log, [""])
    own.append(log, [{"stream": "event", "event_type": "step_failed", "node_id": "n1", "message": "the end"}])
    own.append_lines(log, ["𝒳 a 🎈 here"])
    answer = search(own, log, q, **query)
    assert numbers(answer) == expected
    assert answer["count"] == len(expected)


def test_places_of_matches_count_as_javascript_does(own):
    log = own.create()
    own.append_lines(log, ["𝒳é needle"])
    assert search(own, log)["hits"][0]["ranges"] == [[4, 10]]


def test_a_line_in_several_records_is_one_line(own):
    """One that is longer than a record may be is split when it is appended; the word stands across the cut."""
    log = own.create()
    long_line = "x" * (10 * 1024 - 3) + NEEDLE + "y" * 20000
    own.append_lines(log, ["before", long_line, "behind needle"])
    records = own.logs(log)
    assert [record.get("partial", False) for record in records] == [False, True, True, False, False]
    answer = search(own, log)
    assert answer["count"] == 2 and numbers(answer) == [1, 4]
    assert search(own, log, "^x+needley+$", regex="true")["count"] == 1
    assert search(own, log, "^y", regex="true")["count"] == 0


def test_of_a_long_message_the_part_around_the_first_match_is_shown(own):
    log = own.create()
    own.append_lines(log, ["é" * 4000 + NEEDLE + "b" * 1000])
    hit = search(own, log)["hits"][0]
    [[begin, end]] = hit["ranges"]
    assert hit["cut"] is True and len(hit["message"].encode()) <= 4096
    assert hit["message"][begin:end] == NEEDLE


def test_a_group_is_filtered_as_one_and_its_lines_that_match_are_the_hits(own):
    log = own.create()
    trace = [{"level": "error", "message": "Traceback"}]
    trace += [{"message": text, "continues": True} for text in ("  a frame", "  a needle frame", "ValueError")]
    own.append(log, trace + [{"message": "needle alone"}])
    assert numbers(search(own, log)) == [2, 4]
    assert numbers(search(own, log, level="ERROR")) == [2]
    assert numbers(search(own, log, level="INFO")) == [4]


def test_hits_before_and_behind_a_number_lead_through_all_of_them(own):
    rng = random.Random(7)
    log = own.create()
    lines = lines_with(rng, 9000, 0.02)
    own.append_lines(log, lines)
    expected = [i for i, line in enumerate(lines) if NEEDLE in line]
    assert search(own, log, limit=0)["count"] == len(expected)
    forward, at = [], None
    while True:
        place = {} if at is None else {"after": at}
        found = numbers(search(own, log, count="false", limit=7, **place))
        forward += found
        if len(found) < 7:
            break
        at = found[-1]
    assert forward == expected
    backward, at = [], len(lines)
    while True:
        found = numbers(search(own, log, count="false", limit=7, before=at))
        backward = found + backward
        if len(found) < 7:
            break
        at = found[0]
    assert backward == expected
    middle = expected[len(expected) // 2]
    both = search(own, log, before=middle, limit=3)
    assert both["count"] == len(expected) and numbers(both) == [n for n in expected if n < middle][-3:]
    assert numbers(search(own, log, after=middle, limit=3)) == [n for n in expected if n > middle][:3]


def test_numbers_bound_what_is_searched(own):
    log = own.create()
    own.append_lines(log, [NEEDLE] * 50)
    answer = search(own, log, **{"from": 10, "to": 30, "limit": 2, "buckets": 4})
    assert answer["count"] == 20 and numbers(answer) == [10, 11]
    assert answer["density"] == {"from": 10, "width": 5, "counts": [5, 5, 5, 5]}


def test_a_search_in_slices_finds_the_same(own):
    rng = random.Random(3)
    log = own.create()
    lines = lines_with(rng, 60000, 0.01)
    for begin in range(0, len(lines), 10000):
        own.append_lines(log, lines[begin : begin + 10000])
    expected = [i for i, line in enumerate(lines) if NEEDLE in line]
    whole = search(own, log, buckets=9, limit=0)
    assert whole["complete"] and whole["count"] == len(expected)
    count, density, answers = counted(own, log, buckets=9, limit=0, max_bytes=1)
    assert answers > 2
    assert count == len(expected) and density == whole["density"]["counts"]
    width = whole["density"]["width"]
    assert density == [sum(n // width == i for n in expected) for i in range(9)]
    # Backward: each answer tells how far down it has looked.
    first = expected[0]
    query, found = {"count": "false", "before": first + 1, "limit": 5, "max_bytes": 1}, []
    answer = search(own, log, "line 7 ", **query | {"before": len(lines)})
    answers = 1
    while not answer["complete"]:
        answer = search(own, log, "line 7 ", **query | {"before": len(lines), "cursor": answer["next_cursor"]})
        answers += 1
        found = numbers(answer)
    assert found == [7] and answers > 2


@pytest.mark.parametrize("cursor", ["x", "1-2", "5-0-4", "1-2-3", "1-0-99999999999999999999", "-1-0-5", "1-0-5-6"])
def test_a_cursor_that_was_not_given_out_is_refused(own, cursor):
    log = own.create()
    answer = own.get(f"{PATH}/{log}/logs/search", query={"q": "x", "cursor": cursor})
    assert (answer.status, answer.code) == (400, "malformed")


def test_wrong_questions_are_refused(own):
    log = own.create()
    own.append_lines(log, ["a" * 60 + "b"])
    for query, text in [
        ({}, "parameter q: is missing"),
        ({"q": "(", "regex": "true"}, "parameter q: is not a regular expression"),
        ({"q": "x" * 1025}, "parameter q:"),
        ({"q": "a", "after": 1, "before": 2}, "give one"),
        ({"q": "a", "grep": "b"}, "parameter grep: is not a parameter"),
    ]:
        for path in (f"{PATH}/{log}/logs/search", "/api/v1/search"):
            if "after" in query and path == "/api/v1/search":
                continue
            answer = own.get(path, query=query)
            assert answer.status == 400 and text in answer.json()["error"]["message"], answer


def test_a_pattern_that_takes_for_ever_is_refused(own):
    log = own.create()
    own.append_lines(log, ["a" * 60 + "b"])
    for path in (f"{PATH}/{log}/logs/search", "/api/v1/search"):
        answer = own.get(path, query={"q": "^(a|aa)+$", "regex": "true"})
        assert answer.status == 422 and "too many steps" in answer.json()["error"]["message"], answer


def test_a_log_is_searched_while_it_grows(own):
    log = own.create()
    total = 0
    for round_number in range(20):
        own.append_lines(log, [f"{NEEDLE} {round_number}", "hay"] * 10)
        total += 10
        answer = search(own, log, limit=0)
        assert answer["count"] == total and answer["sealed"] is False
        assert answer["last_index"] == 2 * total
    news = search(own, log, **{"from": answer["last_index"]})
    assert news["count"] == 0
    own.append_lines(log, ["one more needle"])
    assert numbers(search(own, log, **{"from": answer["last_index"]})) == [answer["last_index"]]


def test_a_search_in_a_log_without_its_front_says_where_it_begins(servers):
    server = servers()
    api = server.api()
    log = cut_log(api)
    answer = search(api, log, "line", limit=2, buckets=2)
    assert answer["count"] == 1000 and numbers(answer) == [3000, 3001] and answer["first_sequence"] == 3000
    assert answer["density"] == {"from": 3000, "width": 500, "counts": [500, 500]}
    assert numbers(search(api, log, "line 3005 ", **{"from": 5})) == [3005]
    hits, _ = search_all(api, "line 3005 ")
    assert [hit["sequence_number"] for hit in hits] == [3005]


def test_a_purged_log_is_gone_from_searches(own):
    kept, gone = own.create(), own.create()
    for log in (kept, gone):
        own.append_lines(log, [NEEDLE])
        seal(own, log)
    assert {hit["execution_id"] for hit in search_all(own)[0]} == {kept, gone}
    assert own.delete(f"{PATH}/{gone}", query={"purge": "true"}).status in (200, 202, 204)
    answer = own.get(f"{PATH}/{gone}/logs/search", query={"q": NEEDLE})
    assert (answer.status, answer.code) == (410, "expired")
    assert {hit["execution_id"] for hit in search_all(own)[0]} == {kept}


def test_only_what_one_may_read_is_searched(api, account):
    other = Account(api).client("admin")
    own, user, stranger = account.client("admin"), account.client("user"), account.client("user")
    logs = {}
    for name, client in [("own", own), ("user", user), ("stranger", stranger), ("other", other)]:
        logs[name] = client.create()
        client.append_lines(logs[name], [f"{NEEDLE} of {name}"])
    readers = [("own", own), ("user", user), ("stranger", stranger), ("viewer", account.client("viewer"))]
    for name, client in readers:
        sees = {"own", "user", "stranger"} if name in ("own", "viewer") else {name}
        hits, answers = search_all(client)
        assert {hit["execution_id"] for hit in hits} == {logs[one] for one in sees}, name
        assert sum(answer["executions"] for answer in answers) == len(sees)
        for one, log in logs.items():
            answer = client.get(f"{PATH}/{log}/logs/search", query={"q": NEEDLE})
            assert answer.status == (200 if one in sees else 404), (name, one)
    foreign = other.expect(200, "GET", "/api/v1/search", query={"q": NEEDLE, "limit": 1})["next_cursor"]
    refused = own.get("/api/v1/search", query={"q": NEEDLE, "cursor": foreign})
    assert (refused.status, refused.code) == (400, "bad_cursor")


def test_the_newest_executions_come_first_page_by_page(own):
    logs = [own.create() for _ in range(12)]
    for i, log in enumerate(logs):
        own.append_lines(log, ["hay", f"{NEEDLE} {i}", "hay", f"{NEEDLE} {i} again"])
    expected = [(log, number) for log in reversed(logs) for number in (1, 3)]
    for limit in (1, 2, 5, 100):
        hits, answers = search_all(own, limit=limit)
        assert [(hit["execution_id"], hit["sequence_number"]) for hit in hits] == expected
        assert all(len(answer["hits"]) <= limit for answer in answers)


def test_executions_are_chosen_as_in_their_list(own):
    first = own.create(metadata={"team": "a"}, workflow_id="w1")
    second = own.create(metadata={"team": "b"}, workflow_id="w1")
    third = own.create(metadata={"team": "a"})
    for log in (first, second, third):
        own.append_lines(log, [NEEDLE])
    seal(own, third)
    for query, expected in [
        ({"metadata.team": "a"}, [third, first]),
        ({"workflow_id": "w1"}, [second, first]),
        ({"workflow_id": "w1", "metadata.team": "b"}, [second]),
        ({"status": "failed"}, [third]),
        ({"id_prefix": second}, [second]),
        ({"since": "1h"}, [third, second, first]),
        ({"since": "2200-01-01T00:00:00Z"}, []),
        ({"stream": "stderr"}, []),
    ]:
        assert [hit["execution_id"] for hit in search_all(own, **query)[0]] == expected, query


def test_many_executions_are_searched_within_more_pages_than_one(own):
    logs = [own.create() for _ in range(230)]
    for log in (logs[3], logs[110], logs[229]):
        own.append_lines(log, [NEEDLE])
    hits, answers = search_all(own)
    assert [hit["execution_id"] for hit in hits] == [logs[229], logs[110], logs[3]]
    hits, answers = search_all(own, max_bytes=1)
    assert [hit["execution_id"] for hit in hits] == [logs[229], logs[110], logs[3]]
    assert len(answers) >= 3


def test_random_logs_are_searched_as_by_hand(own):
    rng = random.Random(11)
    words = ["alpha", "beta", "Gamma", "délta", "0x1f", "", "needle", "[x]", "a.b"]
    log, lines = own.create(), []
    for _ in range(30):
        batch = [" ".join(rng.choices(words, k=rng.randrange(0, 6))) for _ in range(rng.randrange(1, 400))]
        own.append_lines(log, batch)
        lines += batch
    patterns = [("alpha beta", False), ("[x]", False), ("délta", False), ("a.b", True), ("^Gamma.*needle$", True)]
    patterns += [(r"(\w+) \1", True), (r"\bbeta\b(?! alpha)", True), ("^$", True), (r"[^a-z ]", True)]
    for pattern, is_regex in patterns:
        naive = re.compile(pattern if is_regex else re.escape(pattern), re.ASCII)
        expected = [i for i, line in enumerate(lines) if naive.search(line)]
        answer = search(own, log, pattern, regex=str(is_regex).lower(), limit=1000)
        assert answer["count"] == len(expected), pattern
        assert numbers(answer) == expected[:1000], pattern
        after = rng.randrange(len(lines))
        found = numbers(search(own, log, pattern, regex=str(is_regex).lower(), after=after, limit=5, count="false"))
        assert found == [n for n in expected if n > after][:5], pattern


def test_merged_chunks_that_cannot_match_are_passed_over_unread(servers):
    server = servers()
    api = server.api()
    log = api.create()
    rng = random.Random(5)
    for _ in range(20):  # of different words each, so that a word is in one chunk alone
        word = "".join(rng.choice("bcdfghjklmnpqrstvwxz") for _ in range(9))
        records = [{"message": f"{word} is the word of line {i} {'padding ' * 20}"} for i in range(1500)]
        for rare in rng.sample(range(1400), 2):
            records[rare].update(level="error", node_id="rare", is_milestone=True)
        api.append(log, records)
    # What continues a record that is not among the few is not among them either.
    api.append(log, [{"message": f"goes on {i}", "level": "error", "continues": True} for i in range(10)])
    seal(api, log)
    answer = eventually(
        lambda: (lambda found: found if found["skipped_bytes"] > found["scanned_bytes"] else None)(
            search(api, log, word)
        ),
        "most of the log is passed over",
        timeout=100,
    )
    assert answer["count"] == 1500
    everything = api.logs(log, limit=10000)
    text = sum(len(record["message"]) + 1 for record in everything)
    assert answer["scanned_bytes"] + answer["skipped_bytes"] == pytest.approx(text, rel=0.001)
    # Pages of what there is little of are the same, of however many chunks only the front is read.
    few = [record for record in everything if record.get("is_milestone")]
    assert len(few) == 40 and all(record["level"] == "ERROR" for record in few)
    for query in ({"level": "error"}, {"milestone": "true"}, {"node": "rare"}, {"min_level": "error", "limit": 7}):
        assert api.logs(log, **query) == few, query
    assert api.logs(log, level="error", cursor=few[20]["sequence_number"]) == few[20:]
    before = api.metrics()
    found = search(api, log, word)
    after = api.metrics()
    for name in ("scanned", "skipped"):
        metric = f"runnel_search_{name}_bytes_total"
        assert after[metric] - before[metric] == found[f"{name}_bytes"]
    eventually(lambda: api.metrics()["runnel_searches"] == 0, "no search is under way")


def test_a_client_that_hangs_up_stops_its_search(servers):
    server = servers()
    api = server.api()
    log = api.create()
    # Each line takes milliseconds, so all of them take a minute. They are one range, which no limit of time cuts.
    lines = ["x" * 500] * 4000
    for at in range(0, len(lines), 1000):
        api.append_lines(log, lines[at : at + 1000])
    query = urllib.parse.urlencode({"q": ".*.*.*[^x]", "regex": "true"})
    request = f"GET {PATH}/{log}/logs/search?{query} HTTP/1.1\r\nHost: localhost\r\n"
    with socket.create_connection(("127.0.0.1", api.port)) as raw:
        raw.sendall(f"{request}Authorization: Bearer {api.token}\r\n\r\n".encode())
        eventually(lambda: api.metrics()["runnel_searches"] == 1, "the search is under way")
    eventually(lambda: api.metrics()["runnel_searches"] == 0, "no search is under way", timeout=90)
    # Had it gone on, it would have ended with all of them.
    assert api.metrics()["runnel_search_scanned_bytes_total"] < sum(len(line) + 1 for line in lines)
    assert search(api, log, "b")["count"] == 0


# --- The command line


@pytest.fixture
def cli(server, account, tmp_path):
    return Cli(tmp_path / "home", server, token=account.make_key("admin")["key"])


@pytest.fixture
def named(own):
    """Two logs with some lines."""
    first, second = f"first-{uuid.uuid4().hex[:8]}", f"second-{uuid.uuid4().hex[:8]}"
    own.create(execution_id=first, metadata={"team": "a"})
    own.create(execution_id=second, metadata={"team": "b"})
    own.append_lines(first, ["one", "a needle", "three", "four", "five", "needle needle", "Needle"])
    own.append_lines(second, ["nothing", "the needle of the second"])
    return first, second


def test_nothing_beyond_the_end_of_a_log_is_searched_or_claimed(own):
    """A log may be shorter than a client knows: its store was restored from an older backup."""
    id = own.create()
    own.append_lines(id, ["a needle"])
    path = f"{PATH}/{id}/logs/search"
    beyond = own.expect(200, "GET", path, query={"q": NEEDLE, "from": 1000})
    assert (beyond["count"], beyond["last_index"], beyond["complete"]) == (0, 1, True)
    invented = own.get(path, query={"q": NEEDLE, "cursor": f"0-0-{2**63 - 1}"})
    assert (invented.status, invented.code) == (400, "malformed")
    assert own.expect(200, "GET", path, query={"q": NEEDLE, "cursor": "0-0-1"})["count"] == 1


def test_the_command_shows_lines_as_grep_does(cli, named):
    first, second = named
    shown = cli.ok("search", NEEDLE).text()
    assert shown == f"{second}:1:the needle of the second\n{first}:1:a needle\n{first}:5:needle needle\n"
    assert cli.ok("search", NEEDLE, "-m", "team=a", "-n", "1").text() == f"{first}:1:a needle\n"
    assert cli.ok("search", "--execution", first, NEEDLE).text() == "1:a needle\n5:needle needle\n"
    assert cli.ok("search", "-i", "NEEDLE", "--execution", first).text().count("\n") == 3
    assert cli.ok("search", "--regex", "^n.*ing$").text() == f"{second}:0:nothing\n"
    assert cli.ok("search", "--last", "-c", "e").text() == "1\n"
    none = cli.run("search", "no such text", expect=1)
    assert none.out == b"" and none.err == b""


def test_the_command_shows_lines_around(cli, named):
    first, second = named
    shown = cli.ok("search", NEEDLE, "--execution", first, "-C", "1").text()
    assert shown == "0-one\n1:a needle\n2-three\n--\n4-five\n5:needle needle\n6-Needle\n"
    shown = cli.ok("search", NEEDLE, "--execution", first, "-C", "9").text()
    assert shown == "0-one\n1:a needle\n2-three\n3-four\n4-five\n5:needle needle\n6-Needle\n"
    both = cli.ok("search", NEEDLE, "-C", "1").text()
    assert both.startswith(f"{second}-0-nothing\n{second}:1:the needle of the second\n--\n{first}-0-one\n")


def test_the_command_shows_a_line_with_a_nul(cli, own):
    id = own.create()
    own.append(id, [{"message": "before\0after"}])
    assert cli.ok("search", "after", "--execution", id).out == b"0:before\0after\n"


def test_the_command_prints_objects(cli, named):
    first, second = named
    for args in (["--execution", first], ["-m", "team=a"]):
        hits = [json.loads(line) for line in cli.ok("search", NEEDLE, "-o", "json", *args).out.splitlines()]
        assert [(hit["execution_id"], hit["sequence_number"]) for hit in hits] == [(first, 1), (first, 5)]
        assert hits[1]["ranges"] == [[0, 6], [7, 13]]


def test_the_command_colours_on_request_and_takes_no_wrong_options(cli, named):
    first, _ = named
    shown = cli.ok("search", NEEDLE, "--execution", first, "--color", "always").text()
    assert shown.startswith("\x1b[32m1\x1b[m\x1b[36m:\x1b[ma \x1b[01;31mneedle\x1b[m\n")
    for args in ([], ["a", "b"], [""], ["x", "-c"], ["x", "--execution", first, "-m", "a=b"], ["x", "-C", "y"]):
        assert cli.run("search", *args).code == 2, args
    assert cli.run("search", "x", "--execution", "no-such-execution").code == 3
    refused = cli.run("search", "(", "--regex")
    assert refused.code != 0 and b"regular expression" in refused.err


def test_the_command_goes_on_behind_a_page(cli, own):
    log = own.create()
    own.append_lines(log, [f"{NEEDLE} {i}" for i in range(2500)])
    assert cli.ok("search", NEEDLE, "--execution", log, "-n", "5000").text().count("\n") == 2500
    assert cli.ok("search", NEEDLE, "-n", "5000").text().count("\n") == 2500
    limited = cli.ok("search", NEEDLE, "--execution", log)
    assert limited.text().count("\n") == 1000 and b"there may be more" in limited.err
