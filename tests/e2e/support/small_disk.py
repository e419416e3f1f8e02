"""A server whose disk is small: a tmpfs of its own as data folder."""

import base64
import pathlib
import random
import subprocess

from .process import Process
from .server import clean_env


def in_own_mount_namespace():
    return subprocess.run(["unshare", "-rm", "true"], capture_output=True).returncode == 0


def noise_lines(source, count):
    return [base64.b64encode(source.randbytes(4000)).decode() for _ in range(count)]


class SmallServer:
    """Its data folder is a tmpfs that only it sees."""

    def __init__(self, server, size):
        self.server = server
        server.data.mkdir()
        mount = f'mount -t tmpfs -o size={size} tmpfs {server.data} && exec "$@"'
        argv = ["unshare", "-rm", "sh", "-c", mount, "sh", *server.argv()]
        server.process = Process(argv, env=clean_env(server.root), cwd=str(server.root))
        server.await_ready()
        self.token = pathlib.Path(f"/proc/{server.process.pid}/root{server.data}/admin.key").read_text().strip()
        self.api = server.api(self.token)

    def make_larger(self, size):
        enter = ["nsenter", "-t", str(self.server.process.pid), "-U", "-m", "--preserve-credentials"]
        subprocess.run([*enter, "mount", "-o", f"remount,size={size}", str(self.server.data)], check=True)

    def ready(self):
        return self.api.get("/ready", token=None).status == 200

    def fill(self, job):
        """Appends until the store says that it is full; what was appended."""
        source = random.Random(7)
        stored = []
        for _ in range(1000):
            lines = noise_lines(source, 50)
            answer = self.api.post(f"/api/v1/executions/{job}/logs", [{"message": line} for line in lines])
            if answer.status == 507:
                assert answer.code == "store_full"
                return stored
            assert answer.status in (200, 201), answer
            stored += lines
        raise AssertionError("it was never full")
