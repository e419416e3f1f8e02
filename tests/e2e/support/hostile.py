"""A server that is none of ours: answers as a test says, by hand."""

import base64
import hashlib
import json
import socket
import struct
import threading

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def frame(message, opcode=1):
    data = message if isinstance(message, bytes) else json.dumps(message).encode()
    size = bytes([len(data)]) if len(data) < 126 else b"\x7e" + struct.pack(">H", len(data))
    return bytes([0x80 | opcode]) + size + data


def ready(next_sequence=0, digest="0" * 16, **changes):
    fields = {"type": "ready", "next_sequence": next_sequence, "digest": digest, "epoch": 1, "incarnation": "x"}
    return frame({**fields, **changes})


class Socket:
    """A runner's connection, after the handshake."""

    def __init__(self, connection, path):
        self.path = path
        self._connection = connection
        self._reader = connection.makefile("rb")

    def send(self, data):
        self._connection.sendall(data)

    def hears(self):
        """The next message, {"type": "records"} for a binary one; None at the end."""
        while True:
            head = self._reader.read(2)
            if len(head) < 2:
                return None
            length = head[1] & 0x7F
            if length == 126:
                length = struct.unpack(">H", self._reader.read(2))[0]
            elif length == 127:
                length = struct.unpack(">Q", self._reader.read(8))[0]
            key, data = self._reader.read(4), self._reader.read(length)
            if head[0] & 0x0F == 2:
                return {"type": "records"}
            if head[0] & 0x0F == 1:
                return json.loads(bytes(byte ^ key[i % 4] for i, byte in enumerate(data)))
            if head[0] & 0x0F == 8:
                return None

    def hears_to_the_end(self):
        while self.hears():
            pass


class HostileServer:
    """`runner(socket)` speaks with each runner; `answer` is sent for every other request, after its head."""

    def __init__(self, runner=None, answer=None):
        self.runner = runner
        self.answer = answer or (
            lambda connection: connection.sendall(b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}")
        )
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        try:
            while head := self._request(connection):
                if b"/ws/runner/" in head:
                    self._upgrade(connection, head)
                    self.runner(Socket(connection, head.split(b" ")[1].decode()))
                    return
                self.answer(connection)
        except (OSError, ValueError):
            pass
        finally:
            connection.close()

    @staticmethod
    def _request(connection):
        data = b""
        while b"\r\n\r\n" not in data:
            piece = connection.recv(65536)
            if not piece:
                return None
            data += piece
        head, _, body = data.partition(b"\r\n\r\n")
        length = [
            int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")
        ]
        while len(body) < sum(length):
            body += connection.recv(65536)
        return head

    @staticmethod
    def _upgrade(connection, head):
        key = [
            line.split(b":", 1)[1].strip()
            for line in head.split(b"\r\n")
            if line.lower().startswith(b"sec-websocket-key:")
        ][0]
        accept = base64.b64encode(hashlib.sha1(key + GUID).digest())
        connection.sendall(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._listener.close()
