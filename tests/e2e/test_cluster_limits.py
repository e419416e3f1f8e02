"""Limits of accounts and addresses hold over all servers of a database, whichever of them counts."""

import contextlib

import pytest
from support.api import Api, eventually
from support.cluster import Cluster
from support.job_worker import JobWorker
from support.ws import Follower, Refused

FOLLOWERS, RUNNING, FAILURES = 4, 2, 60


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """Two servers that nothing but the store tells anything."""
    cluster = Cluster(tmp_path_factory.mktemp("cluster"), "none")
    for _ in range(2):
        cluster.add(
            *("--followers-max", str(FOLLOWERS)),
            *("--running-jobs-max", str(RUNNING)),
            *("--failed-logins-max", str(FAILURES)),
        )
    yield cluster
    cluster.close()


def followed(server, execution_id, token=""):
    """Whether one more is let in; it leaves at once."""
    try:
        with Follower(server, execution_id, token) as follower:
            follower.expect("state")
        return True
    except Refused as refused:
        assert refused.status == 429
        return False


def test_followers_of_an_account_are_those_at_all_servers(cluster):
    here, there = cluster.servers
    execution_id = here.api().create()
    there.api().expect(201, "POST", "/api/v1/accounts", {"name": "follows"})
    key = there.api().key("user", account="follows")["key"]
    others_id = Api(there.port, key).create()
    with contextlib.ExitStack() as stack:
        for server in (here, here, there, here):
            stack.enter_context(Follower(server, execution_id)).expect("state")
        for server in (here, there):
            eventually(lambda: not followed(server, execution_id), "the account has as many as it may")
            assert followed(server, others_id, key)  # another account has room
        answer = there.api().get(f"/api/v1/executions/{execution_id}/logs", query={"follow": "true"})
        assert answer.status == 429 and "followers" in answer.json()["error"]["message"]
    for server in (here, there):
        eventually(lambda: followed(server, execution_id), "they have gone")


def test_a_server_that_leaves_takes_its_followers_off_the_account(cluster):
    here = cluster.servers[0]
    leaving = cluster.add("--followers-max", str(FOLLOWERS))
    here.api().expect(201, "POST", "/api/v1/accounts", {"name": "stays"})
    key = here.api().key("user", account="stays")["key"]
    execution_id = Api(here.port, key).create()
    with contextlib.ExitStack() as stack:
        for _ in range(FOLLOWERS):
            stack.enter_context(Follower(leaving, execution_id, key)).expect("state")
        eventually(lambda: not followed(here, execution_id, key), "the account has as many as it may")
        leaving.stop()
        eventually(lambda: followed(here, execution_id, key), "their server has gone")


def test_failed_logins_of_an_address_are_those_at_all_servers(cluster):
    here, there = cluster.servers[:2]

    def fails(server):
        return Api(server.port, "rnl_" + "x" * 43).get("/api/v1/executions").status

    answers = [fails(here) for _ in range(FAILURES + 1)]
    assert answers == [401] * FAILURES + [429]
    tries = []
    eventually(lambda: tries.append(fails(there)) or tries[-1] == 429, "the other server has heard of it")
    assert len(tries) < FAILURES, "it has not counted them itself"
    assert there.api().get("/api/v1/executions").status == 200  # who has a good key is let in


def test_running_jobs_of_an_account_are_those_at_all_servers(cluster):
    here, there = cluster.servers[:2]
    there.api().expect(201, "POST", "/api/v1/accounts", {"name": "runs"})
    key = there.api().key("service", account="runs")["key"]
    api = Api(there.port, key)
    with JobWorker(here, key, worker_id="w-here", slots=RUNNING) as first:
        for _ in range(RUNNING):
            api.create(command=["true"], queue=True)
        jobs = [first.take().begin() for _ in range(RUNNING)]
        last = api.create(command=["true"], queue=True)

        def full():
            return (api.status(last).get("waiting") or {}).get("reason") == "account_limit"

        eventually(full, "the other server knows that the account has as many as it may")
        first.send({"type": "drain"})
        with JobWorker(there, key, worker_id="w-there", slots=RUNNING) as second:
            eventually(
                lambda: "w-there" in [one["worker_id"] for one in api.get("/api/v1/workers").json()["workers"]],
                "the other worker is there",
            )
            assert second.quiet() == [] and full()
            jobs.pop().end()
            assert second.take().end().id == last
        jobs.pop().end()


def test_a_single_job_does_not_wait_for_a_batch_whichever_server_has_it(cluster):
    """The batch was submitted at one server, and the job at the other one."""
    here, there = cluster.servers[:2]
    there.api().expect(201, "POST", "/api/v1/accounts", {"name": "fair"})
    key = there.api().key("service", account="fair")["key"]
    jobs = [{"command": ["true"]} for _ in range(8)]
    with (
        JobWorker(here, key, worker_id="fair-here", slots=1) as first,
        JobWorker(there, key, worker_id="fair-there", slots=1) as second,
    ):
        Api(there.port, key).expect(201, "POST", "/api/v1/batches", {"name": "many", "jobs": jobs})
        running = [worker.take().begin() for worker in (first, second)]
        single = Api(here.port, key).create(command=["true"], queue=True)
        for job in running:
            job.end()
        # A server may have chosen its next one already, when it hears of the job. Six of the batch are left.
        taken = [worker.take().end().id for _ in range(2) for worker in (first, second)]
        assert single in taken
