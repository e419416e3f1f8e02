"""A log that is longer than it may be loses its front, and every reader is told."""

import http.client
import json
import signal
import socket

import pytest
from support.api import eventually
from support.cli import Cli
from support.sse import Stream
from support.ws import Follower, WebSocket

PATH = "/api/v1/executions"
CHUNK = 1000  # records of one post: large enough to be kept as a chunk of its own


def line(number):
    return f"line {number} " + "x" * 180


def fill(api, execution_id, chunks, first=0):
    """So many posts of a thousand lines each."""
    for chunk in range(chunks):
        begin = first + chunk * CHUNK
        api.append_lines(execution_id, [line(i) for i in range(begin, begin + CHUNK)])


def seal(api, execution_id):
    api.expect(200, "PATCH", f"{PATH}/{execution_id}", {"status": "failed", "exit_code": 3})


def first_of(api, execution_id):
    return api.status(execution_id)["first_sequence"]


def cut_to(api, execution_id, first):
    """Waits until its log begins there."""
    eventually(lambda: first_of(api, execution_id) >= first, f"its log begins at {first}", timeout=90)
    assert first_of(api, execution_id) == first


def cut_log(api, chunks=4, **fields):
    """One whose log has lost all but its last chunk, and is sealed."""
    execution_id = api.create(retention="log_records=1000", **fields)
    fill(api, execution_id, chunks)
    seal(api, execution_id)
    cut_to(api, execution_id, (chunks - 1) * CHUNK)
    return execution_id


@pytest.fixture(scope="module")
def log(server, api_of_module):
    return cut_log(api_of_module)


@pytest.fixture(scope="module")
def api_of_module(server):
    return server.api()


GAP = {"from": 0, "to": 2999, "reason": "retention"}
KEPT = [line(i) for i in range(3000, 4000)]


def test_the_status_says_where_the_log_begins(api, log):
    status = api.status(log)
    assert (status["first_sequence"], status["last_index"], status["sealed"]) == (3000, 4000, True)
    assert len(status["cut_digest"]) == 16 and status["cut_digest"] != status["digest"]
    fresh = api.status(api.create())
    assert (fresh["first_sequence"], fresh["cut_digest"]) == (0, None)


def test_a_page_begins_at_the_first_that_is_left_and_says_so(api, log):
    page = api.page(log, limit=10)
    assert [record["sequence_number"] for record in page["logs"]] == list(range(3000, 3010))
    assert (page["first_sequence"], page["gap"], page["next_cursor"]) == (3000, GAP, 3010)
    assert api.page(log, limit=10, **{"from": 2990})["gap"] == {"from": 2990, "to": 2999, "reason": "retention"}
    assert api.page(log, limit=10, after=100)["gap"]["from"] == 101
    page = api.page(log, limit=10, **{"from": 3000})
    assert (page["first_sequence"], page["gap"]) == (3000, None)
    assert api.messages(log) == KEPT
    fresh = api.page(api.create())
    assert (fresh["first_sequence"], fresh["gap"]) == (0, None)


def test_a_filtered_page_says_so(api, log):
    page = api.page(log, grep="line 2999")
    assert (page["logs"], page["gap"], page["has_more"], page["last_index"]) == ([], GAP, False, 4000)
    page = api.page(log, grep="line 3999")
    assert [record["sequence_number"] for record in page["logs"]] == [3999] and page["gap"] == GAP


def test_tail_and_since_say_so_if_there_would_have_been_more(api, log):
    assert api.page(log, tail=1000)["gap"] is None
    page = api.page(log, tail=1001, limit=2000)
    assert (len(page["logs"]), page["gap"]) == (1000, GAP)
    page = api.page(log, tail=2, grep="line 3000")
    assert ([record["sequence_number"] for record in page["logs"]], page["gap"]) == ([3000], GAP)
    times = [record["timestamp"] for record in api.logs(log)]
    page = api.page(log, since="1d", limit=1)
    assert (page["logs"][0]["sequence_number"], page["gap"]) == (3000, GAP)
    page = api.page(log, since="1d", tail=5000, limit=1)
    assert (page["logs"][0]["sequence_number"], page["gap"]) == (3000, GAP)
    assert api.page(log, since="1d", tail=5, limit=1)["gap"] is None
    assert api.page(log, since="2100-01-01T00:00:00Z")["gap"] is None
    assert times == sorted(times)


def test_server_sent_events_tell_the_gap(api, log):
    with Stream(api, log) as stream:
        gap = stream.next()
        assert (gap.kind, gap.json()) == ("gap", {"type": "gap", **GAP})
        records, complete = stream.rest()
    assert [record["message"] for record in records] == KEPT and complete["final_sequence"] == 3999
    with Stream(api, log, headers={"Last-Event-ID": "2998"}) as stream:
        assert stream.next().json() == {"type": "gap", "from": 2999, "to": 2999, "reason": "retention"}
    with Stream(api, log, headers={"Last-Event-ID": "2999"}) as stream:
        assert stream.next().id == "3000"
    with Stream(api, log, tail=1001) as stream:
        assert stream.next().json() == {"type": "gap", **GAP}
        assert stream.next().id == "3000"
    with Stream(api, log, tail=1000) as stream:
        assert stream.next().id == "3000"


def test_a_web_socket_tells_the_gap(server, log):
    for query, gap in (
        ({}, GAP),
        ({"from": 17}, {**GAP, "from": 17}),
        ({"since": "1d"}, GAP),
        ({"tail": 2, "grep": "line 3000"}, GAP),
    ):
        with Follower(server, log, **query) as follower:
            messages, code = follower.until_closed()
        gaps = [message for message in messages if message["type"] == "gap"]
        logs = [message["message"] for message in messages if message["type"] == "log"]
        assert gaps == [{"type": "gap", **gap}] and code == 1000
        assert logs == (KEPT if "grep" not in query else [line(3000)])
        kinds = [message["type"] for message in messages]
        assert kinds.index("gap") < kinds.index("log")


def test_one_socket_for_many_tells_the_gap_of_each(server, log):
    with WebSocket(server, "/ws/streams") as streams:
        streams.send({"type": "subscribe", "id": log, "kind": "execution"})
        messages = streams.collect(lambda message: message["type"] == "complete")
    gaps = [message for message in messages if message["type"] == "gap"]
    assert gaps == [{"type": "gap", "execution_id": log, **GAP}]
    assert [message["message"] for message in messages if message["type"] == "log"] == KEPT


def test_streams_of_one_answer_tell_it_in_the_answer_or_in_a_header(api, log):
    path = f"{PATH}/{log}/logs"
    for name in ("ndjson", "text", "raw", "csv", "chunk"):
        answer = api.get(path, query={"format": name})
        assert answer.headers["X-Runnel-First-Sequence"] == "3000", name
    lines = api.get(path, query={"format": "ndjson"}).body.decode().splitlines()
    assert lines[0] == '{"type":"gap","from":0,"to":2999,"reason":"retention"}' and len(lines) == 1001
    text = "".join(f"{message}\n" for message in KEPT)
    assert api.get(path, query={"format": "text"}).body.decode() == text
    assert api.get(path, query={"format": "raw", "follow": "true"}).body.decode() == text
    rows = api.get(path, query={"format": "csv"}).body.decode().splitlines()
    assert len(rows) == 1001 and ",3000," in rows[1]
    assert api.get(path, query={"limit": 1}).headers["X-Runnel-First-Sequence"] == "3000"
    whole = api.create()
    api.append_lines(whole, ["one"])
    assert api.get(f"{PATH}/{whole}/logs", query={"format": "text"}).headers["X-Runnel-First-Sequence"] is None


def test_the_command_line_says_what_was_removed(server, log, tmp_path):
    cli = Cli(tmp_path / "home", server)
    notice = b"runnel: records 0 to 2999 were removed by retention\n"
    text = "".join(f"{message}\n" for message in KEPT).encode()
    for options in ((), ("-f",), ("-n", "1001")):
        shown = cli.ok("logs", log, *options)
        assert (shown.out, shown.err) == (text, notice), options
    shown = cli.ok("logs", log, "-n", "5")
    assert (shown.out.count(b"\n"), shown.err) == (5, b"")
    shown = cli.ok("logs", log, "--from-seq", "2999")
    assert (shown.out, shown.err) == (text, b"runnel: record 2999 was removed by retention\n")
    assert cli.ok("logs", log, "--from-seq", "3000").err == b""
    shown = cli.ok("logs", log, "--grep", "line 3999", "-o", "json")
    assert (shown.out.count(b"\n"), shown.err) == (1, notice)
    assert cli.ok("logs", log, "--since", "1d").err == notice
    said = cli.ok("status", log).text()
    assert "Log: begins at record 3000; those before it were removed by retention\n" in said
    assert "Log:" not in cli.ok("status", server.api().create()).text()


def test_what_is_left_is_verified_by_the_digest_that_is_kept_of_the_rest(servers, tmp_path):
    server = servers()
    api, cli = server.api(), Cli(tmp_path / "home", server)
    log = cut_log(api)
    digest = api.status(log)["digest"]
    said = cli.ok("verify", log).text()
    assert f"✓ {log}: 1000 records, whole; digest {digest}; 3000 before them were removed by retention" in said
    told = cli.ok("verify", log, "-o", "json").text()
    assert '"verified":true' in told and '"first_sequence":3000' in told and '"records":1000' in told
    server.stop()
    server.restart()
    assert cli.ok("verify", log).text() == said
    change(server, "UPDATE executions SET cut_digest = cut_digest + 1 WHERE first_sequence > 0")
    assert f"✗ {log}: the digest of the records is" in cli.run("verify", log, expect=1).text()
    change(server, "UPDATE executions SET cut_digest = NULL WHERE first_sequence > 0")
    assert "there is no digest to compare with" in cli.run("verify", log, expect=1).text()


def change(server, sql):
    """In the store of a server that is not running meanwhile."""
    server.stop()
    server.change(sql)
    server.restart()


@pytest.mark.sqlite("`runnel backup` and `restore`")
def test_the_cut_stays_after_a_kill_and_a_backup_keeps_it(servers):
    server = servers()
    api = server.api()
    log = cut_log(api)
    before = api.status(log)
    api.expect(201, "POST", "/api/v1/backup", {"path": "copy.db"})
    server.kill()
    server.restart()
    api = server.api()
    assert api.status(log) == before and api.messages(log) == KEPT
    server.stop()
    (server.data / "backups" / "copy.db").replace(server.data / "runnel.db")
    server.restart()
    api = server.api()
    same = ("first_sequence", "cut_digest", "digest", "last_index")
    assert {name: api.status(log)[name] for name in same} == {name: before[name] for name in same}
    assert api.messages(log) == KEPT


def test_a_tag_is_of_what_is_left(servers):
    server = servers()
    api = server.api()
    log = api.create(retention="log_records=1000", pin=True)
    fill(api, log, 3)
    seal(api, log)
    tag = api.get(f"{PATH}/{log}/logs").headers["ETag"]
    assert api.get(f"{PATH}/{log}/logs", headers={"If-None-Match": tag}).status == 304
    api.expect(200, "PATCH", f"{PATH}/{log}", {"pin": False})
    cut_to(api, log, 2000)
    assert api.get(f"{PATH}/{log}/logs", headers={"If-None-Match": tag}).status == 200


def test_a_log_is_cut_while_it_is_written_and_followed(servers, tmp_path):
    """A follower that has read everything loses nothing; one whose socket is full is told what it has missed."""
    server = servers("--retention", "log_bytes=1M")
    api, cli = server.api(), Cli(tmp_path / "home", server)
    log, other = api.create(pin=True), api.create()
    with Follower(server, log) as follower, cli.start("logs", "-f", log) as reader:
        count = 30 * CHUNK
        fill(api, log, 30)
        assert [message["message"] for message in follower.logs(count)] == [line(i) for i in range(count)]
        reader.out.wait_for(f"{line(count - 1)}\n".encode())  # both have read what is going to go
        api.expect(200, "PATCH", f"{PATH}/{log}", {"pin": False})
        seal_one_of(api)  # so that what was written is merged soon
        first = eventually(lambda: first_of(api, log), "its front is cut", timeout=120)
        assert first % CHUNK == 0 and first <= count - (1 << 20) // len(line(count))
        with Follower(server, log) as late:
            gap = late.expect("gap")
            assert gap["from"] == 0 and gap["to"] >= first - 1 and gap["reason"] == "retention"
            assert late.logs(1)[0]["sequence_number"] == gap["to"] + 1
        api.append_lines(log, [line(count)])
        assert follower.logs(1)[0]["message"] == line(count)
        seal(api, log)
        records, complete = follower.rest()
        assert records == [] and complete["final_sequence"] == count
        assert reader.finish() == 0
        assert reader.out.data.decode() == "".join(f"{line(i)}\n" for i in range(count + 1))
        assert reader.err.data == b""
    said = cli.ok("verify", log).text()
    assert f"✓ {log}: " in said and "were removed by retention" in said
    assert first_of(api, other) == 0


def seal_one_of(api):
    execution_id = api.create()
    api.append_lines(execution_id, ["short"])
    seal(api, execution_id)


def open_narrow(api, path):
    """An answer over a socket that takes little at a time."""
    connection = http.client.HTTPConnection("127.0.0.1", api.port, timeout=api.timeout)
    connection.sock = socket.socket()
    connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    connection.sock.settimeout(api.timeout)
    connection.sock.connect(("127.0.0.1", api.port))
    connection.request("GET", path, headers={"Authorization": f"Bearer {api.token}"})
    return connection.getresponse()


@pytest.mark.parametrize("form", ["ndjson", "text"])
def test_a_reader_that_is_overtaken_is_told_or_its_answer_is_cut(servers, form):
    """It has begun to read and then stands still, while what it has not read yet goes."""
    server = servers()
    api, chunks = server.api(), 60  # more than sockets hold
    log = api.create(retention="log_records=1000", pin=True)
    fill(api, log, chunks)
    answer = open_narrow(api, f"{PATH}/{log}/logs?format={form}&follow=true")
    first = answer.readline()
    api.expect(200, "PATCH", f"{PATH}/{log}", {"pin": False})
    seal(api, log)
    cut_to(api, log, (chunks - 1) * CHUNK)
    got = first
    try:
        got += answer.read()
        whole = True
    except http.client.IncompleteRead as cut:
        got += cut.partial
        whole = False
    lines = got.decode().splitlines()
    if form == "ndjson":
        said = [json.loads(one) for one in lines if one]
        [gap] = [one for one in said if one.get("type") == "gap"]
        records = [one["sequence_number"] for one in said if "sequence_number" in one]
        assert whole and said[-1]["type"] == "complete"
        assert gap["to"] == (chunks - 1) * CHUNK - 1 and gap["reason"] == "retention"
        assert records == [*range(gap["from"]), *range(gap["to"] + 1, chunks * CHUNK)]
    else:
        assert not whole and answer.headers["X-Runnel-First-Sequence"] is None
        assert lines == [line(i) for i in range(len(lines))] and len(lines) < (chunks - 1) * CHUNK


def test_the_logs_of_many_say_of_which_one_records_were_removed(server, api, tmp_path):
    cli = Cli(tmp_path / "home", server)
    one, two = cut_log(api, 2), api.create()
    api.append_lines(two, ["two"])
    seal(api, two)
    shown = cli.ok("logs", one, two)
    assert shown.err == f"runnel: {one}: records 0 to 999 were removed by retention\n".encode()
    assert shown.out.count(b"\n") == 1001


def test_the_rules_of_the_server_the_account_and_the_execution(servers):
    server = servers(start=False)
    config = server.root / "server.conf"
    config.write_text('retention = "30d, log_records=2000"\n')
    server.flags = ["--config", str(config)]
    server.start()
    api = server.api()
    pinned = api.create(pin=True)
    rules, own, free = api.create(), api.create(retention="7d, log_records=3000"), api.create(retention="log_records=0")
    for one in (pinned, rules, own, free):
        fill(api, one, 5)
        seal(api, one)
    cut_to(api, rules, 3000)
    cut_to(api, own, 2000)
    assert (first_of(api, pinned), first_of(api, free)) == (0, 0)
    api.expect(200, "PATCH", "/api/v1/accounts/default", {"retention": "log_records=1000"})
    cut_to(api, rules, 4000)
    assert (first_of(api, own), first_of(api, free)) == (2000, 0)
    api.expect(200, "PATCH", "/api/v1/accounts/default", {"retention": ""})
    config.write_text('retention = "30d, log_bytes=400K"\n')
    server.process.signal(signal.SIGHUP)
    cut_to(api, free, 2000)  # three times 190 KB are needed for 400 KB
    assert (first_of(api, rules), first_of(api, own), first_of(api, pinned)) == (4000, 2000, 0)
    assert api.messages(pinned)[0] == line(0)
    # It is counted when the sweep hears of what others see by then.
    eventually(lambda: api.metrics()["runnel_retention_records_cut_total"] == 8000, "all of it is counted")
    for wrong in ("log_records=10", "log_bytes=1k", "executions=5", "failed=1d"):
        assert api.request("POST", PATH, {"retention": wrong}).code == "invalid", wrong
    answer = api.request("PATCH", "/api/v1/accounts/default", {"retention": "log_records=10"})
    assert answer.code == "invalid" and "1000 or more" in answer.body.decode()


def test_the_attempt_that_follows_has_the_same_limits(servers):
    server = servers("--jobs", "1")
    api = server.api()
    script = "seq -f '%.0f " + "y" * 180 + "' 1 40000; exit 1"
    first = api.create(command=["sh", "-c", script], queue=True, retries=1, retention="log_records=1000")
    status = eventually(lambda: (s := api.status(first))["retried_as"] and s, "it is tried again")
    for one in (first, status["retried_as"]):
        eventually(lambda one=one: api.status(one)["first_sequence"] > 0, "its log is cut", timeout=90)
        page = api.page(one, limit=1)
        assert page["gap"]["from"] == 0 and page["gap"]["to"] < 40000 - 1000
