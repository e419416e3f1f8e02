"""What `runnel wrap` keeps, and until when: its spool, its limits, and what stands in for descriptors that are closed."""

import json
import subprocess

import pytest
from support.api import eventually
from support.cli import Cli
from support.jobs import fresh_id, output_of, shell
from support.process import BIN
from support.server import Server, clean_env


def spools(home):
    folder = home / "state" / "runnel" / "spool"
    return sorted(entry.name for entry in folder.iterdir() if entry.is_dir()) if folder.exists() else []


# --- standard descriptors that are closed
def without(closed, *args):
    """The words that run the program with these descriptors closed."""
    ends = " ".join(f"{fd}>&-" for fd in closed)
    return ("sh", "-c", f'exec "$@" {ends}', "sh", BIN, *map(str, args))


@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1), (1, 2), (0, 1, 2)], ids=str)
def test_a_closed_descriptor_is_not_what_the_spool_is_opened_as(server, api, tmp_path, closed):
    cli = Cli(tmp_path / "home", server)
    job = fresh_id()
    script = "seq 1 3000; ls -l /proc/self/fd | sed -n 's/.* \\([0-9]* -> .*\\)/\\1/p' >&2"
    words = without(closed, "wrap", "-q", "--id", job, *shell(script))
    assert subprocess.run(words, env=cli.env, stdin=subprocess.DEVNULL, capture_output=True, timeout=60).returncode == 0
    assert output_of(api, job, stream="stdout") == b"".join(b"%d\n" % i for i in range(1, 3001))
    # The job has three of its own, none of them a file of wrap's.
    inherited = dict(line.split(" -> ") for line in output_of(api, job, stream="stderr").decode().splitlines())
    inherited.pop("3", None)  # ls looks at its own folder
    assert sorted(inherited) == ["0", "1", "2"] and inherited["0"] == "/dev/null", inherited
    assert inherited["1"].startswith("pipe:") and inherited["2"].startswith("pipe:"), inherited
    assert spools(cli.home) == []


def test_a_closed_standard_input_is_an_empty_one(server, api, tmp_path):
    cli = Cli(tmp_path / "home", server)
    job = fresh_id()
    assert subprocess.run(without((0,), "pipe", "-q", "--id", job), env=cli.env, timeout=60).returncode == 0
    assert output_of(api, job) == b"" and api.status(job)["status"] == "completed"


def test_a_server_without_standard_descriptors_keeps_its_store(tmp_path):
    server = Server(tmp_path / "server").start()
    job = server.api().create()
    server.stop()
    server.port_file.unlink()
    process = subprocess.Popen(without((0, 1, 2), *server.argv()[1:]), env=clean_env(tmp_path))
    try:
        eventually(lambda: server.port_file.exists() and server.port_file.read_text(), "it listens")
        server.port = int(server.port_file.read_text())
        server.api().append_lines(job, ["kept"])
    finally:
        process.terminate()
        assert process.wait(60) == 0
    server.start()
    assert server.api().messages(job) == ["kept"]
    server.stop()


# --- limits that are told before the job runs
@pytest.mark.parametrize(
    ("args", "told"),
    [
        (("--spool-max", "4194303"), b"at least 4194304 (4 MiB), not \"4194303\""),
        (("-m", "k=" + "x" * 65536), b"is 65544 bytes as JSON; an execution may have 65536"),
        (tuple(word for i in range(1001) for word in ("-m", f"k{i}=")), b"for 1001 keys; an execution may have 1000"),
    ],
    ids=["spool", "metadata", "members"],
)
def test_what_could_never_be_delivered_is_refused_before_the_job_runs(cli, args, told):
    result = cli.run("wrap", "--id", fresh_id(), *args, *shell("echo ran"))
    assert result.code == 2 and result.out == b"" and told in result.err, result
    assert spools(cli.home) == []


def test_metadata_at_its_limits_is_delivered(cli, api):
    large, many = fresh_id(), fresh_id()
    cli.ok("wrap", "--id", large, "-m", "k=" + "x" * (65536 - len(json.dumps({"k": ""}, separators=(",", ":")))), "--", "true")
    cli.ok("wrap", "--id", many, *(word for i in range(1000) for word in ("-m", f"k{i}=")), "--", "true")
    assert api.status(large)["sealed"] and len(api.status(many)["metadata"]) == 1000


def test_a_command_of_many_arguments_does_not_cost_its_log(cli, api):
    job = fresh_id()
    cli.ok("wrap", "--id", job, "--", "printf", "%s\n", *map(str, range(6000)))
    assert output_of(api, job) == b"".join(b"%d\n" % i for i in range(6000))


# --- resuming
def test_resume_takes_the_execution_as_id_too(servers, tmp_path):
    server = servers()
    cli = Cli(tmp_path / "home", server)
    first, second = fresh_id(), fresh_id()
    server.stop()
    for job in (first, second):
        cli.run("wrap", "--deliver-wait", "1ms", "--id", job, *shell("echo kept"))
    server.restart()
    result = cli.run("wrap", "--resume", first, "--id", second)
    assert result.code == 2 and b"one execution" in result.err, result
    cli.ok("wrap", "--resume", "--id", second)
    assert spools(cli.home) == [first]
    assert output_of(server.api(), second) == b"kept\n"
