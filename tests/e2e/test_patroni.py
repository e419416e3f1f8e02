"""Servers on a pair of PostgreSQL under Patroni, under load: the primary is killed, stands still, or is changed for the
other one. RUNNEL_TEST_PATRONI=1 asks for it; a failover takes as long as Patroni waits for a primary that is silent."""

import os
import signal

import pytest
from support.api import eventually
from support.cli import Cli
from support.cluster import Cluster
from support.faults import chance, pass_by, rounds
from support.load import Appends, Load
from support.patroni import MISSING, OUTAGE, Pair
from support.ws import Follower

pytestmark = [
    pytest.mark.skipif(os.environ.get("RUNNEL_TEST_PATRONI") != "1", reason="RUNNEL_TEST_PATRONI=1 asks for it"),
    pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}"),
    pytest.mark.timeout(1200),
]


@pytest.fixture(scope="module")
def pair():
    pair = Pair()
    yield pair
    pair.close()


class World:
    """Two servers; at each a run that prints, a job that prints, and followers of what is at the other one; requests that append to
    both."""

    def __init__(self, root, pair, name):
        self.database = name
        self.cluster = Cluster(root, store=pair.store(name))
        self.servers = [self.cluster.add("--jobs", "1"), self.cluster.add("--jobs", "1")]
        self.clis = [Cli(root / f"home{i}", server) for i, server in enumerate(self.servers)]
        self.runs, self.jobs, self.loads, self.followers = [], [], {}, {}
        for i, (cli, server) in enumerate(zip(self.clis, self.servers)):
            self._print(root, f"run-{i}")
            self._print(root, f"job-{i}")
            run = cli.start("wrap", "--quiet", "--id", f"run-{i}", "--", "cat", self.loads[f"run-{i}"].fifo)
            self.runs.append(run)
            server.api().create(execution_id=f"job-{i}", command=["cat", str(self.loads[f"job-{i}"].fifo)], queue=True)
        for name in self.loads:
            eventually(lambda: self.api.get(f"/api/v1/executions/{name}/status").status == 200, f"{name} is there")
            self.followers[name] = self.clis[1 - int(name[-1])].start("logs", "--follow", name)
        self.appends = Appends(self.servers, self.api.create())
        self.appends.start()

    def _print(self, root, name):
        self.loads[name] = Load(root / f"fifo-{name}")
        self.loads[name].start()

    @property
    def api(self):
        return self.servers[0].api()

    def goes_on(self):
        """What is written from now on is taken in and shown, without anybody's doing."""
        counts = {name: load.count for name, load in self.loads.items()}
        tried = self.appends.count
        for name, follower in self.followers.items():
            follower.out.wait(lambda data: data.count(b"\n") > counts[name], f"{name} goes on", OUTAGE)
        eventually(lambda: self.appends.acknowledged[-1:] > [tried], "appends go on", OUTAGE)
        for server in self.servers:
            eventually(lambda: server.api().get("/ready", token=None).status == 200, "a server is ready", OUTAGE)

    def whole(self):
        """Ends all, and looks at what is there: every line once, in order."""
        texts = {name: load.end() for name, load in self.loads.items()}
        acknowledged = self.appends.end()
        for run in self.runs:
            assert run.finish() == 0, run.err.data[-2000:]
        for name, text in texts.items():
            follower = self.followers[name]
            assert follower.finish() == 0, follower.err.data[-2000:]
            assert follower.out.data == text, name
            eventually(lambda: self.api.status(name)["sealed"], f"{name} is sealed")
            assert self.api.status(name)["status"] == "completed"
            assert self.clis[0].ok("logs", name).out == text, name
            self.clis[0].ok("verify", name)
        stored = [int(message) for message in self.api.messages(self.appends.execution_id)]
        assert stored == sorted(set(stored))
        assert set(acknowledged) <= set(stored) <= set(range(self.appends.count))
        print(
            f"{len(acknowledged)} appends acknowledged, {len(stored)} stored; longest pause {self.appends.pause:.1f} s"
        )

    def close(self):
        for process in [*self.runs, *self.followers.values()]:
            process.kill()
        for load in self.loads.values():
            load.enough.set()
        self.appends.enough.set()
        self.cluster.close()


@pytest.fixture
def world(request, tmp_path, pair):
    pair.await_whole()
    world = World(tmp_path, pair, f"w{abs(hash(request.node.name))}")
    yield world
    world.close()


def test_a_primary_that_is_killed_costs_no_acknowledged_line(pair, world):
    source = chance()
    world.goes_on()
    for _ in range(rounds(5, least=1)):
        killed = pair.primary()
        pass_by(source.random())
        killed.kill()
        pair.await_primary(pair.other(killed))
        world.goes_on()
        killed.start()
        pair.await_whole()
        world.goes_on()
    world.whole()


def test_a_primary_that_stands_still_holds_up_nobody_once_there_is_another(pair, world):
    world.goes_on()
    still = pair.primary()
    still.signal(signal.SIGSTOP)
    try:
        pair.await_primary(pair.other(still))
        world.goes_on()
    finally:
        still.signal(signal.SIGCONT)
    pair.await_whole()
    world.goes_on()
    world.whole()


# A row of `news` (src/store/schema) whose transaction has a low number: the new primary may give such out again.
REVOKED = """INSERT INTO news(transaction_id, made_ms, sender, kind, account, subject, value, words)
    SELECT 5, (extract(epoch FROM clock_timestamp()) * 1000)::bigint, 0, 1, account, id, 0, '' FROM api_keys WHERE key_id = '{}'"""


def test_a_planned_change_of_the_primary_is_a_short_pause(pair, world):
    world.goes_on()
    here, there = world.servers
    key = here.api().key("viewer")
    with Follower(there, "run-0", token=key["key"]) as follower:
        follower.logs(1)
        pair.primary().sql(REVOKED.format(key["key_id"]), world.database)
        pair.switch()
        world.goes_on()
        assert follower.closed_with(OUTAGE) == 4401
    pair.await_whole()
    world.whole()
