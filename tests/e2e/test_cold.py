"""Old logs in S3: what they are read as, S3 away, slow and lying, servers killed between two steps, and what goes.
RUNNEL_TEST_CEPH=1 shows the same on Ceph's gateway."""

import os

import pytest
from support import ceph, s3
from support.api import eventually
from support.cli import Cli
from support.cluster import Cluster
from support.cold import PATH, Cold, manifest
from support.s3_proxy import CUT, HALF, HANG, error
from support.server import Server
from support.sse import Stream

ENGINES = [
    pytest.param(s3, id="s3rver", marks=s3.needs_s3),
    pytest.param(
        ceph,
        id="ceph",
        marks=[
            pytest.mark.skipif(os.environ.get("RUNNEL_TEST_CEPH") != "1", reason="RUNNEL_TEST_CEPH=1 asks for it"),
            pytest.mark.skipif(bool(ceph.MISSING), reason=f"not installed: {', '.join(ceph.MISSING)}"),
        ],
    ),
]


@pytest.fixture(scope="module", params=ENGINES)
def engine(request):
    return request.param.shared()


@pytest.fixture
def cold(servers, engine):
    made = []

    def make(*flags, **options):
        made.append(Cold(servers, *flags, engine=engine, **options))
        return made[-1]

    yield make
    for one in made:
        one.close()


class Moved:
    """A server with one log in S3 and one that has not ended, for tests that change nothing there."""

    def __init__(self, root, engine):
        self.root, self.started = root, []
        self.cold = Cold(self._start, "--s3-timeout-seconds", "2", "--cold-cache-bytes", "0", engine=engine)
        self.id = self.cold.seal(lines=3000)
        self.records = self.cold.api.logs(self.id)
        self.followed = [self.cold.seal(lines=500) for _ in range(2)]  # nobody has read them
        self.cold.cool()
        self.cold.wait_moved()

    def _start(self, *flags, env=None):
        self.started.append(Server(self.root, flags, env))
        return self.started[-1].start()


@pytest.fixture(scope="module")
def shared(tmp_path_factory, engine):
    it = Moved(tmp_path_factory.mktemp("cold"), engine)
    yield it
    it.cold.close()
    it.started[0].stop()
    assert it.started[0].reports == []


@pytest.fixture
def moved(shared):
    yield shared
    shared.cold.proxy.fault = lambda request: None
    eventually(lambda: shared.cold.api.page(shared.id, limit=10) if readable(shared) else None, "S3 is there again")


def readable(it):
    return it.cold.api.get(f"{PATH}/{it.id}/logs", query={"limit": 10}).status == 200


def events(api, execution_id, **query):
    """All that a follower of server-sent events is given."""
    stream, found = Stream(api, execution_id, **query), []
    while event := stream.next():
        found.append((event.id, event.kind, event.data))
    return found


def views(api, execution_id):
    """What readers are shown of a log, in all ways."""
    path = f"{PATH}/{execution_id}/logs"
    shown = {
        "pages": api.logs(execution_id, limit=700),
        "tail": api.page(execution_id, tail=25)["logs"],
        "cursor": api.page(execution_id, after=1234, limit=100),
        "stderr": api.logs(execution_id, stream="stderr", limit=1000),
        "grep": api.logs(execution_id, grep="line 77[0-9] ", limit=1000),
        "search": api.expect(200, "GET", f"{path}/search", query={"q": "line 1999"}),
        "events": events(api, execution_id, **{"from": 100}),
        "followed tail": events(api, execution_id, tail=10),
    }
    for form in ("text", "ndjson"):
        shown[form] = api.get(f"{path}", query={"format": form}).body
    shown["execution"] = api.expect(200, "GET", f"{PATH}/{execution_id}")
    return shown


# --- What is read


def test_a_log_reads_the_same_after_it_was_moved(cold):
    it = cold()
    ids = [it.seal(lines=3000), it.seal(messages=["one line"]), it.seal()]
    before = [views(it.api, id) for id in ids]
    it.cool()
    it.wait_moved()
    assert [views(it.api, id) for id in ids] == before
    reads = it.metric("reads_total")
    assert reads > 0 and it.metric("read_failures_total") == 0
    hits = it.metric("cache_hits_total")
    assert len(it.api.logs(ids[0])) == 3000
    assert it.metric("reads_total") == reads and it.metric("cache_hits_total") > hits
    assert 0 < it.metric("cache_bytes") <= 32 << 20
    assert it.proxy.problems == []


def test_a_pack_says_what_it_holds(moved):
    it = moved.cold
    [key] = it.packs()
    pack, at, records = it.pack(key), 0, {}
    for execution, first, count, offset, length, _ in manifest(pack):
        assert offset == at and pack[offset : offset + 2] == b"RC"
        at += length
        records[execution] = records.get(execution, 0) + count
    assert records == {moved.id: 3000, **dict.fromkeys(moved.followed, 500)}


def everywhere(api, q):
    """What a search over all logs says: whose lines match, and which logs could not be looked at."""
    found, query = {"hits": [], "unread": []}, {"q": q, "limit": 1000}
    while True:
        page = api.expect(200, "GET", "/api/v1/search", query=query)
        found["hits"] += [hit["execution_id"] for hit in page["hits"]]
        found["unread"] += page["unread"]
        if not page["next_cursor"]:
            return found
        query["cursor"] = page["next_cursor"]


# --- S3 away

FAULTS = ["cut", "half", "hang", "busy", "expired"]


@pytest.mark.parametrize("fault", [CUT, HALF, HANG, error(503, "SlowDown"), error(403, "ExpiredToken")], ids=FAULTS)
def test_while_s3_is_away_only_cold_logs_are_503_and_say_so(moved, fault):
    it, api = moved.cold, moved.cold.api
    it.proxy.fault = lambda request: fault
    path = f"{PATH}/{moved.id}/logs"
    asked = [{"limit": 10}, {"tail": 5}, {"format": "text"}, {"format": "ndjson", "tail": 10}]
    answers = [api.get(path, query=query) for query in asked] + [api.get(f"{path}/search", query={"q": "line 7"})]
    for answer in answers:
        assert (answer.status, answer.code) == (503, "cold_unavailable"), answer
        assert answer.headers["Retry-After"] == "1" and "S3" in answer.json()["error"]["message"]
    warm = api.create()
    api.append_lines(warm, ["a line"])
    assert api.messages(warm) == ["a line"]
    found = everywhere(api, "a line")
    assert warm in found["hits"] and {"execution_id": moved.id, "code": "cold_unavailable"} in found["unread"]
    assert api.expect(200, "GET", f"{PATH}/{moved.id}")["execution_id"] == moved.id
    if fault != HALF:  # it answers
        ready = api.get("/ready", token=None)
        assert (ready.status, ready.json()["status"]) == (200, "ready")
        assert "the storage of cold logs (S3)" in ready.json()["away"]["cold"]
        assert it.metric("away") == 1
    it.proxy.fault = lambda request: None
    it.proxy.let_go.set()
    eventually(lambda: readable(moved), "it is read again")
    assert api.logs(moved.id) == moved.records
    it.proxy.let_go.clear()


@pytest.mark.parametrize("which, query", [(0, {"from": 0}), (1, {"tail": 20})], ids=["from", "tail"])
def test_who_follows_waits_for_s3_and_goes_on_alone(moved, which, query):
    it, api, id = moved.cold, moved.cold.api, moved.followed[which]
    it.proxy.fault = lambda request: CUT
    stream = Stream(api, id, **query)
    failed = it.metric("read_failures_total")
    eventually(lambda: it.metric("read_failures_total") > failed + 1, "it has asked again")
    it.proxy.fault = lambda request: None
    found = []
    while event := stream.next():
        found.append((event.id, event.kind, event.data))
    assert found == events(api, id, **query) and found[-1][1] == "complete"
    assert sum(kind == "log" for _, kind, _ in found) == (500 if which == 0 else 20)


def test_a_body_that_was_damaged_is_away_until_it_is_whole(moved, tmp_path):
    it, api = moved.cold, moved.cold.api
    [key] = it.packs()
    good = it.pack(key)
    it.s3.write(it.prefix, key, good[:50] + bytes([good[50] ^ 1]) + good[51:])
    answer = api.get(f"{PATH}/{moved.id}/logs", query={"limit": 10})
    assert (answer.status, answer.code) == (503, "cold_unavailable")
    assert api.get("/ready", token=None).json() == {"status": "ready"}
    whole, found = moved.followed[0], everywhere(api, "line 10 ")
    assert found["unread"] == [{"execution_id": moved.id, "code": "cold_unavailable"}]
    assert moved.id not in found["hits"] and whole in found["hits"]
    shown = Cli(tmp_path / "home", it.server).run("search", "line 10 ", expect=1)
    assert whole in shown.text() and moved.id not in shown.text()
    assert f"{moved.id} could not be searched, or not all of it: cold_unavailable".encode() in shown.err
    it.s3.write(it.prefix, key, good)
    assert api.logs(moved.id) == moved.records
    said = [entry for entry in it.server.log() if "not what was stored" in entry["message"]]
    assert said and said[0]["object"] in key


def test_an_answer_of_a_search_ends_when_it_has_named_a_hundred_logs_that_could_not_be_read(cold):
    it = cold("--s3-timeout-seconds", "1")
    first = it.seal(messages=["a needle"])
    moved = {it.seal(messages=["a needle"]) for _ in range(120)} | {first}
    it.cool()
    it.wait_moved()
    last = it.api.create()
    it.api.append_lines(last, ["a needle"])
    it.proxy.fault = lambda request: CUT
    assert it.api.get(f"{PATH}/{first}/logs").status == 503  # so what follows knows at once
    page = it.api.expect(200, "GET", "/api/v1/search", query={"q": "needle"})
    assert len(page["unread"]) == 100 and page["executions"] == 1 and page["next_cursor"]
    found = everywhere(it.api, "needle")
    assert found["hits"] == [last]
    assert sorted(log["execution_id"] for log in found["unread"]) == sorted(moved)


# --- Steps that are interrupted, and what goes


def test_a_kill_between_put_and_swap_costs_nothing_and_leaves_an_orphan_that_is_swept(cold):
    it = cold()
    id = it.seal(lines=2000)
    records = it.api.logs(id)
    it.proxy.fault = lambda request: HANG if request.kind == "get" and request.path.endswith(".pack") else None
    it.cool()
    assert it.proxy.hangs.wait(60)  # what was sent is read back
    it.server.kill()
    [orphan] = it.packs()
    it.proxy.fault = lambda request: None
    it.server.restart()
    assert it.api.logs(id) == records
    it.wait_moved()
    assert len(it.packs()) == 2 and it.api.logs(id) == records
    it.server.stop()
    it.proxy.aged = True
    it.server.restart()
    eventually(lambda: it.metric("orphans_swept_total") == 1, "the orphan is swept")
    assert orphan not in it.packs() and len(it.packs()) == 1
    assert it.api.logs(id) == records


def test_a_pack_is_written_anew_when_little_of_it_is_left_and_goes_with_the_last_log(cold):
    it = cold()
    large, small = (it.seal(messages=[f"{i} {os.urandom(20).hex()}" for i in range(n)]) for n in (2000, 100))
    records = it.api.logs(small)
    it.cool()
    it.wait_moved()
    [first] = it.packs()
    it.api.expect(200, "DELETE", f"{PATH}/{large}", query={"purge": "true"})
    eventually(lambda: len(it.packs()) == 1 and it.packs() != [first], "it is written anew")
    assert it.metric("packs_rewritten_total") == 1
    assert it.api.logs(small) == records
    assert it.api.get(f"{PATH}/{large}/logs").status == 410
    it.api.expect(200, "DELETE", f"{PATH}/{small}", query={"purge": "true"})
    eventually(lambda: it.packs() == [], "nothing is left")


def two_packs(it):
    """Each of two logs, of which the first is nearly all of it."""
    packs, pairs = [], []
    for _ in range(2):
        pairs.append([it.seal(messages=[f"{i} {os.urandom(20).hex()}" for i in range(n)]) for n in (2000, 100)])
        it.cool()
        it.wait_moved()
        it.cool("1h")
        packs += [key for key in it.packs() if key not in packs]
    return packs, pairs


def test_what_is_left_of_several_packs_becomes_one(cold):
    it = cold("--s3-timeout-seconds", "1")
    packs, pairs = two_packs(it)
    records = [it.api.logs(small) for _, small in pairs]  # of S3, as they are cold
    it.server.stop()
    it.server.flags += ["--cold-cache-bytes", "0"]
    it.proxy.fault = (
        lambda request: error(503, "SlowDown") if request.kind == "put" and "pack" in request.path else None
    )
    it.server.restart()
    for large, _ in pairs:
        it.api.expect(200, "DELETE", f"{PATH}/{large}", query={"purge": "true"})
    eventually(lambda: all(it.proxy.count("get", key) > 1 for key in packs), "of both little is wanted")
    it.proxy.fault = lambda request: None
    eventually(lambda: len(it.packs()) == 1 and it.packs()[0] not in packs, "one is left")
    assert it.metric("packs_rewritten_total") == 2
    assert [it.api.logs(small) for _, small in pairs] == records
    lines = manifest(it.pack(it.packs()[0]))
    assert {line[0] for line in lines} == {small for _, small in pairs}


def test_a_pack_that_is_damaged_keeps_no_other_from_being_tidied(cold):
    """Of neither is much wanted. What cannot be written anew is told once."""
    it = cold()
    packs, pairs = two_packs(it)
    it.cool()
    damaged, whole = packs
    good = it.pack(damaged)
    it.s3.write(it.prefix, damaged, b"x" * len(good))
    for large, _ in pairs:
        it.api.expect(200, "DELETE", f"{PATH}/{large}", query={"purge": "true"})
    eventually(lambda: whole not in it.packs(), "the other one is written anew")
    assert it.metric("packs_rewritten_total") == 1 and len(it.packs()) == 2
    it.api.expect(200, "DELETE", f"{PATH}/{pairs[1][1]}", query={"purge": "true"})
    eventually(lambda: it.packs() == [damaged], "and goes")
    id = it.seal(lines=10)
    eventually(lambda: len(it.packs()) == 2, "another log is moved")
    said = [entry for entry in it.server.log() if entry["message"] == "a pack of cold chunks is not what was stored"]
    assert len(said) == 1 and said[0]["object"] in damaged
    it.s3.write(it.prefix, damaged, good)
    assert len(it.api.logs(pairs[0][1])) == 100 and len(it.api.logs(id)) == 10


def test_a_service_that_does_not_know_where_a_list_begins_is_swept_all_the_same(cold):
    it = cold()

    def begin_anew(request):
        request.target = request.target.partition("&start-after")[0]

    it.seal(lines=10)
    it.proxy.fault = begin_anew
    it.cool()
    it.wait_moved()
    eventually(lambda: it.proxy.count("list") > 1, "it has looked for more")
    it.seal(lines=10)  # which goes when the sweep is over
    eventually(lambda: len(it.packs()) == 2, "it goes on")


def test_while_a_server_of_an_older_version_is_there_nothing_is_moved_nor_left_in_s3(tmp_path, engine):
    cluster = Cluster(tmp_path)
    try:
        it = Cold(lambda *flags, env: cluster.add(*flags, env=env), after="1s", engine=engine)
        cluster.sql("INSERT INTO nodes(kind, started_ms, heartbeat_ms, knows) VALUES(1, 0, 9000000000000, 23)")
        id = it.seal(lines=10)
        eventually(lambda: it.proxy.count("delete") and not it.packs(), "what was sent is removed")
        assert it.proxy.count("put", ".pack") == 1 and len(it.api.logs(id)) == 10
        cluster.sql("DELETE FROM nodes WHERE knows = 23")
        it.server.stop()
        it.server.restart()
        it.wait_moved()
        assert len(it.packs()) == 1 and len(it.api.logs(id)) == 10
        it.close()
    finally:
        cluster.close()


def test_retention_reaches_into_s3_also_after_an_outage(cold):
    it = cold()
    id = it.seal(lines=100)
    it.cool()
    it.wait_moved()
    it.server.stop()
    it.server.flags += ["--retention", "1s"]
    it.proxy.fault = lambda request: error(503, "SlowDown")
    it.server.restart()
    eventually(lambda: it.api.get(f"{PATH}/{id}/logs").status == 410, "it has expired")
    assert len(it.packs()) == 1
    it.proxy.fault = lambda request: None
    eventually(lambda: it.metric("packs_removed_total") == 1, "its pack is not wanted any more")


def test_nothing_leaves_the_store_while_s3_is_away(cold):
    it = cold()
    id = it.seal(lines=500)
    records = it.api.logs(id)
    it.proxy.fault = lambda request: error(503, "SlowDown") if request.kind == "put" else None
    it.cool()
    eventually(lambda: it.metric("failures_total") > 0, "it was tried")
    assert it.api.logs(id) == records and it.metric("moved_chunks_total") == 0
    it.proxy.fault = lambda request: None
    it.wait_moved()
    assert it.api.logs(id) == records


def test_a_store_leaves_the_place_of_another_one_alone_until_its_mark_is_removed(cold):
    ours = cold()
    id = ours.seal(lines=100)
    ours.cool()
    ours.wait_moved()
    theirs = cold(prefix=ours.prefix)
    other = theirs.seal(lines=100)
    theirs.proxy.aged = True  # whatever it does not know is an orphan
    theirs.cool()
    said = theirs.server.wait_log(lambda entry: "cannot be moved" in entry["message"])
    assert said["error"] == "conflict" and "another store's place" in said["reason"] and "v1/owner" in said["reason"]
    assert len(theirs.packs()) == 1 and theirs.proxy.count("put") == theirs.proxy.count("delete") == 0
    assert len(theirs.api.logs(other)) == 100
    ours.server.stop()
    ours.s3.remove(ours.prefix, "v1/owner")
    theirs.proxy.aged = False
    theirs.server.stop()
    theirs.server.restart()
    theirs.wait_moved()
    assert len(theirs.packs()) == 2 and len(theirs.api.logs(other)) == 100
    ours.server.restart()
    said = ours.server.wait_log(lambda entry: "cannot be moved" in entry["message"])
    assert said["error"] == "conflict" and len(ours.api.logs(id)) == 100


@pytest.mark.sqlite("`runnel backup` and `restore`")
def test_a_backup_reads_from_s3_what_was_moved_and_says_when_it_is_not_there(cold, tmp_path):
    it = cold()
    ids = [it.seal(lines=300), it.seal(messages=["one"])]
    records = [it.api.logs(id) for id in ids]
    it.cool()
    it.wait_moved()
    backup = tmp_path / "backup.db"
    cli = Cli(tmp_path / "home", it.server)
    cli.ok("backup", backup)
    it.server.stop()
    it.server.restart()  # which writes another mark
    eventually(lambda: it.proxy.count("put", "/v1/owner") == 3, "it has it")
    it.server.stop()
    said = cli.ok("restore", backup, "--data", it.server.data).text()
    assert "some of its logs lie in S3 (1 objects)" in said and "docs/s3.md#after-a-restore" in said
    it.server.restart()
    assert [it.api.logs(id) for id in ids] == records
    refused = it.server.wait_log(lambda entry: "cannot be moved" in entry["message"])
    assert refused["error"] == "conflict"
    [pack] = it.packs()
    kept = it.pack(pack)
    it.s3.remove(it.prefix, pack)
    it.server.stop()
    it.s3.remove(it.prefix, "v1/owner")
    it.server.restart()
    for id in ids:
        answer = it.api.get(f"{PATH}/{id}/logs")
        assert (answer.status, answer.code) == (503, "cold_unavailable"), answer
    late = it.seal(lines=10)
    eventually(lambda: len(it.packs()) == 1, "it moves again")
    it.s3.write(it.prefix, pack, kept)
    assert [it.api.logs(id) for id in ids] == records and len(it.api.logs(late)) == 10


def test_what_was_moved_is_503_at_a_server_that_is_not_told_where(cold):
    it = cold()
    id = it.seal(lines=100)
    records = it.api.logs(id)
    it.cool()
    it.wait_moved()
    flags = list(it.server.flags)
    it.server.stop()
    it.server.flags = [flag for at, flag in enumerate(flags) if at not in range(0, 4)]
    it.server.restart()
    answer = it.api.get(f"{PATH}/{id}/logs")
    assert (answer.status, answer.code) == (503, "cold_unavailable")
    it.server.stop()
    it.server.flags = flags
    it.server.restart()
    assert it.api.logs(id) == records


@pytest.mark.parametrize(
    "flags, says",
    [
        (["--cold", "s3://Bucket", "--cold-after", "1d"], "cold must be s3://BUCKET/PREFIX"),
        (["--cold-after", "1d"], "cold_after needs cold"),
        (["--cold", "s3://bucket", "--cold-after", "soon"], "cold_after must be a time"),
    ],
)
def test_a_mistake_in_the_settings_shows_at_the_start(servers, flags, says):
    server = servers(*flags, start=False, env={"AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "B"})
    process = server.spawn()
    assert process.finish() == 2
    assert says in process.err.data.decode()
