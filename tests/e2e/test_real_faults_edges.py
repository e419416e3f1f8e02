"""Logs without a line and of a million, followers before the first line, past the end, and a thousand of them
coming back at once."""

import asyncio
import hashlib

import pytest
from support import DEADLINE
from support.api import eventually
from support.cli import Cli
from support.faults import rounds
from support.jobs import fresh_id, output_of, python
from support.sse import Stream
from support.ws import Follower, Runner

LINES = rounds(1_000_000, least=100_000)
FOLLOWERS = 1000


def test_a_job_without_a_line_is_a_whole_log(server, cli, api):
    job = fresh_id()
    cli.ok("wrap", "--id", job, "--", "true")
    assert api.page(job)["logs"] == [] and output_of(api, job) == b""
    status = api.status(job)
    assert status["last_index"] == 0 and status["sealed"]
    with Follower(server, job) as follower:
        logs, complete = follower.rest()
        assert logs == [] and complete["final_sequence"] == -1
    with Stream(api, job) as stream:
        assert stream.rest()[0] == []
    assert cli.ok("logs", "-f", job).out == b""
    cli.ok("verify", job)


@pytest.mark.timeout(300)
def test_a_million_lines_at_once(server, cli, api):
    job = fresh_id()
    script = (
        "import sys\n"
        f"for i in range(0, {LINES}, 10000): sys.stdout.write(''.join(f'line number {{j}}\\n' for j in range(i, i + 10000)))"
    )
    process = cli.start("wrap", "-q", "--id", job, *python(script))
    eventually(lambda: api.get(f"/api/v1/executions/{job}").status == 200, "the job is known")
    follower = cli.start("logs", "-f", "-o", "raw", job)
    assert process.finish(120) == 0 and follower.finish(120) == 0
    written = b"".join(b"line number %d\n" % i for i in range(LINES))
    expected = hashlib.sha256(written).hexdigest()
    assert hashlib.sha256(process.out.data).hexdigest() == expected
    assert hashlib.sha256(follower.out.data).hexdigest() == expected
    assert hashlib.sha256(output_of(api, job)).hexdigest() == expected
    assert api.status(job)["last_index"] == LINES
    assert api.messages(job, tail=1) == [f"line number {LINES - 1}"]
    assert api.page(job, **{"from": LINES // 2}, limit=1)["logs"][0]["message"] == f"line number {LINES // 2}"
    cli.ok("verify", job, timeout=280)


def test_following_before_the_first_line_and_past_the_end(server, cli, api):
    job = api.create()
    early = [Follower(server, job), Stream(api, job)]
    past = [Follower(server, job, **{"from": 3}), Stream(api, job, **{"from": 3})]
    command = cli.start("logs", "-f", "-o", "raw", job)
    with Runner(server, job) as runner:
        for i in range(3):
            runner.lines([f"{i}"])
        assert [record["message"] for record in early[0].logs(3)] == ["0", "1", "2"]
        assert [record["message"] for record in early[1].logs(3)] == ["0", "1", "2"]
        runner.lines(["3", "4"])
        runner.complete()
    for one in early:
        assert [record["message"] for record in one.rest()[0]] == ["3", "4"]
    for one in past:
        assert [record["message"] for record in one.rest()[0]] == ["3", "4"]
        one.close()
    assert command.finish() == 0 and command.out.data == b"0\n1\n2\n3\n4\n"


class Crowd:
    """Followers by server-sent events on bare sockets, each of which comes back behind the last number it has seen."""

    def __init__(self, job, server):
        self.job = job
        self.server = server
        self.seen = [0] * FOLLOWERS
        self.connected = 0
        self.doubled = 0
        self.served = asyncio.Event()
        self.moved = asyncio.Event()

    def _count(self, by):
        self.connected += by
        self.moved.set()

    async def _follow_once(self, number):
        port = self.server.port
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            position = f"Last-Event-ID: {self.seen[number] - 1}\r\n" if self.seen[number] else ""
            path = f"/api/v1/executions/{self.job}/logs/stream"
            head = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {self.server.operator_key}\r\n{position}\r\n"
            writer.write(head.encode())
            answer = await reader.readuntil(b"\r\n\r\n")
            if not answer.startswith(b"HTTP/1.1 200"):
                raise ConnectionError(answer)
            self._count(1)
            try:
                return await self._read(number, reader)
            finally:
                self._count(-1)
        finally:
            writer.transport.abort()

    async def _read(self, number, reader):
        while line := await reader.readline():
            if line.startswith(b"event: complete"):
                return True
            if line.startswith(b"id: "):
                got = int(line[4:])
            elif line.startswith(b"data: ") and b'"message"' in line:
                self.doubled += got != self.seen[number]
                self.seen[number] = got + 1
                self.moved.set()
        return False

    async def follow(self, number):
        while True:
            await self.served.wait()
            try:
                if await self._follow_once(number):
                    return
            except (OSError, EOFError):
                pass

    async def until(self, holds, what):
        async def wait():
            while not holds():
                self.moved.clear()
                await self.moved.wait()

        try:
            await asyncio.wait_for(wait(), DEADLINE)
        except asyncio.TimeoutError:
            raise AssertionError((what, self.connected, min(self.seen), max(self.seen))) from None


@pytest.mark.timeout(600)
def test_a_thousand_followers_that_reconnect_at_once(servers, tmp_path):
    """The server is killed and started under them, so that all come back in the same moment."""
    server = servers()
    cli, api = Cli(tmp_path / "home", server), server.api()
    job = api.create()

    async def run():
        loop = asyncio.get_running_loop()
        crowd = Crowd(job, server)
        crowd.served.set()
        tasks = [asyncio.ensure_future(crowd.follow(number)) for number in range(FOLLOWERS)]
        api.append_lines(job, [f"{i}" for i in range(10)])
        await crowd.until(lambda: min(crowd.seen) == 10, "all have the first lines")
        assert crowd.connected == FOLLOWERS
        crowd.served.clear()
        server.kill()
        await crowd.until(lambda: crowd.connected == 0, "all are cut off")
        server.restart()  # by this thread: the server ends with the one that started it
        began = loop.time()
        crowd.served.set()
        await loop.run_in_executor(None, lambda: server.api().append_lines(job, [f"{i}" for i in range(10, 20)]))
        await crowd.until(lambda: min(crowd.seen) == 20, "all are back")
        print(f"{FOLLOWERS} followers were back in {loop.time() - began:.2f} s")
        for body in ({"status": "running"}, {"status": "completed", "exit_code": 0}):
            await loop.run_in_executor(None, server.api().expect, 200, "PATCH", f"/api/v1/executions/{job}", body)
        await asyncio.wait_for(asyncio.gather(*tasks), DEADLINE)
        assert crowd.doubled == 0 and crowd.seen == [20] * FOLLOWERS

    asyncio.run(run())
    assert cli.ok("logs", job).out.count(b"\n") == 20
