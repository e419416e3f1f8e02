"""What the tests of real faults share: how many, at which random moments, a job whose output is known, and a proxy
that cuts."""

import asyncio
import hashlib
import os
import random
import subprocess
import threading

from . import DEADLINE
from .jobs import output_of, python

# Per cent of the full counts; a check does a part of them, each time at other moments.
PER_CENT = int(os.environ.get("RUNNEL_FAULT_ROUNDS", "10"))


def rounds(full, least=3):
    return max(least, full * PER_CENT // 100)


def chance():
    """Random moments; what pytest shows of a failed test names the seed that made them."""
    seed = int(os.environ.get("RUNNEL_FAULT_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 32)
    print(f"RUNNEL_FAULT_SEED={seed}")
    return random.Random(seed)


def pass_by(seconds):
    """A moment is what is random here; nothing is waited for."""
    threading.Event().wait(seconds)


# Writes bursts of lines to both pipes until told to stop, then leaves the hashes of what went into each in the file.
_BUSY = """
import hashlib, os, random, sys, time
stop, result, seed = sys.argv[1:]
source = random.Random(int(seed))
sums = {1: hashlib.sha256(), 2: hashlib.sha256()}
count = 0
while not os.path.exists(stop):
    for fd in (1, 2) if source.random() < 0.2 else (1,):
        lines = []
        for _ in range(source.randrange(1, 40)):
            count += 1
            lines.append(b"%d %s\\n" % (count, b"x" * source.choice((0, 3, 40, 200))))
        burst = b"".join(lines)
        sums[fd].update(burst)
        while burst:
            burst = burst[os.write(fd, burst):]
    time.sleep(source.random() * 0.04)
with open(result + ".new", "w") as file:
    file.write(" ".join(sums[fd].hexdigest() for fd in (1, 2)))
os.rename(result + ".new", result)
"""


class BusyJob:
    """A job under `wrap` that writes until `stop` exists. Its own word on what it wrote is a hash for each pipe."""

    def __init__(self, cli, job, folder, stop, seed):
        self.job = job
        self.result = folder / f"{job}.sums"
        command = python(_BUSY)
        self.process = cli.start(
            "wrap", "--deliver-wait", "0", "--id", job, *command, stop, self.result, seed, stdout=subprocess.DEVNULL
        )

    def sums(self):
        return self.result.read_text().split()


def stored_sums(api, job):
    return [hashlib.sha256(output_of(api, job, stream)).hexdigest() for stream in ("stdout", "stderr")]


class CuttingProxy:
    """Between clients and the server: each connection ends at a byte position drawn at random, in either direction,
    until
    `cuts` of them were cut; those after that are left alone."""

    def __init__(self, target_port, source, cuts, half_answer=None):
        """half_answer: (part of a request line, bytes): what the first such request gets instead of the server's
        answer."""
        self.target_port = target_port
        self.half_answer = half_answer
        self.source = source
        self.left = cuts
        self.done = 0
        self._changed = threading.Condition()
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._run, daemon=True).start()
        self._ready.wait(DEADLINE)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def _run(self):
        asyncio.set_event_loop(self._loop)
        self._listener = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port = self._listener.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()

    def _draw(self):
        """Within a handshake, within a frame or two, or far into a stream."""
        low, high = self.source.choice(((0, 700), (100, 3000), (1000, 60000)))
        return self.source.randrange(low, high)

    async def _serve(self, reader, writer):
        try:
            up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self.target_port)
        except OSError:
            writer.transport.abort()
            return
        if self.half_answer:
            first = await reader.read(65536)
            if self.half_answer[0] in first:
                writer.write(self.half_answer[1])
                self.half_answer = None
                writer.close()
                up_writer.transport.abort()
                return
            up_writer.write(first)
        cut = self.left > 0
        limits = [self._draw(), self._draw()] if cut else [None, None]
        ends = (writer, up_writer)
        pumps = [
            asyncio.ensure_future(self._pump(reader, up_writer, limits[0])),
            asyncio.ensure_future(self._pump(up_reader, writer, limits[1])),
        ]
        done, pending = await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        reached = any(task.result() for task in done)
        for task in pending:
            task.cancel()
        for end in ends:
            if self.source.random() < 0.5:
                end.transport.abort()
            else:
                end.close()
        if reached and self.left > 0:
            with self._changed:
                self.left -= 1
                self.done += 1
                self._changed.notify_all()

    @staticmethod
    async def _pump(reader, writer, limit):
        """True when the limit was reached; the bytes before it have been passed on."""
        try:
            while limit is None or limit > 0:
                piece = await reader.read(65536 if limit is None else min(65536, limit))
                if not piece:
                    return False
                writer.write(piece)
                await writer.drain()
                if limit is not None:
                    limit -= len(piece)
            return True
        except (OSError, asyncio.CancelledError):
            return False

    def wait(self, timeout):
        with self._changed:
            assert self._changed.wait_for(lambda: self.left == 0, timeout), f"{self.left} cuts were left"

    def close(self):
        self._loop.call_soon_threadsafe(self._loop.stop)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
