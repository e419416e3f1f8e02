"""`runnel logs` of many: of a batch, or of all with some metadata, also of those that start later."""

import json
import re
import signal
from collections import defaultdict

import pytest
from support.cli import Cli
from support.job_worker import BusyWorker, JobWorker
from support.proxy import Proxy


@pytest.fixture
def house(own_server, tmp_path):
    return own_server, own_server.api(), Cli(tmp_path / "home", own_server)


def submitted(cli, count, *options):
    return cli.ok("run", "--range", f"1-{count}", *options, "--", "do").text().strip()


def by_execution(out):
    """{identifier: its lines, in order}"""
    found = defaultdict(list)
    for line in out.decode().splitlines():
        id, _, text = line.partition(" | ")
        found[id.strip()].append(text)
    return found


def taken(worker, count):
    return [worker.take().begin() for _ in range(count)]


def test_a_batch_is_followed_to_its_end_each_line_once_and_in_order(house):
    server, api, cli = house
    id = submitted(cli, 6, "--keep-open")
    with cli.start("logs", "-f", "--batch", id) as following, JobWorker(server, slots=2) as worker:
        expected = {}
        for _ in range(3):
            for job in taken(worker, 2):
                expected[job.id] = [f"line {i} of {job.id}" for i in range(20)]
                job.stream.lines(0, expected[job.id][:10])
                following.out.wait_for(expected[job.id][9].encode())  # live, not only at its end
                job.stream.lines(10, expected[job.id][10:])
                job.stream.say("complete", execution_id=job.id, exit_code=0)
                worker.listen(lambda: job.stream.closed)
        jobs = {"job": {"command": ["late"]}, "jobs": [{}]}
        api.expect(201, "POST", f"/api/v1/batches/{id}/executions", jobs)
        late = worker.take().end(3, ["late"])
        following.out.wait_for(f"{late.id} | late\n".encode())
        assert following.popen.poll() is None
        cli.ok("batch", "close", id)
        assert following.finish() == 0
    assert by_execution(following.out.data) == {**expected, late.id: ["late"]}
    assert following.err.data == b""
    assert by_execution(cli.ok("logs", "--batch", id).out) == {**expected, late.id: ["late"]}
    assert cli.run("logs", "-f", "--exit-status", "--batch", id).code == 1


def test_a_lost_connection_repeats_no_line_and_loses_none(house, tmp_path):
    server, _, cli = house
    id = submitted(cli, 5)
    with Proxy(server.port) as proxy, JobWorker(server, slots=5) as worker:
        jobs = taken(worker, 5)
        behind = Cli(tmp_path / "behind", url=proxy.url, token=server.operator_key)
        with behind.start("logs", "-f", "--batch", id) as following:
            for turn in range(4):
                for job in jobs:
                    job.stream.lines(turn * 10, [f"{turn} {i}" for i in range(10)])
                for job in jobs:
                    following.out.wait_for(f"{job.id} | {turn} 9\n".encode())
                proxy.cut()
            for job in jobs:
                job.stream.say("complete", execution_id=job.id, exit_code=0)
                worker.listen(lambda: job.stream.closed)
            assert following.finish() == 0
    lines = [f"{turn} {i}" for turn in range(4) for i in range(10)]
    assert by_execution(following.out.data) == {job.id: lines for job in jobs}
    assert b"connection lost; reconnecting" in following.err.data


def test_more_may_run_than_are_open_at_a_time(house):
    server, _, cli = house
    count = 230
    id = submitted(cli, count)
    with JobWorker(server, slots=count) as worker, cli.start("logs", "-f", "--batch", id) as following:
        jobs = taken(worker, count)
        for job in jobs:
            job.stream.lines(0, ["first"])
        for job in jobs:  # none of them ends, so each has its turn
            following.out.wait_for(f"{job.id} | first\n".encode())
        for job in jobs:
            job.stream.lines(1, ["second"])
            job.stream.say("complete", execution_id=job.id, exit_code=0)
        worker.listen(lambda: all(job.stream.closed for job in jobs))
        assert following.finish() == 0
    assert by_execution(following.out.data) == {job.id: ["first", "second"] for job in jobs}


def test_an_account_with_few_places_for_followers_has_them_one_after_the_other(servers, tmp_path):
    server = servers("--followers-max", "3")
    cli = Cli(tmp_path / "home", server)
    id = submitted(cli, 8)
    with BusyWorker(server, lambda job: (0, ["a", "b"]), slots=4):
        followed = cli.ok("logs", "-f", "--batch", id)
    found = by_execution(followed.out)
    assert len(found) == 8 and all(lines == ["a", "b"] for lines in found.values())


def test_where_websocket_is_blocked_they_are_asked_for(house, tmp_path):
    server, _, cli = house
    id = submitted(cli, 3)
    with Proxy(server.port, refuse=lambda head: b"upgrade: websocket" in head.lower()) as proxy:
        behind = Cli(tmp_path / "behind", url=proxy.url, token=server.operator_key)
        with behind.start("logs", "-f", "--batch", id) as following, JobWorker(server, slots=3) as worker:
            jobs = taken(worker, 3)
            for job in jobs:
                job.stream.lines(0, ["one"])
            for job in jobs:
                following.out.wait_for(f"{job.id} | one\n".encode())
                job.stream.lines(1, ["two"])
                job.stream.say("complete", execution_id=job.id, exit_code=0)
                worker.listen(lambda: job.stream.closed)
            assert following.finish() == 0
    assert by_execution(following.out.data) == {job.id: ["one", "two"] for job in jobs}


def test_all_with_some_metadata_are_followed_until_it_is_interrupted(house):
    _, api, cli = house
    early = api.create(metadata={"team": "data"})
    api.append_lines(early, ["early"])
    other = api.create(metadata={"team": "web"})
    api.append_lines(other, ["not this"])
    with cli.start("logs", "-f", "-m", "team=data") as following:
        following.out.wait_for(f"{early} | early\n".encode())
        late = api.create(metadata={"team": "data"})
        api.append_lines(late, ["late"])
        following.out.wait_for(f"{late} | late\n".encode())
        api.append_lines(early, ["more"])
        following.out.wait_for(f"{early} | more\n".encode())
        assert following.popen.poll() is None
        following.signal(signal.SIGINT)
        assert following.finish() == 130
    assert by_execution(following.out.data) == {early: ["early", "more"], late: ["late"]}


def test_filters_positions_and_forms_are_those_of_each_log(house):
    server, _, cli = house
    id = submitted(cli, 3)
    lines = ["an error", "good", "another error & more"]
    with BusyWorker(server, lambda job: (0, lines), slots=3):
        cli.ok("wait", "-q", id)
    for follow in ([], ["-f"]):

        def shown(*options):
            return list(by_execution(cli.ok("logs", *follow, "--batch", id, *options).out).values())

        assert shown() == [lines] * 3
        assert shown("--grep", "error & more") == [lines[2:]] * 3
        assert shown("--grep", "good", "--grep", "an error") == [lines[:2]] * 3
        assert shown("-n", "1") == [lines[2:]] * 3
        assert shown("--from-seq", "1") == [lines[1:]] * 3
        assert shown("--grep", "good", "-A", "1") == [lines[1:]] * 3
        assert shown("-c") == [["3"]] * 3
        found = [json.loads(line) for line in cli.ok("logs", *follow, "--batch", id, "-o", "json").out.splitlines()]
        assert len(found) == 9 and len({(one["execution_id"], one["sequence_number"]) for one in found}) == 9


def test_what_was_written_before_a_moment_is_shown_when_it_has_passed(house):
    server, _, cli = house
    id = submitted(cli, 2)
    with JobWorker(server, slots=2) as worker:
        jobs = taken(worker, 2)
        for job in jobs:
            job.stream.lines(0, ["before"])
        shown = cli.ok("logs", "-f", "--batch", id, "--until", "now")
    assert by_execution(shown.out) == {job.id: ["before"] for job in jobs}


def test_each_execution_has_a_colour_on_a_terminal(house):
    server, _, cli = house
    id = submitted(cli, 2)
    with BusyWorker(server, lambda job: (0, ["line"]), slots=2):
        shown = cli.on_terminal("logs", "-f", "--batch", id)
    prefixes = re.findall(r"\x1b\[(\d+)m(…\w{10}) \|\x1b\[0m \[", shown.text())
    assert len(prefixes) == 2 and len({colour for colour, _ in prefixes}) == 2


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["--batch", "none"], 3, b"no such batch"),
        (["--batch", "b", "exec_1"], 2, b"and not both"),
        (["--batch", "no id"], 2, b"cannot be the identifier of a batch"),
        (["-m", "novalue"], 2, b"wants KEY=VALUE"),
        (["-m", "a=b", "--exit-status"], 2, b"--exit-status goes with"),
    ],
    ids=str,
)
def test_what_cannot_be_asked_is_told(cli, options, code, words):
    told = cli.run("logs", *options)
    assert told.code == code and words in told.err
