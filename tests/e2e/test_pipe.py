"""`… | runnel pipe`: what is read is passed on and recorded."""

import subprocess

import pytest
from support.jobs import fresh_id, output_of
from test_wrap import AWKWARD


@pytest.mark.parametrize("data", AWKWARD.values(), ids=AWKWARD.keys())
def test_what_goes_in_comes_out_and_is_kept(cli, api, data):
    job = fresh_id()
    assert cli.ok("pipe", "--id", job, input=data).out == data
    assert output_of(api, job) == data
    shown = api.status(job)
    assert shown["status"] == "completed" and shown["exit_code"] == 0 and shown["sealed"]


def test_lines_pass_at_once(cli):
    with cli.start("pipe", stdin=subprocess.PIPE) as process:
        for i in range(5):
            process.write(f"{i}\n".encode())
            process.out.wait_for(f"{i}\n".encode())
        process.close_stdin()
        assert process.finish() == 0


def test_a_closed_reader_ends_nothing_that_is_to_keep_going(cli, api):
    """The pipe behind it closes; what still comes is recorded all the same."""
    job = fresh_id()
    with cli.start("pipe", "--keep-going", "--id", job, stdin=subprocess.PIPE) as process:
        process.write(b"first\n")
        process.out.wait_for(b"first\n")
        process.popen.stdout.close()
        process.write(b"".join(b"line %d\n" % i for i in range(100)))
        process.close_stdin()
        process.wait()
    assert output_of(api, job).startswith(b"first\nline 0\n")


def test_operands_are_refused(cli):
    assert cli.run("pipe", "file").code == 2
