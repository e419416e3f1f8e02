"""Files that travel with jobs: by content, sent once, to workers that share no path with who submits."""

import os
import signal

import pytest
from support import s3
from support.api import eventually
from support.cli import Cli
from support.files import Stopper, Worker, artifacts, sealed, sha256

MIB = 1024 * 1024


@pytest.fixture
def house(servers, tmp_path):
    """(server, api, cli) of a server of its own, whose worker knows nothing of the folders of who submits."""
    server = servers()
    cli = Cli(tmp_path / "home", server)
    worker = Worker(cli, tmp_path / "elsewhere" / "worker").start()
    yield server, server.api(), cli
    worker.close()


def script(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def run_in(cli, folder, *arguments, **options):
    """`runnel run` as called in a folder."""
    with cli.start("run", "-q", *arguments, cwd=folder, **options) as process:
        code = process.finish(120)
        return code, process.out.data.decode(), process.err.data.decode()


def test_a_script_and_its_files_travel(house, tmp_path):
    _, _, cli = house
    here = tmp_path / "here"
    script(here / "work.py", "import sys\nprint(open('conf/app.ini').read(), open('räum e').read(), sys.argv[1:])\n")
    script(here / "conf" / "app.ini", "[app]")
    script(here / "conf" / "sub" / "more", "m")
    script(here / "räum e", "x")
    code, out, err = run_in(cli, here, "--input", "conf/", "--input", "./räum e", "work.py", "a b", "c")
    assert (code, out) == (0, "[app] x ['a b', 'c']\n"), err
    (here / "list.sh").write_text("find . -type f | sort; ls -l list.sh | cut -c 1-4; cat empty\n")
    (here / "empty").touch()
    code, out, err = run_in(cli, here, "--input", here / "empty", "--input", "conf", here / "list.sh")
    assert out.splitlines() == ["./conf/app.ini", "./conf/sub/more", "./empty", "./list.sh", "-rwx"], err


def test_a_program_of_any_kind_may_be_the_script(house, tmp_path):
    _, _, cli = house
    program = tmp_path / "program"
    program.write_bytes(open("/bin/echo", "rb").read())
    program.chmod(0o755)
    assert run_in(cli, tmp_path, program, "hello", "you")[:2] == (0, "hello you\n")


def test_the_mode_of_a_file_travels_with_it(house, tmp_path):
    _, _, cli = house
    tool = script(tmp_path / "tool", "#!/bin/sh\necho tool\n")
    tool.chmod(0o755)
    secret = script(tmp_path / "secret", "x")
    secret.chmod(0o600)
    work = script(tmp_path / "work.sh", "./tool; stat -c '%n %a' tool secret\n")
    code, out, err = run_in(cli, tmp_path, "--input", tool, "--input", secret, work)
    assert (code, out.splitlines()) == (0, ["tool", "tool 755", "secret 600"]), err


def test_the_folder_of_the_inputs_is_known_elsewhere(house, tmp_path):
    _, _, cli = house
    script(tmp_path / "data", "x\n")
    work = script(tmp_path / "work.sh", 'pwd; cat "$RUNNEL_INPUTS/data"\n')
    assert run_in(cli, tmp_path, "--cwd", "/", "--input", "data", work)[:2] == (0, "/\nx\n")


@pytest.mark.parametrize("quoted", [True, False], ids=["quoted", "expanded by the shell"])
def test_each_file_of_a_batch_travels_to_its_job(house, tmp_path, quoted):
    _, api, cli = house
    here = tmp_path / "here"
    for i in range(3):
        script(here / "data" / f"{i}.csv", f"row {i}\n")
    script(here / "work.sh", 'cat "$1"; echo "$1"; cat shared; ls data | wc -l; cp "$1" "$RUNNEL_OUTPUTS"\n')
    script(here / "shared", "shared\n")
    files = ["data/*.csv"] if quoted else [f"data/{i}.csv" for i in range(3)]
    code, out, err = run_in(cli, here, "--input", "shared", "work.sh", "--batch", *files)
    assert code == 0, err
    id = out.strip()
    assert cli.run("wait", id, timeout=280).code == 0
    found = api.get(f"/api/v1/batches/{id}/executions").json()["executions"]
    messages = sorted(api.messages(one["execution_id"]) for one in found)
    assert messages == [[f"row {i}", f"data/{i}.csv", "shared", "1"] for i in range(3)]
    left = sorted(list(artifacts(api, one["execution_id"])) for one in found)
    assert left == [["0.csv"], ["1.csv"], ["2.csv"]]


def test_a_batch_in_a_folder_of_the_workers_machine_takes_its_files_there(house, tmp_path):
    _, api, cli = house
    file = script(tmp_path / "x.csv", "x")
    id = cli.ok("run", "--cwd", "/", "--batch", file, "--", "echo", "{}").text().strip()
    assert cli.run("wait", id, timeout=280).code == 0
    (found,) = api.get(f"/api/v1/batches/{id}/executions").json()["executions"]
    assert api.messages(found["execution_id"]) == [os.path.realpath(file)]


def test_what_the_server_has_is_not_sent_again(servers, tmp_path):
    server = servers()
    with Stopper(server.port, 100 * MIB) as stopper:
        cli = Cli(tmp_path / "home", url=stopper.url, token=server.operator_key)
        data = tmp_path / "data"
        data.write_bytes(os.urandom(MIB))
        work = script(tmp_path / "work.sh", "true\n")
        for _ in range(2):
            cli.ok("run", "-d", "--input", data, work)
        assert stopper.uploaded < 1.5 * MIB
        other = script(tmp_path / "other.sh", "false\n")
        cli.ok("run", "-d", "--input", data, other)
        assert stopper.uploaded < 1.5 * MIB
    assert len(server.api().get("/api/v1/executions").json()["executions"]) == 3


def test_what_cannot_be_sent_is_said_before_anything_is_queued(house, tmp_path):
    _, api, cli = house
    work = script(tmp_path / "work.sh", "true\n")
    os.mkfifo(tmp_path / "pipe")
    os.mkfifo(tmp_path / "x.csv")
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    script(tmp_path / "a" / "same", "1")
    script(tmp_path / "b" / "same", "2")
    cases = [
        (["none.sh"], "none.sh: there is no such script"),
        (["--input", "none", work], "none: No such file or directory"),
        (["--input", "pipe", work], "pipe is neither a file nor a folder"),
        (["--input", tmp_path / "a" / "same", "--input", tmp_path / "b" / "same", work], 'would be called "same", too'),
        (["--input", tmp_path / "work.sh", work], 'would be called "work.sh", too'),
        ([work, "--batch", "*.csv"], "x.csv is no regular file"),
    ]
    for arguments, expected in cases:
        code, _, err = run_in(cli, tmp_path, *arguments)
        assert code == 2 and expected in err, (arguments, err)
    assert api.get("/api/v1/executions").json()["executions"] == []


def test_a_file_that_changes_while_it_is_sent_is_an_error(servers, tmp_path):
    server = servers()
    data = tmp_path / "data"
    data.write_bytes(b"a" * (4 * MIB))
    work = script(tmp_path / "work.sh", "true\n")
    with Stopper(server.port, 2 * MIB) as stopper:
        cli = Cli(tmp_path / "home", url=stopper.url, token=server.operator_key)
        process = cli.start("run", "-d", "--input", data, work)
        assert stopper.stopped.wait(120)
        with open(data, "r+b") as file:
            file.seek(3 * MIB)
            file.write(b"b")
        stopper.cut()  # the rest is sent on another connection
        assert process.finish(120) == 1
    assert b"data has changed while it was read, so nothing is queued" in process.err.data
    assert server.api().get("/api/v1/executions").json()["executions"] == []


# --- Many small files


def small_files(folder, count):
    for i in range(count):
        script(folder / f"{i:04}.csv", f"row {i} " + "x" * 200)
    return script(folder.parent / "work.sh", "cat $1\n")


def test_small_files_are_asked_for_and_sent_many_at_a_time(servers, tmp_path):
    server = servers("--jobs", "0")
    here = tmp_path / "here"
    small_files(here / "data", 2500)
    cli = Cli(tmp_path / "home", server)
    code, out, err = run_in(cli, here, "-d", "work.sh", "--batch", "data/*.csv")
    assert code == 0, err
    api = server.api()
    assert api.get(f"/api/v1/batches/{out.strip()}").json()["total_count"] == 2500
    hashes = [sha256(path.read_bytes()) for path in here.rglob("*.*") if path.is_file()]
    assert len(hashes) == 2501
    for page in (hashes[:1000], hashes[1000:2000], hashes[2000:]):
        assert api.expect(200, "POST", "/api/v1/blobs/missing", {"hashes": page}) == {"missing": []}
    # 2,501 contents: three questions and three bodies, and no file of its own for any of them.
    assert len(s3.kept(server)) == 3
    assert run_in(cli, here, "-d", "work.sh", "--batch", "data/*.csv")[0] == 0
    assert len(s3.kept(server)) == 3


def test_a_batch_that_was_interrupted_sends_only_what_is_missing(servers, tmp_path):
    server = servers("--jobs", "0")
    here = tmp_path / "here"
    small_files(here / "data", 600)
    with Stopper(server.port, 50_000) as stopper:
        cli = Cli(tmp_path / "home", url=stopper.url, token=server.operator_key)
        process = cli.start("run", "-d", "work.sh", "--batch", "data/0[01]*.csv", cwd=here)
        assert stopper.stopped.wait(120)
        process.signal(signal.SIGKILL)
        process.wait()
        stopper.cut()
        assert server.api().get("/api/v1/executions").json()["executions"] == []
        assert run_in(cli, here, "-d", "work.sh", "--batch", "data/0[01]*.csv")[0] == 0
        before = stopper.uploaded
        assert before > 200 * 280  # none of what was cut off was kept
        assert run_in(cli, here, "-d", "work.sh", "--batch", "data/0[01]*.csv")[0] == 0
        asked = stopper.uploaded - before
        before = stopper.uploaded
        assert run_in(cli, here, "-d", "work.sh", "--batch", "data/*.csv")[0] == 0
        more = stopper.uploaded - before - 3 * asked  # three times as many questions, and as much of a batch
        assert 400 * 270 < more < 400 * 290
        before = stopper.uploaded
        assert run_in(cli, here, "-d", "work.sh", "--batch", "data/*.csv")[0] == 0
        assert stopper.uploaded - before < 3.1 * asked


def test_a_small_file_that_changes_while_many_are_sent_is_an_error(servers, tmp_path):
    server = servers("--jobs", "0")
    here = tmp_path / "here"
    small_files(here / "data", 500)
    with Stopper(server.port, 50_000) as stopper:
        cli = Cli(tmp_path / "home", url=stopper.url, token=server.operator_key)
        process = cli.start("run", "-d", "work.sh", "--batch", "data/*.csv", cwd=here)
        assert stopper.stopped.wait(120)
        (here / "data" / "0321.csv").write_text("something else")
        stopper.cut()  # the page is sent again
        assert process.finish(120) == 1
    assert b"data/0321.csv has changed while it was read, so nothing is queued" in process.err.data
    assert server.api().get("/api/v1/executions").json()["executions"] == []


def test_a_file_that_the_server_refuses_among_many_is_named(servers, tmp_path):
    server = servers("--jobs", "0", "--artifact-max", "1000")
    here = tmp_path / "here"
    small_files(here / "data", 20)
    script(here / "data" / "0007.csv", "x" * 1001)
    code, _, err = run_in(Cli(tmp_path / "home", server), here, "-d", "work.sh", "--batch", "data/*.csv")
    assert code == 1
    assert "data/0007.csv is not sent, so nothing is queued: a file may not be so large (artifact_max)" in err
    assert server.api().get("/api/v1/executions").json()["executions"] == []


def test_the_server_may_die_in_the_middle_of_a_submission(servers, tmp_path):
    server = servers()
    data = tmp_path / "data"
    data.write_bytes(os.urandom(4 * MIB))
    with Stopper(server.port, 2 * MIB) as stopper:
        cli = Cli(tmp_path / "home", url=stopper.url, token=server.operator_key)
        work = script(tmp_path / "work.sh", "sha256sum <data\n")
        process = cli.start("run", "-d", "--input", data, work)
        assert stopper.stopped.wait(120)
        server.kill()
        code = process.finish(120)
        server.restart()
        if code != 0:  # nobody was there any more when it tried again
            assert b"is not sent, so nothing is queued" in process.err.data
            process = cli.start("run", "-d", "--input", data, work)
            assert process.finish(120) == 0, process.err.data
    id = process.out.data.decode().strip()
    worker = Worker(Cli(tmp_path / "home", server), tmp_path / "worker").start()
    sealed(server.api(), id)
    worker.close()
    assert server.api().messages(id) == [sha256(data.read_bytes()) + "  -"]


# --- At the worker


def test_a_job_may_not_change_what_another_gets(house, tmp_path):
    _, _, cli = house
    data = script(tmp_path / "data", "as it was")
    data.chmod(0o666)
    work = script(tmp_path / "work.sh", "cat data; echo; chmod 777 data; echo changed >data; cat data\n")
    for _ in range(3):
        assert run_in(cli, tmp_path, "--input", "data", work)[:2] == (0, "as it was\nchanged\n")


def test_a_content_comes_to_a_worker_once(servers, tmp_path):
    server = servers()
    cli = Cli(tmp_path / "home", server)
    data = tmp_path / "data"
    data.write_bytes(os.urandom(MIB))
    work = script(tmp_path / "work.sh", "sha256sum <data\n")
    worker = Worker(cli, tmp_path / "worker").start()
    for _ in range(3):
        assert run_in(cli, tmp_path, "--input", "data", work)[1].split()[0] == sha256(data.read_bytes())
    kept = sorted(path.name for path in (tmp_path / "worker" / "cache").iterdir())
    assert kept == sorted([sha256(data.read_bytes()), sha256(work.read_bytes())])
    # What somebody has changed there is fetched anew.
    (tmp_path / "worker" / "cache" / sha256(data.read_bytes())).write_bytes(b"something else")
    assert run_in(cli, tmp_path, "--input", "data", work)[1].split()[0] == sha256(data.read_bytes())
    worker.close()


def test_the_cache_keeps_to_its_size(servers, tmp_path):
    server = servers()
    cli = Cli(tmp_path / "home", server)
    worker = Worker(cli, tmp_path / "worker").start("--cache-max", 3 * MIB)
    for i in range(5):
        (tmp_path / "data").write_bytes(os.urandom(MIB))
        assert run_in(cli, tmp_path, "--input", "data", "--", "true")[0] == 0
    big = tmp_path / "big"
    big.write_bytes(os.urandom(4 * MIB))  # goes by it
    assert run_in(cli, tmp_path, "--input", "big", "--", "sha256sum", "big")[1].split()[0] == sha256(big.read_bytes())
    sizes = [path.stat().st_size for path in (tmp_path / "worker" / "cache").iterdir()]
    assert 0 < sum(sizes) <= 3 * MIB
    worker.close()


def test_the_worker_may_die_while_inputs_come(servers, tmp_path):
    server = servers()
    api, cli = server.api(), Cli(tmp_path / "home", server)
    (tmp_path / "data").write_bytes(os.urandom(8 * MIB))
    with Stopper(server.port, MIB, down=b"/inputs/") as stopper:
        worker = Worker(cli, tmp_path / "worker", stopper.url).start()
        code, out, err = run_in(cli, tmp_path, "-d", "--input", "data", "--", "sha256sum", "data")
        assert code == 0, err
        assert stopper.stopped.wait(120)
        worker.kill()
    worker.url = None
    worker.start()
    id = out.strip()
    status = sealed(api, id)
    assert status["status"] == "completed"
    assert api.messages(id) == [sha256((tmp_path / "data").read_bytes()) + "  data"]
    eventually(lambda: worker.folders() == [], "the end of what was begun", 60)
    worker.close()


def test_a_cancel_reaches_a_job_whose_inputs_still_come(servers, tmp_path):
    server = servers()
    api, cli = server.api(), Cli(tmp_path / "home", server)
    (tmp_path / "data").write_bytes(os.urandom(8 * MIB))
    with Stopper(server.port, MIB, down=b"/inputs/") as stopper:
        worker = Worker(cli, tmp_path / "worker", stopper.url).start()
        id = run_in(cli, tmp_path, "-d", "--input", "data", "--", "sha256sum", "data")[1].strip()
        assert stopper.stopped.wait(120)
        api.delete(f"/api/v1/executions/{id}")
        status = sealed(api, id)
        assert status["status"] == "cancelled"
        eventually(lambda: worker.folders() == [], "the end of its folder", 60)
        worker.close()


def test_an_input_that_cannot_be_had_fails_the_job_and_its_log_says_why(servers, tmp_path):
    server = servers()
    api, cli = server.api(), Cli(tmp_path / "home", server)
    data = os.urandom(1000)
    (tmp_path / "data").write_bytes(data)
    id = run_in(cli, tmp_path, "-d", "--input", "data", "--", "true")[1].strip()
    spoilt = 0
    for path in s3.kept(server):
        if data in (kept := path.read_bytes()):
            path.write_bytes(kept.replace(data, b"x" * 1000))
            spoilt += 1
    assert spoilt == 1
    worker = Worker(cli, tmp_path / "worker").start()
    status = sealed(api, id)
    worker.close()
    said = "its input data cannot be had: what came is not what its hash says"
    assert status["status"] == "failed" and status["reason"].startswith(said)
    assert said in api.messages(id)[0]
    assert f"Reason: {said}".encode() in cli.ok("status", id).out


def test_jobs_with_inputs_run_in_the_embedded_worker(servers, tmp_path):
    server = servers("--jobs", "2")
    cli = Cli(tmp_path / "home", server)
    (tmp_path / "data").write_text("x\n")
    work = script(tmp_path / "work.sh", 'cat data; cp data "$RUNNEL_OUTPUTS/copy"\n')
    id = run_in(cli, tmp_path, "-d", "--input", "data", work)[1].strip()
    status = sealed(server.api(), id)
    assert status["status"] == "completed", server.api().messages(id)
    assert server.api().messages(id) == ["x"]
    assert artifacts(server.api(), id) == {"copy": (2, sha256(b"x\n"))}
