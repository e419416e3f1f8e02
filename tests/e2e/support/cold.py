"""A server that moves old logs to S3, behind the proxy that injects faults."""

import itertools
import os
import struct

from . import postgres, s3
from .api import eventually
from .s3_proxy import S3Proxy

PATH = "/api/v1/executions"
MAGIC = b"RNLCOLD1"
_numbers = itertools.count()


class Cold:
    def __init__(self, servers, *flags, after="1h", engine=None, prefix=None):
        self.s3 = engine or s3.shared()
        self.proxy = S3Proxy(self.s3)
        self.prefix = prefix or f"cold-{os.getpid()}-{next(_numbers)}"
        where = ["--cold", f"s3://{s3.BUCKET}/{self.prefix}", "--cold-after", after]
        where += ["--s3-endpoint", self.proxy.url, "--s3-region", "us-east-1"]
        self.server = servers(*where, *flags, env=self.s3.keys)
        self.api = self.server.api()

    def seal(self, lines=0, messages=None, **fields):
        """A sealed log of so many lines, some of them long."""
        execution_id = self.api.create(**fields)
        messages = messages or [f"line {i} {'x' * (i % 90)}" for i in range(lines)]
        for at in range(0, len(messages), 2000):
            self.api.append_lines(execution_id, messages[at : at + 2000])
        self.api.expect(200, "PATCH", f"{PATH}/{execution_id}", {"status": "failed"})
        return execution_id

    def cool(self, after="1s"):
        """Begins to move what was sealed so long ago."""
        if not postgres.WANTED:
            eventually(self.server.merged, "merged", 30)  # a start forgets that something was sealed
        self.server.stop()
        self.server.flags[self.server.flags.index("--cold-after") + 1] = after
        self.server.restart()

    def metric(self, name):
        return self.api.metrics().get(f"runnel_cold_{name}", 0)

    def wait_moved(self):
        eventually(
            lambda: self.metric("moved_chunks_total") > 0 and self.metric("waiting") == 0, "all of it is moved", 60
        )

    def packs(self):
        return sorted(key for key in self.s3.files(self.prefix) if key.endswith(".pack"))

    def pack(self, key):
        return self.s3.read(self.prefix, key)

    def close(self):
        self.proxy.fault = lambda request: None
        self.proxy.close()


def manifest(pack):
    """The lines of a pack's manifest, checked: (execution, first, count, offset, length, checksum)."""
    magic, at, length, _ = struct.unpack("<8sQQQ", pack[-32:])
    assert magic == MAGIC and at + length + 32 == len(pack)
    lines = [line.split() for line in pack[at : at + length].decode().splitlines()]
    return [(line[0], *map(int, line[1:5]), line[5]) for line in lines]
