"""Stores of earlier versions: what 0.1.0 has written is read, and gone on with, by every later one.

tests/golden/store-0.1.0.db.gz is a backup of a server of 0.1.0 with four executions (one with output on both streams,
one that failed, one that was purged, one that is open, with a structured record) and a second account that has a key.
"""

import gzip
import pathlib
import re
import shutil
import sqlite3

import pytest
from support.cli import Cli
from support.faults import chance, pass_by, rounds
from support.server import Server

pytestmark = pytest.mark.sqlite("stores of former versions")

GOLDEN = pathlib.Path(__file__).resolve().parents[1] / "golden" / "store-0.1.0.db.gz"


def golden(server):
    """The store of 0.1.0 as the server's own, with all that it holds, however old that is by now."""
    server.env["RUNNEL_RETENTION"] = "0"
    server.data.mkdir(parents=True, exist_ok=True)
    (server.data / "runnel.db").write_bytes(gzip.decompress(GOLDEN.read_bytes()))
    return server.data / "runnel.db"


def test_a_store_of_0_1_0_is_read_and_gone_on_with(servers, tmp_path):
    server = servers(start=False)
    golden(server)
    server.start()
    api, cli = server.api(), Cli(tmp_path / "home", server)
    assert api.messages("whole", limit=1000) == [*(f"line {i}" for i in range(1, 201)), "to stderr"]
    cli.ok("verify", "whole")
    whole = api.expect(200, "GET", "/api/v1/executions/whole")
    assert whole["status"] == "completed" and whole["metadata"] == {"team": "data"} and whole["sealed"]
    assert api.expect(200, "GET", "/api/v1/executions/failed")["exit_code"] == 3
    assert api.get("/api/v1/executions/purged").status == 410
    record = api.logs("open")[0]
    assert record["event_type"] == "step_started" and record["node_id"] == "n1" and record["data"] == {"k": [1, 2]}
    api.append_lines("open", ["gone on with"])
    assert api.messages("open") == ["structured", "gone on with"]
    accounts = [account["name"] for account in api.expect(200, "GET", "/api/v1/accounts")["accounts"]]
    assert accounts == ["default", "other"]
    keys = api.expect(200, "GET", "/api/v1/keys?account=other")["keys"]
    assert [key["name"] for key in keys] == ["kept"]


def schema(path, to=None):
    db = sqlite3.connect(path)
    if to is not None:
        db.execute(f"PRAGMA user_version = {to}")
    [version] = db.execute("PRAGMA user_version").fetchone()
    db.close()
    return version


def dump(path):
    db = sqlite3.connect(path)
    text = "\n".join(db.iterdump())
    db.close()
    return text


def test_the_schema_of_a_store_is_shown_also_while_a_server_runs(own_server, tmp_path):
    cli = Cli(tmp_path / "home")
    shown = cli.ok("store", "show", "--data", own_server.data).text().splitlines()
    newest = schema(own_server.data / "runnel.db")
    head = f"{own_server.data}/runnel.db has the schema {newest}; this program knows schemas up to {newest}:"
    assert shown[0] == head
    assert [int(line.split()[0]) for line in shown[1:]] == list(range(1, newest + 1))
    assert "  2 accounts: no way back (which accounts are suspended or deleted)" in shown


def test_a_store_in_use_is_not_migrated(own_server, tmp_path):
    refused = Cli(tmp_path / "home").run("store", "migrate", "--data", own_server.data)
    assert refused.code == 1
    assert b"in use by another process" in refused.err and b"stop that server first" in refused.err


def test_a_store_of_a_newer_version_is_refused_and_it_is_said_what_to_do(servers, tmp_path):
    server, cli = servers(), Cli(tmp_path / "home")
    server.stop()
    file = server.data / "runnel.db"
    newest = schema(file)
    schema(file, newest + 1)
    before = file.read_bytes()
    for refused in (
        cli.run("store", "migrate", "--data", server.data),
        cli.run("store", "show", "--data", server.data),
    ):
        assert refused.code == 1
        text = refused.err.decode()
        assert f"has the schema {newest + 1}; this program knows schemas up to {newest}" in text
        assert "Use the program that has written it, or go back with that one" in text
        assert f"`runnel store migrate --to {newest}`, or a backup from before" in text
    server.spawn()
    assert server.ended(1) == 1
    assert f"this program knows schemas up to {newest}" in server.process.err.data.decode()
    assert file.read_bytes() == before


def test_only_a_store_is_migrated(tmp_path):
    cli = Cli(tmp_path / "home")
    missing = cli.run("store", "migrate", "--data", tmp_path)
    assert missing.code == 3 and b"there is no store at" in missing.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home"]
    (tmp_path / "runnel.db").write_bytes(b"")
    empty = cli.run("store", "migrate", "--data", tmp_path)
    assert empty.code == 1 and b"is no store: it is empty" in empty.err
    for wrong in (["migrate", "--to", "0"], ["migrate", "--to", "one"], ["show", "--to", "1"], ["mend"], []):
        assert cli.run("store", *wrong, "--data", tmp_path).code == 2


# --- Forward, and one step back
def step_back(cli, data):
    """The newest schema and the one that it leads back to; the store must have the newest."""
    shown = cli.ok("store", "show", "--data", data).text()
    newest = int(re.search(r"has the schema (\d+);", shown).group(1))
    assert re.search(rf"^  {newest} .*: one step back", shown, flags=re.M), shown
    return newest, newest - 1


def contents(server, cli):
    """All that clients are told, the verdicts of `verify`, and who the store is."""
    api = server.api()
    told = {}
    for name in ("whole", "failed", "open"):
        told[name] = api.expect(200, "GET", f"/api/v1/executions/{name}"), api.logs(name, limit=1000)
        for moving in ("runner", "duration_ms"):
            told[name][0].pop(moving, None)
        told[name + " verified"] = cli.run("verify", name).out
    told["purged"] = api.get("/api/v1/executions/purged").status
    told["accounts"] = api.expect(200, "GET", "/api/v1/accounts")
    told["keys"] = api.expect(200, "GET", "/api/v1/keys?account=other")
    db = sqlite3.connect(f"file:{server.data}/runnel.db?mode=ro", uri=True)
    told["incarnation"] = db.execute("SELECT value FROM meta WHERE name = 'incarnation'").fetchone()
    db.close()
    return told


def migrate(cli, data, to):
    cli.ok("store", "migrate", "--to", to, "--data", data)
    assert schema(data / "runnel.db") == to


def lost_anything(server):
    return [entry for entry in server.log() if entry.get("level") in ("WARNING", "ERROR")]


def test_a_store_of_0_1_0_goes_forward_back_and_forward_again_with_all_that_it_holds(servers, tmp_path):
    server = servers(start=False)
    file = golden(server)
    cli, first = Cli(tmp_path / "home"), schema(file)
    assert cli.ok("store", "migrate", "--data", server.data).text().startswith(f"{file} had the schema {first} and has")
    newest, former = step_back(cli, server.data)
    assert former >= first
    server.start()
    cli = Cli(tmp_path / "home", server)
    server.api().append_lines("open", ["gone on with"])
    before = contents(server, cli)
    assert len(before["whole"][1]) == 201 and before["whole verified"]
    server.kill()  # with what was appended in the WAL
    said = cli.ok("store", "migrate", "--to", former, "--data", server.data).text()
    assert f"had the schema {newest} and has the schema {former} now" in said
    assert f"a server of this version migrates it to {newest} when it starts: start the former version" in said
    assert schema(file) == former
    again = cli.ok("store", "migrate", "--to", former, "--data", server.data).text()
    assert f"has the schema {former}, as wanted; nothing was changed" in again
    migrate(cli, server.data, newest)
    server.restart()
    assert contents(server, cli) == before and lost_anything(server) == []
    server.stop()
    migrate(cli, server.data, former)
    server.restart()  # which migrates it itself
    assert contents(server, cli) == before and lost_anything(server) == []
    assert schema(file) == newest


def test_only_one_step_leads_back_and_none_from_0_1_0(servers, tmp_path):
    server, cli = servers(start=False), Cli(tmp_path / "home")
    file = golden(server)
    first, before = schema(file), dump(file)
    refused = cli.run("store", "migrate", "--to", first - 1, "--data", server.data)
    assert refused.code == 1 and b"no way back without loss: the digests that prove" in refused.err
    assert b"What one goes back to is a backup that was made before: `runnel restore`" in refused.err
    refused = cli.run("store", "migrate", "--to", first - 2, "--data", server.data)
    assert refused.code == 2 and b"goes back one step at a time" in refused.err
    assert (schema(file), dump(file)) == (first, before)


def test_a_migration_that_is_killed_leaves_the_one_version_or_the_other(servers, tmp_path):
    source = chance()
    server, home = servers(start=False), tmp_path / "home"
    golden(server)
    server.start()
    cli = Cli(home, server)
    server.api().append_lines("open", ["in the WAL"])
    before = contents(server, cli)
    assert [record["message"] for record in before["open"][1]] == ["structured", "in the WAL"]
    server.kill()
    newest, former = step_back(cli, server.data)
    seen = set()
    for number in range(rounds(100, least=12)):
        root = tmp_path / f"killed{number}"
        shutil.copytree(server.data, root / "data")
        if number % 2:
            migrate(cli, root / "data", former)
        to = newest if number % 2 else former
        process = cli.start("store", "migrate", "--to", to, "--data", root / "data")
        pass_by(source.random() * 0.05)
        process.kill()
        shutil.copytree(root, tmp_path / "looked at")  # who opens it changes it
        seen.add(schema(tmp_path / "looked at" / "data" / "runnel.db"))
        shutil.rmtree(tmp_path / "looked at")
        after = Server(root, env=server.env).start()
        try:
            assert contents(after, Cli(home, after)) == before and lost_anything(after) == []
        finally:
            after.close()
        shutil.rmtree(root)
    assert seen == {newest, former}
