"""Stores of earlier versions: what 0.1.0 has written is read, and gone on with, by every later one.

tests/golden/store-0.1.0.db.gz is a backup of a server of 0.1.0 with four executions (one with output on both streams,
one that failed, one that was purged, one that is open, with a structured record) and a second account that has a key.
"""

import gzip
import pathlib
import sqlite3

from support.cli import Cli

GOLDEN = pathlib.Path(__file__).resolve().parents[1] / "golden" / "store-0.1.0.db.gz"


def test_a_store_of_0_1_0_is_read_and_gone_on_with(servers, tmp_path):
    server = servers(start=False)
    server.data.mkdir(parents=True, exist_ok=True)
    (server.data / "runnel.db").write_bytes(gzip.decompress(GOLDEN.read_bytes()))
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
    assert b"in use by another process" in refused.err and b"stop the server first" in refused.err


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
