"""Container engines: a real one (`podman system service`, with storage of its own), and one that answers by a script."""

import json
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile
import threading
import time

from . import DEADLINE
from .process import Process

IMAGE = "localhost/small:1"
APPLETS = "sh cat echo env false grep head id kill ls mkdir ps seq sleep sync touch true wc yes".split()

# As root of a machine of whatever kind: without the rights for higher limits, with or without systemd.
CONFIGURATION = """
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
netns = "none"
[engine]
cgroup_manager = "cgroupfs"
runtime = "runc"
events_logger = "none"
"""

# Those of this machine speak plain HTTP.
REGISTRIES = """
[[registry]]
prefix = "127.0.0.1"
location = "127.0.0.1"
insecure = true
"""

# Says one line to the socket that RUNNEL_SOCKET names, and prints the answer.
SAY = r"""
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
int main(int argc, char **argv)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char answer[4096];
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", getenv("RUNNEL_SOCKET"));
    if (argc < 2 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
        return perror("connect"), 1;
    dprintf(fd, "%s\n", argv[1]);
    ssize_t got = read(fd, answer, sizeof(answer));
    return got <= 0 || write(1, answer, (size_t)got) != got;
}
"""


class NoEngine(Exception):
    """Why none can run here."""


def ask(path, method, target, body=None):
    """(status, JSON or text) of an engine."""
    data = b"" if body is None else json.dumps(body).encode()
    with socket.socket(socket.AF_UNIX) as peer:
        peer.settimeout(DEADLINE)
        peer.connect(path)
        head = f"{method} {target} HTTP/1.0\r\nHost: d\r\nContent-Type: application/json\r\n"
        peer.sendall(f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data)
        answer = b"".join(iter(lambda: peer.recv(65536), b""))
    head, _, text = answer.partition(b"\r\n\r\n")
    try:
        return int(head.split()[1]), json.loads(text)
    except ValueError:
        return int(head.split()[1]), text


class Podman:
    """The service, its storage and one small image, in a folder of its own."""

    def __init__(self):
        for program in ("podman", "runc", "busybox"):
            if not shutil.which(program):
                raise NoEngine(f"{program} is not installed")
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="rnl-engine-"))  # short: a socket's path is at most 107 bytes
        self.socket = str(self.root / "s")
        self.process = None
        (self.root / "containers.conf").write_text(CONFIGURATION)
        (self.root / "policy.json").write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
        self.env = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.root),
            "XDG_RUNTIME_DIR": str(self.root / "run"),
            "CONTAINERS_CONF": str(self.root / "containers.conf"),
        }
        (self.root / "run").mkdir()
        (self.root / ".config/containers").mkdir(parents=True)
        shutil.copy(self.root / "policy.json", self.root / ".config/containers/policy.json")
        (self.root / ".config/containers/registries.conf").write_text(REGISTRIES)
        try:
            self._import_image()
            self.start()
            self._try()
        except Exception as failure:
            self.close()
            raise NoEngine(f"podman does not run here: {failure}") from failure

    def command(self, *args):
        storage = ["--root", self.root / "r", "--runroot", self.root / "n", "--tmpdir", self.root / "t"]
        return ["podman", *map(str, storage), "--storage-driver", "vfs", *map(str, args)]

    def run(self, *args, **options):
        done = subprocess.run(
            self.command(*args),
            env=self.env,
            cwd=self.root,
            capture_output=True,
            timeout=DEADLINE,
            check=False,
            **options,
        )
        if done.returncode:
            raise NoEngine(done.stderr.decode(errors="replace")[-500:])
        return done.stdout.decode()

    def _import_image(self):
        image = self.root / "image"
        (image / "bin").mkdir(parents=True)
        (image / "tmp").mkdir(mode=0o1777)
        shutil.copy(shutil.which("busybox"), image / "bin/busybox")
        for applet in APPLETS:
            (image / "bin" / applet).symlink_to("busybox")
        source = self.root / "say.c"
        source.write_text(SAY)
        subprocess.run(["gcc", "-static", "-o", image / "bin/say", source], check=True, capture_output=True)
        subprocess.run(["tar", "-C", image, "-cf", self.root / "image.tar", "."], check=True)
        self.run("import", self.root / "image.tar", IMAGE)

    def _try(self):
        """Whether containers run: not everywhere may somebody make one."""
        made = self.run("create", "--log-driver", "none", IMAGE, "true").strip()
        try:
            self.run("start", "--attach", made)
        finally:
            self.run("rm", "-f", made)

    def start(self, within=()):
        command = self.command("system", "service", "--time", "0", f"unix://{self.socket}")
        self.process = Process([*within, *command], env=self.env, cwd=self.root)  # conmon writes there, too
        end = time.monotonic() + DEADLINE
        while time.monotonic() < end:
            try:
                if self.ask("GET", "/_ping")[0] == 200:
                    return self
            except OSError:
                assert self.process.popen.poll() is None, self.process.err.data
            threading.Event().wait(0.05)
        raise NoEngine("its service does not answer")

    def ask(self, method, target, body=None):
        return ask(self.socket, method, target, body)

    def containers(self):
        return self.ask("GET", "/containers/json?all=true")[1]

    def await_running(self):
        """Until the one container is said to run. It may have said something before, when nothing is kept of it yet."""
        end = time.monotonic() + DEADLINE
        while [one["State"] for one in self.containers()] != ["running"]:
            assert time.monotonic() < end, self.containers()

    def stop(self):
        self.process.kill()

    def close(self):
        if self.process and self.process.popen.poll() is None:
            self.stop()
        try:
            self.run("rm", "--all", "--force", "--time", "0")
        except Exception:  # nothing of it may be there yet
            pass
        shutil.rmtree(self.root, ignore_errors=True)


# --- One that answers by a script


def frame(stream, text):
    data = text if isinstance(text, bytes) else text.encode()
    return bytes([stream, 0, 0, 0]) + len(data).to_bytes(4, "big") + data


class Question:
    """One request, and the way to answer it."""

    def __init__(self, peer, method, target, body):
        self.peer, self.method, self.target, self.body = peer, method, target, body

    def answer(self, status=200, body=None):
        data = b"" if body is None else json.dumps(body).encode()
        self.raw(
            f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n".encode()
        )
        self.raw(data)

    def begin(self):
        """An answer whose parts follow, up to the end of the connection."""
        self.raw(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")

    def upgrade(self):
        self.raw(b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n")

    def raw(self, data):
        try:
            self.peer.sendall(data)
        except OSError:  # whoever asked has gone
            pass


class FakeEngine:
    """By itself it has every image, and runs containers that say nothing until `exit`. `script` maps (method, the end
    of the path) to a function of the engine and the question, which takes the place of that."""

    def __init__(self, script=None):
        self.root = tempfile.mkdtemp(prefix="rnl-fake-")
        self.socket = os.path.join(self.root, "s")
        self.script = dict(script or {})
        self.asked = []  # (method, target)
        self.exit_code = None
        self.exited = threading.Event()
        self.changed = threading.Condition()
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.socket)
        self.listener.listen(64)
        self.closed = False
        threading.Thread(target=self._serve, daemon=True).start()

    def exit(self, code):
        self.exit_code = code
        self.exited.set()

    def count(self, method, ending):
        return sum(1 for had, target in self.asked if had == method and target.partition("?")[0].endswith(ending))

    def wait_asked(self, method, ending, times=1):
        with self.changed:
            assert self.changed.wait_for(lambda: self.count(method, ending) >= times, DEADLINE), self.asked

    def _serve(self):
        while True:
            try:
                peer, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._take, args=(peer,), daemon=True).start()

    def _take(self, peer):
        with peer:
            data = b""
            while b"\r\n\r\n" not in data:
                got = peer.recv(65536)
                if not got:
                    return
                data += got
            head, _, body = data.partition(b"\r\n\r\n")
            length = next(
                (
                    int(line.split(b":")[1])
                    for line in head.split(b"\r\n")
                    if line.lower().startswith(b"content-length")
                ),
                0,
            )
            while len(body) < length:
                body += peer.recv(65536)
            method, target, _ = head.split(b"\r\n")[0].decode().split(" ")
            question = Question(peer, method, target, body)
            path = target.partition("?")[0]
            # Kept only when it is answered, or its answer has begun: so that a test sees what it waits for in order.
            with self.changed:
                self.asked.append((method, target))
                self.changed.notify_all()
            for (wanted, ending), act in self.script.items():
                if wanted == method and path.endswith(ending):
                    act(self, question)
                    return
            self._usual(question, method, path)

    def _usual(self, question, method, path):
        last = path.rpartition("/")[2]
        if path == "/containers/json":
            question.answer(200, [])
        elif path in ("/_ping", "/info"):
            question.answer(200, {})
        elif last == "create":
            question.answer(201, {"Id": "c0ffee", "Warnings": []})
        elif last == "attach":
            question.upgrade()
            self.exited.wait(DEADLINE)
        elif last == "wait":
            self.exited.wait(DEADLINE)
            question.answer(200, {"StatusCode": self.exit_code})
        elif last == "kill":
            question.answer(204)
            self.exit(137)
        elif path.startswith("/images/") and last == "json":
            question.answer(200, {"Id": "sha256:11", "RepoDigests": ["small@sha256:22"]})
        elif last == "json":
            question.answer(200, {"Image": "sha256:11", "State": {"OOMKilled": False}})
        elif last == "stats":
            question.answer(200, {"memory_stats": {"max_usage": 4096}, "cpu_stats": {"cpu_usage": {"total_usage": 9}}})
        else:
            question.answer(204)

    def close(self):
        if not self.closed:
            self.closed = True
            self.exited.set()
            self.listener.close()
            shutil.rmtree(self.root, ignore_errors=True)
