"""Stores of earlier versions: what 0.1.0 has written is read, and gone on with, by every later one.

tests/golden/store-0.1.0.db.gz is a backup of a server of 0.1.0 with four executions (one with output on both streams, one
that failed, one that was purged, one that is open, with a structured record) and a second account that has a key.
"""

import gzip
import pathlib

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
