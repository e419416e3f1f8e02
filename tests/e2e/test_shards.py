"""Several stores as one: executions lie in one of them and stay there, lists merge, and a store is added under load."""

import os
import sqlite3

import pytest
from support.api import eventually
from support.cli import Cli
from support.postgres import Postgres, roomy_folder, shared
from support.process import Process
from support.server import clean_env
from support.ws import Follower, Runner

pytestmark = pytest.mark.sqlite("stores that are files; one test has databases")


def with_shards(server, *folders):
    server.flags = [flag for folder in folders for flag in ("--shards", str(folder))]
    return server


def made_in(folder):
    with sqlite3.connect(f"file:{folder}/runnel.db?mode=ro", uri=True) as db:
        return {row[0] for row in db.execute("SELECT execution_id FROM executions")}


def pages(api, limit, **query):
    found, cursor = [], None
    while True:
        asked = {"limit": limit, **query, **({"cursor": cursor} if cursor else {})}
        page = api.expect(200, "GET", "/api/v1/executions", query=asked)
        assert 0 < len(page["executions"]) <= limit
        found += [execution["execution_id"] for execution in page["executions"]]
        cursor = page["next_cursor"]
        if not cursor:
            return found


@pytest.fixture
def two(servers, tmp_path):
    server = with_shards(servers(start=False), tmp_path / "one")
    return server.start(), tmp_path / "one"


def test_executions_lie_in_both_stores_and_are_one_list(two):
    server, one = two
    api = server.api()
    ids = [api.create() for _ in range(24)]
    for i, execution_id in enumerate(ids):
        api.append(execution_id, {"message": f"line {i}"})
    home, other = made_in(server.data), made_in(one)
    assert home and other and not home & other and home | other == set(ids)
    for i, execution_id in enumerate(ids):
        assert api.messages(execution_id) == [f"line {i}"]
    created = {e: api.status(e)["created_at"] for e in ids}
    for limit in (1, 5, 24):
        found = pages(api, limit)
        assert sorted(found) == sorted(ids)
        times = [created[e] for e in found]
        assert times == sorted(times, reverse=True)


def test_an_identifier_or_a_key_is_used_once_in_all_stores(two):
    server, one = two
    api = server.api()
    mine = [f"mine-{i}" for i in range(8)]
    for execution_id in mine:
        api.expect(201, "POST", "/api/v1/executions", {"execution_id": execution_id})
    assert made_in(server.data) & set(mine) and made_in(one) & set(mine)
    for execution_id in mine:
        assert api.post("/api/v1/executions", {"execution_id": execution_id}).code == "conflict"
    for key in ("a", "b", "c", "d"):
        headers = {"Idempotency-Key": key}
        first = api.expect(201, "POST", "/api/v1/executions", {}, headers=headers)
        again = api.post("/api/v1/executions", {}, headers=headers)
        assert again.status == 200 and again.json()["execution_id"] == first["execution_id"]
        other = api.post("/api/v1/executions", {"name": "another"}, headers=headers)
        assert other.code == "idempotency_mismatch"


def test_a_store_is_added_under_load_and_no_line_is_lost(servers, tmp_path):
    """The server is started again with one store more, while runners write and followers follow."""
    stores = [tmp_path / f"store{i}" for i in range(2)]
    server = with_shards(servers(start=False), stores[0]).start()
    api = server.api()
    old = [api.create() for _ in range(4)]
    runners = {e: Runner(server, e) for e in old}
    followers = {e: Follower(server, e) for e in old}
    for execution_id, runner in runners.items():
        runner.lines([f"{execution_id} {i}" for i in range(300)])
        assert len(followers[execution_id].logs(300)) == 300
        runner.lines([f"{execution_id} {i}" for i in range(300, 400)], wait=False)  # which may be cut off
    before = {folder: made_in(folder) for folder in (server.data, stores[0])}
    server.kill()
    with_shards(server, *stores).restart()
    for execution_id in old:
        epoch = runners[execution_id].ready["epoch"]
        with Runner(server, execution_id, epoch=epoch) as again, Follower(server, execution_id, cursor=299) as follower:
            known = again.next
            assert 300 <= known <= 400
            again.lines([f"{execution_id} {i}" for i in range(known, 500)])
            again.complete(0)
            logs, complete = follower.rest()
            assert [log["sequence_number"] for log in logs] == list(range(300, 500))
            assert complete["final_sequence"] == 499
        assert api_of(server).messages(execution_id) == [f"{execution_id} {i}" for i in range(500)]
    assert all(made_in(folder) >= there for folder, there in before.items())
    new = [api_of(server).create() for _ in range(24)]
    assert made_in(stores[1]) & set(new) and not made_in(stores[1]) & set(old)
    assert sorted(pages(api_of(server), 7)) == sorted(old + new)


def api_of(server):
    return server.api()


def refusal(server, *folders):
    with_shards(server, *folders)
    process = Process(server.argv(), env=clean_env(server.root))
    assert process.wait() != 0
    return process.err.wait_end().decode()


def test_an_empty_folder_is_not_taken_for_a_store_that_was_there(servers, tmp_path):
    """As when its disk is not mounted."""
    server, one = servers(start=False), tmp_path / "one"
    with_shards(server, one).start()
    ids = {server.api().create() for _ in range(8)}
    server.stop()
    one.rename(tmp_path / "elsewhere")
    assert "a disk that is not mounted" in refusal(server, one)
    with_shards(server, tmp_path / "elsewhere").start()
    assert set(pages(server.api(), 8)) == ids
    server.stop()
    kept = made_in(server.data)
    with_shards(server, f"empty:{tmp_path / 'new'}").start()  # it is lost, and its executions
    more = {server.api().create() for _ in range(8)}
    assert set(pages(server.api(), 8)) == kept | more and made_in(tmp_path / "new") & more
    server.stop()
    with_shards(server, tmp_path / "new").start()
    assert set(pages(server.api(), 8)) == kept | more


def test_stores_that_are_missing_or_in_another_order_are_refused(servers, tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    server = with_shards(servers(start=False), one, two).start()
    server.api().create()
    server.stop()
    assert "the last ones are missing" in refusal(server, one)
    assert "in the order in which they came" in refusal(server, two, one)
    assert "give the others in shards" in refusal(server)
    other = servers()
    other.api().create()
    other.stop()
    assert "take an empty one" in refusal(server, one, two, other.data)
    with_shards(server, one, two).start()
    assert server.api().get("/api/v1/executions").status == 200


def test_a_closed_store_gets_no_new_executions(servers, tmp_path):
    server = servers(start=False)
    with_shards(server, f"closed:{tmp_path / 'one'}").start()
    ids = {server.api().create() for _ in range(12)}
    assert made_in(server.data) == ids
    server.stop()
    with_shards(server, tmp_path / "one").restart()
    more = {server.api().create() for _ in range(12)}
    assert made_in(tmp_path / "one") & more


def test_accounts_are_suspended_and_kept_in_every_store(two):
    server, one = two
    api = server.api()
    api.expect(201, "POST", "/api/v1/accounts", {"name": "team"})
    api.expect(200, "PATCH", "/api/v1/accounts/team", {"suspended": True})

    def told(_=None):
        with sqlite3.connect(f"file:{one}/runnel.db?mode=ro", uri=True) as db:
            return db.execute("SELECT suspended_ms > 0 FROM accounts WHERE name = 'team'").fetchall() == [(1,)]

    eventually(told, "the other store has heard of it")


def test_a_backup_is_of_all_stores_and_each_is_restored(two, tmp_path):
    server, one = two
    api, cli = server.api(), Cli(tmp_path / "home", server)
    ids = [api.create() for _ in range(12)]
    for execution_id in ids:
        api.append(execution_id, {"message": "before"})
    path = tmp_path / "copy.db"
    assert cli.ok("backup", path).text().split() == [str(path), f"{path}.1"]
    (server.data / "backups" / "next.db.1").write_text("")
    refused = api.post("/api/v1/backup", {"path": "next.db"})
    assert refused.code == "conflict" and "store 1" in refused.json()["error"]["message"]
    (server.data / "backups" / "other.db").write_text("")
    assert api.post("/api/v1/backup", {"path": "other.db"}).code == "conflict"
    assert sorted(os.listdir(server.data / "backups")) == ["next.db.1", "other.db"]  # none that is not whole
    api.append(ids[0], {"message": "after"})
    api.create()
    api.expect(201, "POST", "/api/v1/accounts", {"name": "after"})
    server.stop()
    cli.ok("restore", "--data", server.data, path)
    assert "restored from an older copy" in refusal(server, one)
    cli.ok("restore", "--data", one, f"{path}.1")
    with_shards(server, one).start()
    assert sorted(pages(server.api(), 5)) == sorted(ids)
    for execution_id in ids:
        assert server.api().messages(execution_id) == ["before"]


class Database:
    """One of its own in an engine that others use after it."""

    def __init__(self, engine, name):
        self.engine, self.address = engine, engine.store(name)

    def sql(self, text):
        return self.engine.sql(text, self.address.rpartition("=")[2])

    def executions(self):
        return set(self.sql("SELECT execution_id FROM executions").split())

    def stop(self):
        self.engine.stop()

    def start(self):
        self.engine.start()


@pytest.fixture(scope="module")
def other_engine():
    engine = Postgres(roomy_folder())
    yield engine
    engine.close()


@pytest.fixture
def databases(other_engine, tmp_path):
    """The second one may be stopped."""
    yield Database(shared(), tmp_path), Database(other_engine, tmp_path)
    if other_engine.process.popen.poll() is not None:
        other_engine.start()


def test_a_database_that_is_away_keeps_only_what_lies_in_it(servers, databases):
    home, other = databases
    server = servers("--store", home.address, "--shards", other.address)
    api = server.api()
    ids = [api.create() for _ in range(16)]
    for execution_id in ids:
        api.append(execution_id, {"message": "before"})
    there = other.executions()
    here = [e for e in ids if e not in there]
    assert here and there
    backup = api.post("/api/v1/backup", {"path": "a.db"})
    assert backup.status == 501 and "the first one (store) last" in backup.json()["error"]["message"]
    other.stop()
    for execution_id in here:
        api.append(execution_id, {"message": "meanwhile"})
        assert api.messages(execution_id) == ["before", "meanwhile"]
    assert api.get(f"/api/v1/executions/{min(there)}").status == 503
    assert api.get("/api/v1/executions").status == 503  # nothing is missing silently
    eventually(
        lambda: "store 1" in api.expect(200, "GET", "/ready").get("away", {}).get("shards", ""),
        "readiness says which store is away",
    )
    other.start()
    eventually(lambda: api.get("/api/v1/executions").status == 200, "it is back")
    for execution_id in there:
        eventually(
            lambda e=execution_id: api.post(f"/api/v1/executions/{e}/logs", {"message": "after"}).status in (200, 201),
            "what lies there goes on",
        )
        assert api.messages(execution_id)[0] == "before" and api.messages(execution_id)[-1] == "after"


def test_a_database_that_stands_still_is_away_and_the_server_ready(servers, databases):
    home, other = databases
    api = servers("--store", home.address, "--shards", other.address).api()
    said = {"shards": "store 1 (PostgreSQL): it does not answer"}
    with other.engine.locked("executions", other.address.rpartition("=")[2]):
        eventually(lambda: api.expect(200, "GET", "/ready").get("away") == said, "it is told which one")
    eventually(lambda: "away" not in api.expect(200, "GET", "/ready"), "it goes on")


def test_a_server_starts_without_a_database_and_takes_it_in_when_it_is_there(servers, databases):
    home, other = databases
    server = servers("--store", home.address, "--shards", other.address)
    api = server.api()
    key = {}
    for i in range(10):
        headers = {"Idempotency-Key": f"key {i}"}
        key[f"key {i}"] = api.expect(201, "POST", "/api/v1/executions", {}, headers=headers)["execution_id"]
    for execution_id in key.values():
        api.append(execution_id, {"message": "before"})
    there = other.executions()
    here = set(key.values()) - there
    assert here and there
    with Runner(server, min(there)) as runner:
        runner.lines(["by a runner"])
        epoch = runner.ready["epoch"]
    server.kill()
    other.stop()
    server.restart()
    assert "store 1" in api.expect(200, "GET", "/ready")["away"]["shards"]
    assert any("starts without it" in (entry["message"] or "") for entry in server.log())
    for execution_id in here:
        api.append(execution_id, {"message": "meanwhile"})
        assert api.messages(execution_id) == ["before", "meanwhile"]
    new = api.create()
    api.append(new, {"message": "new"})
    assert api.get(f"/api/v1/executions/{min(there)}").status == 503
    assert api.post(f"/api/v1/executions/{min(there)}/logs", {"message": "lost?"}).status == 503
    assert api.get("/api/v1/executions").status == 503  # nothing is missing silently
    api.expect(201, "POST", "/api/v1/accounts", {"name": "made-meanwhile"})
    other.start()
    eventually(lambda: "away" not in api.expect(200, "GET", "/ready"), "it is taken in")
    assert any("is taken in" in (entry["message"] or "") for entry in server.log())
    assert sorted(pages(api, 5)) == sorted([*key.values(), new])
    with Runner(server, min(there), epoch=epoch) as runner, Follower(server, min(there)) as follower:
        runner.lines(["goes on"])
        runner.complete(0)
        logs, _ = follower.rest()
        assert [log["message"] for log in logs] == ["before", "by a runner", "goes on"]
    for name, execution_id in key.items():
        answer = api.expect(200, "POST", "/api/v1/executions", {}, headers={"Idempotency-Key": name})
        assert answer["execution_id"] == execution_id
    for execution_id in there - {min(there)}:
        api.append(execution_id, {"message": "after"})
        assert api.messages(execution_id) == ["before", "after"]
    eventually(lambda: "made-meanwhile" in other.sql("SELECT name FROM accounts").split(), "it hears of accounts")


def test_a_server_does_not_start_without_the_home_or_a_database_that_is_new(servers, databases, tmp_path):
    home, other = databases
    server = servers("--store", home.address, "--shards", other.address, start=False)
    other.stop()
    process = Process(server.argv(), env=clean_env(server.root))
    assert process.wait() != 0
    assert "comes to the others for the first time" in process.err.wait_end().decode()
    other.start()
    server.start()
    server.stop()
    server.flags[1] = f"host={tmp_path} user=postgres dbname=away"
    process = Process(server.argv(), env=clean_env(server.root))
    assert process.wait() != 0
    assert "cannot reach the database" in process.err.wait_end().decode()
