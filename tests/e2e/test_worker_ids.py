"""Which worker is which: of two accounts, and of two machines that were given the same id."""

import contextlib
import os
import signal
import uuid

import pytest
import websockets
from support import DEADLINE
from support.api import Api, eventually
from support.cli import Cli
from support.job_worker import JobWorker
from support.workers import Worker

PATH = "/api/v1/executions"


class Machine:
    """A real worker in a folder of its own."""

    def __init__(self, folder, server, token, name="w1"):
        self.cli = Cli(folder / "home", url=server.url, token=token)
        self.data, self.name = folder / "data", name
        self.started = []

    def start(self):
        self.process = self.cli.start("worker", "--data", self.data, "--name", self.name, "--slots", 2)
        self.started.append(self.process)
        return self

    def connected(self):
        self.process.err.wait_for(b'"message":"connected"')
        return self

    def kill(self):
        self.process.signal(signal.SIGKILL)
        self.process.wait()

    def ends(self):
        """Its exit code, and what it has said."""
        code = self.process.finish(DEADLINE)
        return code, self.process.err.data


@pytest.fixture
def own_server(servers):
    return servers("--lease-seconds", "3600")  # none runs out, however slow the machine


@pytest.fixture
def machine(own_server, tmp_path):
    made = []

    def make(token=None, **options):
        one = Machine(tmp_path / f"machine{len(made)}", own_server, token or own_server.operator_key, **options)
        made.append(one)
        return one.start()

    yield make
    for one in made:
        for process in one.started:
            process.kill()


def queue(api, script, **fields):
    return api.create(command=["sh", "-c", script], queue=True, **fields)


def sealed(api, id):
    return eventually(lambda: (status := api.status(id))["sealed"] and status, f"the seal of {id}", 90)


def listed(api):
    return [one["worker_id"] for one in api.get("/api/v1/workers").json()["workers"]]


def account_of(server):
    """A client with a service key of a new account, and the key."""
    api, name = server.api(), f"acct-{uuid.uuid4().hex[:12]}"
    api.expect(201, "POST", "/api/v1/accounts", {"name": name})
    key = api.key("service", account=name)["key"]
    return Api(server.port, key), key


# --- Accounts


def test_workers_of_two_accounts_may_have_the_same_id(own_server, machine):
    accounts = [account_of(own_server) for _ in range(2)]
    machines = [machine(key).connected() for _, key in accounts]
    for api, _ in accounts:
        eventually(lambda: listed(api) == ["w1"], "its worker is listed")
    ids = [[queue(api, f"echo {number} of {i}") for number in range(6)] for i, (api, _) in enumerate(accounts)]
    for i, (api, _) in enumerate(accounts):
        for number, id in enumerate(ids[i]):
            assert sealed(api, id)["status"] == "completed"
            assert api.messages(id) == [f"{number} of {i}"]
    # One of them goes: the other one stays, and takes jobs.
    machines[0].kill()
    eventually(lambda: listed(accounts[0][0]) == [], "the killed one is gone")
    assert listed(accounts[1][0]) == ["w1"]
    assert sealed(accounts[1][0], queue(accounts[1][0], "echo still"))["status"] == "completed"


def test_one_accounts_worker_is_not_drained_by_another(own_server):
    (first, first_key), (second, second_key) = account_of(own_server), account_of(own_server)
    with JobWorker(own_server, first_key, worker_id="w1") as a, JobWorker(own_server, second_key, worker_id="w1") as b:
        for api in (first, second):
            eventually(lambda: listed(api) == ["w1"], "its worker is listed")
        assert first.post("/api/v1/workers/w1/drain").status == 200
        a.expect("drain")
        job = queue(second, "true")
        assert b.take().end().id == job
        assert second.post("/api/v1/workers/w1/drain").status == 200
        b.expect("drain")
        assert first.post("/api/v1/workers/w1/resume").status == 200
        a.expect("resume")
        assert b.quiet() == []


def test_what_one_accounts_worker_is_given_is_not_taken_back_by_anothers_hello(own_server):
    (first, first_key), (second, second_key) = account_of(own_server), account_of(own_server)
    with JobWorker(own_server, first_key, worker_id="w1") as a:
        id = queue(first, "true")
        job = a.take()  # on its way: no stream has shown that it has come
        with JobWorker(own_server, second_key, worker_id="w1") as b:
            eventually(lambda: listed(second) == ["w1"], "the other account's worker is listed")
            b.send({"type": "return", "execution_id": id, "epoch": job.epoch, "reason": "not mine"})
            other = queue(second, "true")
            assert b.take().end().id == other
        eventually(lambda: listed(second) == [], "the other account's worker is gone")
        job.end(lines=["all of it"])
    status = sealed(first, id)
    assert (status["status"], job.epoch) == ("completed", 1)
    assert first.messages(id) == ["all of it"]


# --- Machines

HELD = b"another machine uses the worker id w1; give this one another with --name"


def test_a_second_machine_with_the_id_of_one_that_is_connected_ends(own_server, machine):
    api = own_server.api()
    first = machine().connected()
    eventually(lambda: listed(api) == ["w1"], "the first one is listed")
    code, said = machine().ends()
    assert code == 1 and HELD in said
    own_server.wait_log(lambda entry: entry["message"] == "a worker was refused, as another machine uses its id")
    id = queue(api, "echo goes on")
    assert sealed(api, id)["status"] == "completed" and api.messages(id) == ["goes on"]
    assert first.process.popen.poll() is None
    assert first.process.err.data.count(b'"message":"connected"') == 1


def test_a_second_machine_gets_no_job_of_one_that_was_killed(own_server, machine, tmp_path):
    api = own_server.api()
    first = machine().connected()
    go = tmp_path / "go"
    os.mkfifo(go)
    id = queue(api, f"echo before; read x < {go}; echo after")
    eventually(lambda: api.messages(id) == ["before"], "its first line")
    first.kill()
    code, said = machine().ends()
    assert code == 1 and HELD in said
    first.start().connected()
    go.write_text("on\n")
    status = sealed(api, id)
    assert (status["status"], status["attempt"]) == ("completed", 1)
    assert api.messages(id) == ["before", "after"]


def test_another_machine_may_have_the_id_once_nothing_of_the_first_is_left(own_server, machine):
    api = own_server.api()
    first = machine().connected()
    assert sealed(api, queue(api, "true"))["status"] == "completed"
    first.process.signal(signal.SIGTERM)
    assert first.ends()[0] == 0
    eventually(lambda: listed(api) == [], "the first one is gone")
    machine().connected()
    id = queue(api, "echo here")
    assert sealed(api, id)["status"] == "completed" and api.messages(id) == ["here"]


def test_the_same_machine_takes_over_its_former_connection(own_server):
    api = own_server.api()
    with JobWorker(own_server, worker_id="w1", instance="one") as before:
        id = queue(api, "true")
        job = before.take().begin()
        held = [{"execution_id": id, "epoch": job.epoch}]
        with JobWorker(own_server, worker_id="w1", instance="one", held=held) as now:
            stream = now.opened(id, epoch=job.epoch)
            assert job.stream.ends()["code"] == "held"
            stream.lines(0, ["all of it"])
            assert stream.complete()
    assert sealed(api, id)["status"] == "completed" and api.messages(id) == ["all of it"]


@pytest.mark.parametrize("returns", [False, True])
def test_the_refused_one_changes_nothing(own_server, returns):
    api = own_server.api()
    with JobWorker(own_server, worker_id="w1", instance="one") as first:
        id = queue(api, "true")
        job = first.take()
        with Worker(own_server, worker_id="w1", instance="two") as second:
            if returns:
                with contextlib.suppress(websockets.exceptions.ConnectionClosed):  # it may be refused by now
                    second.send({"type": "return", "execution_id": id, "epoch": job.epoch, "reason": "not mine"})
            error = second.expect("error")
            assert error["code"] == "held" and error["error"].startswith("another machine uses the worker id w1")
            assert second.closed_with() == 4409
        job.end(lines=["all of it"])
        assert job.epoch == 1 and first.quiet() == []
    assert sealed(api, id)["attempt"] == 1 and api.messages(id) == ["all of it"]


def test_one_that_tells_no_instance_is_let_in(own_server):
    with JobWorker(own_server, worker_id="w1", instance="one"), JobWorker(own_server, worker_id="w1") as second:
        id = queue(own_server.api(), "true")
        assert second.take().end().id == id
