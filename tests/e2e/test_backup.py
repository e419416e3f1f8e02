"""Backups and restores as an operator makes them: where they are written, what they leave alone, what a restore
does after a
crash, and a write-ahead log that is not the store's own, or not all of it."""

import itertools
import os
import shutil
import sqlite3
import time

import pytest
from support.api import eventually
from support.cli import Cli
from support.process import Process
from support.server import clean_env
from support.ws import Follower, Runner

pytestmark = pytest.mark.sqlite("`runnel backup` and `restore`")

BACKUP = "/api/v1/backup"


def lines(count, word="line"):
    return [f"{word} {i}" for i in range(count)]


def put_back(server, copy):
    """By hand, as `cp` does it: the name stays, and whatever lies beside it."""
    (server.data / "runnel.db").write_bytes(copy.read_bytes())


def purge(api, execution_id):
    answer = api.request("DELETE", f"/api/v1/executions/{execution_id}?purge=true")
    assert answer.status in (200, 202, 204), answer


def logged(server, part):
    return [entry for entry in server.log() if part in (entry.get("message") or "")]


# --- Where a backup may be written
def test_a_backup_is_written_beneath_its_folder_for_the_owner_alone(own_server):
    folder = own_server.data / "backups"
    path = own_server.api().expect(201, "POST", BACKUP, {"path": "monday.db"})["path"]
    assert path == str(folder / "monday.db")
    assert os.stat(path).st_mode & 0o777 == 0o600
    assert sorted(os.listdir(folder)) == ["monday.db"]
    absolute = own_server.api().expect(201, "POST", BACKUP, {"path": str(folder / "tuesday.db")})["path"]
    assert absolute == str(folder / "tuesday.db")
    (folder / "weeks").mkdir()
    own_server.api().expect(201, "POST", BACKUP, {"path": "weeks/one.db"})
    assert (folder / "weeks" / "one.db").exists()


def test_the_folder_of_backups_is_a_setting(servers, tmp_path):
    server = servers("--backup-dir", tmp_path / "elsewhere")
    path = server.api().expect(201, "POST", BACKUP, {"path": "a.db"})["path"]
    assert path == str(tmp_path / "elsewhere" / "a.db") and os.path.exists(path)
    answer = server.api().post(BACKUP, {"path": str(server.data / "backups" / "a.db")})
    assert (answer.status, answer.code) == (422, "invalid")


def test_no_backup_leaves_its_folder(own_server, tmp_path):
    folder = own_server.data / "backups"
    (folder / "real").mkdir(parents=True)
    outside = tmp_path / "outside"
    outside.mkdir()
    (folder / "link").symlink_to(outside)
    (folder / "to-file").symlink_to(outside / "x.db")
    for path in (
        str(outside / "x.db"),
        "../x.db",
        "real/../../x.db",
        "link/x.db",
        "./x.db",
        "real//x.db",
        f"{folder}/../x.db",
        "nowhere/x.db",
    ):
        answer = own_server.api().post(BACKUP, {"path": path})
        assert (answer.status, answer.code) == (422, "invalid"), (path, answer)
        assert answer.json()["error"]["fields"][0]["name"] == "path"
    answer = own_server.api().post(BACKUP, {"path": "to-file"})
    assert (answer.status, answer.code) == (409, "conflict")
    assert os.listdir(outside) == [] and not (own_server.data / "x.db").exists()


def test_a_backup_that_cannot_be_written_says_why(own_server):
    (own_server.data / "backups").mkdir()
    (own_server.data / "backups" / "file").write_text("")
    for folder, cause in (("nowhere", "No such file or directory"), ("file", "Not a directory")):
        answer = own_server.api().post(BACKUP, {"path": f"{folder}/copy.db"})
        assert (answer.status, answer.code) == (422, "invalid")
        reason = f"cannot write in {own_server.data}/backups/{folder}: {cause}"
        assert answer.json()["error"]["fields"] == [{"name": "path", "reason": reason}]


def test_a_backup_touches_no_file_that_it_has_not_made(own_server):
    folder = own_server.data / "backups"
    folder.mkdir()
    for name in ("there.db", "other.db.partial"):
        (folder / name).write_text("precious")
        answer = own_server.api().post(BACKUP, {"path": name.removesuffix(".partial")})
        assert (answer.status, answer.code) == (409, "conflict")
        assert str(folder / name) in answer.json()["error"]["message"]
        assert (folder / name).read_text() == "precious"
    assert sorted(os.listdir(folder)) == ["other.db.partial", "there.db"]


def test_what_a_killed_server_left_of_a_backup_is_cleared_and_nothing_else(servers):
    server = servers()
    folder = server.data / "backups"
    folder.mkdir()
    ours, foreign = folder / "ours.db.partial", folder / "foreign.db.partial"
    for path in (ours, foreign):
        path.write_text("half of a copy")
    info = ours.stat()
    server.kill()
    note = server.data / "runnel.db.backup"
    note.write_text(f"{info.st_dev} {info.st_ino} {ours}")
    server.restart()
    assert sorted(os.listdir(folder)) == [foreign.name] and not note.exists()
    # Another file of the same name by now.
    server.kill()
    note.write_text(f"{info.st_dev} {foreign.stat().st_ino + 1} {foreign}")
    server.restart()
    assert foreign.read_text() == "half of a copy" and not note.exists()


# --- The command line
def test_the_command_line_moves_a_backup_to_where_it_is_wanted(own_server, tmp_path):
    cli = Cli(tmp_path / "home", own_server)
    left = cli.ok("backup").text().strip()
    assert left.startswith(f"{own_server.data}/backups/runnel-") and os.path.exists(left)
    wanted = tmp_path / "copy.db"
    assert cli.ok("backup", wanted).text() == f"{wanted}\n"
    assert os.stat(wanted).st_mode & 0o777 == 0o600
    assert len(os.listdir(own_server.data / "backups")) == 1
    refused = cli.run("backup", wanted)
    assert refused.code == 1 and b"exists already" in refused.err, refused
    nowhere = cli.run("backup", tmp_path / "nowhere" / "copy.db")
    assert nowhere.code == 1 and b"No such file or directory" in nowhere.err, nowhere
    with sqlite3.connect(wanted) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    db.close()


# --- Room
def test_a_backup_holds_no_room_of_what_was_purged(own_server):
    api = own_server.api()
    execution_id = api.create()
    with Runner(own_server, execution_id) as runner:
        for _ in range(20):
            runner.lines([os.urandom(2000).hex() for _ in range(100)])
        runner.complete()
    big = api.expect(201, "POST", BACKUP, {"path": "before.db"})["path"]
    purge(api, execution_id)
    numbers = itertools.count()

    def size_of_another():
        return os.path.getsize(api.expect(201, "POST", BACKUP, {"path": f"after{next(numbers)}.db"})["path"])

    eventually(lambda: size_of_another() < os.path.getsize(big) / 4, "a small backup")


def test_the_stores_file_shrinks_after_a_purge_and_holds_the_rest(own_server):
    api = own_server.api()
    kept, purged = api.create(), api.create()
    api.append_lines(kept, lines(1000))
    with Runner(own_server, purged) as runner:
        for _ in range(40):
            runner.lines([os.urandom(2000).hex() for _ in range(100)])
        runner.complete()
    api.append_lines(kept, lines(1000, "later"))

    def size():
        return own_server.database().stat().st_size

    eventually(lambda: size() > 8_000_000, "the records in the file")
    purge(api, purged)
    eventually(lambda: size() < 4_000_000, "a smaller file")
    assert api.messages(kept, limit=10000) == lines(1000) + lines(1000, "later")


# --- Restoring
@pytest.mark.parametrize("how", ["by hand", "runnel restore"])
def test_a_restore_after_a_crash_is_the_backup_and_nothing_of_the_stale_log(servers, tmp_path, how):
    server = servers()
    api = server.api()
    kept, purged, later = api.create(), api.create(), "later"
    api.append_lines(kept, lines(1000))
    api.append_lines(purged, lines(500, "purged"))
    api.expect(200, "PATCH", f"/api/v1/executions/{purged}", {"status": "failed"})
    copy = api.expect(201, "POST", BACKUP, {"path": "copy.db"})["path"]
    incarnation = api.get(f"/api/v1/executions/{kept}").headers["X-Runnel-Incarnation"]
    purge(api, purged)
    api.create(execution_id=later)
    api.append_lines(later, lines(3000, "later"))
    api.append_lines(kept, lines(3000, "more"))
    server.kill()
    stale = server.data / "runnel.db-wal"
    assert stale.stat().st_size > 100_000
    before = stale.read_bytes()
    if how == "by hand":
        put_back(server, server.data / "backups" / "copy.db")
    else:
        result = Cli(tmp_path / "home").ok("restore", copy, "--data", server.data)
        assert b"the former store is kept as" in result.out
    server.restart()
    assert api.get(f"/api/v1/executions/{kept}").headers["X-Runnel-Incarnation"] != incarnation
    assert api.messages(kept, limit=10000) == lines(1000)
    assert api.messages(purged, limit=10000) == lines(500, "purged")
    assert api.get(f"/api/v1/executions/{later}").status == 404
    if how == "by hand":
        [aside] = server.data.glob("runnel.db-wal.aside-*")
        assert aside.read_bytes() == before
        assert [entry["kept_as"] for entry in logged(server, "write-ahead log was set aside")] == [str(aside)]
    server.stop()
    with sqlite3.connect(server.data / "runnel.db") as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    db.close()


def test_the_store_before_a_restore_is_kept_whole(servers, tmp_path):
    server = servers()
    api = server.api()
    execution_id = api.create()
    copy = api.expect(201, "POST", BACKUP, {"path": "copy.db"})["path"]
    api.append_lines(execution_id, lines(2000))
    server.kill()  # what was added lies in the WAL
    cli = Cli(tmp_path / "home")
    cli.ok("restore", copy, "--data", server.data)
    [kept] = [
        path for path in server.data.glob("runnel.db.before-*") if not path.name.endswith(("-wal", "-shm", ".wal-mark"))
    ]
    server.restart()
    assert api.messages(execution_id) == []
    server.stop()
    cli.ok("restore", kept, "--data", server.data, "--discard-former")
    assert all(path.name.startswith(kept.name) for path in server.data.glob("runnel.db.before-*"))  # no second one
    server.restart()
    assert api.messages(execution_id, limit=10000) == lines(2000)


def test_a_restore_refuses_a_running_server_and_what_is_no_backup(servers, tmp_path):
    server = servers()
    api = server.api()
    execution_id = api.create()
    api.append_lines(execution_id, lines(3000))
    copy = api.expect(201, "POST", BACKUP, {"path": "copy.db"})["path"]
    cli = Cli(tmp_path / "home")
    running = cli.run("restore", copy, "--data", server.data)
    assert running.code == 1 and b"in use" in running.err and b"stop that server" in running.err, running
    server.stop()
    before = (server.data / "runnel.db").read_bytes()
    damaged, cut, other, text = (tmp_path / name for name in ("damaged.db", "cut.db", "other.db", "text.db"))
    content = bytearray((server.data / "backups" / "copy.db").read_bytes())
    cut.write_bytes(content[: len(content) // 2])
    content[20 * 4096 : 24 * 4096] = bytes(4 * 4096)
    damaged.write_bytes(content)
    text.write_text("not a database at all" * 1000)
    with sqlite3.connect(other) as db:
        db.execute("CREATE TABLE t(x)")
    db.close()
    for path in (damaged, cut, other, text, tmp_path / "nowhere.db", server.data / "runnel.db"):
        result = cli.run("restore", path, "--data", server.data)
        assert result.code != 0 and str(path).encode() in result.err, (path, result)
        assert (server.data / "runnel.db").read_bytes() == before
    assert not list(server.data.glob("*.restoring*")) and not list(server.data.glob("*.before-*"))
    server.restart()
    assert api.messages(execution_id, limit=10000) == lines(3000)


def test_a_restore_makes_a_data_folder(servers, tmp_path):
    server = servers()
    api = server.api()
    execution_id = api.create()
    api.append_lines(execution_id, lines(10))
    copy = api.expect(201, "POST", BACKUP, {"path": "copy.db"})["path"]
    other = servers(start=False)
    Cli(tmp_path / "home").ok("restore", copy, "--data", other.data)
    other.start()
    assert other.api(api.token).messages(execution_id) == lines(10)


def test_a_copy_from_another_time_does_not_get_the_log_of_today(servers, tmp_path):
    """The file itself, taken while no server ran: it knows nothing of backups."""
    server = servers()
    api = server.api()
    execution_id = api.create()
    api.append_lines(execution_id, lines(100))
    server.stop()
    shutil.copy(server.data / "runnel.db", tmp_path / "old.db")
    server.restart()
    api.append_lines(execution_id, lines(5000, "more"))
    server.stop()
    server.restart()
    api.append_lines(execution_id, lines(100, "last"))
    server.kill()
    put_back(server, tmp_path / "old.db")
    server.restart()
    assert api.messages(execution_id, limit=10000) == lines(100)
    assert list(server.data.glob("runnel.db-wal.aside-*"))
    server.stop()
    with sqlite3.connect(server.data / "runnel.db") as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    db.close()


def test_a_store_from_before_the_marks_keeps_its_log(servers):
    server = servers()
    api = server.api()
    execution_id = api.create()
    api.append_lines(execution_id, lines(2000))
    server.kill()
    (server.data / "runnel.db.wal-mark").unlink()
    server.restart()
    assert api.messages(execution_id, limit=10000) == lines(2000)
    assert not list(server.data.glob("runnel.db-wal.*"))


def test_a_log_of_unknown_origin_keeps_a_server_from_starting(servers):
    server = servers()
    api = server.api()
    execution_id = api.create()
    api.append_lines(execution_id, lines(2000))
    server.kill()
    wal = server.data / "runnel.db-wal"
    other = servers()
    other.api().append_lines(other.api().create(), lines(2000))
    other.kill()
    own = wal.read_bytes()
    shutil.copy(other.data / "runnel.db-wal", wal)
    with Process(server.argv(), env=clean_env(server.root)) as process:
        assert process.finish() == 1
    assert b"is not the write-ahead log that this store has written last" in process.err.data, process.err.data
    wal.write_bytes(own)
    server.restart()
    assert api.messages(execution_id, limit=10000) == lines(2000)


# --- Less than was committed
def damage(wal, how):
    """Near its beginning: behind what was committed there may be what was before."""
    with wal.open("r+b") as file:
        if how == "cut":
            file.truncate(6000)
        elif how == "gone":
            wal.unlink()
        elif how == "empty":
            file.truncate(0)
        elif how == "header":
            file.write(os.urandom(32))
        else:
            file.seek(6000)
            file.write(b"\xff" * 16)


@pytest.mark.parametrize("how", ["cut", "flipped", "gone", "empty", "header"])
def test_a_log_that_has_less_than_was_committed_is_said_and_what_runners_have_comes_again(servers, tmp_path, how):
    server = servers()
    api, cli = server.api(), Cli(tmp_path / "home", server)
    quiet, whole = api.create(), api.create()
    api.append_lines(quiet, lines(10))
    with Runner(server, whole) as sealed:
        sealed.lines(lines(10))
        sealed.complete()
    # At rest all of it is in the database, which then raises its number with the next commit.
    database = server.data / "runnel.db"
    before, deadline = database.stat().st_mtime_ns, time.monotonic() + 20
    while database.stat().st_mtime_ns == before and time.monotonic() < deadline:
        api.get(f"/api/v1/executions/{quiet}")
    api.append_lines(quiet, lines(3010)[10:])
    with Runner(server, api.create()) as runner:
        runner.lines(lines(1000))
        first = runner.ready
        server.kill()
    damage(server.data / "runnel.db-wal", how)
    server.restart()
    [said] = logged(server, "the store has lost its last commits")
    assert said["level"] == "ERROR" and said["lost_bytes"] > 0
    assert list(
        server.data.glob("runnel.db-wal.damaged-*" if how in ("cut", "flipped") else "runnel.db-wal.aside-*")
    ) or how in (
        "gone",
        "empty",
    )
    assert api.get(f"/api/v1/executions/{quiet}").headers["X-Runnel-Incarnation"] != first["incarnation"]
    assert "runnel_store_wal_lost_bytes 0" not in server.api(None).get("/metrics").body.decode()
    kept = api.messages(quiet, limit=10000)
    assert kept == lines(3010)[: len(kept)] and 10 <= len(kept) < 3010
    with Follower(server, quiet, after=3009, incarnation=first["incarnation"]) as follower:
        assert follower.expect("gap")["reason"] == "restored"
    told = cli.run("verify", quiet)
    assert told.code == 1 and b"may be missing" in told.out, told
    assert cli.run("verify", whole).code == 0
    # Said once: from here on the store is as it is.
    server.stop()
    server.restart()
    assert logged(server, "the store has lost its last commits") == []


def test_a_killed_server_that_lost_nothing_says_nothing(servers):
    server = servers()
    api = server.api()
    execution_id = api.create()
    count = 0
    for pause in (0, 0, 2.5, 0, 3.0, 0):
        for _ in range(5):
            api.append_lines(execution_id, [f"line {count + i}" for i in range(200)])
            count += 200
        idle_until = time.monotonic() + pause
        while time.monotonic() < idle_until:  # it is at rest meanwhile, and checkpoints
            api.get(f"/api/v1/executions/{execution_id}")
        server.kill()
        server.restart()
        assert logged(server, "lost") == [] and logged(server, "aside") == []
    assert api.messages(execution_id, limit=10000) == lines(count)


def test_another_program_that_has_moved_the_log_loses_nothing(servers):
    server = servers()
    api = server.api()
    execution_id = api.create()
    api.append_lines(execution_id, lines(1000))
    server.kill()
    with sqlite3.connect(server.data / "runnel.db") as db:
        assert db.execute("SELECT count(*) FROM executions").fetchone() == (1,)
    db.close()  # it moves the WAL into the database, and removes it
    assert not (server.data / "runnel.db-wal").exists()
    server.restart()
    assert logged(server, "lost") == []
    assert api.messages(execution_id, limit=10000) == lines(1000)
