"""Several servers on one database."""

import contextlib
import shutil
import signal

from .postgres import shared
from .redis import Redis
from .server import Server


class Cluster:
    """`bus`: by what its servers tell each other, a Redis of its own for "redis", else a word of the setting. `store`: not the session's database."""

    def __init__(self, root, bus="notify", store=None):
        self.root = root
        self.redis = Redis() if bus == "redis" else None
        self.bus = self.redis.url if self.redis else bus
        self.flags = [] if bus == "notify" else ["--bus", self.bus]  # the default must be right
        self.store = store or shared().store(root)
        self.servers = []

    def add(self, *flags, started=True, way=None, settings="", **options):
        """One more, which is ready if it is to be started. `way`: a gate to the database; `settings`: of its connections."""
        store = f"host=127.0.0.1 port={way.port} {self.store.split(' ', 1)[1]} {settings}" if way else self.store
        server = Server(
            self.root / f"node{len(self.servers)}",
            flags=("--store", store, *self.flags, "--loops", "1", *flags),
            **options,
        )
        self.servers.append(server)
        key = self.servers[0].data / "admin.key"
        if server is not self.servers[0] and key.exists():  # whoever asks the servers is the same operator at each
            server.data.mkdir(parents=True)
            shutil.copy(key, server.data / "admin.key")
        return server.start() if started else server

    def sql(self, text):
        return shared().sql(text, database=self.store.split("dbname=")[1])

    def end_bus_connections(self):
        if self.redis:
            self.redis.end_connections()
        else:
            self.sql(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                "WHERE datname = current_database() AND application_name = 'runnel bus'"
            )

    @staticmethod
    @contextlib.contextmanager
    def paused(server):
        server.process.signal(signal.SIGSTOP)
        try:
            yield
        finally:
            server.process.signal(signal.SIGCONT)

    def close(self):
        for server in self.servers:
            server.close()
        if self.redis:
            self.redis.close()
