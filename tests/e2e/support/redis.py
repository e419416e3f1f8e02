"""A Redis of a test's own, on a free port, without persistence: as what servers tell each other by."""

import shutil
import signal
import subprocess
import tempfile

from . import DEADLINE
from .ports import hold
from .process import Process


class Redis:
    def __init__(self, *settings):
        self.folder = tempfile.mkdtemp(prefix="runnel-redis-")
        self.settings = settings
        self.held = hold()
        self.port = self.held.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}"
        self.start()

    def start(self):
        argv = ["redis-server", "--bind", "127.0.0.1", "--port", str(self.port), "--save", "", *self.settings]
        self.process = Process(argv, cwd=self.folder)
        self.process.out.wait(lambda data: b"Ready to accept connections" in data, "Redis's start", DEADLINE)

    def command(self, *words):
        done = subprocess.run(
            ["redis-cli", "-p", str(self.port), *words], check=True, capture_output=True, text=True, timeout=DEADLINE
        )
        return done.stdout.strip()

    def end_connections(self):
        for kind in ("pubsub", "normal"):
            self.command("CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes")

    def kill(self):
        self.process.kill()

    def pause(self):
        self.process.signal(signal.SIGSTOP)

    def go_on(self):
        self.process.signal(signal.SIGCONT)

    def close(self):
        self.kill()
        self.held.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
