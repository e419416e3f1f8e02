"""Faults that other log-streaming systems have shown, one test each, named after the fault. Each asserts that it is
not here."""

import json
import os
import re
import threading

import pytest
from support.api import eventually
from support.jobs import fresh_id, output_of, python, shell
from support.sse import Stream
from support.ws import Follower, RawWebSocket, Refused, Runner, frame

PATH = "/api/v1/executions"
SAME_TIME = "2025-11-15T10:30:15.123Z"


@pytest.fixture
def execution_id(api):
    return api.create()


def messages(records):
    return [record["message"] for record in records]


def test_joining_a_quiet_run_shows_nothing_until_its_next_line(server, api, execution_id):
    with Runner(server, execution_id) as runner:
        runner.lines(["said long ago", "and then silence"])
        with Follower(server, execution_id) as follower, Stream(api, execution_id) as stream:
            assert messages(follower.logs(2)) == messages(stream.logs(2)) == ["said long ago", "and then silence"]


@pytest.mark.threads
@pytest.mark.parametrize("attempt", range(5))
def test_tail_lost_because_complete_overtook_the_last_lines(server, api, execution_id, attempt):
    followers = [Follower(server, execution_id) for _ in range(4)]
    with Runner(server, execution_id) as runner:
        runner.send([runner.record(f"line {i}") for i in range(300)])
        for i in range(300, 330):
            runner.send(runner.record(f"line {i}"))
        # Nothing is waited for: the end is right behind the last line.
        runner.complete()
    for follower in followers:
        logs, complete = follower.rest()
        assert messages(logs) == [f"line {i}" for i in range(330)] and complete["final_sequence"] == 329
        follower.close()


@pytest.mark.parametrize("limit", [1, 7, 100])
def test_lines_of_the_same_millisecond_vanish_at_a_page_boundary(api, execution_id, limit):
    api.append(execution_id, [{"message": str(i), "timestamp": SAME_TIME} for i in range(250)])
    assert api.messages(execution_id, limit=limit) == [str(i) for i in range(250)]
    assert api.messages(execution_id, since=SAME_TIME, limit=limit) == [str(i) for i in range(250)]


def test_a_late_line_skipped_by_a_time_cursor(server, api, execution_id):
    """A line stamped before what was read already comes after it."""
    api.append(execution_id, {"message": "new", "timestamp": "2025-11-15T10:30:20Z"})
    page = api.page(execution_id)
    with Follower(server, execution_id) as follower:
        follower.logs(1)
        api.append(execution_id, {"message": "stamped earlier", "timestamp": "2025-11-15T10:30:10Z"})
        assert messages(follower.logs(1)) == ["stamped earlier"]
    assert messages(api.page(execution_id, cursor=page["last_index"])["logs"]) == ["stamped earlier"]


def test_two_deliverers_double_lines(server, api, execution_id):
    """The same runner's records by two connections, one of which was believed dead."""
    with Runner(server, execution_id) as first:
        first.lines([f"{i}" for i in range(50)])
        with Runner(server, execution_id, epoch=first.ready["epoch"]) as second:
            second.next = 20
            second.lines([f"{i}" for i in range(20, 80)])
            second.complete()
    assert api.messages(execution_id) == [f"{i}" for i in range(80)]


def test_numbering_restarts_when_the_sender_restarts(servers):
    server = servers("--lease-seconds", "5")
    api = server.api()
    execution_id = api.create()
    with Follower(server, execution_id) as follower:
        with Runner(server, execution_id, producer="run-1") as first:
            first.lines(["a", "b"])
            first.cut()
        follower.collect(lambda m: m["type"] == "state" and m["status"] == "lost")
    with Runner(server, execution_id, producer="run-2") as second:
        assert second.ready["next_sequence"] == 0 and second.ready["epoch"] == 2
        second.lines(["c", "d"])
        second.complete()
    records = api.logs(execution_id)
    assert [record["sequence_number"] for record in records] == [0, 1, 2, 3] and messages(records) == [
        "a",
        "b",
        "c",
        "d",
    ]


def test_a_failed_send_leaves_a_hole(servers, tmp_path):
    """The server goes away with records under way; what it had not acknowledged is sent again, in its place."""
    server = servers()
    api = server.api()
    execution_id = api.create()
    with Runner(server, execution_id) as runner:
        runner.lines(["0", "1"])
        server.kill()
        try:
            runner.send(runner.record("lost on the way"))
        except Exception:
            pass
    server.restart()
    with Runner(server, execution_id, epoch=1) as runner:
        assert runner.next == 2
        runner.lines(["2", "3"])
        runner.complete()
    assert api.messages(execution_id) == ["0", "1", "2", "3"]


@pytest.mark.threads
def test_live_lines_interleave_with_catch_up(server, api, execution_id):
    api.append_lines(execution_id, [str(i) for i in range(20000)])
    with Runner(server, execution_id) as runner:
        stop = threading.Event()

        def write():
            i = 20000
            while not stop.is_set() and i < 23000:
                runner.lines([str(j) for j in range(i, i + 50)])
                i += 50

        writer = threading.Thread(target=write)
        writer.start()
        with Follower(server, execution_id) as follower:
            logs = follower.logs(21000)
        stop.set()
        writer.join()
    assert [m["sequence_number"] for m in logs] == list(range(len(logs)))
    assert messages(logs) == [str(i) for i in range(len(logs))]


@pytest.mark.parametrize("count", [999, 1000, 1001, 5000])
def test_catch_up_stops_at_1000_rows_and_says_complete(server, api, count):
    execution_id = api.create()
    with Runner(server, execution_id) as runner:
        for base in range(0, count, 900):
            runner.lines([str(i) for i in range(base, min(base + 900, count))])
        runner.complete()
    with Follower(server, execution_id) as follower:
        assert messages(follower.rest()[0]) == [str(i) for i in range(count)]
    with Stream(api, execution_id) as stream:
        assert messages(stream.rest()[0]) == [str(i) for i in range(count)]


def test_a_stream_goes_silent_after_its_first_100_lines(server, api, execution_id):
    with Follower(server, execution_id) as follower, Stream(api, execution_id) as stream, Runner(
        server, execution_id
    ) as runner:
        for i in range(250):
            runner.lines([str(i)], wait=i % 25 == 0)
        assert messages(follower.logs(250)) == messages(stream.logs(250)) == [str(i) for i in range(250)]


def test_quiet_minutes_end_the_stream(servers):
    """With short settings, many times the pause after which a ping is due; the follower answers pings and says
    nothing else."""
    server = servers("--ping-seconds", "1", "--pong-timeout-seconds", "6")  # one stands still for less
    api = server.api()
    execution_id = api.create()
    with RawWebSocket(server, f"/ws/executions/{execution_id}/logs") as quiet:
        pings = 0
        while pings < 8:
            kind, payload = quiet.frame()
            if kind & 0x0F == 9:
                quiet.send(frame(10, payload))
                pings += 1
        api.append_lines(execution_id, ["after the quiet"])
        while True:
            kind, payload = quiet.frame()
            if kind & 0x0F == 1 and json.loads(payload)["type"] == "log":
                break
    assert json.loads(payload)["message"] == "after the quiet"


@pytest.mark.threads
def test_a_full_queue_drops_the_oldest(server, api, execution_id):
    """A follower that does not read while far more comes than any queue holds; then reads."""
    with Follower(server, execution_id, max_queue=1) as slow, Runner(server, execution_id) as runner:
        lines = [f"{i:06d} " + "x" * 9000 for i in range(3000)]
        for base in range(0, 3000, 100):
            runner.lines(lines[base : base + 100], wait=False)
        runner.complete()
        assert messages(slow.rest()[0]) == lines


def test_blank_lines_dropped_cr_and_white_space_stripped_stderr_labelled_stdout(cli, api):
    job = fresh_id()
    cli.ok("wrap", "--id", job, *shell(r"printf '\n\n  a  \r\n\t\n\r\n'; printf ' e \r\n\n' >&2"))
    by_stream = {"stdout": [], "stderr": []}
    for record in api.logs(job):
        by_stream[record["stream"]].append(record["message"])
    assert by_stream == {"stdout": ["", "", "  a  \r", "\t", "\r"], "stderr": [" e \r", ""]}


def test_output_cut_at_100_kb(cli, api):
    job = fresh_id()
    result = cli.ok("wrap", "--id", job, *shell("head -c 3000000 /dev/zero | tr '\\0' z | fold -w 999"))
    assert len(result.out) > 3_000_000 and output_of(api, job) == result.out
    assert cli.ok("logs", job).out.rstrip(b"\n") == result.out.rstrip(b"\n")


MARKUP = [
    "[bold]not bold[/bold]",
    "[red]",
    "<b>x</b>",
    "&amp;",
    "%s %d %n",
    "{0} {name}",
    "\\n \\x1b[0m",
    "$(reboot) `id`",
    "**stars**",
]


def test_markup_in_output_interpreted(cli, api):
    execution_id = api.create()
    api.append_lines(execution_id, MARKUP)
    assert cli.ok("logs", execution_id).text().splitlines() == MARKUP
    shown = cli.on_terminal("logs", execution_id, env={"NO_COLOR": "1"}).text().splitlines()
    assert [line.split("] ", 2)[2] for line in shown] == MARKUP
    assert api.messages(execution_id) == MARKUP


def test_no_credential_check_on_websocket_or_ingest(server, api, execution_id):
    for door in (Follower, Runner):
        for token in (None, "rnl_" + "x" * 43):
            with pytest.raises(Refused) as refused:
                door(server, execution_id, token=token)
            assert refused.value.status == 401
    assert api.post(f"{PATH}/{execution_id}/logs", {"message": "m"}, token=None).status == 401
    with pytest.raises(Refused) as refused:
        Runner(server, execution_id, token=api.as_role("viewer").token)
    assert refused.value.status == 403


@pytest.mark.threads
def test_ten_viewers_starve_ingest(server, api):
    """Ten followers that do not read at all cost the writer nothing but a share."""
    execution_id = api.create()
    api.append_lines(execution_id, ["old " + "y" * 5000] * 1000)
    viewers = [Follower(server, execution_id, max_queue=1) for _ in range(10)]
    with Runner(server, execution_id) as runner:
        for _ in range(20):
            runner.lines(["x" * 1000] * 100)
        runner.complete()
    assert api.status(execution_id)["last_index"] == 3000
    for viewer in viewers:
        assert len(viewer.rest()[0]) == 3000
        viewer.close()


def bytes_read(pid):
    """From files; what comes from sockets does not count."""
    with open(f"/proc/{pid}/io") as file:
        return int(re.search(r"rchar: (\d+)", file.read())[1])


@pytest.mark.sqlite("its file, and the disk that it lies on")
def test_each_new_batch_rereads_everything(servers):
    """Followers at the end take each batch from memory; nothing that was delivered is delivered again, or read from
    disk again."""
    server = servers()
    api = server.api()
    execution_id = api.create()
    with Follower(server, execution_id) as follower, Runner(server, execution_id) as runner:
        before = bytes_read(server.process.pid)
        for i in range(100):
            runner.lines([os.urandom(500).hex() for _ in range(20)])
            follower.logs(20)
        assert bytes_read(server.process.pid) - before < 500_000  # of 2 MB
        before = bytes_read(server.process.pid)
        assert len(api.logs(execution_id, limit=1000)) == 2000
        assert bytes_read(server.process.pid) - before > 500_000  # what is read from disk is seen here
        after = eventually(
            lambda: (m := api.metrics())["runnel_records_delivered_total"] >= 2000 and m,
            "all records counted as delivered",
        )
    assert after["runnel_records_delivered_total"] == 2000
    assert after["runnel_records_ingested_total"] == 2000
    assert after["runnel_cache_bytes"] < 64 * 1024 * 1024


@pytest.mark.threads
@pytest.mark.parametrize("attempt", range(5))
def test_last_lines_lost_when_the_process_exits_at_once(cli, api, attempt):
    job = fresh_id()
    result = cli.run("wrap", "--id", job, *shell("seq 1 3000; echo last words >&2; echo the very end; kill -9 $$"))
    assert result.code == 137
    assert output_of(api, job, "stdout") == b"".join(b"%d\n" % i for i in range(1, 3001)) + b"the very end\n"
    assert output_of(api, job, "stderr") == b"last words\n"


def test_a_line_longer_than_the_buffer_lost(cli, api):
    job = fresh_id()
    script = "import sys; sys.stdout.write('before\\n' + 'A' * 5_000_000 + '\\nafter\\n')"
    result = cli.ok("wrap", "--id", job, *python(script))
    assert result.out == b"before\n" + b"A" * 5_000_000 + b"\nafter\n"
    assert output_of(api, job) == result.out


@pytest.mark.parametrize("code", [0, 1, 7, 200])
def test_the_cli_hides_the_jobs_exit_code(cli, code):
    job = fresh_id()
    assert cli.run("wrap", "--id", job, *shell(f"exit {code}")).code == code
    assert cli.run("logs", "--exit-status", job).code == code
    assert cli.run("logs", "-f", "--exit-status", job).code == code


@pytest.mark.threads
def test_one_slow_follower_slows_the_others(servers):
    server = servers("--loops", "1")
    api = server.api()
    execution_id = api.create()
    slow = Follower(server, execution_id, max_queue=1)
    with Follower(server, execution_id) as quick, Runner(server, execution_id) as runner:
        # Megabytes more than the slow one's socket takes; the quick one has each line before the next is written.
        for i in range(100):
            runner.lines([f"{i}.{j} " + "x" * 4000 for j in range(20)])
            assert quick.logs(20)[0]["message"].startswith(f"{i}.0 ")
        runner.complete()
        quick.rest()
    assert len(slow.rest()[0]) == 2000
    slow.close()


HOSTILE = [
    "\x1b[2Jclear",
    "\x1b]0;title\x07",
    "\x1b]52;c;ZXZpbA==\x07clip",
    "\x1b[6n",
    "\x1bP+q\x1b\\",
    "\x1b[?1049h",
    "\r\x1b[Koverwrite",
    "a\x08b",
    "\u202eevil",
    "\x9b5m",
]


def test_escape_sequences_in_output_drive_the_readers_terminal(cli, api):
    execution_id = api.create()
    api.append_lines(execution_id, HOSTILE + ["\x1b[1;32mcolour may pass\x1b[0m"])
    seen = cli.on_terminal("logs", execution_id).out
    without_colour = re.sub(rb"\x1b\[[0-9;:]*m", b"", seen)
    assert b"\x1b" not in without_colour, without_colour
    for dangerous in (b"\x07", b"\x08", "\u202e".encode(), "\x9b".encode()):
        assert dangerous not in without_colour, dangerous
    assert b"\x1b[1;32mcolour may pass" in seen
    assert b"\r" not in without_colour.replace(b"\r\n", b"\n")
