"""What `runnel run` says to what cannot be: what is wrong, and what to do. Nothing is queued then."""

import os

import pytest
from support.cli import Cli
from support.server import Server

IDS = "after wants the ID of an execution or a batch, with :ok, :any or :failed behind it if need be, not "


@pytest.fixture(scope="module")
def jobs_server(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("refusals"), flags=["--jobs", "2"]).start()
    yield server
    server.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """What the commands are called in."""
    made = tmp_path_factory.mktemp("called-in")
    (made / "ok.sh").write_text("echo ok\n")
    (made / "folder").mkdir()
    os.mkfifo(made / "pipe")
    (made / "objects").write_text('{"a": 1}\n\n{"a": \n')
    (made / "empty").write_text("\n")
    (made / "tool.zig").write_text("x")
    (made / "x\x1b[31m").write_text("x")
    (made / "secret.sh").write_text("x")
    (made / "secret.sh").chmod(0)
    return made


def run_in(server, home, folder, *args):
    with Cli(home, server).start("run", *args, cwd=str(folder)) as process:
        code = process.finish()
        return code, process.out.data.decode(), process.err.data.decode()


def queued(server):
    api = server.api()
    counts = [len(api.expect(200, "GET", f"/api/v1/{what}?limit=1000")[what]) for what in ("executions", "batches")]
    return tuple(counts)


REFUSED = [
    ([], "say what to run: runnel run SCRIPT [ARGS], or runnel run -- COMMAND [ARGS]"),
    ([""], "the name of the script is an empty text; say what to run"),
    (["--", ""], "the name of the program is an empty text; say what to run"),
    (["none.py"], "none.py: there is no such script; `runnel run -- none.py …` runs a program"),
    (["ok.sh/none.py"], "ok.sh/none.py: there is no such script"),
    (["folder"], "folder is a folder, and no script; name the file in it that is to be run"),
    (["pipe"], "pipe is no regular file, so it cannot be sent as a script"),
    (
        ["--runtime", "python", "--", "echo"],
        "--runtime says what runs a script, and what stands behind -- is run as it is",
    ),
    (["ok.sh", "--runtime", ""], "--runtime wants a runtime such as python:3.11, not an empty text"),
    (["ok.sh", "--runtime", "py thon"], "runtime: must be a word such as python:3.11"),
    (["ok.sh", "--batch", ""], "--batch wants a file or a pattern such as 'data/*.csv', not an empty text"),
    (["ok.sh", "--batch", "none.csv"], "none.csv: No such file or directory"),
    (["ok.sh", "--batch", "folder"], "folder is no regular file, so it cannot be sent"),
    (["ok.sh", "--each-line", "none"], "--each-line none: No such file or directory"),
    (["ok.sh", "--each-line", "folder"], "--each-line folder: Is a directory"),
    (["ok.sh", "--each-json", "folder"], "--each-json folder: Is a directory"),
    (["ok.sh", "--each-json", "objects"], "--each-json objects: line 3 is no JSON: "),
    (["ok.sh", "--range", "5-1"], '--range wants two numbers, the smaller one first, such as 1-100, not "5-1"'),
    (["ok.sh", "--range", "1"], '--range wants two numbers, the smaller one first, such as 1-100, not "1"'),
    (
        ["ok.sh", "--range", "1-2000000"],
        "--range 1-2000000: a batch may have at most 100000 jobs; make several batches",
    ),
    (["ok.sh", "--after", "nobody"], 'after: there is no execution and no batch "nobody" that it could wait for'),
    (["ok.sh", "--id", "me", "--after", "me"], 'after: it is "me" itself, and would wait for ever'),
    (["ok.sh", "--after", ""], IDS + '""'),
    (["ok.sh", "--after", ":ok"], IDS + '":ok"'),
    (["ok.sh", "--after", "a b:any"], IDS + '"a b:any"'),
    (["ok.sh", "--retries", "101"], "retries: must be a whole number, 0 to 100"),
    (["ok.sh", "--retries", "-1"], "retries: must be a whole number, 0 to 100"),
    (["ok.sh", "--retries", "many"], '--retries wants a whole number, not "many"'),
    (["ok.sh", "--retry-on", "7x"], "retry_on: must be failed, timed_out, lost, exit:N"),
    (["ok.sh", "--memory", "1X"], '--memory wants bytes, such as 512M or 1.5G, not "1X"'),
    (["ok.sh", "--memory", "512"], "--memory 512 is less than any program needs; say 512M for 512 mebibytes"),
    (["ok.sh", "--cpus", "two"], '--cpus wants a number such as 2 or 0.5, not "two"'),
    (["ok.sh", "--timeout", "-5s"], '--timeout wants a duration such as 90s or 10m, not "-5s"'),
    (["ok.sh", "--label", ""], "--label wants a word such as gpu, not an empty text"),
    (["ok.sh", "--cwd", ""], "--cwd wants a folder of the worker's machine, not an empty text"),
    (["ok.sh", "--input", ""], "--input wants a file or a folder, not an empty text"),
    (["--image", "", "--", "true"], "--image wants an image such as debian:12, not an empty text"),
    (
        ["ok.sh", "--parallel", "3"],
        "--parallel is for a batch, which --batch, --each-line, --each-json or --range makes",
    ),
    (["ok.sh", "--max-fails", "3"], "--max-fails is for a batch"),
    (["ok.sh", "--keep-open"], "--keep-open is for a batch"),
    (["ok.sh", "--range", "1-2", "--max-fails", "101%"], 'max_fails: must be a number such as "3", or "5%"'),
    (
        ["ok.sh", "--id", "a b"],
        "--id wants letters, digits and any of ._:- behind a first letter or digit, at most 255",
    ),
    (["ok.sh", "-e", "NOT_SET_HERE"], "-e NOT_SET_HERE: there is no such variable in the environment"),
    (["ok.sh", "--secret", "NONE"], 'secrets: there is no secret "NONE"; `runnel secret set` makes one'),
    (["ok.sh", "--stdin", "folder"], "--stdin folder: Is a directory"),
    (["ok.sh", "--batch", "x*"], "the name of an input must not have control characters; rename it"),
]
if os.geteuid() != 0:  # root may read everything
    REFUSED.append((["secret.sh"], "secret.sh cannot be read, so it cannot be sent: Permission denied"))


@pytest.mark.parametrize("args, says", REFUSED, ids=[" ".join(args).replace("\x1b", "ESC") for args, _ in REFUSED])
def test_what_cannot_be_run_is_refused_with_what_to_do(jobs_server, folder, tmp_path, args, says):
    before = queued(jobs_server)
    code, out, err = run_in(jobs_server, tmp_path / "home", folder, *args)
    assert (code, out) == (2, "") and says in err.splitlines()[0], err
    assert "\x1b" not in err and queued(jobs_server) == before


@pytest.mark.parametrize(
    "args, says",
    [
        (["--batch", "*.none"], "--batch: *.none matches no file, so there are no jobs"),
        (["--each-line", "empty"], "--each-line: empty has no lines, so there are no jobs"),
        (["--each-json", "empty"], "--each-json: empty has no lines, so there are no jobs"),
    ],
)
def test_a_batch_of_nothing_is_whole_and_says_so(jobs_server, folder, tmp_path, args, says):
    code, out, err = run_in(jobs_server, tmp_path / "home", folder, "ok.sh", *args, "--watch")
    assert code == 0 and "✓ Batch complete: 0 succeeded, 0 failed" in out
    assert says in err.splitlines()[0], err


@pytest.mark.parametrize(
    "args, code, says",
    [
        (["--", "no-such-program"], 127, "the program cannot be run: no-such-program: No such file or directory"),
        (["--cwd", "/no/such", "ok.sh"], 127, "cannot be entered: /no/such: No such file or directory"),
        (["tool.zig"], 126, 'what is to run "tool.zig" is not known: name a runtime, begin it with #!'),
        (["--timeout", "1s", "--", "sleep", "1000"], 124, "it ran longer than its time limit of 1s"),
    ],
)
def test_why_a_job_could_not_be_run_is_told_beside_its_log(jobs_server, folder, tmp_path, args, code, says):
    """Also with -q, and where events are not shown: a code alone tells nothing."""
    ended, out, err = run_in(jobs_server, tmp_path / "home", folder, "-q", *args)
    assert ended == code and out == "", err
    [line] = err.splitlines()
    assert line.startswith("runnel: ") and says in line


def test_what_a_job_prints_is_all_that_is_said_if_its_code_tells_enough(jobs_server, folder, tmp_path):
    assert run_in(jobs_server, tmp_path / "home", folder, "-q", "--", "sh", "-c", "exit 3") == (3, "", "")
    assert run_in(jobs_server, tmp_path / "home", folder, "-q", "ok.sh") == (0, "ok\n", "")
