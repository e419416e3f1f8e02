"""A server with a worker whose jobs run in containers."""

import os

from .api import eventually
from .cli import Cli
from .engine import IMAGE


class House:
    """A server, and a worker that may be killed and started again."""

    def __init__(self, server, tmp_path, socket, flags=()):
        self.server, self.api, self.cli = server, server.api(), Cli(tmp_path / "home", server)
        self.data, self.socket, self.flags, self.process = tmp_path / "worker", socket, flags, None

    def start(self, ready=b"jobs can run in containers"):
        self.process = self.cli.start(
            "worker", "--data", self.data, "--slots", 4, "--container-socket", self.socket, *self.flags
        )
        self.process.err.wait_for(ready)
        return self

    def run(self, *args, flags=(), image=IMAGE, **options):
        return self.cli.run("run", "-q", "--image", image, *flags, "--", *args, timeout=280, **options)

    def begin(self, *args, flags=(), image=IMAGE):
        return self.cli.ok("run", "-d", "--image", image, *flags, "--", *args).text().strip()

    def shows(self, id, message):
        eventually(lambda: message in self.api.messages(id), f"{message} in {id}", 90)

    def sealed(self, id):
        return eventually(lambda: (status := self.api.status(id))["sealed"] and status, f"the seal of {id}", 90)

    def events(self, id, event_type):
        return [record for record in self.api.page(id, limit=1000)["logs"] if record.get("event_type") == event_type]

    def executors(self):
        workers = self.api.get("/api/v1/workers").json()["workers"]
        return workers[0]["executors"] if workers else []

    def close(self):
        if self.process and self.process.popen.poll() is None:
            self.process.kill()


def runner_of(folder):
    for process in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{process}/comm") as name:
                if name.read() != "runnel-job\n":
                    continue
            if str(folder) in [os.readlink(f"/proc/{process}/fd/{fd}") for fd in os.listdir(f"/proc/{process}/fd")]:
                return int(process)
        except OSError:
            continue
    return None
