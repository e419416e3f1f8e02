"""Several servers on several databases: one more comes, and one is closed, while runners write and followers follow."""

import pytest
from support.api import eventually
from support.cli import Cli
from support.cluster import Cluster
from support.load import Appends, Creates, Load
from support.postgres import shared


class Databases:
    """Those of a cluster with several stores."""

    def __init__(self, root):
        self.root, self.cluster = root, Cluster(root)

    def address(self, number):
        return self.cluster.store if number == 0 else shared().store(self.root / f"store{number}")

    def flags(self, *shards):
        """`shards`: numbers; negative: it is closed."""
        return [
            word
            for number in shards
            for word in ("--shards", ("closed:" if number < 0 else "") + self.address(abs(number)))
        ]

    def add(self, *shards):
        return self.cluster.add(*self.flags(*shards))

    def restart(self, server, former, shards):
        server.stop()
        server.flags = server.flags[: -len(self.flags(*former))] + self.flags(*shards)
        server.restart()

    def made_in(self, number):
        database = self.address(number).rpartition("=")[2]
        return set(shared().sql("SELECT execution_id FROM executions", database).split())


@pytest.fixture
def databases(tmp_path):
    databases = Databases(tmp_path)
    yield databases
    databases.cluster.close()


def test_a_store_is_added_and_one_closed_at_servers_one_by_one_and_no_line_is_lost(databases, tmp_path):
    servers = [databases.add(1), databases.add(1)]
    load, creates = Load(tmp_path / "fifo"), Creates(servers)
    command_lines = [Cli(tmp_path / f"cli{i}", server) for i, server in enumerate(servers)]
    run = command_lines[0].start("wrap", "--quiet", "--id", "all-the-time", "--", "cat", load.fifo)
    load.start()
    creates.start()
    eventually(lambda: servers[0].api().get("/api/v1/executions/all-the-time/status").status == 200, "it is there")
    appends = Appends(servers, servers[0].api().create())
    appends.start()
    followers = [cli.start("logs", "--follow", "all-the-time") for cli in command_lines]

    def more():
        """What is printed and made from now on is shown everywhere."""
        lines, made, lists, sent = load.count, len(creates.made), creates.lists, len(appends.acknowledged)
        for follower in followers:
            follower.out.wait(lambda data: data.count(b"\n") > lines, "the lines go on")
        eventually(
            lambda: creates.problem
            or (len(creates.made) > made and creates.lists > lists and len(appends.acknowledged) > sent),
            "executions, lists and single lines go on",
        )

    more()
    for former, then in (((1,), (1, -2)), ((1, -2), (-1, 2))):
        for server in servers:
            databases.restart(server, former, then)
            more()
    before = databases.made_in(1)
    more()
    text, made, acknowledged = load.end(), creates.end(), appends.end()
    assert run.finish() == 0
    for follower in followers:
        assert follower.finish() == 0
        assert follower.out.data == text
    lies = [databases.made_in(number) for number in range(3)]
    everything = {*made, "all-the-time", appends.execution_id}
    assert sum(map(len, lies)) == len(everything) and set().union(*lies) == everything  # each key once
    assert before and lies[1] == before  # which was closed
    assert lies[2] and not lies[2] & set(list(made)[:16])
    for server in servers:
        api = server.api()
        for execution_id in made:
            assert api.messages(execution_id) == [execution_id]
        seen = [int(message) for message in api.messages(appends.execution_id)]
        assert set(seen) >= set(acknowledged) and len(set(seen)) == len(seen)
        assert sorted(creates.listed()) == sorted(everything)
