"""Processes killed with -9 at random moments: the server under busy jobs, and `wrap` itself."""

import hashlib
import signal

import pytest
from support.api import eventually
from support.cli import Cli
from support.faults import BusyJob, chance, pass_by, rounds, stored_sums
from support.jobs import fresh_id, output_of, python

JOBS = 8


def killed_while_starting(server, source):
    server.spawn(f"127.0.0.1:{server.port}")
    pass_by(source.random() * 0.1)
    server.kill()


@pytest.mark.timeout(600)
def test_a_server_killed_at_random_moments_has_what_every_job_wrote(servers, tmp_path):
    source = chance()
    server = servers()
    cli = Cli(tmp_path / "home", server)
    stop = tmp_path / "stop"
    jobs = [BusyJob(cli, fresh_id(), tmp_path, stop, source.randrange(1 << 30)) for _ in range(JOBS)]
    api = server.api()
    for job in jobs:
        eventually(lambda: api.get(f"/api/v1/executions/{job.job}").status == 200, "the jobs are known")
    followers = [cli.start("logs", "-f", "-o", "raw", job.job) for job in jobs[:2]]
    for follower in followers:
        follower.out.wait_lines(1)  # a server that was never reached would be another matter
    for _ in range(rounds(50)):
        pass_by(source.random() ** 2)
        server.kill()
        if source.random() < 0.2:
            killed_while_starting(server, source)
        server.restart()
    stop.touch()
    for job in jobs:
        assert job.process.finish() == 0, job.process.err.data[-2000:]
    api = server.api()
    for job in jobs:
        assert stored_sums(api, job.job) == job.sums(), job.job
        status = api.status(job.job)
        assert status["status"] == "completed" and status["sealed"]
        cli.ok("verify", job.job)
    for job, follower in zip(jobs, followers):
        assert follower.finish() == 0
        assert follower.out.data == output_of(api, job.job)


# Writes numbered lines as fast as a pipe takes them, in pieces that do not end where lines end.
COUNTING = """
import os
count, left = 0, b""
while True:
    while len(left) < 5000:
        count += 1
        left += b"line %d\\n" % count
    left = left[os.write(1, left[:4321]):]
"""


def counted(size):
    lines, total, count = [], 0, 0
    while total < size:
        count += 1
        lines.append(b"line %d\n" % count)
        total += len(lines[-1])
    return b"".join(lines)[:size]


def last_index(api, job):
    answer = api.get(f"/api/v1/executions/{job}")
    return answer.json()["last_index"] if answer.status == 200 else 0


@pytest.mark.timeout(600)
def test_a_wrap_killed_at_random_leaves_a_whole_prefix_and_says_so(servers, tmp_path):
    source = chance()
    server = servers("--lease-seconds", "1")
    api = server.api()
    recorded = 0
    for number in range(rounds(50, least=6)):
        cli = Cli(tmp_path / fresh_id(), server)
        job = fresh_id()
        process = cli.start("wrap", "-q", "--id", job, *python(COUNTING))
        if number % 2:  # one of which something is there
            eventually(lambda: last_index(api, job) > 0, "its first lines")
            pass_by(source.random() * 0.3)
        elif source.random() < 0.5:
            process.out.wait_for(b"line 1\n")
            pass_by(source.random() * 0.3)
        else:
            pass_by(source.random() * 0.2)
        process.kill()
        durable = last_index(api, job)
        # One that was killed between taking the execution and noting so has to let its lease run out.
        eventually(lambda: cli.run("wrap", "--resume").code == 0, f"what {job} has left is delivered")
        answer = api.get(f"/api/v1/executions/{job}")
        if answer.status == 404:
            assert not durable, "it was there before"
            continue  # killed before it had anything to say
        records = api.logs(job, limit=10000)
        kept = output_of(api, job)
        expected = counted(len(kept))
        assert hashlib.sha256(kept).digest() == hashlib.sha256(expected).digest()
        whole = [record for record in records if record["stream"] != "event"]
        assert not kept or kept.endswith(b"\n") or whole[-1].get("partial"), kept[-100:]
        assert len(records) >= durable and kept.count(b"\n") + 2 >= durable
        assert [record["event_type"] for record in records if record["stream"] == "event"] == ["capture_interrupted"]
        assert records[-1]["event_type"] == "capture_interrupted"
        status = api.status(job)
        assert status["status"] == "lost" and status["exit_code"] is None and status["sealed"], status
        cli.ok("verify", job)
        recorded += 1
    assert recorded >= rounds(50, least=6) // 2


@pytest.mark.threads
def test_wrap_and_server_killed_together_lose_nothing_that_was_acknowledged(servers, tmp_path):
    source = chance()
    server = servers("--lease-seconds", "1")
    for _ in range(rounds(20, least=2)):
        cli = Cli(tmp_path / fresh_id(), server)
        job = fresh_id()
        process = cli.start("wrap", "-q", "--id", job, *python(COUNTING))
        api = server.api()
        path = f"/api/v1/executions/{job}"
        eventually(lambda: (a := api.get(path)).status == 200 and a.json()["last_index"] > 0, "its first lines")
        pass_by(source.random() * 0.2)
        durable = api.status(job)["last_index"]
        for victim in source.sample((process.kill, server.kill), 2):
            victim()
        server.restart()
        api = server.api()
        assert api.status(job)["last_index"] >= durable
        eventually(lambda: cli.run("wrap", "--resume").code == 0, f"what {job} has left is delivered")
        kept = output_of(api, job)
        assert kept == counted(len(kept)) and api.status(job)["status"] == "lost"


def test_a_job_that_is_killed_keeps_what_it_wrote_before(cli, api):
    """The death of the job itself is none of the recording: all it wrote is there, and its end is told as it was."""
    job = fresh_id()
    with cli.start("wrap", "-q", "--id", job, "--", "sh", "-c", "seq 1 5000; kill -9 $$") as process:
        assert process.finish() == 128 + signal.SIGKILL
        assert process.out.data == output_of(api, job) == b"".join(b"%d\n" % i for i in range(1, 5001))
