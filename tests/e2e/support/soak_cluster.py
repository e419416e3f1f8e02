"""Nodes, their database and workers, each reached through a gate that can be shut, and what can go wrong with each of them."""

import contextlib
import http.client
import os
import random
import re
import shutil
import signal
import threading

from .api import Api
from .cli import Cli
from .gate import Gate
from .postgres import Postgres
from .server import Server

# Seconds for what has to come once the faults are over, and during the longest of them.
PATIENCE = 300.0 if os.environ.get("RUNNEL_SOAK_SECONDS") else 150.0

# What a server may say as an error or a warning while its database, or another server, is away.
EXPECTED = {
    "the store cannot be read",
    "the store cannot be written",
    "the leases of runners could not be taken over; it is tried again",
    "expired executions could not be purged; it is tried again",
    "content that nothing refers to could not be removed; it is tried again",
}


LIBPQ = "FATAL:  terminating connection"
NO_STORE = re.compile(r"^runnel: .*the store cannot ", re.MULTILINE)  # when it is opened, or a moment later


class Node:
    """A server, what lies between it and its database, and what lies between it and its clients."""

    def __init__(self, soak, number, flags):
        self.number = number
        self.database = Gate(lambda: [soak.postgres.socket])
        store = f"host=127.0.0.1 port={self.database.port} user=postgres dbname=postgres"
        self.server = Server(soak.root / f"node{number}", flags=("--store", store, "--loops", "1", *flags))
        self.clients = Gate(lambda: [self.server.port])
        self.known_away = False  # to who chooses a node for workers
        self.said = []  # errors and warnings of processes that have ended

    def start(self):
        """Until it runs: one that finds no database ends, and is started again."""
        listen = f"127.0.0.1:{self.server.port}" if self.server.port else None
        nothing = threading.Event()
        for _ in range(int(PATIENCE)):
            self.server.spawn(listen)
            try:
                self.server.await_ready()
                return
            except AssertionError:
                assert self.server.ended(expect=None) in (1, 5), self.server.process.err.data[-3000:]
                said = self.server.process.err.data[-3000:].decode(errors="replace")
                assert NO_STORE.search(said), said
                nothing.wait(1)
        raise AssertionError(f"node {self.number} does not start")

    def note(self):
        """Keeps what its process has said."""
        self.said += [entry for entry in self.server.log() if entry.get("level") in ("WARNING", "ERROR")]
        # libpq says by itself that a connection ended in the very moment in which it was made.
        self.said += [e for e in self.server.log() if not e.get("not_json", LIBPQ).startswith(LIBPQ)]

    def kill(self):
        assert self.server.running(), self.server.process.err.data[-3000:]
        self.server.kill()
        self.note()

    def stop(self):
        assert self.server.running(), self.server.process.err.data[-3000:]
        self.server.stop()
        self.note()

    def close(self):
        self.database.close_for(False)
        self.database.hold(False)
        with contextlib.suppress(ProcessLookupError):
            self.server.process.signal(signal.SIGCONT)
        self.server.close()
        self.clients.close()
        self.database.close()


class WorkerProcess:
    """`runnel worker`, which reaches whatever node it is sent to."""

    def __init__(self, soak, number, token):
        source = random.Random(soak.source.random())

        def targets():
            nodes = [node for node in soak.nodes if not node.known_away] or list(soak.nodes)
            source.shuffle(nodes)
            return [node.server.port for node in nodes]

        self.way = Gate(targets)
        self.cli = Cli(soak.root / f"worker{number}", url=self.way.url, token=token)
        self.folder = soak.root / f"worker{number}" / "data"
        self.start()

    def start(self):
        self.process = self.cli.start("worker", "--slots", 12, "--data", self.folder)

    def words(self):
        """Its last ones."""
        return self.process.err.data[-3000:].decode(errors="replace")

    def kill(self):
        assert self.process.popen.poll() is None, self.process.err.data[-3000:]
        self.process.kill()

    def close(self):
        self.process.signal(signal.SIGCONT)
        self.process.kill()
        self.way.close()


class SoakCluster:
    def __init__(self, root, source, count=3):
        self.root, self.source = root, source
        self.over, self.closed = threading.Event(), threading.Event()  # nothing more befalls it; it is gone
        self.postgres, self.nodes, self.workers = Postgres(), [], []
        for number in range(count):
            node = Node(self, number, ("--jobs", "2") if number == 0 else ())
            self.nodes.append(node)
            if number > 0:  # whoever asks them is the same operator at each
                node.server.data.mkdir(parents=True)
                shutil.copy(self.nodes[0].server.data / "admin.key", node.server.data / "admin.key")
            node.start()
        self.key = self.nodes[0].server.operator_key
        self.ports = [node.clients.port for node in self.nodes]

    def add_worker(self):
        token = self.ask("POST", "/api/v1/keys", {"role": "service", "name": "worker"})["key"]
        self.workers.append(WorkerProcess(self, len(self.workers), token))

    def ask(self, method, path, body=None, ok=(200, 201, 202), raw=False, token=None, headers=None):
        """Any node, until one answers."""
        nothing = threading.Event()
        for _ in range(int(PATIENCE)):
            try:
                answer = Api(self.source.choice(self.ports), token or self.key, timeout=15).request(
                    method, path, body, headers=headers
                )
            except (OSError, http.client.HTTPException):
                nothing.wait(0.3)
                continue
            if answer.status in ok:
                return answer.body if raw else answer.json() if answer.body else None
            assert answer.status in (429, 502, 503), (method, path, answer)
            nothing.wait(0.5)
        raise AssertionError(f"nobody answers {method} {path}")

    def sql(self, text):
        return self.postgres.sql(text)

    def said(self):
        """What servers said as errors and should not have."""
        for node in self.nodes:
            node.note()
        everything = [entry for node in self.nodes for entry in node.said]
        return [
            entry
            for entry in everything
            if "not_json" in entry or (entry["level"] == "ERROR" and entry["message"] not in EXPECTED)
        ]

    def close(self):
        self.over.set()
        self.postgres.pause(False)
        for one in (*self.workers, *self.nodes):
            one.close()
        self.postgres.close()
        self.closed.set()


# --- Faults: each does something to its target, lasts, and undoes it.


def kill(soak, node, lasts):
    node.kill()
    lasts()
    node.start()


def stop(soak, node, lasts):
    node.stop()
    lasts()
    node.start()


def pause(soak, node, lasts):
    node.server.process.signal(signal.SIGSTOP)
    lasts()
    node.server.process.signal(signal.SIGCONT)


def cut_from_database(soak, node, lasts):
    node.database.close_for(True)
    lasts()
    node.database.close_for(False)


def hang_from_database(soak, node, lasts):
    node.database.hold(True)
    lasts()
    node.database.hold(False)


def cut_from_clients(soak, node, lasts):
    node.clients.close_for(True)
    lasts()
    node.clients.close_for(False)


def drop_clients(soak, node, lasts):
    node.clients.cut()


def _end_connections(soak, which):
    """It may be away itself just now."""
    with contextlib.suppress(Exception):
        soak.sql(f"SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE {which}")


def lose_the_bus(soak, database, lasts):
    for _ in range(4):
        _end_connections(soak, "application_name = 'runnel bus'")
        lasts(parts=4)


def end_connections(soak, database, lasts):
    _end_connections(soak, "application_name LIKE 'runnel%'")


def restart_database(soak, database, lasts):
    soak.postgres.stop(signal.SIGINT)
    lasts()
    soak.postgres.start()


def crash_database(soak, database, lasts):
    soak.postgres.stop(signal.SIGQUIT)
    lasts()
    soak.postgres.start()


def pause_database(soak, database, lasts):
    soak.postgres.pause(True)
    lasts()
    soak.postgres.pause(False)


def kill_worker(soak, worker, lasts):
    worker.kill()
    lasts()
    worker.start()


def pause_worker(soak, worker, lasts):
    worker.process.signal(signal.SIGSTOP)
    lasts()
    worker.process.signal(signal.SIGCONT)


def cut_worker(soak, worker, lasts):
    worker.way.close_for(True)
    lasts()
    worker.way.close_for(False)


def drop_worker(soak, worker, lasts):
    worker.way.cut()


# How often of all of its kind of target, and the longest that it lasts in a long run, in seconds.
OF_NODES = {
    kill: (4, 20),
    stop: (2, 5),
    pause: (4, 45),
    cut_from_database: (3, 45),
    hang_from_database: (2, 45),
    cut_from_clients: (2, 20),
    drop_clients: (1, 0),
}
OF_DATABASES = {
    lose_the_bus: (3, 10),
    end_connections: (3, 0),
    restart_database: (2, 10),
    crash_database: (2, 10),
    pause_database: (2, 40),
}
OF_WORKERS = {
    kill_worker: (3, 10),
    pause_worker: (2, 20),
    cut_worker: (3, 25),
    drop_worker: (3, 0),
}


class Misfortune(threading.Thread):
    """What befalls one target, one after the other, until `over`. Of `short` ones there are FEW, up to a second each. What it has
    started would end with its thread, which stays until the cluster is closed."""

    FEW, PAUSE, LONG_PAUSE = 2, 2, 20  # seconds between two, at most

    def __init__(self, soak, name, target, faults, seed, short):
        super().__init__(daemon=True, name=name)
        self.soak, self.target, self.faults, self.short = soak, target, faults, short
        self.source = random.Random(f"{seed} {name}")
        self.done, self.failure, self.passed = [], None, threading.Event()
        self.start()

    def _goes_on(self):
        self.soak.over.wait(self.source.uniform(0, self.PAUSE if self.short else self.LONG_PAUSE))
        return not self.soak.over.is_set() and not (self.short and len(self.done) == self.FEW)

    def run(self):
        try:
            while self._goes_on():
                self._one()
        except Exception as error:
            self.failure = f"{self.name}: {error!r}, after {self.done[-3:]}"
            self.soak.over.set()
        self.passed.set()
        self.soak.closed.wait()

    def _one(self):
        fault = self.source.choices(list(self.faults), [often for often, _ in self.faults.values()])[0]
        longest = self.faults[fault][1]
        seconds = self.source.random() * (1 if self.short or self.source.random() < 0.6 else longest)
        self.done.append(f"{self.name}: {fault.__name__} {seconds:.1f}")
        node = self.target if isinstance(self.target, Node) and self.source.random() < 0.5 else None
        if node:
            node.known_away = True
        fault(self.soak, self.target, lambda parts=1: self.soak.over.wait(seconds / parts))
        if node:
            node.known_away = False
