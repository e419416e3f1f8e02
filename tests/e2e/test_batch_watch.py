"""`--watch` and `wait` as people see them: on a terminal with keys, on a pipe, and through what lets no stream pass."""

import fcntl
import os
import re
import signal
import struct
import termios

import pytest
from support import DEADLINE
from support.api import eventually
from support.cli import Cli
from support.job_worker import JobWorker
from support.process import BIN
from support.proxy import Proxy
from support.terminal import Terminal

UP, DOWN, ENTER, CTRL_C = b"\x1b[A", b"\x1b[B", b"\r", b"\x03"


class Watcher(Terminal):
    """A command that draws a batch on a terminal of its own."""

    def __init__(self, cli, *args, size=(24, 120)):
        env = {**cli.env, "TERM": "xterm-256color", "NO_COLOR": "1"}
        super().__init__([BIN, *args], env, size)
        self.ended = None

    def drawn(self):
        """What was drawn last, from its bar on."""
        text = self.out.data.decode(errors="replace").replace("\r", "")
        bars = [match.start() for match in re.finditer(r"\[[=> ]{21}\]", text)]
        return text[bars[-1] :] if bars else ""

    def shows(self, pattern):
        return self.out.wait(lambda data: re.search(pattern, self.drawn()), pattern)

    def resize(self, rows, columns):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def code(self):
        """Waits for its end."""
        self.out.wait_end(DEADLINE)
        self.ended = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self.ended

    def __exit__(self, *error):
        if self.ended is None:
            super().__exit__(*error)
        else:
            self._file.close()


@pytest.fixture
def house(own_server, tmp_path):
    return own_server, own_server.api(), Cli(tmp_path / "home", own_server)


def submitted(cli, count, *options):
    return cli.ok("run", "--range", f"1-{count}", *options, "--", "do").text().strip()


@pytest.fixture
def running(house):
    """(watcher, id, jobs, cli): two of four jobs run, and one has failed."""
    server, api, cli = house
    id = submitted(cli, 4)
    with JobWorker(server, slots=3) as worker:
        jobs = [worker.take() for _ in range(3)]
        for job in jobs:
            job.begin()
        jobs[0].end(7, ["first", "its last line"])
        with Watcher(cli, "batch", "watch", id) as watcher:
            jobs.append(worker.take().begin())
            watcher.shows(r"0/4 complete \(1 failed, 3 running, 0 queued\)")
            yield watcher, id, jobs, cli


# --- What is shown


def test_the_display_has_the_bar_the_counts_and_the_latest_failures(running):
    watcher, _, jobs, _ = running
    watcher.shows(rf"✗ exit code 7: runnel logs {jobs[0].id}  1\n")  # with what it is about
    watcher.shows(rf"● running \w+: runnel logs {jobs[1].id}  2\n")
    watcher.shows(r"^\[=====>               \] 0/4 complete")
    watcher.shows(r"Duration: \w+ \| ETA: \w+ \| Cost: €0.0\d\n")
    for job in jobs[1:]:
        job.end(0)
    assert watcher.code() == 1
    text = watcher.out.data.decode().replace("\r", "")
    assert "✓ Batch complete: 3 succeeded, 1 failed\nTotal duration: " in text
    assert f"1 × exit code 7\n      runnel logs {jobs[0].id}  1\n" in text


def test_it_is_drawn_again_while_nothing_changes(running):
    watcher, _, _, _ = running
    bar = watcher.shows(r"^\[[=> ]+\] 0/4 complete \(1 failed, 3 running, 0 queued\)")[0].encode()
    drawn = watcher.out.data.count(bar)
    watcher.out.wait(lambda data: data.count(bar) >= drawn + 2, "two more of the same")


def test_it_follows_the_size_of_the_terminal(running):
    watcher, _, _, _ = running
    watcher.resize(24, 40)
    watcher.shows(r"^\[=====>               \] 0/4 complete.*…\n")
    assert all(len(line) <= 40 for line in watcher.drawn().split("\n")[:3])
    watcher.resize(40, 120)
    watcher.shows(r"0/4 complete \(1 failed, 3 running, 0 queued\)")


def test_each_line_has_room_on_eighty_columns(house):
    server, _, cli = house
    id = submitted(cli, 2)
    with JobWorker(server, slots=1) as worker, Watcher(cli, "batch", "watch", id, size=(24, 80)) as watcher:
        worker.take().end(137)
        watcher.shows("✗ exit code 137: runnel logs exec_")
        drawn = watcher.drawn()
        assert "…" not in drawn and all(len(line) <= 80 for line in drawn.split("\n"))


# --- Keys


def test_the_arrows_choose_and_enter_follows_that_log_in_place(running):
    watcher, _, jobs, _ = running
    watcher.shows("● running")
    watcher.type(DOWN)
    watcher.shows(rf"> ✗ exit code 7: runnel logs {jobs[0].id}")
    watcher.type(ENTER)
    watcher.wait_for(b"its last line\r\n")
    watcher.wait_for("── failed (exit code: 7); q goes back ──".encode())
    assert b"first\r\n" in watcher.out.data
    watcher.type(b"q")
    watcher.shows(r"0/4 complete \(1 failed, 3 running")
    watcher.type(DOWN)
    chosen = watcher.shows(r"> ● running \w+: runnel logs (\S+)  ")[1]
    job = next(job for job in jobs if job.id == chosen)
    watcher.type(ENTER)
    watcher.wait_for(f"{chosen}; q goes back".encode())
    job.stream.lines(0, ["live line"])
    watcher.wait_for(b"live line\r\n")
    watcher.type(b"\x1b[D")
    watcher.shows(r"3 running")
    watcher.type(UP)
    watcher.shows(r"> ✗ exit code 7")


def test_ctrl_c_asks_and_l_leaves_the_batch_running(running):
    watcher, id, jobs, cli = running
    watcher.type(CTRL_C)
    watcher.shows(r"Leave the batch running \(l\), cancel it \(c\), or go on watching \(w\)\?")
    watcher.type(b"w")
    watcher.shows("Enter follows its log")
    watcher.type(CTRL_C)
    watcher.shows(r"Leave the batch running")
    watcher.type(b"l")
    assert watcher.code() == 130
    assert f"runnel batch watch {id} shows it, runnel batch cancel {id} ends it" in watcher.out.data.decode()
    for job in jobs[1:]:
        job.end(0)
    assert cli.run("wait", id).text().startswith(f"{id}: 3/4 complete (1 failed")


def test_a_second_ctrl_c_leaves(running):
    watcher, id, _, _ = running
    watcher.type(CTRL_C)
    watcher.shows(r"Leave the batch running")
    watcher.type(CTRL_C)
    assert watcher.code() == 130
    assert f"runnel batch watch {id} shows it" in watcher.out.data.decode()


def test_c_cancels_what_is_left(running):
    watcher, _, jobs, _ = running
    watcher.type(CTRL_C)
    watcher.shows(r"Leave the batch running")
    watcher.type(b"c")
    watcher.wait_for(b"is cancelled; what runs is ended")
    for job in jobs[1:]:
        job.end(143, status="cancelled")
    assert watcher.code() == 130
    text = watcher.out.data.decode()
    assert "✗ Batch cancelled: 0 succeeded, 4 failed" in text
    assert "1 × exit code 7" in text and "3 × cancelled" in text and "exit code 143" not in text


def test_the_terminal_is_as_before_when_it_has_ended(running):
    watcher, _, _, _ = running
    eventually(lambda: not termios.tcgetattr(watcher.fd)[3] & termios.ICANON, "keys are read one by one")
    before = len(watcher.out.data)
    os.kill(watcher.pid, signal.SIGTERM)
    eventually(lambda: termios.tcgetattr(watcher.fd)[3] & termios.ICANON, "the terminal is given back")
    assert watcher.code() == 143
    assert before <= len(watcher.out.data)


def test_what_is_said_of_a_lost_connection_stands_above_the_display(house):
    server, _, cli = house
    id = submitted(cli, 1)
    with Watcher(cli, "batch", "watch", id) as watcher:
        watcher.shows("0/1 complete")
        server.process.signal(signal.SIGKILL)
        server.process.wait()
        watcher.wait_for(b"runnel: connection lost; reconnecting\r\n")
        text = watcher.out.data.decode()
        before, after = text.split("runnel: connection lost")
        assert before.endswith("\033[J")  # what was drawn is taken away
        watcher.type(b"x")
        watcher.shows("0/1 complete")
        server.start(listen=f"127.0.0.1:{server.port}")
        with JobWorker(server) as worker:
            worker.take().end(0)
        assert watcher.code() == 0


def test_a_batch_without_jobs_is_shown_once(house):
    _, _, cli = house
    id = cli.ok("run", "--each-line", "/dev/null", "--", "do").text().strip()
    with Watcher(cli, "batch", "watch", id) as watcher:
        assert watcher.code() == 0
        left = watcher.out.data.decode().replace("\r", "").split("\033[J")[-1]
    assert left.count("0/0 complete") == 1 and left.count("the batch has no jobs\n") == 1
    assert "✓ Batch complete: 0 succeeded, 0 failed\n" in left


# --- Elsewhere


def test_an_interrupt_on_a_pipe_leaves_the_batch_and_says_how_to_go_on(house):
    _, api, cli = house
    id = submitted(cli, 2)
    with cli.start("batch", "watch", id) as watching:
        watching.out.wait_for(b"0/2 complete")
        watching.signal(signal.SIGINT)
        assert watching.finish() == 130
        assert f"runnel batch watch {id} shows it, runnel batch cancel {id} ends it".encode() in watching.err.data
    assert api.get(f"/api/v1/batches/{id}").json()["counts"]["cancelled"] == 0


def test_a_pipe_gets_a_line_for_each_change_and_no_other(house):
    server, _, cli = house
    id = submitted(cli, 2)
    with cli.start("batch", "watch", id) as watching:
        watching.out.wait_for(b"0/2 complete (0 failed, 0 running, 2 queued)")
        with JobWorker(server, slots=1) as worker:
            job = worker.take()
            watching.out.wait_for(b"0/2 complete (0 failed, 1 running, 1 queued)")
            job.end(0)
            job = worker.take()
            watching.out.wait_for(b"1/2 complete (0 failed, 1 running, 0 queued)")
            job.end(3)
        assert watching.finish() == 1
    changes = [line.split(" |")[0] for line in watching.out.data.decode().splitlines() if " | ETA" in line]
    assert len(changes) == len(set(changes))


def test_watching_goes_on_when_the_server_is_back(house):
    server, api, cli = house
    id = submitted(cli, 1)
    with cli.start("batch", "watch", id) as watching, cli.start("wait", id) as waiting:
        watching.out.wait_for(b"0/1 complete")
        eventually(lambda: api.metrics()["runnel_followers"] == 2, "both follow it")
        server.process.signal(signal.SIGKILL)
        server.process.wait()
        watching.err.wait_for(b"connection lost; reconnecting")
        server.start(listen=f"127.0.0.1:{server.port}")
        with JobWorker(server) as worker:
            worker.take().end(0)
        assert watching.finish() == 0 and waiting.finish() == 0
    assert watching.err.data.count(b"connection lost") == 1


def test_watch_and_wait_of_what_is_not_there(house):
    _, _, cli = house
    watched = cli.run("batch", "watch", "none")
    assert watched.code == 3 and b"no such batch" in watched.err


def is_websocket(head):
    return b"upgrade: websocket" in head.lower()


def test_where_websocket_is_blocked_the_status_is_asked_for_every_two_seconds(house, tmp_path):
    server, _, cli = house
    id = submitted(cli, 2)
    with Proxy(server.port, refuse=is_websocket) as proxy:
        cli = Cli(tmp_path / "behind", url=proxy.url, token=server.operator_key)
        with cli.start("batch", "watch", id) as watching, cli.start("wait", id) as waiting:
            watching.out.wait_for(b"0/2 complete (0 failed, 0 running, 2 queued)")
            with JobWorker(server) as worker:
                worker.take().end(0)
                watching.out.wait_for(b"1/2 complete")
                worker.take().end(0)
            assert watching.finish() == 0 and waiting.finish() == 0
        assert proxy.refused == 2  # each has tried it once


def test_a_log_is_followed_in_place_where_websocket_is_blocked(house, tmp_path):
    server, _, cli = house
    id = submitted(cli, 1)
    with Proxy(server.port, refuse=is_websocket) as proxy, JobWorker(server) as worker:
        job = worker.take().begin()
        with Watcher(
            Cli(tmp_path / "behind", url=proxy.url, token=server.operator_key), "batch", "watch", id
        ) as watcher:
            watcher.shows("● running")
            watcher.type(DOWN)
            watcher.shows("> ● running")
            watcher.type(ENTER)
            watcher.wait_for(b"q goes back")
            job.end(0, ["a line"])
            watcher.wait_for(b"a line\r\n")
            watcher.wait_for("── completed (exit code: 0); q goes back ──".encode())
            watcher.type(b"q")
            assert watcher.code() == 0
