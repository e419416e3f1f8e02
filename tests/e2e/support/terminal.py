"""A terminal with a program on it, as a user sits before it: a session of its own, job control, keys."""

import fcntl
import os
import pty
import signal
import struct
import termios

from .process import BIN, Sink


class Terminal:
    def __init__(self, argv, env, size=(24, 200)):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execvpe(argv[0], argv, env)
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))
        self._file = os.fdopen(self.fd, "rb", buffering=0)
        self.out = Sink(self._file)
        self.seen = 0

    def type(self, keys):
        self.seen = len(self.out.data)
        os.write(self.fd, keys)

    def wait_for(self, needle):
        """In what came since the last keys."""
        self.out.wait(lambda data: needle in data[self.seen :], repr(needle))

    def is_raw(self):
        """Whether keys are bytes for the program, and no longer signals of the terminal."""
        return not termios.tcgetattr(self.fd)[3] & (termios.ICANON | termios.ISIG)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        # The death of its leader hangs the terminal up, which ends whatever is on it.
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        self.out.wait_end()
        self._file.close()


class Shell(Terminal):
    """An interactive bash, in which $R is the program under test."""

    def __init__(self, cli):
        env = {**cli.env, "R": BIN, "PS1": "ready$ ", "TERM": "dumb"}
        super().__init__(["bash", "--norc", "--noediting", "-i"], env)
        self.out.wait_for(b"ready$ ")
        self.type(b"stty -echo; echo silent\n")  # else a test finds what it has typed itself
        self.wait_for(b"\nsilent\r\nready$ ")
