"""WebSockets for tests that are not asynchronous: one loop in a thread of its own drives python3-websockets."""

import asyncio
import base64
import json
import os
import struct
import threading

import websockets

from . import DEADLINE
from .api import RawConnection, query_string


class _Loop:
    def __init__(self):
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()

    def run(self, coroutine, timeout=DEADLINE):
        return asyncio.run_coroutine_threadsafe(asyncio.wait_for(coroutine, timeout), self.loop).result(timeout + 5)


_shared = None


def background():
    global _shared
    if _shared is None:
        _shared = _Loop()
    return _shared


class Refused(Exception):
    def __init__(self, status, headers):
        super().__init__(f"the upgrade was answered {status}")
        self.status = status
        self.headers = headers


class WebSocket:
    def __init__(self, server, path, token="", query=None, headers=None, ssl=None, **options):
        scheme = "wss" if server.scheme == "https" else "ws"
        token = server.operator_key if token == "" else token
        headers = dict(headers or {})
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        options.setdefault("ping_interval", None)
        options.setdefault("max_size", None)
        options.setdefault("compression", None)
        if ssl:
            options["ssl"] = ssl
        host = getattr(server, "host", "127.0.0.1")
        if host != "127.0.0.1":  # a public name, of something on this machine
            options |= {"host": "127.0.0.1", "port": server.port}

        async def connect():
            return await websockets.connect(
                f"{scheme}://{host}:{server.port}{path}{query_string(query)}",
                extra_headers=headers,
                open_timeout=DEADLINE,
                close_timeout=5,
                **options,
            )

        try:
            self.ws = background().run(connect())
        except websockets.exceptions.InvalidStatusCode as error:
            raise Refused(error.status_code, error.headers) from None
        self.path = path

    # --- one by one
    def send(self, message):
        if not isinstance(message, (str, bytes)):
            message = json.dumps(message)
        background().run(self.ws.send(message))

    def send_fragmented(self, text, size):
        background().run(self.ws.send([text[i : i + size] for i in range(0, len(text), size)]))

    def receive_text(self, timeout=DEADLINE):
        return background().run(self.ws.recv(), timeout)

    def receive(self, timeout=DEADLINE):
        return json.loads(self.receive_text(timeout))

    def expect(self, kind, timeout=DEADLINE):
        """The next message of this type; those of other types before it are kept in `skipped`."""
        return self.collect(lambda message: message["type"] == kind, timeout)[-1]

    # --- in bulk
    def collect(self, is_last, timeout=DEADLINE):
        """All messages up to and with the one for which is_last is true."""

        async def gather():
            messages = []
            while True:
                try:
                    messages.append(json.loads(await self.ws.recv()))
                except websockets.exceptions.ConnectionClosed as error:
                    raise AssertionError(f"closed ({error}) after {messages[-3:]} of {len(messages)}") from None
                if is_last(messages[-1]):
                    return messages

        return background().run(gather(), timeout)

    def until_closed(self, timeout=DEADLINE):
        """All messages until the server closes: (messages, close code)."""

        async def gather():
            messages = []
            try:
                while True:
                    messages.append(json.loads(await self.ws.recv()))
            except websockets.exceptions.ConnectionClosed:
                return messages

        return background().run(gather(), timeout), self.ws.close_code

    def closed_with(self, timeout=DEADLINE):
        return self.until_closed(timeout)[1]

    @property
    def headers(self):
        return self.ws.response_headers

    def ping(self, timeout=DEADLINE):
        async def round_trip():
            await (await self.ws.ping())

        background().run(round_trip(), timeout)

    def cut(self):
        """Gone without a close frame."""

        async def abort():
            self.ws.transport.abort()
            await self.ws.wait_closed()

        background().run(abort())

    def close(self):
        try:
            background().run(self.ws.close())
        except Exception:
            pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Follower(WebSocket):
    def __init__(self, server, execution_id, token="", headers=None, **query):
        options = {
            name: query.pop(name) for name in ("ssl", "compression", "max_queue", "subprotocols") if name in query
        }
        super().__init__(server, f"/ws/executions/{execution_id}/logs", token, query, headers, **options)

    def logs(self, count, timeout=DEADLINE):
        """The next `count` log messages, others left out."""
        seen = 0

        def is_last(message):
            nonlocal seen
            seen += message["type"] == "log"
            return seen >= count

        return [message for message in self.collect(is_last, timeout) if message["type"] == "log"]

    def rest(self, timeout=DEADLINE):
        """(log messages, complete message) to the end; asserts the close 1000 that the contract promises."""
        messages, code = self.until_closed(timeout)
        assert code == 1000, (code, messages[-3:])
        assert messages and messages[-1]["type"] == "complete", messages[-3:]
        return [message for message in messages if message["type"] == "log"], messages[-1]


class Runner(WebSocket):
    def __init__(self, server, execution_id, token="", headers=None, **query):
        options = {name: query.pop(name) for name in ("ssl",) if name in query}
        super().__init__(server, f"/ws/runner/executions/{execution_id}/stream", token, query, headers, **options)
        self.execution_id = execution_id
        self.ready = self.expect("ready")
        self.next = self.ready["next_sequence"]

    def record(self, message, stream="stdout", **fields):
        """A record object with the next counter."""
        self.next += 1
        return {
            "execution_id": self.execution_id,
            "sequence_number": self.next - 1,
            "timestamp": "2025-11-15T10:30:15.123Z",
            "stream": stream,
            "message": message,
            **fields,
        }

    def lines(self, messages, stream="stdout", wait=True):
        """Sends them as one array and waits until they are durable."""
        self.send([self.record(message, stream) for message in messages])
        if wait:
            self.acked(self.next - 1)

    def acked(self, counter, timeout=DEADLINE):
        return self.collect(lambda m: m["type"] == "ack" and m["sequence_number"] >= counter, timeout)[-1]

    def complete(self, exit_code=0, **fields):
        fields.setdefault("final_sequence", self.next - 1)
        self.send({"type": "complete", "execution_id": self.execution_id, "exit_code": exit_code, **fields})
        return self.expect("completed")


class RawWebSocket(RawConnection):
    """A handshake done by hand, then whatever bytes a test wants to send."""

    def __init__(self, server, path, token=""):
        super().__init__(server.port)
        token = server.operator_key if token == "" else token
        self.send(handshake(server, path, token))
        self.upgrade = self.answer()

    def frame(self):
        """(fin and opcode byte, payload) of the next frame; None at the end."""
        head = self._reader.read(2)
        if len(head) < 2:
            return None
        assert not head[0] & 0x70 and not head[1] & 0x80, "a server sets no reserved bit and no mask"
        length = head[1]
        if length == 126:
            length = struct.unpack(">H", self._reader.read(2))[0]
        elif length == 127:
            length = struct.unpack(">Q", self._reader.read(8))[0]
        return head[0], self._reader.read(length)

    def close_code(self):
        """Reads on to the close frame: its code, 1005 without one, 1006 if the connection ended without a close
        frame."""
        try:
            while True:
                frame = self.frame()
                if frame is None:
                    return 1006
                if frame[0] & 0x0F == 8:
                    return struct.unpack(">H", frame[1][:2])[0] if len(frame[1]) >= 2 else 1005
        except ConnectionResetError:
            return 1006


def handshake(server, path, token, **changes):
    """The bytes of an upgrade request. changes: header name with _ for -, a value, or None to leave it out."""
    headers = {
        "Host": f"127.0.0.1:{server.port}",
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
        "Sec-WebSocket-Version": "13",
    }
    if token:
        headers["Authorization"] = f"Bearer {token}"
    for name, value in changes.items():
        headers[name.replace("_", "-")] = value
    lines = [f"GET {path} HTTP/1.1"] + [f"{name}: {value}" for name, value in headers.items() if value is not None]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def frame(opcode, payload=b"", fin=True, masked=True, reserved=0, length=None):
    """A client's frame by hand; `length` claims another one than the payload has."""
    claimed = len(payload) if length is None else length
    head = bytes([(0x80 if fin else 0) | reserved << 4 | opcode])
    mask_bit = 0x80 if masked else 0
    if claimed < 126:
        head += bytes([mask_bit | claimed])
    elif claimed < 65536:
        head += bytes([mask_bit | 126]) + struct.pack(">H", claimed)
    else:
        head += bytes([mask_bit | 127]) + struct.pack(">Q", claimed)
    if not masked:
        return head + payload
    key = os.urandom(4)
    return head + key + bytes(byte ^ key[i % 4] for i, byte in enumerate(payload))
