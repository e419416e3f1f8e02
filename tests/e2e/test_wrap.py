"""`runnel wrap`: the job as if it ran alone, and every byte of it recorded."""

import os
import signal
import subprocess

import pytest
from support.api import eventually
from support.jobs import fresh_id, output_of, python, shell, signalled
from support.ws import Follower


@pytest.mark.threads
def test_output_passes_through_and_is_recorded(cli, api):
    job = fresh_id()
    result = cli.ok("wrap", "-q", "--id", job, *shell("echo out; echo err >&2; echo more"))
    assert result.out == b"out\nmore\n" and result.err == b"err\n"
    assert output_of(api, job, "stdout") == b"out\nmore\n"
    assert output_of(api, job, "stderr") == b"err\n"
    shown = api.status(job)
    assert shown["status"] == "completed" and shown["sealed"] and shown["exit_code"] == 0


def test_a_notice_on_stderr_says_what_is_recorded_as_what(cli):
    job = fresh_id()
    assert job.encode() in cli.ok("wrap", "--id", job, "--", "true").err


@pytest.mark.parametrize("code", [0, 1, 2, 3, 42, 126, 127, 255])
def test_the_exit_code_is_the_jobs(cli, api, code):
    job = fresh_id()
    assert cli.run("wrap", "--id", job, *shell(f"exit {code}")).code == code
    shown = api.status(job)
    assert shown["exit_code"] == code and shown["status"] == ("failed" if code else "completed")


@pytest.mark.parametrize("name", ["TERM", "KILL", "SEGV", "HUP"])
def test_death_by_signal_is_128_and_its_number(cli, api, name):
    job = fresh_id()
    number = getattr(signal, f"SIG{name}")
    assert cli.run("wrap", "--id", job, *shell(f"echo before; kill -{name} $$")).code == 128 + number
    assert api.status(job)["exit_code"] == 128 + number and output_of(api, job) == b"before\n"


def test_a_command_that_does_not_exist_is_said_and_recorded(cli, api):
    job = fresh_id()
    result = cli.run("wrap", "--id", job, "--", "/nonexistent/command")
    assert result.code == 127 and b"/nonexistent/command" in result.err
    assert api.status(job)["status"] == "failed"


AWKWARD = {
    "an unterminated last line": b"first\nlast without newline",
    "blank lines": b"\n\n\na\n\n\nb\n\n",
    "only blank lines": b"\n" * 100,
    "carriage returns": b"10%\r20%\r100%\r\nwindows\r\n\r",
    "white space at the ends": b"  both  \n\tends\t\n \n",
    "NUL": b"a\0b\n\0\n\0\0\0",
    "not UTF-8": b"\xff\xfe\xc3\n\xc3(\n\xed\xa0\x80\n" + bytes(range(128, 256)),
    "every byte": bytes(range(256)) * 4,
    "escape sequences": b"\x1b[31mred\x1b[0m\x1b]0;title\x07\x1b[2J\n",
    "a long line": b"x" * 200_000 + b"\nshort\n" + b"y" * 10240 + b"\n" + b"z" * 10241 + b"\n",
    "a long line of many-byte characters": ("☃" * 50_000 + "\n").encode(),
    "nothing at all": b"",
}


@pytest.mark.parametrize("output", AWKWARD.values(), ids=AWKWARD.keys())
@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_awkward_bytes_are_kept_as_they_are(cli, api, tmp_path, output, stream):
    source = tmp_path / "bytes"
    source.write_bytes(output)
    job = fresh_id()
    redirect = " >&2" if stream == "stderr" else ""
    result = cli.ok("wrap", "-q", "--id", job, *shell(f"cat {source}{redirect}"))
    assert (result.out if stream == "stdout" else result.err) == output
    assert output_of(api, job) == output
    for record in api.logs(job, limit=10000):
        assert record["stream"] == stream


def test_records_are_the_lines(cli, api):
    job = fresh_id()
    cli.ok("wrap", "--id", job, *shell(r"printf 'a\n\n b \r\nend'"))
    records = api.logs(job)
    assert [record["message"] for record in records] == ["a", "", " b \r", "end"]
    assert [record.get("partial", False) for record in records] == [False, False, False, True]


def test_stdin_reaches_the_job(cli):
    assert cli.ok("wrap", "--", "cat", input=b"typed\0in\n").out == b"typed\0in\n"


@pytest.mark.parametrize("name", ["INT", "TERM", "HUP", "USR1", "USR2", "QUIT"])
def test_signals_reach_the_job(cli, api, name):
    job = fresh_id()
    with cli.start("wrap", "--id", job, *signalled(name)) as process:
        process.out.wait_for(b"ready\n")
        process.signal(getattr(signal, f"SIG{name}"))
        assert process.finish() == 7
        assert process.out.data == b"ready\nsignal 1\n"
    assert output_of(api, job) == b"ready\nsignal 1\n" and api.status(job)["exit_code"] == 7


def test_a_grandchild_that_keeps_the_pipe_does_not_hold_the_end(cli, api, tmp_path):
    fifo = tmp_path / "hold"
    os.mkfifo(fifo)
    job = fresh_id()
    # The grandchild waits on the pipe file, its stdout still the job's.
    result = cli.run("wrap", "--id", job, *shell(f"(cat {fifo}; echo too late) & echo done; exit 5"))
    assert result.code == 5 and result.out == b"done\n"
    assert api.status(job)["exit_code"] == 5 and api.status(job)["sealed"]
    with open(fifo, "wb"):
        pass


def test_what_a_grandchild_writes_soon_after_is_still_taken(cli, api):
    job = fresh_id()
    cli.ok("wrap", "--id", job, *shell("(head -c 300000 /dev/zero | tr '\\0' x; echo; echo grandchild) & exit 0"))
    assert output_of(api, job).endswith(b"grandchild\n")


def test_lines_are_live_while_the_job_runs(cli, server, api, tmp_path):
    job = fresh_id()
    script = "import sys\nfor line in sys.stdin: print(line.strip(), flush=True)"
    with cli.start("wrap", "--id", job, *python(script), stdin=subprocess.PIPE) as process:
        process.write(b"first\n")
        process.out.wait_for(b"first\n")
        eventually(lambda: api.get(f"/api/v1/executions/{job}").status == 200, "the execution is there")
        with Follower(server, job) as follower:
            assert follower.logs(1)[0]["message"] == "first"
            for i in range(5):
                process.write(f"line {i}\n".encode())
                assert follower.logs(1)[0]["message"] == f"line {i}"
            process.close_stdin()
            assert process.finish() == 0
            assert follower.rest()[1]["final_sequence"] == 5


def test_metadata_and_host_are_recorded(cli, api):
    job = fresh_id()
    cli.ok("wrap", "--id", job, "-m", "team=data", "-m", "ticket=A=1", "--", "true")
    shown = api.status(job)
    assert shown["metadata"]["team"] == "data" and shown["metadata"]["ticket"] == "A=1"
    assert shown["worker_hostname"] == os.uname().nodename


def test_a_terminal_for_the_job(cli, api):
    job = fresh_id()
    result = cli.ok("wrap", "--tty", "--id", job, *shell("test -t 1 && test -t 2 && echo on a terminal; echo err >&2"))
    assert result.out.replace(b"\r\n", b"\n") == b"on a terminal\nerr\n"
    assert [message.rstrip("\r") for message in api.messages(job)] == ["on a terminal", "err"]


def test_without_tty_the_job_has_none(cli):
    assert cli.ok("wrap", *shell("test -t 1 || echo pipe")).out == b"pipe\n"


@pytest.mark.threads
def test_a_hundred_thousand_lines_are_all_there_in_order(cli, api):
    job = fresh_id()
    result = cli.ok("wrap", "--id", job, *shell("seq 1 100000"), timeout=90)
    expected = b"".join(b"%d\n" % i for i in range(1, 100001))
    assert result.out == expected and output_of(api, job) == expected
    assert api.status(job)["last_index"] == 100000


def test_cancelling_ends_the_job_by_signal(cli, api):
    job = fresh_id()
    with cli.start("wrap", "--id", job, *shell("echo ready; exec tail -f /dev/null")) as process:
        process.out.wait_for(b"ready\n")
        eventually(
            lambda: api.get(f"/api/v1/executions/{job}").status == 200 and api.status(job)["status"] == "running",
            "running",
        )
        assert api.delete(f"/api/v1/executions/{job}").status == 202
        assert process.finish() == 128 + signal.SIGTERM
    shown = api.status(job)
    assert shown["status"] == "cancelled" and shown["exit_code"] == 143


def test_the_jobs_descriptors_are_clean(cli):
    script = "import os; print(sorted(int(f) for f in os.listdir('/proc/self/fd')))"
    assert cli.ok("wrap", *python(script)).out in (b"[0, 1, 2, 3]\n", b"[0, 1, 2]\n")


@pytest.mark.parametrize("args", [(), ("--",), ("--id", "bad id", "--", "true"), ("-m", "noequals", "--", "true")])
def test_wrong_usage_is_2(cli, args):
    result = cli.run("wrap", *args)
    assert result.code == 2 and result.err.startswith(b"runnel"), result


def test_options_of_the_job_are_its_own(cli):
    assert cli.ok("wrap", "echo", "--help", "-m").out == b"--help -m\n"
