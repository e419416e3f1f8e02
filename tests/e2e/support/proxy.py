"""A TCP proxy that a test can cut, close or make refuse kinds of requests."""

import socket
import threading

from . import DEADLINE


class Proxy:
    """refuse(request_head: bytes) -> True: that connection gets a 403 and ends, as from a middlebox. What the
    server sends is held
    back from the first piece on that has `hold` in it; then `held` is set. `hear(client, from_client, piece)` is
    called with all that is passed on, before it is."""

    def __init__(self, target_port, refuse=lambda head: False, hold=None, hear=lambda *_: None):
        self.hold = hold
        self.hear = hear
        self.held = threading.Event()
        self.target_port = target_port
        self.refuse = refuse
        self.heads = []
        self.refused = 0
        self._changed = threading.Condition()
        self._open = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        try:
            head = client.recv(65536)
        except OSError:
            head = b""
        with self._changed:
            self.heads.append(head)
            if head and self.refuse(head):
                self.refused += 1
                self._changed.notify_all()
                refused = True
            else:
                refused = not head
                self._changed.notify_all()
        if refused:
            try:
                client.sendall(
                    b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" if head else b""
                )
            except OSError:
                pass
            client.close()
            return
        try:
            upstream = socket.create_connection(("127.0.0.1", self.target_port))
            self.hear(client, True, head)
            upstream.sendall(head)
        except OSError:
            client.close()
            return
        with self._changed:
            self._open.append((client, upstream))
        threading.Thread(target=self._pump, args=(client, upstream), daemon=True).start()
        self._pump(upstream, client, self.hold, server=True)

    def _pump(self, source, sink, hold=None, server=False):
        try:
            while True:
                piece = source.recv(65536)
                if not piece:
                    break
                if hold and hold in piece:
                    self.held.set()
                if not hold or not self.held.is_set():
                    self.hear(*((sink, False) if server else (source, True)), piece)
                    sink.sendall(piece)
        except OSError:
            pass
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def wait(self, predicate, timeout=DEADLINE):
        with self._changed:
            assert self._changed.wait_for(lambda: predicate(self), timeout), (self.heads, self.refused)

    def cut(self):
        """Drops every connection that is open now; new ones are served."""
        with self._changed:
            pairs, self._open = self._open, []
        for pair in pairs:
            for end in pair:
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
                end.close()
        return len(pairs)

    def close(self):
        self._listener.close()
        self.cut()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
