"""Followers that come back with the last number that they saw, at any server, until the log is over; all on one loop. Each
compares what it sees, as it sees it, with what the job was to write."""

import asyncio
import json
import threading

import websockets
import websockets.exceptions

from . import DEADLINE

QUIET = 25  # seconds without a sign after which a server is given up; the slowest of them give one each 15 s


class Ended(Exception):
    """The stream is over for good, and why."""


class Follower:
    """`expected`: the text of each stream; None: its numbers are all that is known of it. What went wrong is in `failure`."""

    def __init__(self, crowd, source, execution_id, token, expected=None, kind=None):
        self.crowd, self.source, self.execution_id, self.token = crowd, source, execution_id, token
        self.expected, self.kind = expected, kind or source.choice(sorted(KINDS))
        self.next, self.at = 0, {"stdout": 0, "stderr": 0}
        self.connections, self.complete, self.refused, self.failure = 0, None, None, None
        self.done = asyncio.run_coroutine_threadsafe(self._run(), crowd.loop)

    def __repr__(self):
        return (
            f"<{self.kind} follower of {self.execution_id} at {self.next}, {self.complete or self.refused or 'open'}>"
        )

    async def _run(self):
        try:
            while not self.complete and not self.refused:
                self.connections += 1
                try:
                    await KINDS[self.kind](self, self.source.choice(self.crowd.ports))
                except (OSError, EOFError, asyncio.TimeoutError, websockets.exceptions.WebSocketException):
                    pass
                await asyncio.sleep(0.05 + 0.4 * self.source.random())
        except Exception as error:
            self.failure = f"{self!r}: {error!r}"

    def answered(self, status):
        """Whether there is a stream."""
        if status == 401:
            self.refused = status
        elif status == 204:
            self.complete = self.complete or {"final_sequence": self.next - 1}
        assert status in (101, 200, 204, 401, 429, 502, 503), f"it is answered {status}"
        return status in (101, 200)

    def take(self, record):
        assert record["sequence_number"] == self.next, f"{record} at {self.next}"
        self.next += 1
        self.crowd.lines += 1
        stream = record["stream"]
        if stream not in self.at or self.expected is None:
            return
        text = record["message"] + ("" if record.get("partial") else "\n")
        end = self.at[stream] + len(text)
        assert self.expected[stream][self.at[stream] : end] == text, f"{record} is not what was written"
        self.at[stream] = end

    def hear(self, kind, message):
        if kind == "log":
            self.take(message)
        elif kind == "complete":
            assert message["final_sequence"] == self.next - 1, f"{message} at {self.next}"
            self.complete = message
        elif kind == "error" and message["code"] in ("unauthorized", "token_expired"):
            self.refused = message["code"]
        elif kind == "gap":
            raise AssertionError(f"{message} at {self.next}")

    # --- kinds
    async def websocket(self, port):
        query = f"?after={self.next - 1}" if self.next else ""
        try:
            async with websockets.connect(
                f"ws://127.0.0.1:{port}/ws/executions/{self.execution_id}/logs{query}",
                extra_headers={"Authorization": f"Bearer {self.token}"},
                open_timeout=QUIET,
                ping_interval=5,
                ping_timeout=QUIET,
                close_timeout=2,
                max_size=None,
                compression=None,
            ) as socket:
                async for text in socket:
                    message = json.loads(text)
                    self.hear(message["type"], message)
            code = socket.close_code
        except websockets.exceptions.InvalidStatusCode as error:
            self.answered(error.status_code)
            return
        except websockets.exceptions.ConnectionClosedError as error:
            code = error.code
        assert code in (1000, 1001, 1006, 1011, 1013, 4401), f"closed with {code}"
        assert code != 1000 or self.complete, "closed with 1000 without complete"
        if code == 4401:
            self.refused = code

    async def _lines(self, port, path, headers=""):
        """Those of an answer's body, as it comes."""
        reader, writer = await asyncio.wait_for(asyncio.open_connection("127.0.0.1", port, limit=1 << 20), QUIET)
        try:
            writer.write(
                f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {self.token}\r\n{headers}\r\n".encode()
            )
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), QUIET)
            if not self.answered(int(head.split(b" ")[1])):
                return
            assert b"\r\ntransfer-encoding: chunked\r\n" in head.lower(), head
            rest = b""
            while size := int(await asyncio.wait_for(reader.readline(), QUIET) or b"0", 16):
                piece = await asyncio.wait_for(reader.readexactly(size + 2), QUIET)
                *lines, rest = (rest + piece[:-2]).split(b"\n")
                for line in lines:
                    yield line
        except ValueError as error:
            raise EOFError("cut within the size of a piece") from error
        finally:
            writer.transport.abort()

    async def events(self, port):
        headers = f"Last-Event-ID: {self.next - 1}\r\n" if self.next else ""
        kind = None
        async for line in self._lines(port, f"/api/v1/executions/{self.execution_id}/logs/stream", headers):
            name, _, value = line.partition(b": ")
            if name == b"event":
                kind = value.decode()
            elif name == b"data":
                self.hear(kind, json.loads(value))

    async def ndjson(self, port):
        query = f"follow=true&format=ndjson&from={self.next}"
        async for line in self._lines(port, f"/api/v1/executions/{self.execution_id}/logs?{query}"):
            if line.strip():
                message = json.loads(line)
                self.hear(message.get("type", "log"), message)


KINDS = {"websocket": Follower.websocket, "events": Follower.events, "ndjson": Follower.ndjson}


class Crowd:
    """The followers, and how many lines they have seen: what moments are counted by."""

    def __init__(self, ports):
        self.ports, self.lines, self.all = ports, 0, []
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()

    def follow(self, *arguments, **options):
        one = Follower(self, *arguments, **options)
        self.all.append(one)
        return one

    def failures(self):
        return [one.failure for one in self.all if one.failure]

    def close(self):
        """Ends those that still follow."""

        async def end():
            tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(end(), self.loop).result(DEADLINE)
        self.loop.call_soon_threadsafe(self.loop.stop)
