"""What the tests of inputs and artifacts share: a worker that shares no path with who submits, and a proxy that stops
an upload half-way."""

import hashlib
import os
import pathlib
import signal
import socket
import threading

from .api import eventually

UPLOADS = (b"PUT /api/v1/blobs/", b"POST /api/v1/blobs ")  # of one content; of many small ones


def files_beneath(folder):
    """Of one in which things come and go meanwhile."""
    for at, _, names in os.walk(folder):
        yield from (path for name in names if (path := pathlib.Path(at, name)).is_file())


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def artifacts(api, id):
    """name → (size, hash)"""
    answer = api.expect(200, "GET", f"/api/v1/executions/{id}/artifacts")
    assert answer["total_count"] == len(answer["artifacts"])
    assert answer["total_bytes"] == sum(one["size"] for one in answer["artifacts"])
    return {one["name"]: (one["size"], one["sha256"]) for one in answer["artifacts"]}


def sealed(api, id, timeout=120):
    return eventually(lambda: (status := api.status(id))["sealed"] and status, f"the seal of {id}", timeout)


def events(api, id, event_type):
    return [
        record["message"]
        for record in api.logs(id, limit=1000)
        if record["stream"] == "event" and record.get("event_type") == event_type
    ]


class Worker:
    """`runnel worker` with a folder of its own, started again and again."""

    def __init__(self, cli, data, url=None):
        self.cli, self.data, self.url = cli, data, url
        self.process = None

    def start(self, *flags):
        env = {"RUNNEL_URL": self.url} if self.url else None
        self.process = self.cli.start("worker", "--data", self.data, "--slots", 4, *flags, env=env)
        self.process.err.wait_for(b'"message":"connected', 60)
        return self

    def kill(self):
        self.process.signal(signal.SIGKILL)
        self.process.wait()

    def folders(self):
        return sorted(path.name for path in (self.data / "spool").iterdir())

    def close(self):
        if self.process:
            self.process.kill()


class Stopper:
    """A proxy between clients and the server. Of the first upload of contents (or, with `down`, of the first answer to
    a request whose first line has that in it) it lets `let` bytes of the body pass, sets `stopped`, and passes nothing
    more on that connection, until `cut` ends it. All else passes. `uploaded` counts the bytes of all uploads."""

    def __init__(self, target_port, let, down=None):
        self.target_port, self.let, self.down = target_port, let, down
        self.stopped = threading.Event()
        self.uploaded = 0
        self._taken = threading.Lock()
        self._ends = ()
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
            try:
                upstream = socket.create_connection(("127.0.0.1", self.target_port))
            except OSError:
                client.close()
                continue
            asked = threading.Event()  # the request whose answer is to be stopped has come
            threading.Thread(target=self._pump, args=(client, upstream, self._up, asked), daemon=True).start()
            threading.Thread(target=self._pump, args=(upstream, client, self._down, asked), daemon=True).start()

    def _pump(self, source, sink, way, asked):
        try:
            if way(source, sink, asked):
                return
        except OSError:
            pass
        self._end(source, sink)

    @staticmethod
    def _end(*ends):
        for end in ends:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def _stop(self, *ends):
        self._ends = ends
        self.stopped.set()
        return True

    def _up(self, client, upstream, asked):
        """True: stopped. curl writes the head of a request at once."""
        left = None
        while piece := client.recv(65536):
            if piece.startswith(UPLOADS):
                self.uploaded -= piece.index(b"\r\n\r\n") + 4
                if not self.down and left is None and self._taken.acquire(blocking=False):
                    left = self.let + piece.index(b"\r\n\r\n") + 4
            if self.down and self.down in piece.split(b"\r\n", 1)[0] and self._taken.acquire(blocking=False):
                asked.set()
            if left is not None:
                piece = piece[:left]
                left -= len(piece)
            self.uploaded += len(piece)
            upstream.sendall(piece)
            if left == 0:
                return self._stop(client, upstream)
        return False

    def _down(self, upstream, client, asked):
        left = self.let
        while piece := upstream.recv(65536):
            if asked.is_set():
                piece = piece[:left]
                left -= len(piece)
            client.sendall(piece)
            if left == 0:
                return self._stop(client, upstream)
        return False

    def cut(self):
        """Ends the connection that was stopped."""
        self._end(*self._ends)

    def close(self):
        self._listener.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def tree(folder):
    """name → bytes, of all files beneath"""
    found = {}
    for at, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(at, name)
            with open(path, "rb") as file:
                found[os.path.relpath(path, folder)] = file.read()
    return found
