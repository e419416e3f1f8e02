"""What is printed cannot be written: the disk is full, nobody reads any more, or somebody made the descriptor
non-blocking."""

import os
import subprocess

import pytest
from support.api import eventually
from support.jobs import fresh_id, output_of, shell
from support.process import BIN, Process

NO_SPACE = b"No space left on device"
PRINTING = {
    "list": ("list",),
    "list as JSON": ("list", "-o", "json"),
    "status": ("status", "JOB"),
    "logs": ("logs", "JOB"),
    "logs as JSON": ("logs", "-o", "json", "JOB"),
    "logs of bytes": ("logs", "-o", "raw", "JOB"),
    "logs followed": ("logs", "-f", "JOB"),
    "logs of split streams": ("logs", "--split", "JOB"),
    "verify": ("verify", "JOB"),
    "key list": ("key", "list"),
    "help": ("help",),
    "help of a command": ("list", "--help"),
    "version": ("version",),
    "completion": ("completion", "bash"),
}


@pytest.fixture(scope="module")
def job(api):
    execution_id = api.create()
    api.append_lines(execution_id, [f"line {i}" for i in range(1000)])
    api.patch(f"/api/v1/executions/{execution_id}", {"status": "completed", "exit_code": 0})
    return execution_id


def run_into(cli, descriptor, args):
    with cli.start(*args, stdout=descriptor) as process:
        return process.finish(), process.err.data


@pytest.mark.parametrize("args", PRINTING.values(), ids=PRINTING.keys())
def test_a_full_disk_is_said_and_is_exit_code_1(cli, job, args):
    with open("/dev/full", "wb") as full:
        code, err = run_into(cli, full, [job if arg == "JOB" else arg for arg in args])
    assert code == 1 and err == b"runnel: writing the output: No space left on device\n"


def test_a_full_disk_behind_the_other_stream_is_exit_code_1(cli, api):
    execution_id = api.create()
    api.append_lines(execution_id, ["wrong"], stream="stderr")
    script = f'"{BIN}" logs --split {execution_id} 2>/dev/full'
    with Process(["sh", "-c", script], env=cli.env) as process:
        assert process.finish() == 1


@pytest.mark.parametrize("args", PRINTING.values(), ids=PRINTING.keys())
def test_a_closed_pipe_ends_it_quietly(cli, job, args):
    read_end, write_end = os.pipe()
    os.close(read_end)
    code, err = run_into(cli, write_end, [job if arg == "JOB" else arg for arg in args])
    os.close(write_end)
    assert code in (0, 128 - 141) and err == b""


@pytest.mark.parametrize("command", ["logs", "wrap", "pipe"])
def test_a_non_blocking_stdout_gets_every_byte(cli, api, command):
    data = b"".join(b"%d\n" % i for i in range(100000))
    wrapped = fresh_id()
    cli.ok("pipe", "-q", "--id", wrapped, input=data)
    args = {"logs": ("logs", wrapped), "wrap": ("wrap", "-q", *shell("seq 0 99999")), "pipe": ("pipe", "-q")}[command]
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    with subprocess.Popen(["seq", "0", "99999"], stdout=subprocess.PIPE) as source, os.fdopen(read_end, "rb") as reader:
        process = cli.start(*args, stdout=write_end, stdin=source.stdout)
        source.stdout.close()
        os.close(write_end)
        assert reader.read() == data
        assert process.finish() == 0 and process.err.data == b""


# --- wrap and pipe: what passes through
@pytest.mark.parametrize("code, shown", [(0, 1), (5, 5)])
@pytest.mark.parametrize("options", [(), ("-t",)], ids=["pipes", "tty"])
def test_a_job_whose_output_cannot_pass_is_recorded(cli, api, options, code, shown):
    job = fresh_id()
    with open("/dev/full", "wb") as full:
        seen, err = run_into(
            cli, full, ["wrap", "-q", *options, "--id", job, *shell(f"seq 1 5000; sleep 0.2; seq 1 5000; exit {code}")]
        )
    assert seen == shown
    assert (
        err
        == b"runnel: stdout cannot be written: No space left on device; what the job writes there is recorded all the same\n"
    )
    numbers = b"".join(b"%d\n" % i for i in range(1, 5001))
    assert output_of(api, job).replace(b"\r\n", b"\n") == numbers * 2
    assert api.status(job)["exit_code"] == code


def run_before_head(cli, command):
    """`command | head -1`: what head printed, and the exit codes of the pipeline."""
    script = f'{command} | head -1; echo "${{PIPESTATUS[@]}}"'
    with Process(["bash", "-c", script], env={**cli.env, "R": BIN}) as process:
        assert process.finish() == 0
        *lines, codes = process.out.lines()
        return lines, codes, process.err.data


def test_a_job_whose_reader_has_gone_ends_by_sigpipe(cli, api):
    job = fresh_id()
    lines, codes, err = run_before_head(cli, f"$R wrap -q --id {job} -- yes")
    assert (lines, codes, err) == ([b"y"], b"141 0", b"")
    recorded = output_of(api, job)
    assert recorded and recorded == b"y\n" * (len(recorded) // 2) + b"y"[: len(recorded) % 2]
    assert api.status(job)["exit_code"] == 141 and api.status(job)["status"] == "failed"


def test_a_job_that_is_silent_gets_sigpipe_at_its_next_write(cli, api, tmp_path):
    """Its reader goes while it has nothing to say: its very next write fails, as it would without wrap."""
    go_on = tmp_path / "go"
    os.mkfifo(go_on)
    job = fresh_id()
    script = f"echo first; read line < {go_on}; echo second; echo not reached >&2"
    read_end, write_end = os.pipe()
    with cli.start("wrap", "-q", "--id", job, *shell(script), stdout=write_end) as process:
        os.close(write_end)
        assert os.read(read_end, 100) == b"first\n"
        with open(go_on, "wb", buffering=0) as fifo:
            os.close(read_end)
            eventually(lambda: not has_the_jobs_stdout(process.pid), "wrap has let go of it")
            fifo.write(b"\n")
        assert process.finish() == 141 and process.err.data == b""
    assert output_of(api, job) == b"first\n"


def has_the_jobs_stdout(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as children:
        child = children.read().split()[0]
    pipe = os.readlink(f"/proc/{child}/fd/1")
    return any(target_of(f"/proc/{pid}/fd/{fd}") == pipe for fd in os.listdir(f"/proc/{pid}/fd"))


def target_of(link):
    try:
        return os.readlink(link)
    except FileNotFoundError:
        return None  # closed meanwhile


def test_a_terminals_reader_that_has_gone_hangs_up(cli, api):
    job = fresh_id()
    lines, codes, err = run_before_head(cli, f"$R wrap -q -t --id {job} -- yes")
    assert (lines, codes, err) == ([b"y\r"], b"129 0", b"")
    assert api.status(job)["exit_code"] == 129


def test_a_pipes_reader_that_has_gone_ends_its_writer_by_sigpipe(cli, api):
    job = fresh_id()
    lines, codes, err = run_before_head(cli, f"yes | $R pipe -q --id {job}")
    assert (lines, codes, err) == ([b"y"], b"141 141 0", b"")
    assert output_of(api, job).startswith(b"y\n") and api.status(job)["exit_code"] == 141


@pytest.mark.parametrize(
    "command", ["$R wrap -q --keep-going --id {} -- seq 1 100000", "seq 1 100000 | $R pipe -q --keep-going --id {}"]
)
def test_what_is_to_keep_going_is_recorded_to_its_end(cli, api, command):
    job = fresh_id()
    lines, codes, err = run_before_head(cli, command.format(job))
    assert (lines, err) == ([b"1"], b"") and set(codes.split()) == {b"0"}
    assert output_of(api, job) == b"".join(b"%d\n" % i for i in range(1, 100001))
    assert api.status(job)["status"] == "completed"
