"""What runs leave in RUNNEL_OUTPUTS: uploaded before their logs end, shown and downloaded by `runnel artifacts`."""

import json
import os
import re
import signal

import pytest
from support.api import eventually
from support.cli import Cli
from support.files import Stopper, Worker, artifacts, events, sealed, sha256, tree
from support.jobs import fresh_id, python, shell

BIG = 8 * 1024 * 1024


@pytest.fixture
def worker(cli, server, tmp_path):
    one = Worker(cli, tmp_path / "worker").start()
    yield one
    one.close()


def random_file(path, size=BIG):
    """A command that fills a file of RUNNEL_OUTPUTS with bytes that no other file has, and says its hash."""
    return f"head -c {size} /dev/urandom >$RUNNEL_OUTPUTS/{path}; sha256sum <$RUNNEL_OUTPUTS/{path}"


def submit(cli, script, *flags):
    return cli.ok("run", "-d", *flags, *shell(script)).text().strip()


# --- Under wrap


def test_what_a_command_under_wrap_leaves_is_there_when_its_log_ends(cli, api):
    job = fresh_id()
    script = 'cd "$RUNNEL_OUTPUTS"; printf abc >a.txt; : >empty; mkdir -p "deep/er folder"; cd deep/er*; printf x >grün'
    cli.ok("wrap", "--id", job, *shell(script))
    status = api.status(job)
    assert status["sealed"] and status["status"] == "completed"
    assert (status["artifacts_count"], status["artifacts_bytes"]) == (3, 4)
    assert artifacts(api, job) == {
        "a.txt": (3, sha256(b"abc")),
        "empty": (0, sha256(b"")),
        "deep/er folder/grün": (1, sha256(b"x")),
    }


def test_a_command_that_leaves_nothing_has_no_artifacts(cli, api):
    job = fresh_id()
    cli.ok("wrap", "--id", job, *shell('test -d "$RUNNEL_OUTPUTS" && echo there'))
    assert artifacts(api, job) == {} and api.messages(job) == ["there"]
    shown = cli.ok("artifacts", job)
    assert shown.out == b"" and b"has no artifacts" in shown.err
    assert "Artifacts: 0 outputs\n" in cli.ok("status", job).text()


def test_links_and_pipes_are_not_followed_and_the_log_says_so(cli, api):
    job = fresh_id()
    script = 'cd "$RUNNEL_OUTPUTS"; ln -s /etc/passwd link; ln -s /etc folder; mkfifo pipe; echo x >file; echo last'
    result = cli.ok("wrap", "--id", job, *shell(script))
    assert list(artifacts(api, job)) == ["file"]
    assert events(api, job, "artifact_missing") == [
        "The output folder was not uploaded: links are not followed",
        "The output link was not uploaded: links are not followed",
        "The output pipe was not uploaded: it is no regular file",
    ]
    assert b"3 outputs were not uploaded; the log says which, and why" in result.err


def test_a_folder_that_became_a_link_leads_nowhere(cli, api, tmp_path):
    job = fresh_id()
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "file").write_text("secret")
    cli.ok("wrap", "--id", job, *shell(f'rm -r "$RUNNEL_OUTPUTS"; ln -s {secret} "$RUNNEL_OUTPUTS"'))
    assert artifacts(api, job) == {} and api.status(job)["sealed"]


def test_a_large_sparse_file_travels_whole(cli, api, tmp_path):
    job = fresh_id()
    cli.ok("wrap", "--id", job, *shell('truncate -s 100M "$RUNNEL_OUTPUTS/sparse"'), timeout=300)
    assert artifacts(api, job)["sparse"][0] == 100 * 1024 * 1024
    cli.ok("artifacts", job, "--download", tmp_path / "got", timeout=300)
    assert (tmp_path / "got" / "sparse").stat().st_size == 100 * 1024 * 1024


def test_a_file_beyond_the_limit_is_told_and_the_others_are_kept(servers, tmp_path):
    server = servers("--artifact-max", "100000")
    cli, api, job = Cli(tmp_path / "home", server), server.api(), fresh_id()
    script = 'cd "$RUNNEL_OUTPUTS"; head -c 100000 /dev/zero >fits; head -c 100001 /dev/zero >large; exit 3'
    result = cli.run("wrap", "--id", job, *shell(script))
    assert result.code == 3  # the command's own
    assert list(artifacts(api, job)) == ["fits"]
    (told,) = events(api, job, "artifact_missing")
    assert told.startswith("The output large was not uploaded: ")
    assert b"the output large was not uploaded: " in result.err


def test_the_server_may_die_in_the_middle_of_an_upload(servers, tmp_path):
    server, job = servers(), fresh_id()
    with Stopper(server.port, BIG // 2) as stopper:
        cli = Cli(tmp_path / "home", url=stopper.url, token=server.operator_key)
        process = cli.start("wrap", "--deliver-wait", "0", "--id", job, *shell(random_file("big") + "; echo last"))
        assert stopper.stopped.wait(120)
        server.kill()
        server.restart()
        assert process.finish(120) == 0, process.err.data
    api = server.api()
    assert api.status(job)["sealed"]
    hash, last = api.messages(job)
    assert last == "last" and artifacts(api, job) == {"big": (BIG, hash.split()[0])}


def test_what_a_killed_wrap_has_left_is_delivered_with_its_outputs(servers, tmp_path):
    server, job = servers(), fresh_id()
    api, cli = server.api(), Cli(tmp_path / "home", server)
    with Stopper(server.port, BIG // 2) as stopper:
        process = cli.start("wrap", "--id", job, *shell(random_file("big")), env={"RUNNEL_URL": stopper.url})
        assert stopper.stopped.wait(120)
        process.signal(signal.SIGKILL)
        process.wait()
    assert not api.status(job)["sealed"]
    eventually(lambda: cli.run("wrap", "--resume", job).code == 0, "the delivery of what is left", 120)
    status = api.status(job)
    assert status["sealed"] and status["status"] == "completed"
    assert artifacts(api, job) == {"big": (BIG, api.messages(job)[0].split()[0])}
    assert not (tmp_path / "home" / "state" / "runnel" / "spool" / job).exists()


def test_a_run_that_found_no_server_delivers_its_outputs_later(servers, tmp_path):
    server, job = servers(start=False), fresh_id()
    server.start()
    cli = Cli(tmp_path / "home", server)
    server.stop()
    result = cli.run("wrap", "--id", job, *shell('echo x >"$RUNNEL_OUTPUTS/late"'))
    assert result.code == 0 and b"was not reached" in result.err
    server.restart()
    eventually(lambda: cli.run("wrap", "--resume", job).code == 0, "the delivery of what is left", 120)
    assert artifacts(server.api(), job) == {"late": (2, sha256(b"x\n"))}


# --- Of jobs


def test_what_a_job_leaves_is_there_when_its_log_ends(cli, api, worker):
    id = submit(cli, 'cd "$RUNNEL_OUTPUTS"; echo 1 >one; mkdir sub; echo 2 >sub/two; ln -s one link; echo last')
    status = sealed(api, id)
    assert status["status"] == "completed" and status["artifacts_count"] == 2
    assert artifacts(api, id) == {"one": (2, sha256(b"1\n")), "sub/two": (2, sha256(b"2\n"))}
    assert events(api, id, "artifact_missing") == ["The output link was not uploaded: links are not followed"]
    assert api.messages(id)[0] == "last"
    eventually(lambda: id not in worker.folders(), "the end of its folder", 60)
    assert "Artifacts: 2 outputs" in cli.ok("status", id).text()


@pytest.mark.parametrize("how", ["time-out", "cancel"])
def test_a_job_that_is_ended_leaves_its_outputs(cli, api, worker, how):
    script = 'echo part >"$RUNNEL_OUTPUTS/part"; echo ready; sleep 1000'
    id = submit(cli, script, *(["--timeout", "2s"] if how == "time-out" else []))
    eventually(lambda: "ready" in api.messages(id), "its first line", 60)
    if how == "cancel":
        api.delete(f"/api/v1/executions/{id}")
    status = sealed(api, id)
    assert status["status"] == ("timed_out" if how == "time-out" else "cancelled")
    assert artifacts(api, id) == {"part": (5, sha256(b"part\n"))}


def test_the_worker_may_die_in_the_middle_of_an_upload(cli, server, api, tmp_path):
    with Stopper(server.port, BIG // 2) as stopper:
        worker = Worker(cli, tmp_path / "worker", stopper.url).start()
        id = submit(cli, random_file("big") + "; exit 5")
        assert stopper.stopped.wait(120)
        worker.kill()
    assert not api.status(id)["sealed"]
    worker.url = None
    worker.start()
    status = sealed(api, id)
    worker.close()
    assert (status["status"], status["exit_code"]) == ("failed", 5)
    assert artifacts(api, id) == {"big": (BIG, api.messages(id)[0].split()[0])}


def test_an_upload_delays_no_line_of_other_jobs(cli, server, api, tmp_path):
    with Stopper(server.port, 1000) as stopper:
        worker = Worker(cli, tmp_path / "worker", stopper.url).start()
        first = submit(cli, random_file("big"))
        assert stopper.stopped.wait(120)
        others = [submit(cli, f"echo {i}") for i in range(8)]
        for i, id in enumerate(others):
            sealed(api, id)
            assert api.messages(id) == [str(i)]
        assert len(api.messages(first)) == 1 and not api.status(first)["sealed"]
        worker.close()


# --- artifacts


@pytest.fixture(scope="module")
def left(server, tmp_path_factory):
    """(cli, id) of an execution with artifacts."""
    one = Cli(tmp_path_factory.mktemp("left"), server)
    job = fresh_id()
    script = (
        "import os\n"
        "os.chdir(os.environ['RUNNEL_OUTPUTS'])\n"
        "os.makedirs('plots/2025')\n"
        "for name, size in (('a b.txt', 5), ('plots/1.png', 2000), ('plots/2025/ü.png', 3), ('plots2', 1), ('0', 0)):\n"
        "    open(name, 'wb').write(bytes(i % 251 for i in range(size)))\n"
    )
    one.ok("wrap", "--id", job, *python(script))
    return one, job


def content(size):
    return bytes(i % 251 for i in range(size))


ALL = {
    "0": content(0),
    "a b.txt": content(5),
    "plots/1.png": content(2000),
    "plots/2025/ü.png": content(3),
    "plots2": content(1),
}


def test_artifacts_are_shown_by_name_size_and_hash(left):
    cli, id = left
    lines = cli.ok("artifacts", id).text().splitlines()
    assert lines[0].split() == ["NAME", "SIZE", "SHA-256"]
    rows = [re.split(" {2,}", line) for line in lines[1:]]
    assert [row[0] for row in rows] == sorted(ALL)
    assert rows[2] == ["plots/1.png", "2.0 KiB", sha256(ALL["plots/1.png"])] and rows[0][1] == "0 B"
    shown = json.loads(cli.ok("artifacts", id, "-o", "json").text())
    assert shown["execution_id"] == id
    assert {one["name"]: (one["size"], one["sha256"]) for one in shown["artifacts"]} == {
        name: (len(data), sha256(data)) for name, data in ALL.items()
    }
    some = cli.ok("artifacts", id, "plots", "0").text()
    assert [line.split()[0] for line in some.splitlines()[1:]] == ["0", "plots/1.png", "plots/2025/ü.png"]
    none = cli.run("artifacts", id, "plot")
    assert none.code == 3 and b'has no artifact "plot"' in none.err
    assert cli.run("artifacts", "nobody").code == 3
    assert cli.run("artifacts", id, "--force").code == 2


def test_a_download_makes_the_same_tree(left, tmp_path):
    cli, id = left
    got = tmp_path / "new" / "folder"
    cli.ok("artifacts", id, "--download", got)
    assert tree(got) == ALL
    again = cli.ok("artifacts", id, "--download", got)
    assert again.text().count("(is there already)") == len(ALL)
    cli.ok("artifacts", id, "plots/2025", "-d", tmp_path / "part")
    assert tree(tmp_path / "part") == {"plots/2025/ü.png": content(3)}


def test_a_download_replaces_nothing_unless_told(left, tmp_path):
    cli, id = left
    (tmp_path / "plots2").write_text("mine")
    (tmp_path / "0").mkdir()
    result = cli.run("artifacts", id, "--download", tmp_path)
    assert result.code == 1
    assert b"plots2: something else is there already; --force replaces it" in result.err
    assert b"0: a folder is in the way" in result.err
    assert (tmp_path / "plots2").read_text() == "mine"
    assert (tmp_path / "plots" / "1.png").read_bytes() == content(2000)  # the others came all the same
    (tmp_path / "0").rmdir()
    cli.ok("artifacts", id, "--download", tmp_path, "--force")
    assert (tmp_path / "plots2").read_bytes() == content(1)


def test_a_download_goes_through_no_link(left, tmp_path):
    cli, id = left
    outside, inside = tmp_path / "outside", tmp_path / "inside"
    outside.mkdir()
    inside.mkdir()
    (outside / "target").write_text("mine")
    (inside / "plots").symlink_to(outside)
    (inside / "plots2").symlink_to(outside / "target")
    result = cli.run("artifacts", id, "--download", inside)
    assert result.code == 1 and b"something that is no folder is in the way" in result.err
    assert b"plots2: something else is there already" in result.err
    cli.run("artifacts", id, "--download", inside, "--force")
    assert os.listdir(outside) == ["target"] and (outside / "target").read_text() == "mine"
    assert not (inside / "plots2").is_symlink() and (inside / "plots2").read_bytes() == content(1)


def test_an_interrupted_download_goes_on_where_it_ended(left, tmp_path):
    cli, id = left
    data = ALL["plots/1.png"]
    part = tmp_path / "plots" / f".runnel-{sha256(data)}"
    part.parent.mkdir()
    part.write_bytes(data[:1500])
    cli.ok("artifacts", id, "plots/1.png", "--download", tmp_path)
    assert tree(tmp_path) == {"plots/1.png": data}
    (tmp_path / "plots" / "1.png").unlink()
    part.write_bytes(b"x" * 1500)  # of something else: it is fetched from its beginning
    cli.ok("artifacts", id, "plots/1.png", "--download", tmp_path)
    assert tree(tmp_path) == {"plots/1.png": data}
