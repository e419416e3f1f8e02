"""Two PostgreSQL under Patroni, the standby synchronous, and the etcd that they agree by, in a folder of their own."""

import contextlib
import glob
import http.client
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile

import yaml

from . import DEADLINE
from .api import eventually
from .ports import hold
from .process import Process

PROGRAMS = ["etcd", "patroni", "patronictl"]
MISSING = [name for name in PROGRAMS if not shutil.which(name)]
TTL = 20  # seconds for which a primary that is silent stays it: Patroni takes no less
OUTAGE = 120


def _children(pid):
    found = []
    for tasks in glob.glob(f"/proc/{pid}/task/*/children"):
        with contextlib.suppress(OSError):
            for child in map(int, pathlib.Path(tasks).read_text().split()):
                found += [child, *_children(child)]
    return found


class Node:
    """One PostgreSQL and the Patroni that looks after it."""

    def __init__(self, pair, name):
        self.pair, self.name = pair, name
        self.data = pair.folder / name
        self.held = [hold(), hold()]
        self.port, self.rest = (one.getsockname()[1] for one in self.held)
        self.file = pair.folder / f"{name}.yml"
        self.file.write_text(yaml.safe_dump(self._settings()))
        self.process = None

    def _settings(self):
        return {
            "scope": "runnel",
            "name": self.name,
            "restapi": {"listen": f"127.0.0.1:{self.rest}", "connect_address": f"127.0.0.1:{self.rest}"},
            "etcd3": {"hosts": [self.pair.etcd_at]},
            "bootstrap": {
                "dcs": {
                    "ttl": TTL,
                    "loop_wait": 2,
                    "retry_timeout": 5,
                    "synchronous_mode": True,
                    "postgresql": {
                        "use_pg_rewind": True,
                        "parameters": {"max_connections": 60, "synchronous_commit": "on", "shared_buffers": "64MB"},
                    },
                },
                "initdb": [{"encoding": "UTF8"}, {"locale": "C"}],
                "pg_hba": [f"{kind} all 127.0.0.1/32 trust" for kind in ("host all", "host replication")],
            },
            "postgresql": {
                "listen": f"127.0.0.1:{self.port}",
                "connect_address": f"127.0.0.1:{self.port}",
                "data_dir": str(self.data),
                "bin_dir": str(self.pair.programs),
                "authentication": {
                    "superuser": {"username": "postgres"},
                    "replication": {"username": "rep"},
                    "rewind": {"username": "rew"},
                },
                "parameters": {"unix_socket_directories": str(self.pair.folder)},
                "pgpass": str(self.pair.folder / f"{self.name}.pgpass"),
            },
        }

    def start(self):
        env = {"PATH": "/usr/bin:/bin", "HOME": str(self.pair.folder), "LANG": "C.UTF-8"}
        self.process = Process([*self.pair.become, "patroni", str(self.file)], env=env, cwd=str(self.pair.folder))

    def is_(self, role):
        """What its Patroni says; one that does not answer is nothing."""
        connection = http.client.HTTPConnection("127.0.0.1", self.rest, timeout=5)
        try:
            connection.request("GET", f"/{role}")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()

    def sql(self, text, database="postgres"):
        argv = [
            self.pair.programs / "psql",
            "-h",
            "127.0.0.1",
            "-p",
            str(self.port),
            "-U",
            "postgres",
            "-d",
            database,
            "-Atqc",
            text,
        ]
        return subprocess.run(argv, check=True, capture_output=True, text=True, timeout=DEADLINE).stdout.strip()

    def pids(self):
        """The database's first, then its processes, then Patroni's."""
        found = []
        with contextlib.suppress(OSError, ValueError):
            first = int((self.data / "postmaster.pid").read_text().split("\n")[0])
            found = [first, *_children(first)]
        return [*found, self.process.pid] if self.process else found

    def signal(self, number):
        for pid in self.pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def kill(self):
        """As if its machine had lost its power."""
        self.signal(signal.SIGKILL)
        self.process.kill()


class Pair:
    def __init__(self):
        programs = sorted(glob.glob("/usr/lib/postgresql/*/bin"))
        assert programs, "PostgreSQL is not installed here (apt install postgresql)"
        self.programs = pathlib.Path(programs[-1])
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="runnel-patroni-"))
        self.become = []
        if os.geteuid() == 0:
            shutil.chown(self.folder, "postgres")
            self.become = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", "--pdeathsig=KILL"]
        self.user = "postgres"
        self.held = [hold(), hold()]
        client, peer = (f"127.0.0.1:{one.getsockname()[1]}" for one in self.held)
        self.etcd_at = client
        self.etcd = Process(
            [
                *(
                    "etcd",
                    "--data-dir",
                    str(self.folder / "etcd"),
                    "--name",
                    "e",
                    "--initial-cluster",
                    f"e=http://{peer}",
                ),
                *("--listen-client-urls", f"http://{client}", "--advertise-client-urls", f"http://{client}"),
                *("--listen-peer-urls", f"http://{peer}", "--initial-advertise-peer-urls", f"http://{peer}"),
            ],
            env={"PATH": os.environ["PATH"], "HOME": str(self.folder)},
            cwd=str(self.folder),
        )
        self.nodes = [Node(self, "one"), Node(self, "two")]
        for node in self.nodes:
            node.start()
        self.await_whole()
        ports = ",".join(str(node.port) for node in self.nodes)
        self.where = f"host=127.0.0.1,127.0.0.1 port={ports} user=postgres"

    def store(self, name):
        """How to connect to a new database, whichever node has it."""
        self.primary().sql(f"CREATE DATABASE {name}")
        for node in self.nodes:
            there = f"SELECT 1 FROM pg_database WHERE datname = '{name}'"
            eventually(lambda: node.sql(there), f"{node.name} has the database")
        return f"{self.where} dbname={name}"

    def primary(self):
        return next((node for node in self.nodes if node.is_("primary")), None)

    def other(self, node):
        return self.nodes[1 - self.nodes.index(node)]

    def await_primary(self, node):
        eventually(lambda: node.is_("primary"), f"{node.name} is the primary", OUTAGE)

    def await_whole(self):
        """One is the primary, and the other one has all that it has."""

        def whole():
            primary = self.primary()
            return primary and self.other(primary).is_("synchronous")

        eventually(whole, "the pair is whole", OUTAGE)

    def switch(self):
        """As somebody does who wants to work at the primary."""
        primary = self.primary()
        argv = ["patronictl", "-c", str(primary.file), "switchover", "runnel", "--force", "--master", primary.name]
        env = {"PATH": "/usr/bin:/bin", "HOME": str(self.folder), "LANG": "C.UTF-8"}
        subprocess.run(argv, env=env, check=True, capture_output=True, timeout=OUTAGE)
        self.await_primary(self.other(primary))

    def close(self):
        for node in self.nodes:
            node.kill()
        self.etcd.kill()
        for one in [*self.held, *(held for node in self.nodes for held in node.held)]:
            one.close()
        shutil.rmtree(self.folder, ignore_errors=True)
