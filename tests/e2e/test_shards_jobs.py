"""Jobs and batches in several stores: each lies in one, workers take them from all, and what they wait for may lie in
another."""

import itertools
import sqlite3

import pytest
from support.api import eventually
from support.job_worker import BusyWorker, JobWorker
from support.postgres import Postgres, roomy_folder, shared

pytestmark = pytest.mark.sqlite("stores that are files; one test has databases")

BATCHES = "/api/v1/batches"
_names = itertools.count()


class Files:
    """A server whose stores are files; `folders`: of the stores in their order."""

    def __init__(self, servers, root):
        self.server = servers(start=False)
        self.folders = [self.server.data, root / "one"]
        self.server.flags = ["--shards", str(self.folders[1])]
        self.server.start()
        self.api = self.server.api()

    def rows(self, number, text):
        with sqlite3.connect(f"file:{self.folders[number]}/runnel.db?mode=ro", uri=True, timeout=30) as db:
            return {row[0] for row in db.execute(text)}


class Databases:
    def __init__(self, servers, home, other):
        self.databases = [home, other]
        self.server = servers("--store", home[1], "--shards", other[1])
        self.api = self.server.api()

    def rows(self, number, text):
        engine, address = self.databases[number]
        return set(engine.sql(text, address.rpartition("=")[2]).split())


def made_in(stores, number):
    return stores.rows(number, "SELECT execution_id FROM executions")


def job_in(stores, number, **fields):
    """A job of a name of its own that lies in that store. Those that come to lie in another are cancelled."""
    while True:
        id = f"job-{next(_names)}"
        stores.api.create(execution_id=id, command=["true"], queue=True, **fields)
        if id in made_in(stores, number):
            return id
        stores.api.expect(200, "DELETE", f"/api/v1/executions/{id}")


def after(*ids, on="ok"):
    return [{"id": id, "on": on} for id in ids]


def state(api, id):
    return api.status(id)["status"]


def ends(api, id, status="completed"):
    eventually(lambda: state(api, id) == status, f"{id} {status}")


def batch_over(api, id, status):
    return eventually(
        lambda: (now := api.expect(200, "GET", f"{BATCHES}/{id}/status"))["status"] == status and now, f"{id} {status}"
    )


@pytest.fixture
def two(servers, tmp_path):
    return Files(servers, tmp_path)


def test_jobs_lie_in_both_stores_and_a_chain_through_them_runs_in_its_order(two):
    api, chain = two.api, []
    for i in range(10):
        chain.append(job_in(two, i % 2, after=after(*chain[-2:])))
    told = api.expect(200, "GET", f"/api/v1/executions/{chain[5]}/dependencies")
    assert {one["id"] for one in told["dependencies"]} == set(chain[3:5])
    assert {one["id"] for one in told["dependents"]} == set(chain[6:8])
    with BusyWorker(two.server, lambda job: (0, ["a line"])) as worker:
        ends(api, chain[-1])
        assert [id for id in worker.began if id in chain] == chain
    for id in chain:
        assert api.messages(id) == ["a line"]


def test_what_can_never_run_is_skipped_and_what_is_tried_again_is_waited_for(two):
    api = two.api
    first = job_in(two, 0, retries=1, retry_on=["failed"])
    good, bad = job_in(two, 1, after=after(first)), job_in(two, 1, after=after(first, on="failed"))
    with JobWorker(two.server, slots=1) as worker:
        worker.take().end(1)
        again = worker.take()  # in the store of the first attempt
        assert again.id in made_in(two, 0)
        assert state(api, good) == state(api, bad) == "queued"
        again.end(0)
        assert worker.take().id == good
        ends(api, bad, "skipped")
    assert first in api.status(bad)["reason"]
    cancelled = job_in(two, 0)
    waits = job_in(two, 1, after=after(cancelled, on="any"))
    api.expect(200, "DELETE", f"/api/v1/executions/{cancelled}")
    with JobWorker(two.server, slots=1) as worker:
        assert worker.take().id == waits


def test_batches_lie_in_both_stores_and_wait_for_each_other(two):
    api = two.api
    made = []
    while not all(two.rows(number, "SELECT batch_id FROM batches") for number in (0, 1)) or len(made) < 4:
        jobs = {"job": {"command": ["true"], "after": after(*made[-1:], on="any")}, "jobs": [{}] * 5}
        made.append(api.expect(201, "POST", BATCHES, jobs)["batch_id"])
        assert len(made) < 50
    for limit in (1, 3, 50):
        found, cursor = [], None
        while cursor or not found:
            page = api.expect(200, "GET", BATCHES, query={"limit": limit, **({"cursor": cursor} if cursor else {})})
            found += [batch["batch_id"] for batch in page["batches"]]
            cursor = page["next_cursor"]
        assert found == made[::-1]
    with BusyWorker(two.server) as worker:
        for id in made:
            assert batch_over(api, id, "completed")["completed_count"] == 5
        order = [api.status(id)["batch_id"] for id in worker.began]
    assert [id for id, _ in itertools.groupby(order)] == made
    last = api.expect(201, "POST", BATCHES, {"job": {"command": ["true"]}, "jobs": [{}] * 5})["batch_id"]
    waits = job_in(two, 0, after=after(last)), job_in(two, 1, after=after(last))
    api.expect(202, "POST", f"{BATCHES}/{last}/cancel")
    batch_over(api, last, "cancelled")
    for id in waits:
        ends(api, id, "skipped")


def test_a_server_that_is_killed_when_a_parent_has_ended_goes_on_with_what_waits(two):
    """Whatever of the end it had told the other store."""
    for i in range(4):
        parent = job_in(two, i % 2)
        child = job_in(two, (i + 1) % 2, after=after(parent))
        with JobWorker(two.server, slots=1) as worker:
            job = worker.take().begin()
            assert job.id == parent
            job.stream.say("complete", execution_id=job.id, exit_code=0)
            eventually(
                lambda parent=parent, i=i: parent
                in two.rows(i % 2, "SELECT execution_id FROM executions WHERE status = 'completed'"),
                "the end is stored",
            )
            two.server.kill()
        two.server.restart()
        with JobWorker(two.server, slots=1) as worker:
            job = worker.take()
            assert job.id == child
            job.end(0)
        ends(two.server.api(), child)


@pytest.fixture(scope="module")
def other_engine():
    engine = Postgres(roomy_folder())
    yield engine
    engine.close()


@pytest.fixture
def databases(servers, other_engine, tmp_path):
    """The second one may be stopped."""
    yield Databases(servers, (shared(), shared().store(tmp_path)), (other_engine, other_engine.store(tmp_path)))
    if other_engine.process.popen.poll() is not None:
        other_engine.start()


def test_what_waits_for_a_database_that_is_away_goes_on_when_it_is_back(databases, other_engine):
    api = databases.api
    here, there = job_in(databases, 0), job_in(databases, 1)
    waits_here, waits_there = job_in(databases, 0, after=after(there)), job_in(databases, 1, after=after(here))
    with JobWorker(databases.server, slots=2) as worker:
        jobs = {job.id: job for job in (worker.take(), worker.take())}
        assert set(jobs) == {here, there}
        other_engine.stop()
        jobs[here].end(0)
        ends(api, here)
        job = {"command": ["true"], "queue": True}  # one without a name is made where it can be
        eventually(lambda: api.post("/api/v1/executions", job).status == 201, "a job is made")
        worker.take().end(0)
        assert state(api, waits_here) == "queued"
        other_engine.start()
        eventually(lambda: "away" not in api.expect(200, "GET", "/ready"), "it is back")
        jobs[there].end(0)
        went_on = {worker.take(), worker.take()}
        assert {job.id for job in went_on} == {waits_here, waits_there}
        for job in went_on:
            job.end(0)
    ends(api, waits_here)
    ends(api, waits_there)
