"""Old logs of several stores in S3: each store has packs of its own, and one server moves those of all."""

import contextlib
import os
import sqlite3

import pytest
from support import s3
from support.api import eventually
from support.cluster import Cluster
from support.cold import PATH, Cold, manifest
from support.postgres import shared

pytestmark = s3.needs_s3


def ask(folder, sql):
    with contextlib.closing(sqlite3.connect(f"file:{folder}/runnel.db?mode=ro", uri=True, timeout=60)) as db:
        return {row[0] for row in db.execute(sql)}


@pytest.fixture
def it(servers, tmp_path):
    cold = Cold(servers, "--shards", str(tmp_path / "one"), "--cold-cache-bytes", "0", engine=s3.shared())
    cold.folders = [cold.server.data, tmp_path / "one"]
    yield cold
    cold.close()


def move(it):
    for folder in it.folders:
        eventually(lambda f=folder: ask(f, "SELECT count(*) FROM hot") == {0}, "merged")
    it.cool()
    eventually(
        lambda: all(ask(f, "SELECT count(*) FROM chunks WHERE length(body) > 0") == {0} for f in it.folders),
        "nothing is left in any store",
    )


@pytest.mark.sqlite("stores that are files; the next one has databases")
def test_logs_of_each_store_are_moved_to_packs_of_its_own_and_read_the_same(it):
    logs = {}
    for i in range(16):
        large = i % 4 > 0
        messages = [f"{k} {os.urandom(20).hex()}" for k in range(900 if large else 30)]
        execution_id = it.seal(messages=messages, execution_id=f"log-{i}")  # which says where it lies
        logs[execution_id] = (large, it.api.logs(execution_id))
    lies = [ask(folder, "SELECT execution_id FROM executions") for folder in it.folders]
    assert all(lies) and all(any(logs[e][0] for e in some) and any(not logs[e][0] for e in some) for some in lies)
    move(it)

    def check():
        """Each pack is of one store, and what is left reads as it did."""
        packs = [{line[0] for line in manifest(it.pack(key))} for key in it.packs()]
        assert all(sum(bool(pack & some) for some in lies) == 1 for pack in packs)
        assert all(it.api.logs(execution_id) == records for execution_id, (_, records) in logs.items())
        return packs

    assert set().union(*check()) == set(logs)
    assert all(ask(folder, "SELECT kind FROM leases WHERE kind = 4") == {4} for folder in it.folders)
    before = it.packs()
    for execution_id in [execution_id for execution_id, (large, _) in logs.items() if large]:
        it.api.expect(200, "DELETE", f"{PATH}/{execution_id}", query={"purge": "true"})
        del logs[execution_id]
    eventually(lambda: it.packs() and not set(before) & set(it.packs()), "what is left is written anew", 60)
    assert set().union(*check()) == set(logs)


@pytest.fixture
def cluster(tmp_path):
    cluster = Cluster(tmp_path)
    yield cluster
    cluster.close()


def test_another_server_goes_on_moving_in_every_store(cluster, tmp_path):
    engine, stores = s3.shared(), [cluster.store, shared().store(tmp_path / "other")]
    flags = ["--shards", stores[1], "--cold", f"s3://{s3.BUCKET}/cold-{tmp_path.name}-{os.getpid()}"]
    flags += ["--cold-after", "1s", "--s3-endpoint", engine.url, "--s3-region", "us-east-1"]
    servers = [cluster.add(*flags, env=engine.keys) for _ in range(2)]
    logs = []

    def both(text):
        return [shared().sql(text, store.rpartition("=")[2]) for store in stores]

    def moved(server):
        for i in range(len(logs), len(logs) + 10):
            logs.append(server.api().create(execution_id=f"log-{i}"))
            server.api().append_lines(logs[-1], [f"{i} {k}" for k in range(50)])
            server.api().expect(200, "PATCH", f"{PATH}/{logs[-1]}", {"status": "failed"})
        eventually(lambda: both("SELECT count(*) FROM executions WHERE cold = 0") == ["0", "0"], "all is moved", 60)
        [node] = set(both("SELECT node FROM leases WHERE kind = 4"))  # the same one in both
        return node

    first = moved(servers[0])
    assert "0" not in both("SELECT count(*) FROM cold_packs")
    servers.pop(int(first) - 1).stop()
    assert moved(servers[0]) != first
    for i, execution_id in enumerate(logs):
        assert servers[0].api().messages(execution_id) == [f"{i} {k}" for k in range(50)]
