"""Servers that share a database: what one takes in, all show; what one decides, all keep to."""

import subprocess

import pytest
from support.api import eventually
from support.cli import Cli
from support.cluster import Cluster
from support.gate import Gate
from support.job_worker import JobWorker
from support.workers import Worker
from support.ws import Follower, Refused, Runner

BY_EACH_BUS = pytest.mark.parametrize("cluster", ["notify", "redis", "none"], indirect=True, scope="module")
BY_TWO_BUSES = pytest.mark.parametrize("own_cluster", ["notify", "redis"], indirect=True)

HOLDER = (
    """SELECT node, asked_ms FROM leases JOIN executions ON id = subject WHERE kind = 1 AND execution_id = 'asks'"""
)


@pytest.fixture(scope="module")
def cluster(request, tmp_path_factory):
    """Two servers for the tests that end neither."""
    cluster = Cluster(tmp_path_factory.mktemp("cluster"), getattr(request, "param", "notify"))
    cluster.add()
    cluster.add()
    yield cluster
    cluster.close()


@pytest.fixture
def own_cluster(request, tmp_path):
    cluster = Cluster(tmp_path, getattr(request, "param", "notify"))
    yield cluster
    cluster.close()


def numbers(messages):
    return [message["sequence_number"] for message in messages]


@BY_EACH_BUS
def test_a_follower_at_another_server_sees_each_line_and_the_end(cluster):
    here, there = cluster.servers
    singly = 2 if cluster.bus == "none" else 20  # which takes a second each
    execution_id = here.api().create()
    with Follower(there, execution_id) as follower, Runner(here, execution_id) as runner:
        for i in range(singly):
            runner.lines([f"line {i}"])
            assert [log["message"] for log in follower.logs(1)] == [f"line {i}"]
        runner.lines([f"burst {i}" for i in range(2000)])
        runner.complete(3)
        logs, complete = follower.rest()
    assert numbers(logs) == list(range(singly, singly + 2000))
    assert complete["exit_code"] == 3 and complete["final_sequence"] == singly + 1999


@BY_EACH_BUS
def test_followers_everywhere_see_what_comes_by_two_servers(cluster):
    here, there = cluster.servers
    execution_id = here.api().create()
    with Follower(here, execution_id) as one, Follower(there, execution_id) as other:
        for i in range(40):
            cluster.servers[i % 2].api().append(execution_id, {"message": f"line {i}"})
        for follower in (one, other):
            assert [log["message"] for log in follower.logs(40)] == [f"line {i}" for i in range(40)]


def test_a_runner_that_did_not_hear_that_it_has_the_run_goes_on_at_another_server(own_cluster, tmp_path):
    here, there = (own_cluster.add("--lease-seconds", "3600") for _ in range(2))
    ports = [here.port]
    gate = Gate(lambda: ports)
    cutter = gate.cut_at(b'"type":"ready"', answers=True)
    cli = Cli(tmp_path / "home", url=gate.url, token=here.operator_key)
    with cli.start("wrap", "--id", "unheard", "--", "seq", "3") as process:
        eventually(lambda: cutter.done >= 1, "it was told")
        ports[:] = [there.port]
        gate.cut_at(None)
        assert process.finish(60) == 0, process.err.data
    assert there.api().get("/api/v1/executions/unheard/logs?format=raw").body == b"1\n2\n3\n"
    gate.close()


def test_a_stream_that_does_not_follow_ends_at_what_was_durable(cluster):
    here, there = cluster.servers
    execution_id = here.api().create()
    with Follower(there, execution_id) as follower:  # so that the other server keeps the log in mind
        for i in range(30):
            here.api().append(execution_id, {"message": f"line {i}"})
            text = there.api().get(f"/api/v1/executions/{execution_id}/logs", query={"format": "text"}).body.decode()
            assert text.splitlines() == [f"line {k}" for k in range(i + 1)]
        follower.logs(30)


def test_a_runner_goes_on_at_another_server(cluster):
    here, there = cluster.servers
    execution_id = here.api().create()
    with Runner(here, execution_id) as runner:
        runner.lines(["one", "two"])
        epoch = runner.ready["epoch"]
        with Runner(there, execution_id, epoch=epoch) as again:
            assert again.ready["next_sequence"] == 2
            again.lines(["three"])
            again.complete()
    assert here.api().messages(execution_id) == ["one", "two", "three"]
    assert there.api().status(execution_id)["status"] == "completed"


def test_a_runner_that_has_gone_on_to_another_server_is_not_brought_back(cluster):
    """What it had asked the first one for before may come to the store later."""
    here, there = cluster.servers
    execution_id = here.api().create()
    with Runner(here, execution_id) as runner:
        epoch = runner.ready["epoch"]
    with Runner(there, execution_id, epoch=epoch, at=5000) as runner:
        with pytest.raises(Refused) as late:
            Runner(here, execution_id, epoch=epoch, at=4999)
        assert late.value.status == 409
        runner.lines(["it stays"])
    with Runner(here, execution_id, epoch=epoch, at=5001) as runner:
        assert runner.complete()["final_sequence"] == 0


def test_a_wrapped_job_tells_when_it_asks(cluster, tmp_path):
    here, there = cluster.servers
    way = Gate(lambda: [here.port])
    cli = Cli(tmp_path, url=way.url, token=here.operator_key)
    with cli.start("wrap", "--id", "asks", "--", "sh", "-c", "read line", stdin=subprocess.PIPE) as job:
        node = eventually(lambda: cluster.sql(HOLDER), "it is connected")
        assert node.endswith("|0")  # one that is new is nobody's
        way.targets = lambda: [there.port]
        way.cut()
        asked = eventually(lambda: (now := cluster.sql(HOLDER)) != node and now, "it has gone on")
        assert int(asked.split("|")[1]) > 0
        job.close_stdin()
        job.finish()
    way.close()


@BY_EACH_BUS
def test_a_runner_is_told_to_cancel_by_another_server(cluster):
    here, there = cluster.servers
    execution_id = here.api().create()
    with Runner(here, execution_id) as runner:
        runner.lines(["one"])
        there.api().expect(202, "DELETE", f"/api/v1/executions/{execution_id}")
        assert runner.expect("cancel")["reason"] == "cancelled by request"
        runner.complete(143, status="cancelled")
    eventually(lambda: there.api().status(execution_id)["status"] == "cancelled", "cancelled")


@BY_EACH_BUS
def test_a_key_that_is_revoked_at_one_server_ends_its_streams_at_another(cluster):
    here, there = cluster.servers
    key = here.api().key("viewer")
    execution_id = here.api().create()
    there.api(key["key"]).expect(200, "GET", f"/api/v1/executions/{execution_id}/status")
    with Follower(there, execution_id, token=key["key"]) as follower:
        here.api().expect(200, "DELETE", f"/api/v1/keys/{key['key_id']}")
        assert follower.closed_with() == 4401
    eventually(
        lambda: there.api(key["key"]).get(f"/api/v1/executions/{execution_id}/status").status == 401,
        "the key is refused",
    )


def test_a_ticket_is_good_at_each_server_for_the_stream_of_its_first_use(cluster):
    here, there = cluster.servers
    execution_id, other_id = here.api().create(), here.api().create()
    key = here.api().key("viewer")
    made = here.api(key["key"]).expect(201, "POST", "/api/v1/tickets")["ticket"]
    for server in (there, here, there):
        with Follower(server, execution_id, token=None, access_token=made) as follower:
            follower.expect("state")
        with pytest.raises(Refused) as refused:
            Follower(server, other_id, token=None, access_token=made)
        assert refused.value.status == 401
    with Follower(there, execution_id, token=None, access_token=made) as follower:
        here.api().expect(200, "DELETE", f"/api/v1/keys/{key['key_id']}")
        assert follower.closed_with() == 4401
    for server in (there, here):
        with pytest.raises(Refused) as refused:
            Follower(server, execution_id, token=None, access_token=made)
        assert refused.value.status == 401


def test_where_its_runner_is_connected_is_not_made_up(cluster):
    here, there = cluster.servers
    execution_id = here.api().create()
    with Runner(here, execution_id) as runner:
        runner.lines(["one"])
        with Follower(here, execution_id) as follower:
            assert follower.expect("state")["runner_connected"] is True
        with Follower(there, execution_id) as follower:
            assert follower.expect("state")["runner_connected"] is None
        runner.complete()
    with Follower(there, execution_id) as follower:
        states = [m for m in follower.collect(lambda m: m["type"] == "complete") if m["type"] == "state"]
        assert states[-1] | {"status": "completed", "runner_connected": False} == states[-1]


def test_an_account_that_is_suspended_at_one_server_is_so_at_another(cluster):
    here, there = cluster.servers
    here.api().expect(201, "POST", "/api/v1/accounts", {"name": "other"})
    key = here.api().key("user", account="other")["key"]
    path = "/api/v1/executions"
    there.api(key).expect(200, "GET", path)
    for state, status in ((True, 403), (False, 200), (True, 403)):
        here.api().expect(200, "PATCH", "/api/v1/accounts/other", {"suspended": state})
        eventually(lambda: there.api(key).get(path).status == status, f"suspended: {state}")


def listed(server):
    return {worker["worker_id"]: worker for worker in server.api().expect(200, "GET", "/api/v1/workers")["workers"]}


def test_a_worker_is_listed_and_drained_whoever_is_asked(cluster):
    here, there = cluster.servers
    with Worker(here, worker_id="of-the-roster", labels=["gpu"]) as worker:
        eventually(lambda: "of-the-roster" in listed(there), "the other server has heard of it")
        mine, others = listed(here)["of-the-roster"], listed(there)["of-the-roster"]
        assert mine | {"heard_at": 0} == others | {"heard_at": 0} and others["labels"] == ["gpu"]
        there.api().expect(200, "POST", "/api/v1/workers/of-the-roster/drain")
        worker.expect("drain")
        eventually(lambda: listed(there)["of-the-roster"]["draining"], "it is told that it drains")
        there.api().expect(200, "POST", "/api/v1/workers/of-the-roster/resume")
        worker.expect("resume")
        there.api().expect(404, "POST", "/api/v1/workers/of-nobody/drain")
        there.api().expect(201, "POST", "/api/v1/accounts", {"name": "of-another"})
        key = there.api().key("admin", account="of-another")["key"]
        assert there.api(key).post("/api/v1/workers/of-the-roster/drain").status == 404
    eventually(lambda: "of-the-roster" not in listed(there), "the other server has heard that it left")


def test_a_worker_of_a_server_that_was_killed_is_not_listed_for_ever(own_cluster):
    first, second = own_cluster.add(), own_cluster.add()
    with Worker(first, worker_id="of-the-killed"):
        eventually(lambda: "of-the-killed" in listed(second), "the other server has heard of it")
        own_cluster.sql(
            "INSERT INTO sql_roles(role, account) SELECT 'postgres', id FROM accounts WHERE name = 'default'"
        )
        assert own_cluster.sql("SELECT worker_id || hostname FROM runnel_sql.workers") == "of-the-killedhost"
        first.kill()
    first.restart()
    eventually(lambda: "of-the-killed" not in listed(second), "its node is fenced")


def test_what_a_server_leaves_the_others_take_over(own_cluster):
    first, second = own_cluster.add(), own_cluster.add()
    execution_id = first.api().create()
    with Runner(first, execution_id) as runner:
        runner.lines(["one"])
    first.stop()
    node = own_cluster.sql("SELECT max(id) FROM nodes WHERE fenced_ms = 0")
    eventually(
        lambda: own_cluster.sql("SELECT node FROM leases WHERE kind = 1") == node,
        "the lease is taken over",
    )
    with Runner(second, execution_id, epoch=runner.ready["epoch"]) as again:
        again.lines(["two"])
        again.complete()
    assert second.api().messages(execution_id) == ["one", "two"]


def test_a_server_that_was_killed_costs_no_line(own_cluster):
    first, second = own_cluster.add("--lease-seconds", "5"), own_cluster.add("--lease-seconds", "5")
    execution_id = first.api().create()
    with Follower(second, execution_id) as follower:
        with Runner(first, execution_id) as runner:
            for i in range(500):
                runner.lines([f"line {i}"], wait=False)
            runner.acked(0)
            first.kill()
        with Runner(second, execution_id, epoch=runner.ready["epoch"]) as again:
            if again.next < 500:
                again.lines([f"line {i}" for i in range(again.next, 500)])
            again.complete()
        logs, complete = follower.rest()
    assert [log["message"] for log in logs] == [f"line {i}" for i in range(500)]
    assert complete["status"] == "completed"


@BY_TWO_BUSES
def test_a_server_that_was_paused_goes_on_with_what_it_missed(own_cluster):
    first, second = own_cluster.add(), own_cluster.add()
    execution_id = first.api().create()
    key = first.api().key("viewer")
    with Follower(second, execution_id) as follower, Follower(second, execution_id, token=key["key"]) as revoked:
        first.api().append(execution_id, {"message": "before"})
        follower.logs(1)
        with own_cluster.paused(second):
            for i in range(100):
                first.api().append(execution_id, {"message": f"line {i}"})
            first.api().expect(200, "DELETE", f"/api/v1/keys/{key['key_id']}")
        assert [log["message"] for log in follower.logs(100)] == [f"line {i}" for i in range(100)]
        assert revoked.closed_with() == 4401


def test_what_servers_must_share_and_this_one_keeps_for_itself_is_told_at_its_start(own_cluster, tmp_path):
    key = tmp_path / "keys"
    key.write_text("00" * 32 + "\n")
    key.chmod(0o600)
    alone, other = own_cluster.add(), own_cluster.add("--secrets-key", key)
    told = [server.wait_log(lambda entry: "settings" in entry)["settings"] for server in (alone, other)]
    assert told == ["artifacts, secrets_key", "artifacts"]


@BY_TWO_BUSES
def test_without_a_word_between_servers_everything_comes_a_second_later(own_cluster):
    """Each connection by which they tell each other is ended as soon as it is there."""
    first, second = own_cluster.add(), own_cluster.add()
    execution_id = first.api().create()
    with Follower(second, execution_id) as follower, Runner(first, execution_id) as runner:
        for i in range(3):
            own_cluster.end_bus_connections()
            runner.lines([f"line {i}"])
            assert [log["message"] for log in follower.logs(1)] == [f"line {i}"]
        own_cluster.end_bus_connections()
        second.api().expect(202, "DELETE", f"/api/v1/executions/{execution_id}")
        runner.expect("cancel")
        own_cluster.end_bus_connections()
        runner.complete(143, status="cancelled")
        assert follower.rest()[1]["status"] == "cancelled"


def test_a_job_runs_once_whoever_is_asked(own_cluster):
    servers = [own_cluster.add("--jobs", "2"), own_cluster.add("--jobs", "2")]
    ids = [servers[i % 2].api().create(command=["sh", "-c", f"echo job {i}"], queue=True) for i in range(12)]
    for i, execution_id in enumerate(ids):
        api = servers[(i + 1) % 2].api()
        eventually(lambda: api.status(execution_id)["sealed"], "the job ends")
        assert api.messages(execution_id) == [f"job {i}"]
        assert api.status(execution_id)["status"] == "completed"


def test_a_server_that_was_killed_and_starts_again_has_its_runners_at_once(own_cluster):
    first, _ = own_cluster.add(), own_cluster.add()
    execution_id = first.api().create()
    with Runner(first, execution_id) as runner:
        runner.lines(["one"])
        first.kill()
    first.restart()
    with Runner(first, execution_id, epoch=runner.ready["epoch"]) as again:
        again.lines(["two"])
        again.complete()
    assert first.api().messages(execution_id) == ["one", "two"]
    assert own_cluster.sql("SELECT count(*) FROM nodes WHERE fenced_ms = 0") == "2"  # the one it was is not heard of


def waits_for(server, execution_id, detail):
    """Until that server says so."""

    def look():
        return detail in (server.api().status(execution_id).get("waiting") or {}).get("detail", "")

    eventually(look, f"it waits: {detail}")


def test_why_a_job_waits_is_told_by_the_workers_of_all_servers(cluster):
    here, there = cluster.servers
    api = here.api()
    asked = {"command": ["true"], "queue": True}
    gpu, large = api.create(labels=["gpu-x"], **asked), api.create(labels=["cpu-x"], cpus=4, **asked)
    for server in cluster.servers:
        waits_for(server, gpu, "no worker that is connected runs process jobs")
    with JobWorker(here, worker_id="w-why", labels=["cpu-x"], slots=1, cpus=2000) as worker:
        for server in cluster.servers:
            waits_for(server, gpu, "no worker that is connected has the label gpu-x")
            waits_for(server, large, "no worker that is connected has as many cpus")
        small = api.create(labels=["cpu-x"], cpus=1, **asked)
        running = worker.take().begin()
        next = api.create(labels=["cpu-x"], cpus=1, **asked)
        for server in cluster.servers:
            waits_for(server, next, "the next one; it starts as soon as a worker has room")
        there.api().expect(200, "POST", "/api/v1/workers/w-why/drain")
        for server in cluster.servers:
            waits_for(server, next, "the workers that could run it take no more jobs")
        assert running.end().id == small
    for server in cluster.servers:
        waits_for(server, next, "no worker that is connected runs process jobs")
    for execution_id in (gpu, large, next):
        api.delete(f"/api/v1/executions/{execution_id}")


def test_a_second_machine_with_the_id_of_one_at_another_server_is_refused(cluster):
    here, there = cluster.servers
    with JobWorker(here, worker_id="w-twice", instance="one", slots=1) as first:
        eventually(lambda: "w-twice" in listed(there), "the other server has heard of it")
        with Worker(there, worker_id="w-twice", instance="two", slots=1) as second:
            assert second.expect("error")["code"] == "held"
            assert second.closed_with() == 4409
        with JobWorker(there, worker_id="w-twice", instance="one", slots=1) as again:  # the same comes another way
            first.close()
            execution_id = there.api().create(command=["true"], queue=True)
            assert again.take().end().id == execution_id


def test_of_two_machines_with_one_id_that_come_at_once_one_stays(cluster):
    servers = cluster.servers
    workers = [JobWorker(server, worker_id="w-both", instance=str(i), slots=1) for i, server in enumerate(servers)]

    def refusing():
        said = "a worker was refused, as another machine uses its id"
        logs = [[(entry["message"], entry.get("worker_id")) for entry in server.log()] for server in servers]
        return [i for i, log in enumerate(logs) if (said, "w-both") in log]

    (refused,) = eventually(refusing, "one is refused")
    assert workers[refused].expect("error")["code"] == "held"
    execution_id = servers[refused].api().create(command=["true"], queue=True)
    assert workers[1 - refused].take().end().id == execution_id
    assert refusing() == [refused]
    for worker in workers:
        worker.close()
