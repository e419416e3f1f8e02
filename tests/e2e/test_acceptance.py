"""The first design's acceptance criteria, AC-8.1 to AC-8.6: its example commands, and what they are to show."""

import os
import re
import signal

import pytest
from support.api import eventually
from support.cli import Cli
from support.job_worker import JobWorker
from support.proxy import Proxy
from support.ws import Runner


@pytest.fixture
def house(own_server, tmp_path):
    return own_server, own_server.api(), Cli(tmp_path / "home", own_server)


@pytest.fixture
def process_py(tmp_path):
    script = tmp_path / "process.py"
    script.write_text("print('Processing file data.csv...')\n")
    return script


HOST = {"hostname": "worker-hetzner-01", "runtimes": ["python:3.11"]}
TIME = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"


def queued(cli, script, *args):
    return cli.ok("run", "-d", "--runtime", "python:3.11", script, *args).text().strip()


def test_ac_8_1_status_shows_the_state_the_duration_the_worker_and_the_cost(house, process_py):
    server, _, cli = house
    id = queued(cli, process_py, "data.csv")
    with JobWorker(server, **HOST) as worker:
        job = worker.take().begin()
        text = cli.ok("status", id).text()
        assert text.startswith(f"Execution: {id}\nStatus: running\nScript: process.py\nRuntime: python:3.11\n")
        assert re.search(
            rf"\n\nStarted: {TIME}\nDuration: \w+\nWorker: worker-hetzner-01\nCost: €0.0\d \(estimated\)\n", text
        )
        job.end(0)
    text = cli.ok("status", id).text()
    assert text.startswith(f"Execution: {id}\nStatus: completed ✓\nScript: process.py\nRuntime: python:3.11\n")
    assert re.search(rf"Started: {TIME}\nDuration: \w+\nWorker: worker-hetzner-01\nCost: €0.0\d\n", text)
    with JobWorker(server, **HOST) as worker:
        failed = queued(cli, process_py)
        worker.take().end(3)
    text = cli.ok("status", failed).text()
    assert "Status: failed" in text and f"\nExit code: 3\nView logs: runnel logs {failed}\n" in text


def test_ac_8_2_logs_shows_all_of_it_in_order_with_times_and_streams(house):
    server, api, cli = house
    id = api.create()
    with Runner(server, id) as runner:
        for i in range(250):
            runner.send(runner.record(f"line {i}", "stderr" if i % 10 == 9 else "stdout"))
        runner.complete()
    lines = cli.ok("logs", id, "-t").text().splitlines()
    assert len(lines) == 250
    for i, line in enumerate(lines):
        stream = "stderr" if i % 10 == 9 else "stdout"
        assert re.fullmatch(rf"\[[^]]*\d\d:\d\d:\d\d[^]]*\] \[{stream}\] line {i}", line), line


def test_ac_8_3_follow_opens_a_websocket_and_goes_on_until_the_job_has_ended_or_ctrl_c(house, tmp_path):
    server, api, cli = house
    id = api.create()
    with Proxy(server.port) as proxy, Runner(server, id) as runner:
        behind = Cli(tmp_path / "behind", url=proxy.url, token=server.operator_key)
        with behind.start("logs", id, "--follow") as following, cli.start("logs", "-f", id) as left:
            for i in range(3):
                runner.send(runner.record(f"Processing file {i}..."))
                following.out.wait_for(f"Processing file {i}...\n".encode())  # each at once
                left.out.wait_for(f"Processing file {i}...\n".encode())
            left.signal(signal.SIGINT)
            assert left.finish() == 130 and api.status(id)["status"] == "running"
            assert following.popen.poll() is None
            runner.complete()
            assert following.finish() == 0
        paths = [head.split(b" ")[1] for head in proxy.heads if b"upgrade: websocket" in head.lower()]
        assert [path.split(b"?")[0] for path in paths] == [f"/ws/executions/{id}/logs".encode()]


def test_ac_8_4_a_lost_connection_is_made_again_and_resumes_behind_the_last_number(house, tmp_path):
    server, api, _ = house
    id = api.create()
    with Proxy(server.port) as proxy, Runner(server, id) as runner:
        behind = Cli(tmp_path / "behind", url=proxy.url, token=server.operator_key)
        with behind.start("logs", id, "--follow") as following:
            for turn in range(3):
                for i in range(turn * 10, turn * 10 + 10):
                    runner.send(runner.record(f"line {i}"))
                following.out.wait_for(f"line {turn * 10 + 9}\n".encode())
                proxy.cut()
            runner.complete()
            assert following.finish() == 0
        assert following.out.data.decode().splitlines() == [f"line {i}" for i in range(30)]
        resumed = [head for head in proxy.heads if f"/ws/executions/{id}/logs?".encode() in head]
        assert b"from=30" in resumed[-1].split(b"\r\n")[0]


def test_ac_8_5_watch_shows_the_bar_the_counts_the_estimate_and_the_cost(house, tmp_path):
    server, _, cli = house
    script = tmp_path / "script.py"
    script.write_text("print(1)\n")
    (tmp_path / "data").mkdir()
    for i in range(4):
        (tmp_path / "data" / f"{i}.csv").write_text("x")
    files = tmp_path / "data" / "*.csv"
    with JobWorker(server, slots=2, **HOST) as worker:
        with cli.start("run", "--runtime", "python:3.11", script, "--batch", files, "--watch") as watching:
            first, second = worker.take(), worker.take()
            assert [os.path.basename(job.spec["args"][-1]) for job in (first, second)] == ["0.csv", "1.csv"]
            watching.out.wait_for(b"0/4 complete (0 failed, 2 running, 2 queued) | Duration: ")
            first.end(0)
            third = worker.take()
            watching.out.wait_for(b"1/4 complete (0 failed, 2 running, 1 queued) | Duration: ")
            second.end(5)
            worker.take().end(0)
            third.end(0)
            assert watching.finish() == 1
    text = watching.out.data.decode()
    assert re.search(r"0/4 complete .* \| ETA: – \| Cost: €0.0\d\n", text)
    assert re.search(r"\n1/4 complete .* \| ETA: \w+ \| Cost: €0.0\d\n", text)
    assert "✓ Batch complete: 3 succeeded, 1 failed\nTotal duration: " in text and "\nTotal cost: €0.0" in text


def test_ac_8_6_the_record_has_its_times_its_exit_code_and_its_host(house, process_py):
    server, api, cli = house
    id = queued(cli, process_py)
    with JobWorker(server, **HOST) as worker:
        worker.take().end(0)
    status = eventually(lambda: (now := api.status(id))["sealed"] and now, "it has ended")
    assert status["started_at"] <= status["completed_at"] and status["created_at"] <= status["started_at"]
    assert isinstance(status["duration_seconds"], int)
    assert (status["exit_code"], status["worker_hostname"]) == (0, "worker-hetzner-01")
    server.process.signal(signal.SIGKILL)
    server.process.wait()
    server.start()
    kept = server.api().status(id)
    members = ("started_at", "completed_at", "duration_seconds", "exit_code", "worker_hostname")
    assert {name: kept[name] for name in members} == {name: status[name] for name in members}
