"""Servers of a newer version take the place of others, one by one, on one database."""

import pathlib

import pytest
from support.api import eventually
from support.cli import Cli
from support.cluster import Cluster
from support.load import Load
from support.process import BIN

PROGRAMS = pathlib.Path(BIN).parent / "tests" / "upgrade"  # this version with one more migration
NEXT, BREAKING = PROGRAMS / "runnel-next", PROGRAMS / "runnel-breaking"


@pytest.fixture
def cluster(tmp_path):
    cluster = Cluster(tmp_path)
    yield cluster
    cluster.close()


def version(cluster):
    return int(cluster.sql("SELECT max(number) FROM schema_version"))


def replace(server, program):
    server.stop()
    server.program = program
    server.restart()


def test_followers_and_runners_see_nothing_but_a_reconnect(cluster, tmp_path):
    first, second = cluster.add("--jobs", "1"), cluster.add("--jobs", "1")
    former = version(cluster)
    load = Load(tmp_path / "fifo")
    here, there = Cli(tmp_path / "here", first), Cli(tmp_path / "there", second)
    run = here.start("run", "--quiet", "--id", "of-two-versions", "--", "cat", load.fifo)
    load.start()
    eventually(lambda: first.api().get("/api/v1/executions/of-two-versions/status").status == 200, "it is there")
    followers = [cli.start("logs", "--follow", "of-two-versions") for cli in (here, there)]

    def more():
        """What is printed from now on is shown everywhere."""
        now = load.count
        for follower in followers:
            follower.out.wait(lambda data: data.count(b"\n") > now, "the lines go on")

    def jobs():
        """Whoever takes it, and whoever is asked."""
        for asked, shows in ((first, second), (second, first)):
            job = asked.api().create(command=["echo", "done"], queue=True)
            eventually(lambda: shows.api().status(job)["sealed"], "the job ends")
            assert shows.api().messages(job) == ["done"]

    more()
    replace(first, NEXT)
    assert version(cluster) == former + 1
    more()
    jobs()
    replace(second, BIN)  # one of the former version starts on what the newer one has made
    assert any("newer version" in (entry["message"] or "") for entry in second.log())
    more()
    replace(second, NEXT)
    jobs()
    more()
    text = load.end()
    assert run.finish() == 0
    for follower in followers:
        assert follower.finish() == 0
        assert follower.out.data == text
    for server in (first, second):
        status = server.api().status("of-two-versions")
        assert (status["status"], status["sealed"]) == ("completed", True), status


def test_what_the_others_cannot_work_on_waits_for_their_end(cluster):
    old = cluster.add()
    former = version(cluster)
    newer = cluster.add(started=False)
    newer.program = BREAKING
    newer.spawn()
    assert newer.ended(expect=None) != 0
    said = newer.process.err.data.decode()
    assert "1 of the servers" in said and f"the schema {former + 1}" in said, said
    assert version(cluster) == former
    execution_id = old.api().create()
    old.api().append(execution_id, {"message": "goes on"})
    old.stop()
    newer.start()
    assert version(cluster) == former + 1
    assert newer.api().messages(execution_id) == ["goes on"]
    old.spawn()
    assert old.ended(expect=None) != 0
    assert f"this program knows schemas up to {former}" in old.process.err.data.decode()


def test_one_that_stood_still_meanwhile_ends_when_it_goes_on(cluster):
    old = cluster.add()
    execution_id = old.api().create()
    newer = cluster.add(started=False)
    newer.program = BREAKING
    with cluster.paused(old):
        cluster.sql("UPDATE nodes SET heartbeat_ms = heartbeat_ms - 31000")  # it stands still for so long
        newer.start()
        newer.api().append(execution_id, {"message": "goes on"})
    assert old.ended(expect=None) != 0
    assert "a schema that this version does not know" in old.process.err.data.decode()
    assert newer.api().messages(execution_id) == ["goes on"]


def test_of_two_that_start_first_at_once_both_serve(cluster):
    servers = [cluster.add(started=False) for _ in range(4)]
    for server in servers:
        server.spawn()
    for server in servers:
        server.await_ready()
    newest = version(cluster)
    assert cluster.sql("SELECT count(*) FROM schema_version") == str(newest)
