"""The command line as a user runs it."""

import os
import pty
import subprocess
import termios
import tty

from . import DEADLINE
from .process import BIN, Process, Sink
from .server import SANITIZER_MARKS, clean_env


class Result:
    def __init__(self, code, out, err):
        self.code = code
        self.out = out
        self.err = err

    def text(self):
        return self.out.decode()

    def __repr__(self):
        return f"<exit {self.code}, out {self.out[-800:]!r}, err {self.err[-1500:]!r}>"


class Cli:
    """Talks to `server` (or to `url`) with the operator's key, from a home folder of its own."""

    def __init__(self, home, server=None, url=None, token=None):
        self.home = home
        home.mkdir(parents=True, exist_ok=True)
        self.env = clean_env(home)
        if server or url:
            self.env["RUNNEL_URL"] = url or server.url
        if server or token:
            self.env["RUNNEL_TOKEN"] = token or server.operator_key

    def start(self, *args, env=None, stdin=subprocess.DEVNULL, **options):
        merged = {**self.env, **(env or {})}
        return Process(
            [BIN, *map(str, args)], env={k: v for k, v in merged.items() if v is not None}, stdin=stdin, **options
        )

    def run(self, *args, input=None, env=None, timeout=60, expect=None):
        with self.start(*args, env=env, stdin=subprocess.PIPE if input is not None else subprocess.DEVNULL) as process:
            if input is not None:
                try:
                    process.write(input)
                except BrokenPipeError:
                    pass
                process.close_stdin()
            code = process.finish(timeout)
            result = Result(code, process.out.data, process.err.data)
        assert not any(mark in result.err for mark in SANITIZER_MARKS), result.err.decode(errors="replace")
        assert expect is None or code == expect, result
        return result

    def ok(self, *args, **options):
        return self.run(*args, expect=0, **options)

    def on_terminal(self, *args, env=None, timeout=DEADLINE):
        """Runs with stdout on a pseudo-terminal; what was written to it."""
        master, slave = pty.openpty()
        tty.setraw(slave, termios.TCSANOW)
        try:
            with self.start(*args, env={"TERM": "xterm-256color", **(env or {})}, stdout=slave) as process:
                os.close(slave)
                with os.fdopen(master, "rb", buffering=0) as pipe:
                    sink = Sink(pipe)
                    code = process.finish(timeout)
                    return Result(code, sink.wait_end(timeout), process.err.data)
        finally:
            pass
