"""What `runnel wrap` keeps, and until when: its spool, its limits, and what stands in for descriptors that are
closed."""

import json
import signal
import subprocess
import time

import pytest
from support import DEADLINE
from support.api import eventually
from support.cli import Cli
from support.hostile import HostileServer, frame, ready
from support.jobs import fresh_id, output_of, python, shell
from support.process import BIN
from support.proxy import Proxy
from support.server import Server, clean_env

ECHO = "import sys\nfor line in sys.stdin: sys.stdout.write(line); sys.stdout.flush()"


def seen(api, job, count):
    """Waits until the server has `count` records of the job."""
    path = f"/api/v1/executions/{job}"
    eventually(lambda: (r := api.get(path)).status == 200 and r.json()["last_index"] >= count, f"{count} records")


def spools(home):
    folder = home / "state" / "runnel" / "spool"
    return (
        sorted(entry.name for entry in folder.iterdir() if entry.is_dir() and entry.name[0] != ".")
        if folder.exists()
        else []
    )


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
        (("--spool-max", "4194303"), b'at least 4194304 (4 MiB), not "4194303"'),
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
    cli.ok(
        "wrap",
        "--id",
        large,
        "-m",
        "k=" + "x" * (65536 - len(json.dumps({"k": ""}, separators=(",", ":")))),
        "--",
        "true",
    )
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


# --- a server that is wrong, or hostile
def says(*messages):
    """A runner's server that says these at once, whatever it hears."""

    def speak(socket):
        for message in messages:
            socket.send(message)
        socket.hears_to_the_end()

    return speak


def completes(**claim):
    """A runner's server that acks all it gets and keeps nothing; `completed` is as it should be, but for the claim."""

    def speak(socket):
        socket.send(ready())
        while message := socket.hears():
            if message["type"] == "records":
                socket.send(frame({"type": "ack", "sequence_number": 1000000}))  # counts for what was sent
            elif message["type"] == "complete":
                right = {"next_sequence": message["final_sequence"] + 1, "digest": message["digest"]}
                claimed = {name: value for name, value in {**right, **claim}.items() if value != "left out"}
                socket.send(frame({"type": "completed", **claimed}))

    return speak


LINES = b"".join(b"%d\n" % i for i in range(1, 101))
NO_PROOF = b"does not prove that it has all of it"
COMPLETED = frame({"type": "completed", "final_sequence": 99, "next_sequence": 100, "digest": "0" * 16})


@pytest.mark.parametrize(
    ("speak", "told"),
    [
        (completes(next_sequence=0), NO_PROOF),
        (completes(next_sequence=99), NO_PROOF),
        (completes(next_sequence=1 << 62), NO_PROOF),
        (completes(next_sequence="100"), NO_PROOF),
        (completes(next_sequence="left out"), NO_PROOF),
        (completes(digest="0123456789abcdef"), NO_PROOF),
        (completes(digest="left out"), NO_PROOF),
        (completes(digest=None), NO_PROOF),
        (completes(digest=7), NO_PROOF),
        (says(ready(), COMPLETED), b"the job goes on"),
        (says(ready(), frame({"type": "completed"})), b"the job goes on"),
        (says(ready(1 << 62), COMPLETED), NO_PROOF),
        (says(ready(-5)), b"makes no sense"),
        (says(ready("x")), b"makes no sense"),
        (says(ready(epoch=[])), b"makes no sense"),
        (says(ready(incarnation={})), b"makes no sense"),
        (says(ready(digest="beef")), b"makes no sense"),
        (says(frame([1])), b"no message of a server of this kind"),
        (says(frame({"type": 7})), b"no message of a server of this kind"),
        (says(frame(b"{", 1)), b"no message of a server of this kind"),
        (says(frame(b"\xff\xfe", 1)), b"breaks the WebSocket protocol"),
        (says(b"\x81\x7f" + (1 << 40).to_bytes(8, "big") + b"a" * 65536), b"breaks the WebSocket protocol"),
    ],
)
def test_no_spool_is_deleted_on_the_word_of_a_server_that_does_not_prove_it(servers, tmp_path, speak, told):
    job, wait = fresh_id(), "5s" if told == NO_PROOF else "1s"  # what it says at the end has to come in time
    with HostileServer(speak) as hostile:
        cli = Cli(tmp_path / "home", url=hostile.url, token="rnl_" + "a" * 43)
        with cli.start("wrap", "--deliver-wait", wait, "--id", job, *python(ECHO), stdin=subprocess.PIPE) as process:
            process.write(LINES)
            process.out.wait_lines(100)
            if told != NO_PROOF:
                process.err.wait_for(told)
            process.close_stdin()
            assert process.finish() == 0
            assert told in process.err.data and f"wrap --resume {job}".encode() in process.err.data, process.err.data
    assert spools(cli.home) == [job]
    # All of it is still there.
    server = servers()
    Cli(tmp_path / "home", server).ok("wrap", "--resume", job)
    assert output_of(server.api(), job) == LINES and server.api().status(job)["status"] == "completed"
    assert spools(cli.home) == []


def endless(head, piece):
    def answer(connection):
        connection.sendall(head)
        while True:
            connection.sendall(piece)

    return answer


OK = b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\n"


@pytest.mark.parametrize(
    "answer",
    [endless(OK + b"Content-Length: 999999999999\r\n\r\n", b"[" * 65536), endless(OK, b"X: " + b"a" * 1000 + b"\r\n")],
    ids=["body", "head"],
)
def test_an_endless_answer_is_given_up(tmp_path, answer):
    with HostileServer(answer=answer) as hostile:
        cli = Cli(tmp_path / "home", url=hostile.url, token="rnl_" + "a" * 43)
        job = fresh_id()
        with cli.start("wrap", "--deliver-wait", "1s", "--id", job, *python(ECHO), stdin=subprocess.PIPE) as process:
            process.err.wait_for(b"it is larger than the limit")
            process.close_stdin()
            assert process.finish() == 0
        assert spools(cli.home) == [job]


def test_endless_messages_do_not_keep_wrap_from_its_end(tmp_path):
    def speak(socket):
        socket.send(ready())
        while True:
            socket.send(frame({"type": "ack", "sequence_number": 0}) * 1000)

    with HostileServer(speak) as hostile:
        cli = Cli(tmp_path / "home", url=hostile.url, token="rnl_" + "a" * 43)
        job = fresh_id()
        result = cli.run("wrap", "--deliver-wait", "1s", "--id", job, *shell("echo kept"))
        assert result.code == 0 and result.out == b"kept\n" and spools(cli.home) == [job], result


def test_what_others_append_to_its_log_does_not_keep_a_spool(server, api, tmp_path):
    cli = Cli(tmp_path / "home", server)
    job = fresh_id()
    with cli.start("wrap", "--id", job, *python(ECHO), stdin=subprocess.PIPE) as process:
        process.write(LINES)
        seen(api, job, 100)
        api.append_lines(job, ["from elsewhere"])
        process.close_stdin()
        assert process.finish() == 0
    assert api.status(job)["sealed"] and api.status(job)["last_index"] == 101 and spools(cli.home) == []


def test_a_wrap_killed_after_the_seal_is_found_delivered(server, api, tmp_path):
    """Its `completed` was sent and never heard. And what a removal that was killed has left is deleted."""
    job = fresh_id()
    with Proxy(server.port, hold=b'"type":"completed"') as proxy:
        cli = Cli(tmp_path / "home", url=proxy.url, token=server.operator_key)
        with cli.start("wrap", "--id", job, *shell("echo out; exit 3")) as process:
            assert proxy.held.wait(DEADLINE)
            process.kill()
    assert api.status(job)["sealed"] and spools(cli.home) == [job]
    left = cli.home / "state" / "runnel" / "spool" / ".removed.other.0123"
    (left / "resumed").mkdir(parents=True)
    (left / "spool").write_bytes(b"half")
    (left / "resumed" / "spool").write_bytes(b"")
    here = Cli(tmp_path / "home", server)
    here.ok("wrap", "--resume", job)
    here.ok("wrap", "--resume")
    assert spools(cli.home) == [] and not left.exists()
    assert output_of(api, job) == b"out\n" and api.status(job)["exit_code"] == 3


@pytest.mark.parametrize("machine", ["went down", "stayed up"])
def test_a_server_that_has_more_is_believed_only_after_the_machine_went_down(server, api, tmp_path, machine):
    cli = Cli(tmp_path / "home", server)
    job = fresh_id()
    folder = cli.home / "state" / "runnel" / "spool" / job
    with cli.start("wrap", "--id", job, *python(ECHO), stdin=subprocess.PIPE) as process:
        process.write(b"first\n")
        seen(api, job, 1)
        whole = (folder / "spool").read_bytes()
        process.write(LINES)
        seen(api, job, 101)
        process.kill()
    (folder / "spool").write_bytes(whole)  # as if the rest had not reached the disk
    run = json.loads((folder / "run.json").read_text())
    if machine == "went down":
        (folder / "run.json").write_text(json.dumps({**run, "boot": "another"}))
    result = cli.run("wrap", "--resume", job)
    if machine == "went down":
        assert result.code == 0 and spools(cli.home) == [], result
        assert api.status(job)["status"] == "lost" and api.messages(job, limit=1000)[1:101] == LINES.decode().split()
    else:
        assert result.code == 1 and b"it says that it has 101 records of this run, which has 1" in result.err, result
        assert spools(cli.home) == [job]


# --- a server that is away
def test_a_server_that_was_never_reached_is_not_waited_for(servers, tmp_path):
    server = servers()
    token = server.operator_key
    server.stop()
    cli = Cli(tmp_path / "home", url=server.url, token=token)
    jobs = [fresh_id() for _ in range(3)]
    began = time.monotonic()
    for job in jobs:
        result = cli.run("wrap", "--id", job, *shell("echo kept"))
        assert result.code == 0 and b"was not reached" in result.err and b"the next `runnel wrap`" in result.err, result
    assert time.monotonic() - began < 60  # 30 s each, if they were
    assert spools(cli.home) == sorted(jobs)

    began = time.monotonic()
    result = cli.run("wrap", "--resume")
    assert result.code == 1 and b"0 delivered, 3 left" in result.err and time.monotonic() - began < 25, result

    server.restart()
    cli.ok("wrap", "--", "true")  # delivers them on the side
    assert spools(cli.home) == []
    for job in jobs:
        assert output_of(server.api(), job) == b"kept\n" and server.api().status(job)["status"] == "completed"


def test_resume_without_an_id_suits_a_timer(servers, tmp_path):
    server = servers()
    cli = Cli(tmp_path / "home", server)
    server.stop()
    jobs = [fresh_id() for _ in range(5)]
    for job in jobs:
        cli.run("wrap", "--deliver-wait", "1ms", "--id", job, *shell("seq 1 2000"))
    server.restart()
    # Two at once: each is delivered once, and neither is kept from its end.
    with cli.start("wrap", "--resume") as one, cli.start("wrap", "--resume") as other:
        assert one.finish() == 0 and other.finish() == 0
        told = [process.err.data.split(b" delivered")[0].split()[-1] for process in (one, other)]
        assert sum(map(int, told)) == 5, (one.err.data, other.err.data)
    assert spools(cli.home) == []
    for job in jobs:
        assert output_of(server.api(), job) == b"".join(b"%d\n" % i for i in range(1, 2001))
    assert cli.ok("wrap", "--resume").err == b"runnel: 0 delivered, 0 left\n"


def test_what_others_left_does_not_keep_a_wrap_beyond_deliver_wait(tmp_path):
    left = fresh_id()

    def speak(socket):
        (says(ready()) if left in socket.path else completes())(socket)

    with HostileServer(speak) as hostile:
        cli = Cli(tmp_path / "home", url=hostile.url, token="rnl_" + "a" * 43)
        cli.run("wrap", "--deliver-wait", "1ms", "--id", left, *shell("echo kept"))

        def is_soon_over():
            began = time.monotonic()
            cli.ok("wrap", "--deliver-wait", "500ms", *shell("echo kept"))
            return time.monotonic() - began < 4  # unless something stands still, which it does not each time

        eventually(is_soon_over, "one that does not wait for 5 s")
    assert spools(cli.home) == [left]


@pytest.mark.parametrize("when", ["before the job", "while it runs"])
def test_a_server_that_hangs_is_not_waited_for_beyond_deliver_wait(servers, tmp_path, when):
    server = servers()
    cli = Cli(tmp_path / "home", server)
    job = fresh_id()
    api = server.api()
    if when == "before the job":
        server.process.signal(signal.SIGSTOP)
    try:
        with cli.start("wrap", "--deliver-wait", "1s", "--id", job, *python(ECHO), stdin=subprocess.PIPE) as process:
            process.write(LINES)
            process.out.wait_lines(100)
            if when != "before the job":
                seen(api, job, 100)
                server.process.signal(signal.SIGSTOP)
            began = time.monotonic()
            process.close_stdin()
            assert process.finish() == 0 and time.monotonic() - began < 60
        assert spools(cli.home) == [job]
    finally:
        server.process.signal(signal.SIGCONT)
    cli.ok("wrap", "--resume")
    assert output_of(api, job) == LINES and spools(cli.home) == []


def test_a_full_spool_does_not_keep_wrap_beyond_deliver_wait_and_loses_nothing(servers, tmp_path):
    server = servers()
    cli = Cli(tmp_path / "home", server)
    job = fresh_id()
    server.stop()
    # The last of it lies in the pipe and in wrap's buffers when the job ends.
    script = "import random, sys\nr = random.Random(1)\nfor i in range(18000): sys.stdout.write(r.randbytes(250).hex() + '\\n')"
    began = time.monotonic()
    result = cli.run("wrap", "--spool-max", "4194304", "--deliver-wait", "1s", "--id", job, *python(script))
    assert b"the spool is full" in result.err and time.monotonic() - began < 60, result
    assert result.code == 0 and result.out.count(b"\n") == 18000
    server.restart()
    cli.ok("wrap", "--resume")
    assert output_of(server.api(), job) == result.out and server.api().status(job)["status"] == "completed"
