"""Child processes whose output is waited for, never slept for."""

import contextlib
import os
import select
import signal
import subprocess
import threading
import time

from . import DEADLINE

BIN = os.path.abspath(os.environ.get("RUNNEL_BIN", "build/runnel"))


class Sink:
    """Everything that came out of one pipe so far, with waiting for more."""

    def __init__(self, pipe):
        self.data = b""
        self.closed = False
        self._changed = threading.Condition()
        threading.Thread(target=self._read, args=(pipe,), daemon=True).start()

    def _read(self, pipe):
        while True:
            try:
                piece = os.read(pipe.fileno(), 65536)
            except (OSError, ValueError):
                piece = b""
            with self._changed:
                self.data += piece
                self.closed = not piece
                self._changed.notify_all()
            if not piece:
                return

    def wait(self, predicate, what, timeout=DEADLINE):
        """predicate(data) is asked after each change; its first true value is returned."""
        end = time.monotonic() + timeout
        with self._changed:
            while True:
                found = predicate(self.data)
                if found:
                    return found
                left = end - time.monotonic()
                if self.closed or left <= 0:
                    why = "the pipe ended" if self.closed else "the deadline passed"
                    raise AssertionError(f"{why} before {what}; got {self.data[-2000:]!r}")
                self._changed.wait(left)

    def wait_for(self, needle, timeout=DEADLINE):
        self.wait(lambda data: needle in data, repr(needle), timeout)

    def wait_lines(self, count, timeout=DEADLINE):
        self.wait(lambda data: data.count(b"\n") >= count, f"{count} lines", timeout)
        return self.lines()

    def wait_end(self, timeout=DEADLINE):
        end = time.monotonic() + timeout
        with self._changed:
            while not self.closed:
                left = end - time.monotonic()
                assert left > 0, f"the pipe did not end; got {self.data[-2000:]!r}"
                self._changed.wait(left)
        return self.data

    def lines(self):
        return self.data.split(b"\n")[:-1]


class Process:
    """A child that dies with the test run; both outputs are gathered. `tty_stdout` is a descriptor to give it
    instead of a pipe."""

    def __init__(self, argv, env=None, stdin=subprocess.DEVNULL, cwd=None, pass_fds=(), stdout=subprocess.PIPE):
        guard = ["setpriv", "--pdeathsig", "KILL", "--"]
        self.popen = subprocess.Popen(
            guard + list(argv), env=env, stdin=stdin, stdout=stdout, stderr=subprocess.PIPE, cwd=cwd, pass_fds=pass_fds
        )
        self.pid = self.popen.pid
        self.out = Sink(self.popen.stdout) if stdout == subprocess.PIPE else None
        self.err = Sink(self.popen.stderr)

    def write(self, data):
        self.popen.stdin.write(data)
        self.popen.stdin.flush()

    def close_stdin(self):
        self.popen.stdin.close()

    def signal(self, number):
        self.popen.send_signal(number)

    def wait(self, timeout=DEADLINE):
        """Its exit code, as soon as it has ended: `Popen.wait` would look for that every 50 ms."""
        if self.popen.poll() is None:
            with contextlib.suppress(ProcessLookupError):  # another thread was first to be told
                ended = os.pidfd_open(self.pid)
                look = select.poll()
                look.register(ended, select.POLLIN)
                look.poll(1000 * timeout)
                os.close(ended)
        return self.popen.wait(0)

    def finish(self, timeout=DEADLINE):
        """The exit code, with all output read."""
        code = self.wait(timeout)
        if self.out:
            self.out.wait_end(timeout)
        self.err.wait_end(timeout)
        return code

    def kill(self):
        if self.popen.poll() is None:
            self.popen.send_signal(signal.SIGKILL)
        self.popen.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()
        for pipe in (self.popen.stdin,):
            if pipe:
                try:
                    pipe.close()
                except OSError:
                    pass
