"""Several servers on one database."""

import contextlib
import shutil
import signal

from .postgres import shared
from .server import Server


class Cluster:
    def __init__(self, root):
        self.root = root
        self.store = shared().store(root)
        self.servers = []

    def add(self, *flags, started=True, **options):
        """One more, which is ready if it is to be started."""
        server = Server(
            self.root / f"node{len(self.servers)}",
            flags=("--store", self.store, "--loops", "1", *flags),
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
