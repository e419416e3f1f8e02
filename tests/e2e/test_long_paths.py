"""A data folder so deep that no socket in it fits into an address of the kernel (107 bytes)."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.api import eventually
from support.cli import Cli
from support.engine import FakeEngine
from support.jobs import fresh_id, shell
from support.process import BIN
from support.server import Server

CLIENTS = Path(__file__).parents[2] / "clients"
DEEP = Path(*("d" * 49 for _ in range(3)))
# A build for coverage writes its counters where it was built, which a job may not: here they go into its folder.
COUNTERS = "GCOV_PREFIX=counters"


@pytest.fixture(scope="module")
def deep_server(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("long") / DEEP, flags=["--jobs", "2"]).start()
    yield server
    server.close()


@pytest.fixture(params=["wrap", "run"])
def job(request, deep_server, tmp_path):
    """Runs a shell script as a job: the messages of its log."""
    cli = Cli(tmp_path / DEEP / "home", deep_server)

    def run(script, **variables):
        execution_id = fresh_id()
        values = {**variables, **dict([COUNTERS.split("=")])}
        flags = [part for name, value in values.items() for part in ("-e", f"{name}={value}")]
        cli.ok(
            request.param,
            "-q",
            "--id",
            execution_id,
            *(flags if request.param == "run" else ()),
            *shell(script),
            env=values,
        )
        api = deep_server.api()
        eventually(lambda: api.status(execution_id)["sealed"], "its log is sealed")
        return api.messages(execution_id)

    return run


@pytest.fixture(scope="module")
def by_c(tmp_path_factory):
    folder = tmp_path_factory.mktemp("program")
    (folder / "program.c").write_text(C_PROGRAM)
    sources = [str(folder / "program.c"), str(CLIENTS / "c" / "runnel.c")]
    flags = ["-std=gnu11", "-pthread", '-DRUNNEL_VERSION="test"', f"-I{CLIENTS / 'c'}"]
    subprocess.run(["gcc", *flags, *sources, "-o", str(folder / "program")], check=True)
    return folder / "program"


C_PROGRAM = r"""
#include <runnel.h>
#include <stdio.h>

int main(void)
{
    int result = runnel_log(RUNNEL_INFO, "by C");
    if (result != RUNNEL_OK)
        puts(runnel_last_error());
    return result != RUNNEL_OK;
}
"""
BY_PYTHON = "import runnel; runnel.emit('by Python'); assert runnel.flush(60), runnel.default().last_error"


def test_every_client_reaches_the_log_of_its_job(job, by_c):
    script = '$R emit "by emit" && $C && PYTHONPATH=$M $P -c "$S"'
    assert job(script, R=BIN, C=by_c, P=sys.executable, M=CLIENTS / "python", S=BY_PYTHON) == [
        "by emit",
        "by C",
        "by Python",
    ]


def test_the_socket_is_named_by_its_path_and_reached_from_its_folder(job):
    script = """
import os, socket
path = os.environ["RUNNEL_SOCKET"]
os.chdir(os.path.dirname(path))
with socket.socket(socket.AF_UNIX) as voice:
    voice.connect(os.path.basename(path))
    voice.sendall(b'{"message":"by hand"}\\n')
    assert voice.recv(100) == b'{"ok":true}\\n'
print(path)
"""
    said, path = job('$P -c "$S"', P=sys.executable, S=script)
    assert said == "by hand"
    assert path.startswith("/") and path.endswith("/voice") and f"/{DEEP}/" in path and len(path) > 107


def test_a_confined_job_does_so_too(deep_server, tmp_path):
    """Landlock keeps it from the data folder, and from the processes of its runner."""
    cli = Cli(tmp_path / "home", deep_server)
    key = deep_server.data / "admin.key"
    script = shell(f"cat {key} >read 2>&1 && echo seen || $R emit hidden")
    says = cli.ok("run", "-q", "-e", f"R={BIN}", "-e", COUNTERS, *script).text()
    if says == "seen\n":
        pytest.skip("nothing confines jobs here")
    assert says == "hidden\n"


@pytest.fixture
def workers(deep_server, tmp_path):
    """Starts a worker whose folder lies deep; again and again on the same one."""
    cli = Cli(tmp_path / "home", deep_server)
    made = []

    def make(*flags):
        made.append(cli.start("worker", "--data", tmp_path / DEEP / "worker", "--label", tmp_path.name, *flags))
        return made[-1]

    yield make
    for worker in made:
        worker.kill()


def test_a_worker_finds_its_jobs_again(deep_server, workers, tmp_path):
    cli, api, go = Cli(tmp_path / "home", deep_server), deep_server.api(), tmp_path / "go"
    os.mkfifo(go)
    worker = workers()
    script = shell(f"$R emit begun; read line <{go}; $R emit over")
    id = cli.ok("run", "-d", "--label", tmp_path.name, "-e", f"R={BIN}", "-e", COUNTERS, *script).text().strip()
    eventually(lambda: api.messages(id) == ["begun"], "it runs")
    worker.kill()
    workers()
    with open(go, "w") as out:
        out.write("on\n")
    status = eventually(lambda: (s := api.status(id))["sealed"] and s, "it ends")
    assert status["status"] == "completed" and api.messages(id) == ["begun", "over"]


def test_an_engine_is_reached_at_a_long_path(workers, tmp_path):
    engine = FakeEngine()
    folder = tmp_path / DEEP / "engine"
    folder.parent.mkdir(parents=True)
    folder.symlink_to(engine.root)
    try:
        workers("--container-socket", folder / "s").err.wait_for(b"jobs can run in containers")
    finally:
        engine.close()
