"""The store as an operator meets it: backup, restore, a newer schema, files that are damaged."""

import hashlib
import pathlib
import re
import sqlite3

import pytest
from support.cli import Cli
from support.process import Process
from support.server import clean_env
from support.sse import Stream
from support.ws import Follower, Runner

PATH = "/api/v1/executions"
STORE = pathlib.Path(__file__).resolve().parents[2] / "src/store"


def backup(server, tmp_path):
    server.api().expect(201, "POST", "/api/v1/backup", {"path": "copy.db"})
    (server.data / "backups" / "copy.db").rename(tmp_path / "copy.db")


def restore(servers, copy, name):
    """A second server on a copy of the store."""
    other = servers(start=False)
    other.data.mkdir()
    (other.data / name).write_bytes(copy.read_bytes())
    return other.start()


@pytest.mark.sqlite("`runnel backup` and `restore`")
def test_a_backup_made_while_writing_is_whole_and_restores(servers, tmp_path):
    server = servers()
    api, cli = server.api(), Cli(tmp_path / "home", server)
    execution_id = api.create()
    api.append_lines(execution_id, [str(i) for i in range(5000)])
    copy = tmp_path / "copy.db"
    with Runner(server, api.create()) as busy:
        busy.lines(["x" * 100] * 100, wait=False)
        cli.ok("backup", copy)
        busy.lines(["y" * 100] * 100)
    with sqlite3.connect(copy) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    db.close()
    api.append_lines(execution_id, ["after the backup"])
    name = server.database().name
    restored = restore(servers, copy, name)
    old = restored.api(api.token)
    assert old.messages(execution_id, limit=10000) == [str(i) for i in range(5000)]


@pytest.mark.sqlite("`runnel backup` and `restore`")
def test_a_restored_store_has_a_new_incarnation_and_says_what_is_missing(servers, tmp_path):
    server = servers()
    api = server.api()
    execution_id = api.create()
    with Runner(server, execution_id) as runner:
        runner.lines(["0", "1", "2"])
        first = runner.ready["incarnation"]
        backup(server, tmp_path)
        runner.lines(["3", "4"])
    restored = restore(servers, tmp_path / "copy.db", server.database().name)
    with Runner(restored, execution_id, token=api.token, epoch=1) as runner:
        assert runner.ready["incarnation"] != first
        assert runner.ready["next_sequence"] == 3
    with Follower(restored, execution_id, token=api.token, after=4, incarnation=first) as follower:
        gap = follower.expect("gap")
        assert gap["reason"] and gap["from"] <= gap["to"]


@pytest.mark.sqlite("`runnel backup` and `restore`")
def test_a_runner_of_before_the_restore_goes_on_although_the_backup_knows_no_epoch_of_it(servers, tmp_path):
    server = servers()
    api = server.api()
    execution_id = api.create()
    backup(server, tmp_path)
    with Runner(server, execution_id) as runner:
        runner.lines(["0", "1"])
        ready = runner.ready
    restored = restore(servers, tmp_path / "copy.db", server.database().name)
    again = {"token": api.token, "epoch": ready["epoch"], "incarnation": ready["incarnation"]}
    with Runner(restored, execution_id, **again) as runner:
        assert runner.ready["incarnation"] != ready["incarnation"]
        runner.lines(["0", "1"])
        runner.complete()


@pytest.mark.sqlite("`runnel backup` and `restore`")
def test_a_reader_of_before_the_restore_is_told_although_the_log_has_grown_past_its_cursor(servers, tmp_path):
    server = servers()
    api = server.api()
    kept, lost = api.create(), "made-after-the-backup"
    api.append_lines(kept, ["0", "1", "2"])
    backup(server, tmp_path)
    first = api.get(f"{PATH}/{kept}").headers["X-Runnel-Incarnation"]
    api.append_lines(kept, ["3", "4"])
    restored = restore(servers, tmp_path / "copy.db", server.database().name)
    other = restored.api(api.token)
    other.append_lines(kept, ["other 3", "other 4", "other 5"])
    other.create(execution_id=lost)
    other.append_lines(lost, ["other 0"] * 3)
    for execution_id, gap, message in ((kept, (3, 4), "other 3"), (lost, (0, 1), "other 0")):
        after = gap[1]
        with Follower(restored, execution_id, token=api.token, after=after, incarnation=first) as follower:
            told = follower.expect("gap")
            assert (told["from"], told["to"], told["reason"]) == (*gap, "restored")
            record = follower.expect("log")
            assert (record["sequence_number"], record["message"]) == (gap[0], message)
    with Follower(restored, kept, token=api.token, after=2, incarnation=first) as follower:
        assert follower.expect("log")["sequence_number"] == 3


def for_sqlite(schema):
    """What the catalogue's {words} are called there."""
    words = dict(re.findall(r'X\((\w+), "([^"]*)",', (STORE / "sql/words.h").read_text()))
    return re.sub(r"{(\w+)}", lambda word: words[word[1]], schema)


@pytest.mark.sqlite("stores of former versions")
def test_a_store_of_the_first_schema_is_taken_over_with_all_that_it_holds(servers):
    server = servers(start=False)
    server.data.mkdir(parents=True)
    key = "rnl_" + "k" * 43
    with sqlite3.connect(server.data / "runnel.db") as db:
        db.execute(f"PRAGMA application_id = {0x526E6C32}")
        for folder in ("catalogue", "sqlite"):
            db.executescript(for_sqlite((STORE / f"schema/{folder}/0001_initial.sql").read_text()))
        db.execute("INSERT INTO accounts(name, created_ms) VALUES('default', 1)")
        db.execute(
            "INSERT INTO api_keys(account, key_id, name, role, hash, created_ms, expires_ms, last_used_ms, revoked_ms) "
            "VALUES(1, 'key_old', 'old', 'operator', ?, 1, 0, 0, 0)",
            (hashlib.sha256(key.encode()).digest(),),
        )
        db.execute(
            "INSERT INTO executions(account, execution_id, status, sealed, created_ms, sealed_ms) VALUES(1, 'old', 'failed', 1, 1, 2)"
        )
        db.execute("PRAGMA user_version = 1")
    db.close()
    (server.data / "admin.key").write_text(key)
    server.start()
    api = server.api()
    assert [e["execution_id"] for e in api.expect(200, "GET", PATH)["executions"]] == ["old"]
    assert api.expect(200, "GET", "/api/v1/accounts")["accounts"][0]["suspended"] is False
    assert api.delete("/api/v1/keys/key_old").code == "last_operator"


@pytest.mark.sqlite("its file, and the disk that it lies on")
def test_a_newer_schema_is_refused_with_a_clear_error(servers, tmp_path):
    server = servers()
    server.stop()
    path = server.database()
    with sqlite3.connect(path) as db:
        version = db.execute("PRAGMA user_version").fetchone()[0]
        db.execute(f"PRAGMA user_version = {version + 1000}")
    db.close()
    before = path.read_bytes()
    with Process(server.argv(), env=clean_env(tmp_path)) as process:
        assert process.finish() == 1
    assert b"newer" in process.err.data, process.err.data
    assert path.read_bytes() == before


@pytest.mark.sqlite("its file, and the disk that it lies on")
def test_a_file_that_is_no_store_is_refused_and_left_alone(servers, tmp_path):
    server = servers()
    server.stop()
    path = server.database()
    path.write_bytes(b"this is not a database, and somebody may want it" * 100)
    for extra in path.parent.glob(path.name + "-*"):
        extra.unlink()
    with Process(server.argv(), env=clean_env(tmp_path)) as process:
        assert process.finish() == 1
    assert process.err.data and path.read_bytes().startswith(b"this is not")


def test_many_small_commits_are_merged_and_read_the_same(servers):
    server = servers()
    api = server.api()
    execution_id = api.create()
    with Runner(server, execution_id) as runner:
        for i in range(600):
            runner.lines([f"{i}"], wait=i % 50 == 49)
        runner.complete()
    expected = [str(i) for i in range(600)]
    assert api.messages(execution_id, limit=1000) == expected
    server.kill()
    server.restart()
    assert api.messages(execution_id, limit=1000) == expected
    with Follower(server, execution_id, **{"from": 250}) as follower:
        assert [m["message"] for m in follower.rest()[0]] == expected[250:]


@pytest.mark.threads
def test_readers_and_a_writer_do_not_disturb_each_other(servers):
    server = servers("--loops", "2")
    api = server.api()
    execution_id = api.create()
    with Runner(server, execution_id) as runner:
        streams = [Stream(api, execution_id) for _ in range(3)]
        for i in range(30):
            runner.lines([f"{i}.{j}" for j in range(100)], wait=i % 10 == 9)
            assert api.page(execution_id, limit=1)["last_index"] >= 0
        runner.complete()
    for stream in streams:
        assert [record["message"] for record in stream.rest()[0]] == [f"{i}.{j}" for i in range(30) for j in range(100)]
