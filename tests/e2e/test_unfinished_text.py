"""Text whose newline does not come: a prompt, a row of dots, a bar drawn by '\\r'. It is shown at once, and within
a second it is a
record that the rest of its line goes on from."""

import os
import subprocess
import time

import pytest
from support.api import eventually
from support.jobs import fresh_id, output_of, python, shell
from support.ws import Follower

PROMPT = "printf 'first\\nname? '; read name; printf 'hello %s\\n' \"$name\""
WAYS = {"stdout": ("", ()), "stderr": ("exec >&2\n", ()), "tty": ("", ("-t",))}


@pytest.mark.parametrize("prefix, options", WAYS.values(), ids=WAYS.keys())
def test_a_prompt_is_visible_while_the_job_waits(cli, server, api, tmp_path, prefix, options):
    """And the log is the bytes that the job wrote, in each form."""
    answer = tmp_path / "answer"
    os.mkfifo(answer)
    job = fresh_id()
    with cli.start("wrap", "-q", *options, "--id", job, *shell(f"{prefix}exec < {answer}\n{PROMPT}")) as process:
        eventually(lambda: api.get(f"/api/v1/executions/{job}").status == 200, "the execution is known")
        with Follower(server, job) as follower, open(answer, "wb", buffering=0) as fifo:
            first, prompt = follower.logs(2)
            assert (first["message"], prompt["message"]) == ("first", "name? ")
            assert "partial" not in first and prompt["partial"] is True
            shown = process.err if prefix.startswith("exec") else process.out
            shown.wait_for(b"name? ")
            fifo.write(b"you\n")
            (rest,) = follower.logs(1)
            assert rest["message"] == "hello you" and "partial" not in rest
        assert process.finish() == 0
    whole = b"first\nname? hello you\n"
    assert output_of(api, job) == whole
    assert api.get(f"/api/v1/executions/{job}/logs", query={"format": "text"}).body == whole
    assert cli.ok("logs", job).out == cli.ok("logs", "-o", "raw", job).out == whole


def test_a_follower_of_lines_sees_a_prompt_at_once_and_its_line_stamped_once(cli, api, tmp_path):
    answer = tmp_path / "answer"
    os.mkfifo(answer)
    job = fresh_id()
    with cli.start("wrap", "-q", "--id", job, *shell(f"exec < {answer}\n{PROMPT}")) as process:
        eventually(lambda: api.get(f"/api/v1/executions/{job}").status == 200, "the execution is known")
        with cli.start("logs", "-f", "-t", job) as follower, open(answer, "wb", buffering=0) as fifo:
            follower.out.wait_for(b"] [stdout] name? ")
            fifo.write(b"you\n")
            assert follower.finish() == 0
            first, second = follower.out.lines()
            assert second.endswith(b"] [stdout] name? hello you") and second.count(b"[stdout]") == 1
        assert process.finish() == 0
    assert cli.ok("logs", "-t", job).out.count(b"[stdout]") == 2


def test_a_prompt_that_is_piped_is_visible_while_it_waits(cli, api):
    job = fresh_id()
    with cli.start("pipe", "-q", "--id", job, stdin=subprocess.PIPE) as process:
        process.write(b"first\n....")
        process.out.wait_for(b"first\n....")
        eventually(
            lambda: api.get(f"/api/v1/executions/{job}").status == 200 and api.messages(job) == ["first", "...."],
            "the dots",
        )
        process.write(b"done\n")
        process.close_stdin()
        assert process.finish() == 0
    assert api.messages(job) == ["first", "....", "done"] and output_of(api, job) == b"first\n....done\n"


def test_a_newline_that_comes_alone_ends_the_line(cli, api):
    job = fresh_id()
    with cli.start("pipe", "-q", "--id", job, stdin=subprocess.PIPE) as process:
        process.write(b"wait")
        eventually(
            lambda: api.get(f"/api/v1/executions/{job}").status == 200 and api.messages(job) == ["wait"], "the text"
        )
        process.write(b"\nnext\n")
        process.close_stdin()
        assert process.finish() == 0
    assert api.messages(job) == ["wait", "", "next"] and output_of(api, job) == b"wait\nnext\n"


def test_a_bar_costs_a_record_a_second_however_often_it_is_drawn(cli, api, tmp_path):
    job, enough = fresh_id(), tmp_path / "enough"
    script = (
        "import os, time\n"
        "n = 0\n"
        f"while n < 200 or not os.path.exists('{enough}'):\n"
        "    os.write(1, b'\\rstep %6d' % n); n += 1; time.sleep(0.002)\n"
        "os.write(1, b'\\rdone\\n')\n"
    )
    began = time.monotonic()
    with cli.start("wrap", "-q", "--id", job, *python(script)) as process:
        eventually(lambda: api.get(f"/api/v1/executions/{job}").status == 200, "the execution is known")
        eventually(lambda: api.status(job)["last_index"] >= 3, "some records")
        enough.touch()
        assert process.finish() == 0
        out = process.out.data
    seconds = time.monotonic() - began
    assert out.count(b"\r") > 200 and output_of(api, job) == out
    records = api.logs(job)
    by_size = len(out) // 10240
    assert 3 <= len(records) <= seconds + by_size + 1
    assert [record.get("partial", False) for record in records] == [True] * (len(records) - 1) + [False]


def test_killing_wrap_loses_no_text_that_was_visible(servers, cli, tmp_path):
    server = servers("--lease-seconds", "1")
    api = server.api()
    cli.env.update(RUNNEL_URL=server.url, RUNNEL_TOKEN=server.operator_key)
    job = fresh_id()
    script = "printf 'first\\npassed 30%%\\rpassed 60%%'; exec tail -f /dev/null"
    with cli.start("wrap", "-q", "--id", job, *shell(script)) as process:
        eventually(
            lambda: api.get(f"/api/v1/executions/{job}").status == 200 and len(api.messages(job)) == 2, "the bar"
        )
        process.kill()
    eventually(lambda: cli.run("wrap", "--resume", job).code == 0, "what is left is delivered")
    assert output_of(api, job) == b"first\npassed 30%\rpassed 60%"
    assert api.status(job)["status"] == "lost"


def test_lines_that_go_on_are_counted_on_each_stream(cli, api):
    execution_id = api.create()
    records = [
        ("stdout", "one ", True),
        ("stderr", "two, ", True),
        ("stdout", "goes on", True),
        ("stderr", "ends", False),
    ]
    api.append(
        execution_id, [{"stream": stream, "message": text, "partial": partial} for stream, text, partial in records]
    )
    assert cli.ok("logs", "-c", execution_id).out == b"2\n"
