"""The clients for programs: each writes into the log of its job by the socket of its runner, or by the server."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from support.api import eventually
from support.cli import Cli
from support.jobs import fresh_id
from support.nodes import EVENTS, events_of, the_event

CLIENTS = Path(__file__).parents[2] / "clients"
NOWHERE = {name: None for name in ("RUNNEL_SOCKET", "RUNNEL_EXECUTION_ID", "RUNNEL_URL", "RUNNEL_TOKEN")}


@pytest.fixture
def wrapped(server, api, tmp_path):
    """Runs a command under `wrap`: its records, without those that name the end."""
    cli = Cli(tmp_path / "home", server)

    def run(*command, env=None, expect=0):
        execution_id = fresh_id()
        result = cli.run("wrap", "-q", "--id", execution_id, "--", *command, env=env, expect=expect)
        eventually(lambda: api.status(execution_id)["sealed"], "its log is sealed")
        return result, api.page(execution_id, limit=10000)["logs"]

    return run


def by_python(tmp_path, text):
    path = tmp_path / "program.py"
    path.write_text(textwrap.dedent(text))
    return [sys.executable, str(path)]


def run_alone(command, env):
    whole = {name: value for name, value in {**os.environ, **NOWHERE, **env}.items() if value is not None}
    return subprocess.run(command, env=whole, capture_output=True, timeout=60)


def messages(records):
    return [record["message"] for record in records]


PYTHON = {"PYTHONPATH": str(CLIENTS / "python")}


def test_python_logging_goes_into_the_log_with_levels_and_whole_tracebacks(api, wrapped, tmp_path):
    program = """
        import logging, runnel
        logging.getLogger().addHandler(runnel.Handler())
        logging.getLogger().setLevel(logging.DEBUG)
        log = logging.getLogger("files")
        log.debug("looking")
        log.warning("slow %s", "answer", extra={"runnel": {"node_id": "fetch", "progress_percentage": 40}})
        try:
            raise ValueError("no such file")
        except ValueError:
            log.exception("it failed")
        log.critical("two\\nlines")
    """
    _, records = wrapped(*by_python(tmp_path, program), env=PYTHON)
    assert [record["level"] for record in records[:3]] == ["DEBUG", "WARNING", "ERROR"]
    assert messages(records[:3]) == ["looking", "slow answer", "it failed"]
    assert records[1]["node_id"] == "fetch" and records[1]["progress_percentage"] == 40
    assert all(record["producer"] == "files" and record["stream"] == "stderr" for record in records[:2])
    assert "ValueError: no such file" in records[2]["stack_trace"]
    trace = records[3:-2]
    assert messages(trace)[0].startswith("Traceback") and messages(trace)[-1] == "ValueError: no such file"
    assert all(record["continues"] and record["level"] == "ERROR" for record in trace)
    assert messages(records[-2:]) == ["two", "lines"] and records[-1]["continues"] is True
    execution_id = records[0]["execution_id"]
    assert api.page(execution_id, grep="no such file")["logs"] == records[2:-2]


def test_python_nodes_tell_how_they_begin_and_end(wrapped, tmp_path):
    program = """
        import runnel
        with runnel.node("a", name="First", type="http"):
            runnel.emit_progress("half", 50, node_id="a")
        try:
            with runnel.node("b"):
                raise RuntimeError("broken")
        except RuntimeError:
            pass
        assert runnel.flush() and runnel.default().dropped == 0, runnel.default().last_error
    """
    _, records = wrapped(*by_python(tmp_path, program), env=PYTHON)
    assert events_of(records) == EVENTS
    first, _ = the_event(records, "node_started", "a")
    assert first["node_name"] == "First" and first["node_type"] == "http"
    assert the_event(records, "node_progress", "a")[0]["progress_percentage"] == 50
    assert the_event(records, "node_completed", "a")[0]["duration_seconds"] >= 0
    failed, trace = the_event(records, "node_failed", "b")
    assert "RuntimeError: broken" in failed["stack_trace"] and trace[-1]["message"] == "RuntimeError: broken"


def test_of_records_that_are_refused_together_none_is_in_the_log(wrapped, tmp_path):
    program = """
        import runnel
        client = runnel.Client()
        client.emit_group([{"message": f"line {i}", "level": "info"} for i in range(9)] + [{"message": "m", "category": "wrong"}])
        assert client.flush() and client.dropped == 10 and "category" in client.last_error, client.last_error
        client.emit("after it", level="info")
        assert client.flush() and client.sent == 1
    """
    _, records = wrapped(*by_python(tmp_path, program), env=PYTHON)
    assert messages(records) == ["after it"]


def test_python_writes_by_the_server_too_and_says_what_it_cannot_send(server, api, tmp_path):
    execution_id = api.create()
    program = """
        import runnel
        client = runnel.Client()
        for i in range(3000):
            client.emit(f"line {i}")
        assert client.close(60), client.last_error
        print(client.sent, client.dropped, client.last_error)
    """
    command = by_python(tmp_path, program)
    url = {"RUNNEL_URL": f"http://127.0.0.1:{server.port}", "RUNNEL_EXECUTION_ID": execution_id}
    answer = run_alone(command, {**PYTHON, **url, "RUNNEL_TOKEN": api.key("service")["key"]})
    assert answer.stdout == b"3000 0 None\n", answer
    assert messages(api.logs(execution_id)) == [f"line {i}" for i in range(3000)]
    refused = run_alone(command, {**PYTHON, **url, "RUNNEL_TOKEN": "rnl_wrong"})
    assert refused.stdout.startswith(b"0 3000 401 "), refused
    nowhere = run_alone(command, PYTHON)
    assert nowhere.stdout.startswith(b"0 3000 there is neither "), nowhere


C_PROGRAM = r"""
#include <pthread.h>
#include <runnel.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static void *many(void *name)
{
    for (int i = 0; i < 100; i++) {
        int result = runnel_log(RUNNEL_DEBUG, "%s %d", (const char *)name, i);
        if (result != RUNNEL_OK)
            printf("%d %s\n", result, runnel_last_error());
    }
    return NULL;
}

int main(void)
{
    struct runnel_record record = {
        .message = "caf\xc3\xa9 \"quoted\" \x01 \xff", .level = RUNNEL_WARNING, .event_type = "step_progress",
        .category = "business", .node_id = "fetch", .node_name = "Fetch", .node_type = "http", .step_number = 2,
        .total_steps = 5, .has_progress = 1, .progress = 40.25, .duration_seconds = 1.5,
        .user_friendly_message = "wait", .display_priority = 7, .is_milestone = 1, .data = "{\"a\":\n[1]}",
        .stack_trace = "at main", .producer = "c",
    };
    printf("%d %d\n", runnel_available(), runnel_emit(&record));
    printf("%d\n", runnel_log(RUNNEL_ERROR, "%s", "it failed\n  at a\n  at b\n"));
    printf("%d\n", runnel_progress(0, NULL));
    record.category = "wrong";
    printf("%d\n", runnel_emit(&record));
    fflush(stdout);
    if (fork() == 0)
        _exit(runnel_log(RUNNEL_INFO, "from a child") != RUNNEL_OK);
    int status = -1;
    wait(&status);
    printf("%d\n", status);
    pthread_t threads[2];
    pthread_create(&threads[0], NULL, many, "one");
    pthread_create(&threads[1], NULL, many, "two");
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
    runnel_close();
    return 0;
}
"""


@pytest.fixture(scope="module")
def c_program(tmp_path_factory):
    folder = tmp_path_factory.mktemp("librunnel")
    (folder / "program.c").write_text(C_PROGRAM)
    flags = ["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-pthread", '-DRUNNEL_VERSION="test"']
    sources = [str(folder / "program.c"), str(CLIENTS / "c" / "runnel.c")]
    subprocess.run(["gcc", *flags, f"-I{CLIENTS / 'c'}", *sources, "-o", str(folder / "program")], check=True)
    return str(folder / "program")


def test_a_c_program_writes_records_from_several_threads_and_a_child(wrapped, c_program):
    result, records = wrapped(c_program)
    assert result.text().split() == ["1", "0", "0", "0", "-3", "0"], result
    said = [record for record in records if record.get("level") != "DEBUG"]
    said = [record for record in said if record["stream"] == "event" or "level" in record]  # not what it prints
    first = {name: value for name, value in said[0].items() if name not in ("execution_id", "timestamp")}
    del first["sequence_number"], first["index"]
    assert first == {
        "stream": "event",
        "message": 'café "quoted" \x01 \ufffd',
        "level": "WARNING",
        "event_type": "step_progress",
        "category": "business",
        "node_id": "fetch",
        "node_name": "Fetch",
        "node_type": "http",
        "step_number": 2,
        "total_steps": 5,
        "progress_percentage": 40.25,
        "duration_seconds": 1.5,
        "user_friendly_message": "wait",
        "display_priority": 7,
        "is_milestone": True,
        "data": {"a": [1]},
        "stack_trace": "at main",
        "producer": "c",
    }
    group = said[1:4]
    assert messages(group) == ["it failed", "  at a", "  at b"]
    assert [record.get("continues") for record in group] == [None, True, True]
    assert said[4]["event_type"] == "node_progress" and said[4]["progress_percentage"] == 0
    assert messages(said[5:]) == ["from a child"]
    for name in ("one", "two"):
        mine = [record["message"] for record in records if record["message"].startswith(name + " ")]
        assert mine == [f"{name} {i}" for i in range(100)]


def test_a_c_program_outside_of_a_job_is_told_so_at_once(c_program):
    answer = run_alone([c_program], {})
    assert answer.stdout.split()[:5] == [b"0", b"-1", b"-1", b"-1", b"-1"], answer
