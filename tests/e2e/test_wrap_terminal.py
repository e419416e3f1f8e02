"""`wrap --tty`, before a terminal and without one."""

import os
import re

import pytest
from support.api import eventually
from support.jobs import fresh_id, output_of, python, shell
from support.process import BIN, Process
from support.terminal import Shell


@pytest.mark.parametrize(
    "written", [b"hi\n", b"windows\r\nbar 1%\r2%\n\n", b"prompt", b"\r\r\n", b"x\r" * 9000 + b"\n"]
)
def test_newlines_are_recorded_as_the_job_wrote_them(cli, api, tmp_path, written):
    """And pass through as the terminal makes them."""
    (tmp_path / "data").write_bytes(written)
    job = fresh_id()
    result = cli.ok("wrap", "-q", "-t", "--id", job, "--", "cat", tmp_path / "data")
    assert result.out == written.replace(b"\n", b"\r\n")
    assert output_of(api, job) == written


def test_a_job_that_turns_the_terminals_newlines_off_is_recorded_as_it_is(cli, api):
    job = fresh_id()
    cli.ok("wrap", "-q", "-t", "--id", job, *shell("stty -opost <&1; printf 'full\\r\\nscreen\\n'"))
    assert output_of(api, job) == b"full\r\nscreen\n"


@pytest.mark.parametrize("data", [b"x", b"x\n", b"", b"first\nin mid-line", b"\x04\x1a\x03\n"])
def test_input_that_is_no_terminal_is_the_jobs_own(cli, data):
    """Its bytes are data and no keys, and its end is the end, also in the middle of a line."""
    assert (
        cli.ok("wrap", "-q", "-t", *python("import sys; print(sys.stdin.buffer.read())"), input=data).out
        == repr(data).encode() + b"\r\n"
    )


@pytest.mark.parametrize("options", ["", "-t"])
def test_a_loops_input_is_left_to_the_loop(cli, options):
    script = f'printf "1\\n2\\n3\\n" | while read -r line; do "{BIN}" wrap -q {options} -- echo "item $line"; done'
    with Process(["sh", "-c", script], env=cli.env) as process:
        assert process.finish() == 0
        assert process.out.data.replace(b"\r", b"") == b"item 1\nitem 2\nitem 3\n"


# --- before a terminal
TICKING = "i=0; while :; do i=$((i+1)); echo tick $i; sleep 0.05; done"


def test_the_stop_key_stops_wrap_with_its_job_and_fg_goes_on(cli, api):
    job = fresh_id()
    with Shell(cli) as terminal:
        terminal.type(f"$R wrap -q -t --id {job} -- sh -c '{TICKING}'\n".encode())
        terminal.wait_for(b"tick 3\r\n")
        terminal.type(b"\x1a")
        terminal.wait_for(b"Stopped")
        terminal.type(b"stty -a | grep -c -w -e '-icanon'; kill -0 %1 && echo is there\n")
        terminal.wait_for(b"0\r\nis there\r\n")  # the terminal is the shell's, in its own modes
        assert not re.search(rb"tick \d", terminal.out.data[terminal.seen :])
        terminal.type(b"fg\n")
        terminal.wait_for(b"\ntick ")
        eventually(terminal.is_raw, "the terminal is wrap's again")
        terminal.type(b"\x03")
        terminal.wait_for(b"ready$ ")
        terminal.type(b"echo code $?\n")
        terminal.wait_for(b"code 130\r\n")
    numbers = [int(line.split()[1]) for line in output_of(api, job).splitlines() if line.startswith(b"tick")]
    assert numbers == list(range(1, len(numbers) + 1)) and len(numbers) > 3


def test_a_job_that_stops_itself_stops_wrap_as_well(cli):
    with Shell(cli) as terminal:
        terminal.type(b"$R wrap -q -t -- sh -c 'echo now; kill -STOP $$; echo again'\n")
        terminal.wait_for(b"Stopped")
        terminal.type(b"fg\n")
        terminal.wait_for(b"again\r\n")


def test_a_shell_as_the_job_gets_the_stop_key_itself(cli):
    with Shell(cli) as terminal:
        terminal.type(b"PS1='inner$ ' $R wrap -q -t -- bash --norc --noediting -i\n")
        terminal.wait_for(b"inner$ ")
        terminal.type(b"sh -c 'echo copies; exec cat'\n")
        terminal.wait_for(b"copies\r\n")
        terminal.type(b"\x1a")
        terminal.wait_for(b"Stopped")
        terminal.wait_for(b"inner$ ")
        terminal.type(b"fg\n")
        terminal.wait_for(b"exec cat'\r\n")
        terminal.type(b"\x04")
        terminal.wait_for(b"inner$ ")
        terminal.type(b"exit 7\n")
        terminal.wait_for(b"ready$ ")
        terminal.type(b"echo code $?\n")
        terminal.wait_for(b"code 7\r\n")


def test_in_the_background_it_is_not_stopped_by_the_terminal(cli, api):
    job = fresh_id()
    with Shell(cli) as terminal:
        terminal.type(f"$R wrap -q -t --id {job} -- sh -c 'test -t 0 && echo on a terminal' &\n".encode())
        terminal.wait_for(b"on a terminal\r")
        terminal.type(b"wait $!; echo code $?\n")  # its number is known also when the shell has forgotten the job
        terminal.wait_for(b"code 0\r\n")
        assert b"Stopped" not in terminal.out.data
    assert output_of(api, job) == b"on a terminal\n"


def test_from_the_background_it_is_brought_before_the_terminal(cli):
    with Shell(cli) as terminal:
        terminal.type(b"$R wrap -q -t -- sh -c 'read answer; echo heard $answer' &\n")
        terminal.wait_for(b"ready$ ")
        terminal.type(b"fg\n")
        terminal.wait_for(b"R wrap")
        terminal.type(b"you\n")
        terminal.wait_for(b"heard you\r\n")


def test_output_that_the_job_keeps_back_is_told_with_its_cure(cli, tmp_path):
    """Once, at its end; with the cure, the same job's lines come as it prints them, and nothing is told."""
    # Less than a buffer holds, in more than ten seconds, and not before somebody has looked.
    looked = tmp_path / "looked"
    script = (
        "import os, time; "
        "[(print(i, 'x' * 20), time.sleep(0.1)) for i in range(110)]; "
        f"[time.sleep(0.1) for _ in iter(lambda: os.path.exists('{looked}'), True)]"
    )
    command = f'/usr/bin/python3 -c "{script}"; echo code $?\n'.encode()
    with Shell(cli) as without, Shell(cli) as cured:
        without.type(b"$R wrap -- " + command)
        cured.type(b"$R wrap -t -- " + command)
        cured.wait_for(b"3 xxx")
        assert b"xxx" not in without.out.data
        looked.touch()
        for terminal in (without, cured):
            terminal.wait_for(b"code 0\r\n")
        told = [line for line in without.out.data.splitlines() if b"wrap -t" in line]
        assert len(told) == 1 and re.match(
            rb"runnel: nothing came for \d\d s, and then much at once: .* `runnel wrap -t`", told[0]
        )
        assert b"nothing came" not in cured.out.data


# --- children
def exec_after(code):
    return [
        "/usr/bin/python3",
        "-c",
        f"import ctypes, os, signal, sys; {code}; os.execv(sys.argv[1], sys.argv[1:])",
        BIN,
    ]


def test_orphans_that_fall_to_it_are_reaped(cli):
    """As to the first process of a container; here as to a subreaper, which needs no rights."""
    orphans = "for i in 1 2 3 4 5; do (sh -c 'echo $$' &); done; exec tail -f /dev/null"
    prctl = "assert ctypes.CDLL(None).prctl(36, 1, 0, 0, 0) == 0"  # PR_SET_CHILD_SUBREAPER
    with Process([*exec_after(prctl), "wrap", "-q", "--", "sh", "-c", orphans], env=cli.env) as process:
        for pid in process.out.wait_lines(5):
            eventually(lambda: not os.path.exists(f"/proc/{int(pid)}"), "the orphan is reaped")
        process.signal(15)
        assert process.finish() == 143


def test_the_exit_code_is_the_jobs_where_children_are_ignored(cli):
    ignore = "signal.signal(signal.SIGCHLD, signal.SIG_IGN)"
    with Process([*exec_after(ignore), "wrap", "-q", "--", "sh", "-c", "exit 9"], env=cli.env) as process:
        assert process.finish() == 9
