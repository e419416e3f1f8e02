"""Power loss at random moments: of the server, where what it acknowledged must be there, and of a runner's machine."""

import hashlib
import shutil
import sqlite3
import struct
import subprocess

import pytest
from support.api import eventually
from support.cli import Cli
from support.faults import chance, rounds
from support.jobs import fresh_id, output_of, python
from support.power import PUNCH, RENAME, SYNC_END, Recorder
from support.server import Server
from support.ws import Runner


def line(number):
    """Of a length of its own, and with noise that compresses badly."""
    return f"{number} " + f"{number * 2654435761 % (1 << 61):x}" * (number % 40)


def schema_of(path):
    db = sqlite3.connect(path)
    [version] = db.execute("PRAGMA user_version").fetchone()
    db.close()
    return version


def run_a_server(server, recorder, source):
    """Appends to four logs, one record to several thousand at a time, and marks what was acknowledged."""
    jobs = []
    for _ in range(4):
        jobs.append(server.api().create())
        recorder.mark(job=jobs[-1], count=0, sealed=False)
    runners = {job: Runner(server, job) for job in jobs}
    for step in range(120):
        job = source.choice(list(runners))
        runner = runners[job]
        count = source.choice((1, 1, 3, 20, 300, 2000))
        runner.lines([line(i) for i in range(runner.next, runner.next + count)])
        recorder.mark(job=job, count=runner.next, sealed=False)
        if step == 60:
            server.kill()  # so that a recovery is among what the power may interrupt
            server.restart()
            runners = {job: Runner(server, job, epoch=runners[job].ready["epoch"]) for job in jobs}
        elif step in (80, 100):
            runners.pop(job).complete()
            recorder.mark(job=job, count=runner.next, sealed=True)
        elif step in (90, 119):
            server.api().create()
            # The store's checkpoint of an idle while.
            database = server.data / "runnel.db"
            before = database.stat().st_mtime_ns
            eventually(lambda: database.stat().st_mtime_ns != before, "a checkpoint")
    return jobs


@pytest.mark.sqlite("its file, and the disk that it lies on")
@pytest.mark.timeout(900)
def test_what_a_server_acknowledged_is_there_after_power_loss(servers, tmp_path):
    source = chance()
    recorder = Recorder(tmp_path, tmp_path / "server0" / "data")
    server = servers(env=recorder.env)
    run_a_server(server, recorder, source)
    key = server.operator_key
    server.close()
    trace = recorder.trace()
    checked = acknowledged = 0
    for number in range(rounds(200, least=10)):
        moment = source.randrange(1, len(trace.entries) + 1)
        root = tmp_path / f"after{number}"
        (root / "data").mkdir(parents=True)
        trace.disk(moment, source, root / "data")
        known = {mark["job"]: mark for mark in trace.marks(moment)}
        after = Server(root).start()
        try:
            api = after.api(key if known else "")
            for job, mark in known.items():
                status = api.status(job)
                assert status["last_index"] >= mark["count"], (moment, job, mark, status)
                assert status["sealed"] or not mark["sealed"]
                messages = api.messages(job, limit=10000)
                assert messages == [line(i) for i in range(len(messages))], (moment, job)
                assert len(messages) == status["last_index"]
                if not status["sealed"] and source.random() < 0.5:
                    epoch = api.status(job).get("epoch", 1)
                    api.append_lines(job, [line(len(messages))]) if epoch else None
                acknowledged += mark["count"]
                checked += 1
            alarms = [
                entry
                for entry in after.log()
                if "lost" in entry.get("message", "") or "aside" in entry.get("message", "")
            ]
            assert alarms == [], (moment, alarms)
        finally:
            after.kill()
        shutil.rmtree(root)
    print(
        f"{checked} logs with {acknowledged} acknowledged records were whole, over {len(trace.entries)} traced operations"
    )
    assert checked


@pytest.mark.sqlite("its file, and the disk that it lies on")
@pytest.mark.timeout(900)
def test_contents_that_came_together_are_there_after_power_loss(servers, tmp_path):
    """All of a body whose answer had come, and of one whose answer had not all or nothing."""
    source = chance()
    recorder = Recorder(tmp_path, tmp_path / "server0" / "data")
    server = servers(env=recorder.env)
    api, sent = server.api(), []

    def upload(number):
        contents = [source.randbytes(source.choice((0, 1, 200, 200, 3000))) for _ in range(source.choice((1, 5, 40)))]
        body = b"".join(
            f"{hashlib.sha256(one).hexdigest()} {len(one)}\n".encode() + one for one in contents + [b"%d" % number]
        )
        sent.append(contents)
        assert api.request("POST", "/api/v1/blobs", body).status == 201
        recorder.mark(body=number)

    for number in range(20):
        upload(number)
    key = server.operator_key
    server.close()
    trace = recorder.trace()
    first = next(i for i, entry in enumerate(trace.entries) if "/pk/" in entry.path)
    whole = 0
    for number in range(rounds(100, least=10)):
        moment = source.randrange(first, len(trace.entries) + 1)
        root = tmp_path / f"after{number}"
        (root / "data").mkdir(parents=True)
        trace.disk(moment, source, root / "data")
        after = Server(root).start()
        try:
            api = after.api(key)
            promised = {mark["body"] for mark in trace.marks(moment) if "body" in mark}
            for body, contents in enumerate(sent):
                hashes = {hashlib.sha256(one).hexdigest(): one for one in contents if len(one) > 2}
                lacking = api.expect(200, "POST", "/api/v1/blobs/missing", {"hashes": list(hashes)})["missing"]
                assert lacking == [] or (lacking == list(hashes) and body not in promised), (moment, body)
                for digest in hashes.keys() - lacking:
                    file = {"name": "in", "sha256": digest, "size": len(hashes[digest])}
                    id = api.create(inputs=[file])
                    assert api.get(f"/api/v1/executions/{id}/inputs/in").body == hashes[digest], (moment, body)
                    whole += 1
                    break
        finally:
            after.kill()
        shutil.rmtree(root)
    print(f"{whole} contents were whole, over {len(trace.entries)} traced operations")
    assert whole


@pytest.mark.sqlite("its file, and the disk that it lies on")
def test_contents_are_there_after_power_loss_whose_folder_a_killed_server_had_made(servers, tmp_path):
    """And not synced: it was killed right then."""
    source = chance()
    recorder = Recorder(tmp_path, tmp_path / "server0" / "data")
    server = servers(env=recorder.env)
    content = b"together"
    digest = hashlib.sha256(content).hexdigest()
    assert server.api().request("PUT", f"/api/v1/blobs/{hashlib.sha256(b'alone').hexdigest()}", b"alone").status == 201
    server.kill()
    recorder.made(server.data / "blobs" / "content" / "1" / "pk")
    server.restart()
    assert server.api().request("POST", "/api/v1/blobs", f"{digest} {len(content)}\n".encode() + content).status == 201
    id = server.api().create(inputs=[{"name": "in", "sha256": digest, "size": len(content)}])
    key = server.operator_key
    server.kill()
    trace = recorder.trace()
    (tmp_path / "after" / "data").mkdir(parents=True)
    trace.disk(len(trace.entries), source, tmp_path / "after" / "data", share=0.0)
    after = Server(tmp_path / "after").start()
    try:
        assert after.api(key).get(f"/api/v1/executions/{id}/inputs/in").body == content
    finally:
        after.kill()


def test_the_first_key_is_there_once_the_server_is_ready(servers, tmp_path):
    source = chance()
    recorder = Recorder(tmp_path, tmp_path / "server0" / "data")
    server = servers(env=recorder.env)
    recorder.mark(ready=True)
    key = server.operator_key
    server.kill()
    trace = recorder.trace()
    moment = next(i for i, entry in enumerate(trace.entries) if trace.marks(i + 1)) + 1
    for number in range(8):
        root = tmp_path / f"after{number}"
        root.mkdir()
        trace.disk(moment, source, root)
        assert (root / "admin.key").read_text().strip() == key


@pytest.mark.sqlite("`runnel backup` and `restore`")
@pytest.mark.timeout(900)
def test_a_backup_whose_power_fails_is_whole_or_not_there(servers, tmp_path):
    """And the answer comes when it is there to stay."""
    source = chance()
    recorder = Recorder(tmp_path, tmp_path / "server0" / "data")
    server = servers(env=recorder.env)
    api = server.api()
    job = api.create()
    expected, trace_from = [], None
    for name in ("one.db", "two.db", "three.db"):
        expected += [line(i) for i in range(len(expected), len(expected) + 400)]
        api.append_lines(job, expected[-400:])
        trace_from = trace_from or recorder.file.stat().st_size
        api.expect(201, "POST", "/api/v1/backup", {"path": name})
        recorder.mark(backup=name, count=len(expected))
    server.close()
    trace = recorder.trace()
    first = next(i for i, entry in enumerate(trace.entries) if "backups" in entry.path)
    whole = 0
    for number in range(rounds(200, least=25)):
        moment = source.randrange(first, len(trace.entries) + 1)
        root = tmp_path / f"after{number}"
        (root / "data").mkdir(parents=True)
        trace.disk(moment, source, root / "data")
        promised = {mark["backup"]: mark["count"] for mark in trace.marks(moment)}
        found = {path.name: path for path in (root / "data" / "backups").glob("*.db")}
        assert set(promised) <= set(found), (moment, promised, found)
        for name, path in found.items():
            with sqlite3.connect(f"file:{path}?immutable=1", uri=True) as db:
                assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",), (moment, name)
                assert db.execute("SELECT count(*) FROM meta WHERE name = 'backup'").fetchone() == (1,)
            db.close()
            whole += 1
        shutil.rmtree(root)
    print(f"{whole} backups were whole, over {len(trace.entries)} traced operations")
    assert whole


@pytest.mark.sqlite("`runnel backup` and `restore`")
@pytest.mark.timeout(900)
def test_a_restore_whose_power_fails_leaves_the_former_store_or_the_new_one(servers, tmp_path):
    source = chance()
    server = servers()
    api = server.api()
    job = api.create()
    before = [line(i) for i in range(500)]
    api.append_lines(job, before)
    api.expect(201, "POST", "/api/v1/backup", {"path": "copy.db"})
    after_backup = [line(i) for i in range(500, 1500)]
    api.append_lines(job, after_backup)
    key = server.operator_key
    copy = tmp_path / "copy.db"
    (server.data / "backups" / "copy.db").rename(copy)
    server.kill()  # with a WAL that the former store needs
    recorder = Recorder(tmp_path, server.data)
    start = {path.name: (path.stat().st_ino, path.read_bytes()) for path in server.data.iterdir() if path.is_file()}
    start.pop("runnel.db-shm")
    Cli(tmp_path / "home").ok("restore", copy, "--data", server.data, env=recorder.env)
    recorder.mark(restored=True)
    trace = recorder.trace()
    seen = set()
    for number in range(rounds(100, least=20)):
        moment = (1, len(trace.entries))[number] if number < 2 else source.randrange(1, len(trace.entries) + 1)
        root = tmp_path / f"after{number}"
        (root / "data").mkdir(parents=True)
        trace.disk(moment, source, root / "data", start)
        after = Server(root).start()
        try:
            messages = after.api(key).messages(job, limit=10000)
            assert messages in (before, before + after_backup), (moment, len(messages))
            assert messages == before or not trace.marks(moment), moment
            seen.add(len(messages))
        finally:
            after.kill()
        shutil.rmtree(root)
    assert seen == {500, 1500}


@pytest.mark.sqlite("its file, and the disk that it lies on")
@pytest.mark.timeout(900)
def test_a_migration_whose_power_fails_leaves_the_one_version_or_the_other(servers, tmp_path):
    source = chance()
    server, cli = servers(), Cli(tmp_path / "home")
    job = server.api().create()
    lines = [line(i) for i in range(500)]
    server.api().append_lines(job, lines)
    key = server.operator_key
    server.kill()  # with a WAL that is needed
    newest = schema_of(server.data / "runnel.db")
    recorder = Recorder(tmp_path, server.data)
    start = {path.name: (path.stat().st_ino, path.read_bytes()) for path in server.data.iterdir() if path.is_file()}
    start.pop("runnel.db-shm", None)
    cli.ok("store", "migrate", "--to", newest - 1, "--data", server.data, env=recorder.env)
    recorder.mark(schema=newest - 1)
    cli.ok("store", "migrate", "--to", newest, "--data", server.data, env=recorder.env)
    recorder.mark(schema=newest)
    trace = recorder.trace()
    told = [index + 1 for index in range(len(trace.entries)) if len(trace.marks(index + 1)) > len(trace.marks(index))]
    assert len(told) == 2 and told[1] == len(trace.entries)
    known = told + [index + 1 for index, entry in enumerate(trace.entries) if entry.op == SYNC_END]
    seen = set()
    for number in range(len(known) + rounds(100, least=5)):
        # Each state that a sync has left; then any.
        moment = known[number] if number < len(known) else source.randrange(1, len(trace.entries))
        root = tmp_path / f"after{number}"
        for folder in ("data", "looked at"):  # who opens it changes it
            (root / folder).mkdir(parents=True)
        trace.disk(moment, source, root / "data", start)
        for path in (root / "data").iterdir():
            shutil.copy(path, root / "looked at")
        schema = schema_of(root / "looked at" / "runnel.db")
        assert schema == trace.marks(moment)[-1]["schema"] if moment in told else schema in (newest, newest - 1), moment
        seen.add(schema)
        after = Server(root).start()
        try:
            assert after.api(key).messages(job, limit=1000) == lines, moment
            assert not [entry for entry in after.log() if entry.get("level") == "ERROR"], moment
        finally:
            after.kill()
        shutil.rmtree(root)
    assert seen == {newest, newest - 1}


def named_at(trace, state):
    """When the spool's name was durable. The folders are synced from the run's own upwards; `state` is the last."""
    found = (i for i, entry in enumerate(trace.entries) if entry.op == SYNC_END and entry.path == str(state))
    return next(found, len(trace.entries))


# Lines at a steady pace for a few seconds.
PACED = """
import os, time
for i in range(400):
    os.write(1, b"".join(b"line %d\\n" % j for j in range(i * 25, i * 25 + 25)))
    time.sleep(0.01)
"""
PACED_OUT = b"".join(b"line %d\n" % i for i in range(10000))


@pytest.mark.timeout(900)
def test_a_runner_without_power_loses_at_most_what_it_had_not_synced(servers, tmp_path):
    """With no server there to have anything: all that is left is in the spool. What had passed before a sync of it began
    that has ended is surely in it, once the spool's own name is durable."""
    source = chance()
    absent = servers()
    token, url = absent.operator_key, absent.url
    absent.stop()
    state = tmp_path / "home" / "state"
    state.mkdir(parents=True)
    recorder = Recorder(tmp_path, state)
    cli = Cli(tmp_path / "home", url=url, token=token)
    job = fresh_id()
    with cli.start("wrap", "-q", "--deliver-wait", "1ms", "--id", job, *python(PACED), env=recorder.env) as process:
        for count in range(500, 10001, 500):
            process.out.wait_lines(count)
            recorder.mark(count=count)
        process.finish(60)
    trace = recorder.trace()
    delivered = nothing = 0
    # Once it has said where it leaves the log, all of it is there, and how the job ended.
    moments = [len(trace.entries)] * 3 + [
        source.randrange(1, len(trace.entries) + 1) for _ in range(rounds(200, least=10))
    ]
    for number, moment in enumerate(moments):
        home = tmp_path / f"after{number}"
        (home / "state").mkdir(parents=True)
        is_over = moment == len(trace.entries)
        trace.disk(moment, source, home / "state", share=source.choice((0.0, 0.5)) if is_over else None)
        surely = 0
        if moment > named_at(trace, state):
            surely = max([mark["count"] for mark in trace.surely_synced(moment, f"{job}/spool")], default=0)
        server = Server(home / "server").start()
        try:
            result = Cli(home, server).run("wrap", "--resume", job)
            api = server.api()
            answer = api.get(f"/api/v1/executions/{job}")
            if answer.status == 404:
                assert surely == 0, (moment, surely, result)
                nothing += 1
                continue
            assert result.code == 0, (moment, result)
            kept = output_of(api, job)
            assert PACED_OUT.startswith(kept) and kept.count(b"\n") >= surely, (moment, surely, kept[-100:])
            status = api.status(job)
            assert status["status"] == "completed" or not is_over, (moment, status)
            events = [record["event_type"] for record in api.logs(job, limit=10000) if record["stream"] == "event"]
            if status["status"] == "lost":
                assert events == ["capture_interrupted"] and status["exit_code"] is None
            else:
                assert events == [] and kept == PACED_OUT and status["status"] == "completed"
            assert status["sealed"]
            delivered += 1
        finally:
            server.kill()
        shutil.rmtree(home)
    print(
        f"{delivered} spools gave a whole prefix, {nothing} had not been synced yet; {len(trace.entries)} traced operations"
    )
    assert delivered
    synced = [entry for entry in trace.entries if entry.op == SYNC_END and entry.path.endswith(f"/{job}/spool")]
    assert len(synced) >= 3  # it does so each second, while there is something new


# A spool's file: docs/internals/spool.md.
HEAD = struct.Struct("<8sQQQQQ")
FRAME = struct.Struct("<IIQQ")


def counters_of(spool):
    """(first, next) of the records that a spool holds, by its newest head and the frames behind that."""
    _, _, at, first, _, _ = max(
        (HEAD.unpack_from(spool, slot) for slot in (0, 512) if spool[slot : slot + 6] == b"RNLSPL"),
        key=lambda head: head[1],
        default=(b"", 0, 4096, 0, 0, 0),
    )
    following = first
    while len(spool) >= at + FRAME.size + 8:
        length, count, counter, _ = FRAME.unpack_from(spool, at)
        if counter != following or count == 0 or len(spool) < at + FRAME.size + length + 8:
            break
        following += count
        at += FRAME.size + length + 8
    return first, following


def holes_of_a_named_spool(trace, state):
    """Where the spool gave space back."""
    named = named_at(trace, state)
    return [i for i, entry in enumerate(trace.entries) if entry.op == PUNCH and i > named]


@pytest.mark.timeout(900)
def test_a_spool_that_gives_its_space_back_is_whole_after_power_loss(servers, tmp_path):
    """The hole takes what the server has. The head that says where the rest begins has to be on the disk before."""
    source = chance()
    server = servers()
    api = server.api()
    state = tmp_path / "home" / "state"
    state.mkdir(parents=True)
    recorder = Recorder(tmp_path, state)
    cli = Cli(tmp_path / "home", server)
    job = fresh_id()
    echo = "import sys\nfor line in sys.stdin.buffer: sys.stdout.buffer.write(line); sys.stdout.buffer.flush()"
    options = ("--spool-max", "4194304", "--deliver-wait", "0", "--id", job)
    # How often it trims depends on the machine's pace. What is looked at is a spool whose name is durable, so it is
    # fed until it has trimmed a few times since; 200,000 lines are far more than any machine needs.
    with cli.start("wrap", "-q", *options, *python(echo), env=recorder.env, stdin=subprocess.PIPE) as process:
        for count in range(500, 200001, 500):
            process.write(
                b"".join(b"%d %s\n" % (i, source.randbytes(400).hex().encode()) for i in range(count - 500, count))
            )
            process.out.wait_lines(count)
            recorder.mark(count=count)
            eventually(
                lambda: (r := api.get(f"/api/v1/executions/{job}")).status == 200 and r.json()["last_index"] >= count,
                "taken",
            )
            if count % 4000 == 0 and len(holes_of_a_named_spool(recorder.so_far(), state)) >= 4:
                break
        process.close_stdin()
        process.finish(60)
    trace = recorder.trace()
    punched = holes_of_a_named_spool(trace, state)
    # When all was delivered the spool goes, by one rename of its folder.
    gone = [i for i, entry in enumerate(trace.entries) if entry.op == RENAME and entry.path.endswith(f"/spool/{job}")]
    assert len(gone) == 1
    checked = 0
    for number in range(rounds(400, least=40)):
        moment = min(source.choice(punched) + source.choice((1, 1, 2, 5)), gone[0])
        disk = tmp_path / f"disk{number}"
        disk.mkdir()
        trace.disk(moment, source, disk, share=0.5)
        surely = max((mark["count"] for mark in trace.surely_synced(moment, f"{job}/spool")), default=0)
        spool = disk / "runnel" / "spool" / job / "spool"
        first, following = counters_of(spool.read_bytes())
        assert first <= following and following >= surely, (moment, first, following, surely)
        checked += first > 0
        shutil.rmtree(disk)
    print(f"{len(punched)} holes; {checked} spools that had given something back were whole")
    assert checked
