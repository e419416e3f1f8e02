"""A follower that reads 1 KB/s beside a long log, and logs at both ends of the scale."""

import os
import re
import socket
import threading
import time

import pytest
from support import DEADLINE
from support.api import eventually
from support.cli import Cli
from support.faults import rounds
from support.ws import Runner, frame, handshake

LINES = rounds(1_000_000, least=100_000)
MEMORY_MAX = (
    96 << 20
)  # beyond what the server held before: the cache's budget of 8 MiB, buffers, and what ASan keeps of freed memory
ASAN = ":".join(filter(None, (os.environ.get("ASAN_OPTIONS"), "quarantine_size_mb=8")))


def resident(pid):
    with open(f"/proc/{pid}/statm") as file:
        return int(file.read().split()[1]) * 4096


class Trickle(threading.Thread):
    """A WebSocket follower that reads 1 KB/s with a small window, until it is let loose; it counts what came."""

    def __init__(self, server, job):
        super().__init__(daemon=True)
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.socket.settimeout(DEADLINE)
        self.socket.connect(("127.0.0.1", server.port))
        self.socket.sendall(handshake(server, f"/ws/executions/{job}/logs", server.operator_key))
        self.loose = threading.Event()
        self.read = 0
        self.data = b""
        self.next = 0
        self.end = None
        self.failure = None
        self.start()

    def let_loose(self):
        # A window so small would be filled by one segment, and each next one had to wait for a timer of the kernel's.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self.loose.set()

    def run(self):
        try:
            while (at := self.data.find(b"\r\n\r\n")) < 0:
                self.data += self.socket.recv(1024)
            assert b" 101 " in self.data[:at], self.data
            self.data = self.data[at + 4 :]
            while self.end is None:
                self.loose.wait(1)
                piece = self.socket.recv(1 << 20 if self.loose.is_set() else 1024)
                assert piece, "the server ended it"
                self.read += len(piece)
                self.data += piece
                self._frames()
        except Exception as error:
            self.failure = error

    def _frames(self):
        at, data = 0, self.data
        while len(data) >= at + 2:
            opcode, size, head = data[at] & 15, data[at + 1], 2
            if size == 126:
                size, head = int.from_bytes(data[at + 2 : at + 4], "big"), 4
            elif size == 127:
                size, head = int.from_bytes(data[at + 2 : at + 10], "big"), 10
            if len(data) < at + head + size:
                break
            self._frame(opcode, data[at + head : at + head + size])
            at += head + size
        self.data = data[at:]

    def _frame(self, opcode, payload):
        if opcode == 9:
            self.socket.sendall(frame(10, payload))
        elif opcode == 8:
            self.end = payload[:2]
        elif opcode == 1 and b'"type":"log"' in payload[:40]:
            number = int(re.search(rb'"sequence_number":(\d+)', payload).group(1))
            message = re.search(rb'"message":"([^"]*)"', payload).group(1)
            assert number == self.next and message == b"line number %08d" % number, (payload, self.next)
            self.next += 1


@pytest.mark.timeout(300)
def test_a_follower_of_1_kb_a_second_beside_a_long_log(servers, tmp_path):
    server = servers("--cache-bytes", 8 << 20, env={"ASAN_OPTIONS": ASAN})
    cli, api = Cli(tmp_path / "home", server), server.api()
    job = api.create()
    runner = Runner(server, job)
    runner.lines(["line number 00000000"])
    before = resident(server.process.pid)
    slow = Trickle(server, job)
    eventually(lambda: slow.next == 1, "the slow one is there")
    peak = before
    began = time.monotonic()
    sender = threading.Thread(target=send_all, args=(runner,), daemon=True)
    fast = [cli.start("logs", "-f", "-o", "raw", job) for _ in range(3)]
    sender.start()
    while sender.is_alive() or any(one.popen.poll() is None for one in fast):
        peak = max(peak, resident(server.process.pid))
        sender.join(0.02)
        assert time.monotonic() - began < 240, "the others are hindered"
    expected = b"".join(b"line number %08d\n" % i for i in range(LINES))
    for one in fast:
        assert one.finish() == 0 and one.out.data == expected
    assert slow.failure is None, slow.failure
    elapsed = time.monotonic() - began
    assert slow.read < 1024 * (elapsed + 5) and slow.next < LINES, "it was slow all the while"
    assert peak - before < MEMORY_MAX, f"{(peak - before) >> 20} MiB more"
    print(f"{LINES} lines in {elapsed:.1f} s; memory grew by {(peak - before) >> 20} MiB; the slow one had {slow.next}")
    slow.let_loose()
    slow.join(120)
    assert slow.failure is None and slow.end == b"\x03\xe8", (slow.failure, slow.end, slow.next)
    assert slow.next == LINES
    assert resident(server.process.pid) - before < MEMORY_MAX


def send_all(runner):
    with runner:
        for start in range(1, LINES, 2000):
            runner.lines([f"line number {i:08d}" for i in range(start, min(start + 2000, LINES))])
        runner.complete()
