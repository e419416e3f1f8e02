"""Jobs whose every line is known before they run, and which leave a trace of each time that they began."""

import os
import pathlib
import shutil
import tempfile

# Its arguments: folder, key, count, width, lines of a burst, pause after it, attempts that fail.
PROGRAM = """
import fcntl, os, sys, time
folder, key = sys.argv[1:3]
count, width, burst = map(int, sys.argv[3:6])
pause, fails = float(sys.argv[6]), int(sys.argv[7])
attempt = os.environ["RUNNEL_ATTEMPT"]
with open(f"{folder}/{key}.{attempt}.began", "a") as file:
    file.write(f"{os.getpid()}\\n")
one = os.open(f"{folder}/{key}.lock", os.O_CREAT | os.O_RDWR, 0o666)
try:
    fcntl.flock(one, fcntl.LOCK_EX | fcntl.LOCK_NB)
except BlockingIOError:
    open(f"{folder}/{key}.at-once", "w").close()
for start in range(0, count, burst):
    text = {1: [], 2: []}
    for i in range(start, min(start + burst, count)):
        text[2 if i % 7 == 3 else 1].append(f"{i} {key} {'x' * (i * 7919 % width)}\\n")
    for fd, lines in text.items():
        data = "".join(lines).encode()
        while data:
            data = data[os.write(fd, data):]
    time.sleep(pause)
sys.exit(9 if int(attempt) <= fails else 0)
"""

KINDS = {  # lines, widest, lines of a burst, seconds after it
    "quick": ((1, 40), 30, 10, 0.05),
    "steady": ((200, 600), 80, 5, 0.1),
    "long": ((150, 400), 60, 2, 0.3),
    "flood": ((5_000, 20_000), 100, 2_000, 0.0),
}


class Traces:
    """Where jobs leave theirs: where a confined one may write, and no worker has its folder."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="runnel-soak-", dir="/var/tmp"))
        self.folder.chmod(0o777)
        self.program = self.folder / "job.py"
        self.program.write_text(PROGRAM)

    def pids(self, plan, attempt=1):
        """Of the process of this attempt: one, or none if it never began."""
        file = self.folder / f"{plan.key}.{attempt}.began"
        return [int(pid) for pid in file.read_text().split()] if file.exists() else []

    def running(self, pid):
        """Whether it is still one of them: numbers of processes come again within minutes."""
        try:
            return str(self.program).encode() in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            return False

    def close(self):
        shutil.rmtree(self.folder)

    def twice(self, plan):
        return (self.folder / f"{plan.key}.at-once").exists()


class Plan:
    """What a job is to do: `text` is what it writes, by stream."""

    def __init__(self, source, key, kinds=tuple(KINDS), fails=0):
        self.key, self.fails = key, fails
        self.kind = source.choice(kinds)
        between, self.width, self.burst, self.pause = KINDS[self.kind]
        self.count = source.randint(*between)
        lines = {"stdout": [], "stderr": []}
        for i in range(self.count):
            stream = "stderr" if i % 7 == 3 else "stdout"
            lines[stream].append(f"{i} {key} {'x' * (i * 7919 % self.width)}\n")
        self.text = {stream: "".join(those) for stream, those in lines.items()}

    def command(self, traces):
        numbers = (self.count, self.width, self.burst, self.pause, self.fails)
        return ["/usr/bin/python3", "-IS", str(traces.program), str(traces.folder), self.key, *map(str, numbers)]


def memory_of(pid):
    """Bytes that it has in memory now."""
    with open(f"/proc/{pid}/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def files_of(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))
