"""What was answered is seen by every request that begins afterwards, whichever connection and loop it comes to."""

import http.client
import itertools
import json
import threading

import pytest
from support import DEADLINE
from support.ws import Runner

LOOPS = 4
CONNECTIONS = 24  # the kernel spreads them over the loops
ROUNDS = 40


class Connection:
    """One that stays open, so that it stays with its loop."""

    def __init__(self, api):
        self.raw = http.client.HTTPConnection("127.0.0.1", api.port, timeout=DEADLINE)
        self.headers = {"Authorization": f"Bearer {api.token}", "Content-Type": "application/json"}

    def ask(self, method, path, body=None):
        self.raw.request(method, f"/api/v1/executions/{path}", None if body is None else json.dumps(body), self.headers)
        answer = self.raw.getresponse()
        return answer.status, json.loads(answer.read())

    def status(self, execution_id):
        code, state = self.ask("GET", f"{execution_id}/status")
        assert code == 200, state
        return state


@pytest.fixture
def connected(servers):
    server = servers("--loops", str(LOOPS))
    connections = [Connection(server.api()) for _ in range(CONNECTIONS)]
    yield server, connections
    for connection in connections:
        connection.raw.close()


def test_a_change_is_seen_on_every_other_connection(connected):
    server, connections = connected
    api = server.api()
    execution_id = api.create()
    lines = 0
    for number, writer in zip(range(ROUNDS), itertools.cycle(connections)):
        for reader in connections:  # each loop knows it as it was
            reader.status(execution_id)
        if number % 2:
            code, _ = writer.ask("PATCH", execution_id, {"metadata": {"round": number}})
            assert code == 200
            seen = [reader.status(execution_id)["metadata"]["round"] for reader in connections]
            assert seen == [number] * CONNECTIONS
        else:
            code, _ = writer.ask("POST", f"{execution_id}/logs", {"message": "line"})
            assert code in (200, 201)
            lines += 1
            assert [reader.status(execution_id)["last_index"] for reader in connections] == [lines] * CONNECTIONS


def test_the_end_and_the_purge_are_seen_on_every_connection(connected):
    server, connections = connected
    api = server.api()
    execution_id = api.create()
    for reader in connections:
        assert reader.status(execution_id)["status"] == "queued"
    with Runner(server, execution_id) as runner:
        for reader in connections:
            assert reader.status(execution_id)["status"] == "running"
        runner.lines(["a", "b"])
        for reader in connections:
            assert reader.status(execution_id)["last_index"] == 2
        runner.complete(3)
    for reader in connections:
        state = reader.status(execution_id)
        assert (state["status"], state["exit_code"], state["sealed"]) == ("failed", 3, True)
    code, _ = connections[0].ask("DELETE", f"{execution_id}?purge=true")
    assert code == 200
    assert [reader.ask("GET", f"{execution_id}/status")[0] for reader in connections] == [410] * CONNECTIONS


def test_what_was_missing_is_found_once_it_is_made(connected):
    server, connections = connected
    api = server.api()
    assert {reader.ask("GET", "later/status")[0] for reader in connections} == {404}
    api.create(execution_id="later")
    assert {reader.status("later")["status"] for reader in connections} == {"queued"}


@pytest.mark.threads
def test_no_loop_shows_less_than_another_has_shown(connected):
    """While lines come in: whatever any reader has seen before a request began, its answer is not older."""
    server, connections = connected
    api = server.api()
    execution_id = api.create()
    writer, *readers = connections
    most_seen = 0
    over = threading.Event()
    faults = []

    def read(connection):
        nonlocal most_seen
        while not over.is_set():
            least = most_seen
            seen = connection.status(execution_id)["last_index"]
            if seen < least:
                faults.append((seen, least))
            with lock:
                most_seen = max(most_seen, seen)

    lock = threading.Lock()
    threads = [threading.Thread(target=read, args=(connection,)) for connection in readers[:8]]
    for thread in threads:
        thread.start()
    for number in range(1, 200):
        code, _ = writer.ask("POST", f"{execution_id}/logs", {"message": "line"})
        assert code in (200, 201)
        with lock:
            most_seen = max(most_seen, number)
    over.set()
    for thread in threads:
        thread.join()
    assert not faults
