"""Servers that neither work nor end their connections: everything is sent, and nothing answered."""

import threading

import pytest
from support import DEADLINE
from support.api import eventually
from support.cluster import Cluster
from support.gate import Gate
from support.postgres import shared


@pytest.fixture
def cluster(tmp_path):
    cluster = Cluster(tmp_path)
    yield cluster
    cluster.close()


@pytest.fixture
def way():
    """To the database, of the first server."""
    gate = Gate(lambda: [shared().socket])
    yield gate
    gate.close()


def test_a_server_that_hangs_in_a_transaction_holds_up_no_other(cluster, way):
    """What it has locked is free when the database gives it up; what it was doing has not happened, and can be done again."""
    hangs = cluster.add(way=way, settings="options='-c idle_in_transaction_session_timeout=500'")
    other = cluster.add()
    execution_id = other.api().create()
    hangs.api().append(execution_id, {"message": "one"})
    way.hold_at(b"COMMIT")

    def append_two():
        path, once = f"/api/v1/executions/{execution_id}/logs", {"Idempotency-Key": execution_id}
        return hangs.api().post(path, {"message": "two"}, headers=once).status in (200, 201)

    two = threading.Thread(target=eventually, args=(append_two, "it is taken"))
    two.start()
    assert way.fallen.wait(DEADLINE)
    other.api().append(execution_id, {"message": "three"})
    way.hold(False)
    two.join(DEADLINE)
    assert other.api().messages(execution_id) == ["one", "three", "two"]
