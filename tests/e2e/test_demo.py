"""`./dev demo` on a terminal: what it shows, and that Ctrl-C ends it at any moment and leaves nothing."""

import os
import pathlib
import pty
import re
import select
import signal
import subprocess
import time

import pytest
from support.process import BIN
from support.server import clean_env

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEADLINE_S = 60


class Terminal:
    """`./dev demo` as the session of a terminal of its own; its temporary files under `folder`."""

    def __init__(self, folder):
        self.folder = folder
        self.output = b""
        # An interrupt may come before the shell is there, though not before its terminal is: then it must end the
        # child, and
        # not be an exception in this program's copy.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            os.chdir(ROOT)
            env = clean_env(folder, RUNNEL_BIN=str(BIN), TMPDIR=str(folder), TERM="xterm", NO_COLOR="1")
            os.write(1, b"begun\n")
            os.execve("/bin/sh", ["sh", "dev", "demo"], env)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def read_until(self, pattern):
        end = time.monotonic() + DEADLINE_S
        while not re.search(pattern, self.output):
            assert select.select([self.fd], [], [], max(0, end - time.monotonic()))[0], self.output
            try:
                self.output += os.read(self.fd, 65536)
            except OSError:  # the terminal's other side has closed
                break
        assert re.search(pattern, self.output), self.output
        return self

    def interrupt(self):
        os.write(self.fd, b"\x03")
        return self

    def exit_code(self):
        end = time.monotonic() + DEADLINE_S
        while select.select([self.fd], [], [], max(0, end - time.monotonic()))[0]:
            try:
                if not os.read(self.fd, 65536):
                    break
            except OSError:
                break
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def left(self):
        """Files, and processes that know of the folder."""
        shown = subprocess.run(["ps", "-eww", "-o", "pid=,args="], capture_output=True, text=True, check=True).stdout
        return os.listdir(self.folder), [line for line in shown.splitlines() if str(self.folder) in line]

    def close(self):
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        os.close(self.fd)


@pytest.fixture
def terminal(tmp_path):
    folder = tmp_path / "temporary"
    folder.mkdir()
    made = Terminal(folder)
    yield made
    made.close()


def test_the_demo_shows_a_job_live_and_stays_until_it_is_interrupted(terminal):
    terminal.read_until(rb"(?s)step 8 of 8.*Execution completed.*Status: completed.*Ctrl-C ends it")
    assert len(re.findall(rb"\[stdout\][^\n]* step \d of 8\r\n", terminal.output)) == 8
    assert terminal.interrupt().exit_code() == 0
    assert terminal.left() == ([], [])


@pytest.mark.parametrize("moment", [rb"begun", rb"shows it live", rb"step 3 of 8"])
def test_the_demo_ends_at_an_interrupt_at_any_moment_and_leaves_nothing(terminal, moment):
    terminal.read_until(moment)
    assert terminal.interrupt().exit_code() in (130, -signal.SIGINT)
    assert terminal.left() == ([], [])
