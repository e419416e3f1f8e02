"""A database that is reached and is of no use: why is told, to whom it may concern, in one line."""

import pytest
from support.cluster import Cluster
from support.api import eventually
from support.cli import Cli
from support.postgres import shared
from support.server import Server
from support.ws import Follower


@pytest.fixture
def cluster(tmp_path):
    cluster = Cluster(tmp_path)
    yield cluster
    cluster.close()


def last_words(tmp_path, *flags):
    """Of a server that does not start."""
    server = Server(tmp_path / "server", flags=flags)
    server.spawn()
    server.ended(expect=None)
    [line] = server.process.err.data.decode().splitlines()
    return line


def narrow():
    """A database that cannot hold all text."""
    name = "narrow"
    if not shared().sql(f"SELECT 1 FROM pg_database WHERE datname = '{name}'"):
        shared().sql(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'")
    return f"host={shared().folder} user=postgres dbname={name}"


def of_another(root):
    """A database that belongs to another role."""
    store = shared().store(root)
    shared().sql("DO $$BEGIN CREATE ROLE guest LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END$$")
    return store.replace("user=postgres", "user=guest")


def test_a_store_that_is_no_database_is_refused(tmp_path):
    assert "names a database, postgres://" in last_words(tmp_path, "--store", "sqlite:///x")


def test_a_database_that_cannot_hold_all_text_is_refused(tmp_path):
    line = last_words(tmp_path, "--store", narrow())
    assert "LATIN1" in line and "ENCODING 'UTF8'" in line
    copied = Cli(tmp_path).run("store", "copy", narrow(), tmp_path / "to")
    assert copied.code != 0 and b"LATIN1" in copied.err


def test_a_database_in_which_the_server_may_make_no_table_says_whose_it_must_be(tmp_path):
    line = last_words(tmp_path, "--store", of_another(tmp_path))
    assert "permission denied" in line and "must own the database" in line


def test_a_store_that_is_given_twice_is_named_so(tmp_path):
    store = shared().store(tmp_path)
    assert "is the same store as" in last_words(tmp_path, "--store", store, "--shards", store)


def test_why_a_store_that_comes_to_others_cannot_be_reached_is_told_in_the_words_of_its_database(tmp_path):
    home, other = (shared().store(tmp_path / name) for name in ("home", "other"))
    line = last_words(tmp_path, "--store", home, "--shards", other.replace("user=postgres", "user=nobody-there"))
    assert "comes to the others for the first time" in line and 'role "nobody-there" does not exist' in line


def test_a_store_is_not_copied_onto_itself(tmp_path):
    for end in (shared().store(tmp_path), str(tmp_path)):
        copied = Cli(tmp_path).run("store", "copy", end, end)
        assert copied.code != 0 and b"name another one" in copied.err


@pytest.mark.parametrize("table", ["executions", "api_keys"])
def test_whether_a_server_is_ready_is_told_while_somebody_has_locked_a_table(cluster, table):
    """In time for who asks: a probe of Kubernetes waits for five seconds. Locks on what it does not read matter as little as before."""
    server = cluster.add()
    with shared().locked(table, cluster.store.split("dbname=")[1]):
        answers = [server.api().get("/ready", token=None) for _ in range(3)]
    if table == "api_keys":
        assert {answer.status for answer in answers} == {200}
    else:
        assert {(answer.status, answer.code) for answer in answers} == {(503, "unavailable")}
        assert all("the store does not answer" in answer.json()["error"]["message"] for answer in answers)
    eventually(lambda: server.api().get("/ready", token=None).status == 200, "it is ready again")


def test_who_follows_waits_while_a_server_cannot_read(cluster):
    """It hears of a record, which another server has written, and has no connection to read it by."""
    writes = cluster.add("--readers", "1")
    execution_id = writes.api().create()
    database = cluster.store.split("dbname=")[1]
    connections = f"SELECT pid FROM pg_stat_activity WHERE datname = '{database}' AND application_name <> 'runnel bus'"
    others = shared().sql(connections).split()
    reads = cluster.add("--readers", "2")
    with Follower(reads, execution_id) as follower:
        writes.api().append(execution_id, {"message": "one"})
        follower.logs(1)
        shared().sql(f"ALTER DATABASE {database} ALLOW_CONNECTIONS false")
        shared().sql(f"SELECT pg_terminate_backend(pid) FROM ({connections}) own WHERE pid NOT IN ({','.join(others)})")
        writes.api().append(execution_id, {"message": "two"})
        eventually(lambda: any(e.get("message") == "the store cannot be read" for e in reads.log()), "it cannot read")
        shared().sql(f"ALTER DATABASE {database} ALLOW_CONNECTIONS true")
        [two] = follower.logs(1)
        assert two["message"] == "two"
        writes.api().expect(200, "PATCH", f"/api/v1/executions/{execution_id}", {"status": "failed"})
        follower.rest()


def test_why_readers_get_no_connection_is_told_once_and_that_it_is_over(cluster):
    server = cluster.add("--readers", "2")
    execution_id = server.api().create()
    database = cluster.store.split("dbname=")[1]
    shared().sql(f"ALTER DATABASE {database} ALLOW_CONNECTIONS false")
    shared().sql(f"SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = '{database}'")
    path = f"/api/v1/executions/{execution_id}/logs"

    def told(words):
        return [entry for entry in server.log() if entry.get("message") == words]

    for _ in range(4):
        assert server.api().get(path).status == 503
    [line] = told("the store cannot be read")
    assert "is not currently accepting connections" in line["reason"] and "\n" not in line["reason"]
    shared().sql(f"ALTER DATABASE {database} ALLOW_CONNECTIONS true")
    eventually(lambda: server.api().get(path).status == 200, "it is read again")
    eventually(lambda: len(told("the store can be read again")) == 1, "that is told")
    assert len(told("the store cannot be read")) == 1
