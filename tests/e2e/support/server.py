"""`runnel serve` under test: start, stop, kill, restart; its JSON log; its sanitizers' verdict."""

import contextlib
import json
import os
import signal
import socket
import sqlite3
import threading

from . import DEADLINE, postgres, s3
from .api import Api
from .ports import hold
from .process import BIN, Process

SANITIZER_MARKS = (
    b"AddressSanitizer",
    b"LeakSanitizer",
    b"ThreadSanitizer",
    b"UndefinedBehavior",
    b"runtime error:",
)


def clean_env(home, **extra):
    """An environment without anything of the developer's own."""
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "XDG_STATE_HOME": str(home / "state"),
        "XDG_CONFIG_HOME": str(home / "config"),
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "RUNNEL_JOBS": "0",  # a worker within the server is for the tests that ask for it
    }
    for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS", "LSAN_OPTIONS"):
        if name in os.environ:
            env[name] = os.environ[name]
    env.update({name: str(value) for name, value in extra.items()})
    return env


class Server:
    def __init__(self, root, flags=(), env=None, listen="127.0.0.1:0", scheme="http"):
        self.root = root
        self.data = root / "data"
        self.port_file = root / "port"
        self.flags = [str(flag) for flag in flags]
        self.env = dict(env or {})
        self.listen = listen
        self.scheme = scheme
        self.program = BIN
        self.port = None
        self.process = None
        self.reports = []
        self._held = None
        self._read_of = None
        self._reading = threading.Lock()
        root.mkdir(parents=True, exist_ok=True)

    # --- life
    def argv(self, listen=None):
        return [
            self.program,
            "serve",
            "--listen",
            listen or self.listen,
            "--data",
            str(self.data),
            "--port-file",
            str(self.port_file),
            *postgres.flags_of(self.root, self.flags),
            *s3.flags_of(self.root, self.flags),
            *self.flags,
        ]

    def spawn(self, listen=None, pass_fds=()):
        """Starts without waiting."""
        self.port_file.unlink(missing_ok=True)
        env = clean_env(self.root, **s3.environment_of(self.flags), **self.env)
        self.process = Process(self.argv(listen), env=env, cwd=str(self.root), pass_fds=pass_fds)
        return self.process

    def start(self, listen=None):
        self.spawn(listen)
        return self.await_ready()

    def await_ready(self):
        self.wait_log(lambda entry: entry.get("message") == "ready")
        self.port = int(self.port_file.read_text())
        self._hold_port()
        return self

    def _hold_port(self):
        """So that nobody else gets it while the server is away."""
        if (
            self.port
            and self.listen.startswith("127.0.0.1:")
            and (not self._held or self._held.getsockname()[1] != self.port)
        ):
            self._let_port_go()
            with contextlib.suppress(OSError):  # it was given the socket by who holds the port
                self._held = hold(self.port)

    def _let_port_go(self):
        if self._held:
            self._held.close()
        self._held = None

    def stop(self, expect=0):
        """SIGTERM, and the exit that must follow."""
        self.process.signal(signal.SIGTERM)
        return self.ended(expect)

    def ended(self, expect=0):
        code = self.process.finish()
        self._note_reports()
        assert expect is None or code == expect, (code, self.process.err.data[-3000:])
        return code

    def kill(self):
        self.process.kill()
        self.process.err.wait_end()
        self._note_reports()

    def restart(self):
        """Again on the same data and the same port."""
        return self.start(f"127.0.0.1:{self.port}")

    def running(self):
        return self.process is not None and self.process.popen.poll() is None

    def close(self):
        """Ends it if need be; what sanitizers said is an error."""
        if self.running():
            self.process.signal(signal.SIGTERM)
            try:
                self.process.finish(20)
            except Exception:
                self.process.kill()
                self.process.err.wait_end()
        self._let_port_go()
        if self.process:
            self._note_reports()
        assert not self.reports, b"\n".join(self.reports).decode(errors="replace")

    def _note_reports(self):
        data = self.process.err.data
        if any(mark in data for mark in SANITIZER_MARKS):
            self.reports.append(data[-20000:])

    # --- log
    def log(self):
        """Of the process that runs, or was the last to. Each line is read once, however often somebody looks."""
        with self._reading:
            if self._read_of is not self.process:
                self._read_of, self._read, self._entries = self.process, 0, []
            data = self.process.err.data
            end = data.rfind(b"\n") + 1
            for line in data[self._read : end].split(b"\n")[:-1]:
                try:
                    self._entries.append(json.loads(line))
                except ValueError:
                    self._entries.append({"message": None, "not_json": line.decode(errors="replace")})
            self._read = end
            return list(self._entries)

    def wait_log(self, predicate, timeout=DEADLINE):
        def look(_):
            return next((entry for entry in self.log() if predicate(entry)), None)

        return self.process.err.wait(look, "a matching log entry", timeout)

    def database(self):
        """The store's file, known by its first bytes."""
        files = [
            path for path in self.data.iterdir() if path.is_file() and path.read_bytes()[:15] == b"SQLite format 3"
        ]
        assert len(files) == 1, files
        return files[0]

    def column(self, sql):
        """What a statement says that both stores understand: the texts of its one column."""
        if postgres.WANTED:
            return postgres.ask(self.root, sql).splitlines()
        with contextlib.closing(sqlite3.connect(f"file:{self.data}/runnel.db?mode=ro", uri=True, timeout=60)) as db:
            return [str(text) for text, in db.execute(sql)]

    def number(self, sql):
        [text] = self.column(sql)
        return int(text)

    def change(self, *statements):
        """In its store, while it does not run."""
        if postgres.WANTED:
            postgres.ask(self.root, ";".join(statements))
            return
        with contextlib.closing(sqlite3.connect(f"file:{self.data}/runnel.db?mode=rw", uri=True, timeout=60)) as db, db:
            for statement in statements:
                db.execute(statement)

    def merged(self):
        """Whether nothing of its logs, which are all sealed, is left to be merged."""
        return self.number(f"SELECT count(*) FROM {'unmerged' if postgres.WANTED else 'hot'}") == 0

    # --- reaching it
    @property
    def url(self):
        return f"{self.scheme}://127.0.0.1:{self.port}"

    @property
    def operator_key(self):
        return (self.data / "admin.key").read_text().strip()

    def api(self, token="", **options):
        """`token` "" is the operator's key; None none."""
        return Api(self.port, self.operator_key if token == "" else token, **options)

    def connect(self):
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=DEADLINE)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection
