"""A container engine's socket with something between it and whoever asks: exchanges can be cut, and answers changed."""

import json
import os
import shutil
import socket
import tempfile
import threading

from . import DEADLINE


class EngineProxy:
    """`change(target, JSON)` → what is answered instead of an answer in JSON to a GET; such answers are held whole."""

    def __init__(self, engine_socket, change=None):
        self.engine_socket, self.change = engine_socket, change
        self.root = tempfile.mkdtemp(prefix="rnl-proxy-")
        self.socket = os.path.join(self.root, "s")
        self.targets = []  # of all questions
        self._open = []  # (target, both sockets)
        self._changed = threading.Condition()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self.socket)
        self._listener.listen(64)
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                peer, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._take, args=(peer,), daemon=True).start()

    def _take(self, peer):
        head = b""
        while b"\r\n\r\n" not in head:
            got = peer.recv(65536)
            if not got:
                peer.close()
                return
            head += got
        method, target, _ = head.split(b"\r\n")[0].decode().split(" ")
        engine = socket.socket(socket.AF_UNIX)
        try:
            engine.connect(self.engine_socket)
            engine.sendall(head)
        except OSError:
            peer.close()
            return
        with self._changed:
            self.targets.append(target)
            self._open.append((target, (peer, engine)))
            self._changed.notify_all()
        threading.Thread(target=self._carry, args=(peer, engine), daemon=True).start()
        if method == "GET" and self.change:
            self._carry_changed(target, engine, peer)
        else:
            self._carry(engine, peer)

    @staticmethod
    def _carry(source, sink):
        try:
            while piece := source.recv(65536):
                sink.sendall(piece)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def _carry_changed(self, target, engine, peer):
        answer = b""
        try:
            while piece := engine.recv(65536):
                answer += piece
            peer.sendall(self._changed_answer(target, answer))
            peer.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def _changed_answer(self, target, answer):
        head, _, body = answer.partition(b"\r\n\r\n")
        if b"chunked" in head.lower():
            whole, rest = b"", body
            while rest:
                size, _, rest = rest.partition(b"\r\n")
                whole, rest = whole + rest[: int(size, 16)], rest[int(size, 16) + 2 :]
            body = whole
        try:
            body = json.dumps(self.change(target, json.loads(body))).encode()
        except ValueError:
            pass
        return head.split(b"\r\n")[0] + f"\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body

    def wait_asked(self, part, times=1):
        """Until so many questions had that in their target."""
        with self._changed:
            assert self._changed.wait_for(lambda: sum(part in t for t in self.targets) >= times, DEADLINE), self.targets

    def cut(self, part):
        """Ends the open exchanges that have that in their target."""
        with self._changed:
            found = [both for target, both in self._open if part in target]
            self._open = [one for one in self._open if part not in one[0]]
        for both in found:
            for end in both:
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
        return len(found)

    def close(self):
        self._listener.close()
        self.cut("/")
        shutil.rmtree(self.root, ignore_errors=True)
