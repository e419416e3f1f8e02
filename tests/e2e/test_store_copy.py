"""A store that is moved from its file to PostgreSQL and back: what clients see of it is the same, and goes on."""

import contextlib
import hashlib
import json
import re
import signal
import sqlite3

import pytest
from support.api import eventually
from support.cli import Cli
from support.job_worker import JobWorker
from support.postgres import shared
from support.process import BIN
from support.server import Server
from support.terminal import Terminal
from support.ws import Follower, Runner

pytestmark = pytest.mark.sqlite("copies from a file and to one")

MOVING = {"runner", "duration_ms", "duration_seconds", "last_used_at", "eta_seconds", "updatedAt"}


def steady(value):
    """Without what changes by itself."""
    if isinstance(value, dict):
        return {name: steady(one) for name, one in value.items() if name not in MOVING}
    return [steady(one) for one in value] if isinstance(value, (list, tuple)) else value


class Filled:
    """A server's store with something of everything, and what it answers about it."""

    def __init__(self, server):
        self.server = server
        api = server.api()
        self._executions(api)
        self._jobs(server, api)
        self._accounts(api)
        self._run_under_way(server, api)

    def _executions(self, api):
        self.whole = api.create(metadata={"team": "data", "text": "ümläut \\ \" 'quoted' \U0001f600"})
        api.append_lines(self.whole, [f"line {i} " + "x" * (i % 50) for i in range(3000)])
        api.append_lines(self.whole, ["to stderr", "", "\u0000 and \u001b[31m"], stream="stderr")
        api.expect(200, "PATCH", f"/api/v1/executions/{self.whole}", {"status": "failed", "exit_code": 3})
        graph = {"nodes": [{"id": "fetch"}, {"id": "scan"}], "edges": [["fetch", "scan"]]}
        workflow = {"workflow_id": "wf-moved", "graph": graph, "retention": "30d", "metadata": {"a": [1, None]}}
        api.expect(201, "POST", "/api/v1/workflows", workflow)
        run = api.expect(201, "POST", "/api/v1/workflows/wf-moved/run", {"inputs": {"text": "in"}})
        self.run = run["execution_id"]
        for node, event_type in (("fetch", "node_started"), ("fetch", "node_completed"), ("scan", "node_started")):
            api.append(self.run, {"event_type": event_type, "node_id": node, "message": node, "data": {"big": 2**60}})
        self.purged = api.create()
        api.append_lines(self.purged, ["gone"])
        api.expect(200, "PATCH", f"/api/v1/executions/{self.purged}", {"status": "failed"})
        assert api.delete(f"/api/v1/executions/{self.purged}?purge=true").status in (200, 202, 204)
        self.file = bytes(range(256)) * 100
        digest = hashlib.sha256(self.file).hexdigest()
        assert api.request("PUT", f"/api/v1/blobs/{digest}", self.file).status == 201
        named = {"sha256": digest, "size": len(self.file)}
        api.expect(201, "PUT", f"/api/v1/executions/{self.run}/artifacts/out/report", named)

    def counted(self, api, completed, failed):
        def look():
            status = api.expect(200, "GET", f"/api/v1/batches/{self.batch}/status")
            return (status["completed_count"], status["failed_count"]) == (completed, failed)

        eventually(look, f"{completed} jobs are completed and {failed} failed")

    def _jobs(self, server, api):
        jobs = [{"labels": ["moved"]}, {"labels": ["moved"]}, {"labels": ["moved", "later"]}]
        order = {"job": {"command": ["true"]}, "jobs": jobs, "name": "three"}
        self.batch = api.expect(201, "POST", "/api/v1/batches", order)["batch_id"]
        with JobWorker(server, labels=["moved"], slots=1) as worker:
            worker.take().end(0, ["of the first"])
            worker.take().end(4)
            self.counted(api, completed=1, failed=1)
        order = {"command": ["true"], "queue": True, "labels": ["nobody"]}
        parent = api.expect(201, "POST", "/api/v1/executions", order)["execution_id"]
        order["after"] = [{"id": parent}]
        self.child = api.expect(201, "POST", "/api/v1/executions", order)["execution_id"]

    def _accounts(self, api):
        self.key = api.key("viewer", name="moved")["key"]
        api.expect(201, "POST", "/api/v1/accounts", {"name": "other"})
        api.expect(200, "PATCH", "/api/v1/accounts/other", {"retention": "failed=90d"})
        api.expect(201, "POST", "/api/v1/secrets/MOVED", {"value": "never seen again"})

    def _run_under_way(self, server, api):
        self.open = api.create()
        with Runner(server, self.open, producer="p") as runner:
            runner.lines([f"before {i}" for i in range(5)])
            self.epoch, self.incarnation = runner.ready["epoch"], runner.ready["incarnation"]
            runner.cut()
        self.cursor = api.page(self.whole, limit=100)["next_cursor"]

    def answers(self, server):
        api = server.api()
        told = {}
        executions = api.expect(200, "GET", "/api/v1/executions", query={"limit": 1000})
        told["executions"] = executions
        for execution in executions["executions"]:
            id = execution["execution_id"]
            told[id] = api.expect(200, "GET", f"/api/v1/executions/{id}"), api.logs(id, limit=1000), api.status(id)
        for path in (
            f"/api/v1/batches/{self.batch}/status",
            f"/api/v1/batches/{self.batch}/executions",
            "/api/v1/batches",
            "/api/v1/accounts",
            "/api/v1/keys",
            "/api/v1/secrets",
            f"/api/v1/executions/{self.run}/artifacts",
            f"/workflows/runs/{self.run}/status",
            f"/workflows/runs/{self.run}/trace",
            "/api/v1/workflows/wf-moved",
            f"/api/v1/executions/{self.child}/dependencies",
        ):
            told[path] = api.expect(200, "GET", path)
        told["file"] = hashlib.sha256(api.get(f"/api/v1/executions/{self.run}/artifacts/out/report").body).hexdigest()
        told["purged"] = api.get(f"/api/v1/executions/{self.purged}").status
        told["by key"] = api.get(f"/api/v1/executions/{self.whole}", token=self.key).status
        return steady(told)

    def go_on(self, server, word, last):
        """With what clients have known: a position, a key, an epoch, a job that waits."""
        api = server.api()
        page = api.page(self.whole, limit=10, cursor=self.cursor)
        assert [record["sequence_number"] for record in page["logs"]] == list(range(100, 110))
        count = api.status(self.open)["last_index"]
        with Follower(server, self.open, after=count - 3, incarnation=self.incarnation) as follower:
            assert [log["sequence_number"] for log in follower.logs(2)] == [count - 2, count - 1]
            with Runner(server, self.open, producer="p", epoch=self.epoch) as runner:
                assert (runner.ready["next_sequence"], runner.ready["epoch"]) == (count, self.epoch)
                runner.next = count - 1
                runner.lines([api.messages(self.open)[-1], f"{word} the move"])
                if last:
                    runner.complete()
            assert [log["message"] for log in follower.logs(1)] == [f"{word} the move"]
        if last:
            with JobWorker(server, labels=["moved", "later"], slots=1) as worker:
                worker.take().end(0)
                self.counted(api, completed=2, failed=1)
        return api


def differences(a, b, where=""):
    """Where two answers differ: (path, the one, the other)."""
    if isinstance(a, dict) and isinstance(b, dict):
        names = sorted({*a, *b})
        return [one for name in names for one in differences(a.get(name), b.get(name), f"{where}/{name}")]
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)) and len(a) == len(b):
        return [one for i in range(len(a)) for one in differences(a[i], b[i], f"{where}/{i}")]
    return [] if a == b else [(where, a, b)]


def copy(cli, *ends, **options):
    return cli.run("store", "copy", *ends, **options)


@pytest.fixture
def cli(tmp_path):
    return Cli(tmp_path / "home")


def test_a_store_is_moved_to_postgres_and_back(tmp_path, cli):
    file = Server(tmp_path / "file").start()
    database = shared().store(tmp_path / "moved")
    filled = Filled(file)
    before = filled.answers(file)
    file.stop()
    done = copy(cli, file.data, database, expect=0).text()
    assert re.match(r"\d+ logs with \d+ lines \(0\.\d MB\) and \d+ rows were copied in \d+\.\d s; all of it was", done)
    assert "Keep the data folder" in done and "not copied" not in done
    (file.data / "runnel.db").unlink()  # what lay beside it, such as its mark, stays
    assert (file.data / "runnel.db.wal-mark").exists()

    moved = Server(tmp_path / "file", flags=("--store", database)).start()
    try:
        assert not differences(filled.answers(moved), before)
        filled.go_on(moved, "after", last=False)
        then = filled.answers(moved)
        busy = copy(cli, database, file.data)
        assert busy.code == 1 and b"is in use by 1 server: stop it first" in busy.err
    finally:
        moved.stop()

    figures = json.loads(copy(cli, database, file.data, "-o", "json", expect=0).out)
    assert figures["verified"] and figures["records"] == sum(
        len(one[1]) for one in then.values() if isinstance(one, list)
    )
    back = Server(tmp_path / "file").start()
    try:
        assert not differences(filled.answers(back), then)
        api = filled.go_on(back, "twice after", last=True)
        Cli(tmp_path / "verifying", back).ok("verify", filled.open)
        assert api.messages(filled.open)[-2:] == ["after the move", "twice after the move"]
    finally:
        back.close()


def pushed(api, run, line):
    """As a client of Loki."""
    values = [[f"{1_700_000_000 * 10**9}", line]]
    body = {"streams": [{"stream": {"run_id": run}, "values": values}]}
    return api.post("/loki/api/v1/push", body)


def test_what_runs_ends_on_a_store_that_drains_and_what_waits_goes_on_at_its_copy(tmp_path, cli):
    config = tmp_path / "server.conf"
    config.write_text("")
    file = Server(tmp_path / "file", flags=("--config", config)).start()
    api, order = file.api(), {"command": ["true"], "queue": True, "labels": ["moved"]}
    ids = [api.expect(201, "POST", "/api/v1/executions", order)["execution_id"] for _ in range(2)]
    with JobWorker(file, labels=["moved"], slots=1) as worker:
        job, own = worker.take().begin(), api.create()
        config.write_text("drain = true\n")
        file.process.signal(signal.SIGHUP)
        file.wait_log(lambda entry: entry["message"] == "reloaded")
        wrong = {"Idempotency-Key": "x" * 300}  # of a request that would begin nothing
        eventually(
            lambda: all(api.post("/api/v1/executions", {}, headers=wrong).status == 503 for _ in range(8)),
            "it is heard on every loop",
        )
        batch = {"job": {"command": ["true"]}, "jobs": [{}]}
        run = {"workflow_id": "w", "graph": {"nodes": [{"id": "a"}], "edges": []}}
        api.expect(201, "POST", "/api/v1/workflows", run)
        for path, body in (("executions", order), ("batches", batch), ("workflows/w/run", {})):
            answer = api.post(f"/api/v1/{path}", body)
            assert (answer.status, answer.code, answer.headers["Retry-After"]) == (503, "unavailable", "1"), answer
            assert "drains" in answer.json()["error"]["message"]
        answers = {run: pushed(api, run, "pushed") for run in (own, "new")}
        assert (answers[own].status, answers["new"].status) == (204, 503), answers
        assert answers["new"].headers["Retry-After"] == "1" and api.get("/api/v1/executions/new").status == 404
        ready = api.get("/ready", token=None)
        assert (ready.status, ready.json()) == (200, {"status": "ready", "draining": True})
        api.append_lines(own, ["it goes on"])
        api.expect(200, "PATCH", f"/api/v1/executions/{own}", {"status": "failed"})
        job.end(0, ["to its end"])
        assert worker.quiet() == []
    counted = {one["execution_id"]: one["status"] for one in api.get("/api/v1/executions").json()["executions"]}
    assert counted == {job.id: "completed", own: "failed", next(id for id in ids if id != job.id): "queued"}
    known = {id: api.logs(id) for id in counted}
    file.stop()
    database = shared().store(tmp_path / "drained")
    copy(cli, file.data, database, expect=0)
    moved = Server(tmp_path / "file", flags=("--store", database)).start()
    try:
        api = moved.api()
        assert {id: api.logs(id) for id in known} == known
        for id in (job.id, own):
            Cli(tmp_path / "verifying", moved).ok("verify", id)
        with JobWorker(moved, labels=["moved"], slots=1) as worker:
            assert worker.take().end(0).id == next(id for id in ids if id != job.id)
        api.create()
    finally:
        moved.close()


def lines_in(server, count):
    api = server.api()
    ids = [api.create() for _ in range(count)]
    for id in ids:
        api.append_lines(id, [f"{id} {i}" for i in range(200)])
    return {id: api.messages(id, limit=1000) for id in ids}


EMPTY = """DO $$ DECLARE t text; BEGIN
  FOR t IN SELECT tablename FROM pg_tables WHERE schemaname = 'public'
    AND tablename NOT IN ('schema_version', 'schema_reader', 'nodes')
  LOOP EXECUTE 'TRUNCATE ' || t; END LOOP; END $$"""


def test_a_copy_that_is_killed_within_a_transaction_goes_on(tmp_path, cli):
    """It waits for a lock of the database that it copies to, and is killed there, or loses its connection."""
    file = Server(tmp_path / "file").start()
    known = lines_in(file, 3)
    file.kill()  # so that its write-ahead log has something
    engine, database = shared(), shared().store(tmp_path / "copied")
    name = database.split("dbname=")[1]
    waiting = f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{name}' AND wait_event_type = 'Lock'"
    copy(cli, file.data, database, expect=0)
    engine.sql(EMPTY, name)  # what is left is the schema, as of a copy that was killed before it had begun
    refused = Server(tmp_path / "other", flags=("--store", database))
    for table, ended in (("api_keys", "cut"), ("executions", "killed"), ("chunks", "killed")):
        with engine.locked(table, name, "SHARE"):
            with cli.start("store", "copy", file.data, database) as process:
                eventually(lambda: engine.sql(waiting) != "0", f"the copy waits for {table}")
                if ended == "killed":
                    process.kill()
                else:  # its connection is, as by a database that is restarted
                    engine.sql(
                        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}' "
                        "AND application_name = 'runnel'"
                    )
                    assert process.finish() == 1
                    assert b"the same command goes on with it" in process.err.data
        refused.spawn()
        assert refused.ended(1) == 1
        said = refused.process.err.data.decode()
        assert "is a copy that is not finished. To go on with it: runnel store copy" in said, said
    copy(cli, file.data, database, expect=0)
    moved = Server(tmp_path / "file", flags=("--store", database)).start()
    try:
        assert {id: moved.api().messages(id, limit=1000) for id in known} == known
    finally:
        moved.close()
        refused.close()


def test_who_looks_on_sees_how_far_it_is(tmp_path, cli):
    file = Server(tmp_path / "file").start()
    lines_in(file, 1)
    file.stop()
    with Terminal([BIN, "store", "copy", str(file.data), str(tmp_path / "copy")], cli.env) as terminal:
        terminal.out.wait(lambda data: b"was read back, and is the same" in data, "the end")
        assert re.search(rb"\r\x1b\[Kcopying logs: 0 of 200 lines \(0 %\)\r\x1b\[K", terminal.out.data)


def test_what_cannot_be_copied_is_said(tmp_path, cli):
    file = Server(tmp_path / "file").start()
    [damaged] = lines_in(file, 1)
    busy = copy(cli, file.data, tmp_path / "copy")
    assert busy.code == 1 and b"is in use by another process" in busy.err and b"stop that server first" in busy.err
    file.stop()
    for wrong in ([], [file.data], [file.data, "a", "b"]):
        assert copy(cli, *wrong).code == 2
    (tmp_path / "wal").mkdir()
    (tmp_path / "wal" / "runnel.db-wal").write_bytes(b"of another store")
    needed = copy(cli, file.data, tmp_path / "wal")
    assert needed.code == 1 and b"its write-ahead log is: move" in needed.err
    missing = copy(cli, tmp_path / "nothing", tmp_path / "copy")
    assert missing.code == 3 and b"there is no store at" in missing.err
    away = copy(cli, file.data, f"host={tmp_path} password=never-shown")
    assert away.code == 1 and b"cannot reach" in away.err and b"never-shown" not in away.err
    # The copy has all in its tables, where it can be damaged.
    copy(cli, file.data, tmp_path / "damaged", expect=0)
    with contextlib.closing(sqlite3.connect(tmp_path / "damaged" / "runnel.db")) as db, db:
        db.execute("UPDATE executions SET digest = digest + 1 WHERE execution_id = ?", (damaged,))
    found = copy(cli, tmp_path / "damaged", shared().store(tmp_path / "damaged"))
    assert found.code == 1 and b"1 log is not what it should be, so the copy is not finished" in found.err
    assert damaged.encode() in found.err
