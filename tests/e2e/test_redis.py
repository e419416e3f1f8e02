"""Servers that tell each other by a Redis: it may be away, slow, refuse, or lose what it was told."""

import contextlib
import pathlib
import socket
import subprocess
import threading

import pytest
from support.api import eventually
from support.cluster import Cluster
from support.jwts import certificate
from support.ports import hold
from support.process import BIN
from support.redis import Redis
from support.server import clean_env
from support.ws import Follower, Runner

AWAY = "Redis cannot be reached, or refuses"
NOT_HEARD = "the other servers cannot be told what changes here, nor heard; everybody looks once a second"


@pytest.fixture
def cluster(tmp_path):
    cluster = Cluster(tmp_path, "redis")
    yield cluster
    cluster.close()


def away(server):
    """What its readiness says of the bus; it is ready all the same."""
    answer = server.api().get("/ready", token=None)
    assert (answer.status, answer.json()["status"]) == (200, "ready")
    return answer.json().get("away", {}).get("bus")


def await_bus(server, state):
    eventually(lambda: away(server) == state, f"the bus: {state}")
    eventually(lambda: server.api().metrics()["runnel_bus_away"] == (1 if state else 0), "the metric says it too")


def test_what_servers_tell_goes_by_redis_alone(cluster):
    here, there = cluster.add(), cluster.add()
    for server in (here, there):
        await_bus(server, None)
    [channel] = cluster.redis.command("PUBSUB", "CHANNELS").split()
    assert channel.startswith("runnel_")
    assert cluster.redis.command("PUBSUB", "NUMSUB", channel).split()[1] == "2"
    of_this = "datname = current_database() AND application_name = 'runnel bus'"
    assert cluster.sql(f"SELECT count(*) FROM pg_stat_activity WHERE {of_this}") == "0"
    execution_id = here.api().create()
    for junk in ("", "junk", "1 x y", "9" * 100_000, "1 1 0\n1 2 3"):
        cluster.redis.command("PUBLISH", channel, junk)
    with Follower(there, execution_id) as follower, Runner(here, execution_id) as runner:
        runner.lines(["one"])
        assert [log["message"] for log in follower.logs(1)] == ["one"]
        runner.complete()
        follower.rest()
    assert "cmdstat_publish:" in cluster.redis.command("INFO", "commandstats")
    assert away(there) is None


def test_a_redis_that_is_away_at_the_start_holds_up_nothing_and_is_told_once(cluster):
    cluster.redis.kill()
    here, there = cluster.add(), cluster.add()
    execution_id = here.api().create()
    await_bus(here, AWAY)
    with Follower(there, execution_id) as follower, Runner(here, execution_id) as runner:
        runner.lines(["without"])
        assert [log["message"] for log in follower.logs(1)] == ["without"]
        cluster.redis.start()
        for server in (here, there):
            await_bus(server, None)
        runner.lines(["with"])
        assert [log["message"] for log in follower.logs(1)] == ["with"]
        runner.complete()
        follower.rest()
    told = [entry for entry in here.log() if entry["message"] == NOT_HEARD]
    assert [(entry["level"], entry["by"]) for entry in told] == [("WARNING", "redis")]
    assert told[0]["reason"] == "Connection refused"


def test_a_redis_that_is_killed_or_stands_still_costs_no_line(cluster):
    here, there = cluster.add(), cluster.add()
    execution_id = here.api().create()

    def follow(word, count=20):
        runner.lines([f"{word} {i}" for i in range(count)])
        assert [log["message"] for log in follower.logs(count)] == [f"{word} {i}" for i in range(count)]

    with Follower(there, execution_id) as follower, Runner(here, execution_id) as runner:
        follow("before")
        cluster.redis.kill()
        follow("killed")
        cluster.redis.start()
        follow("back")
        cluster.redis.pause()
        follow("still")
        there.api().expect(202, "DELETE", f"/api/v1/executions/{execution_id}")
        runner.expect("cancel")
        cluster.redis.go_on()
        follow("going on")
        runner.complete(143, status="cancelled")
        assert follower.rest()[1]["status"] == "cancelled"
    for server in (here, there):
        await_bus(server, None)


def test_what_answers_without_end_in_the_place_of_a_redis_holds_up_nothing(tmp_path):
    cluster, over = Cluster(tmp_path), threading.Event()

    def drip(peer):
        with contextlib.suppress(OSError), peer:
            while not over.wait(0.2):
                peer.send(b"$")

    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept():
            with contextlib.suppress(OSError):
                while True:
                    threading.Thread(target=drip, args=(listener.accept()[0],), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        try:
            server = cluster.add("--bus", f"redis://127.0.0.1:{listener.getsockname()[1]}")
            await_bus(server, AWAY)
            server.stop()
        finally:
            over.set()
            cluster.close()


def test_its_password_is_in_a_file_and_in_nothing_that_is_shown(tmp_path):
    right, wrong = tmp_path / "right", tmp_path / "wrong"
    right.write_text("p4ssw0rd-of-mine\n")
    wrong.write_text("p4ssw0rd-of-yours\n")
    cluster = Cluster(tmp_path)
    try:
        with Redis("--requirepass", "p4ssw0rd-of-mine") as redis:
            flags = ("--bus", redis.url, "--bus-credentials")
            good, bad = cluster.add(*flags, right), cluster.add(*flags, wrong)
            await_bus(good, None)
            await_bus(bad, AWAY)
            [told] = [entry for entry in bad.log() if entry["message"] == NOT_HEARD]
            assert told["reason"] == "the Redis refuses the user or the password of bus_credentials: WRONGPASS"
            wrong.write_text("default:p4ssw0rd-of-mine")  # it is read for each connection
            await_bus(bad, None)
            for server in (good, bad):
                shown = [
                    server.process.err.data,
                    server.process.out.data,
                    pathlib.Path(f"/proc/{server.process.pid}/cmdline").read_bytes(),
                ]
                shown += [server.api().get(path).body for path in ("/metrics", "/ready", "/health")]
                assert b"p4ssw0rd" not in b"".join(shown)
    finally:
        cluster.close()


@pytest.mark.parametrize(
    "flags, error",
    [
        (["--bus", "redis://ann:hidden@db"], "belongs into the file of bus_credentials"),
        (["--bus", "rediss://:hidden@db"], "bus_credentials"),
        (["--bus", "redis://db", "--bus-ca", "ca.pem"], "bus_ca is for a Redis with TLS"),
        (["--bus", "hidden"], "it must be notify, none, redis://HOST:PORT, rediss://HOST:PORT or unix:/PATH"),
        (["--bus", "redis://db", "--store", ""], "it needs a store in PostgreSQL (store)"),
        (["--bus-credentials", "/x"], "bus_credentials is for a Redis, and bus names none"),
    ],
)
def test_a_setting_that_cannot_be_right_is_refused_at_the_start(tmp_path, flags, error):
    argv = [
        BIN,
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--data",
        tmp_path / "data",
        "--store",
        "host=/nonexistent",
        *flags,
    ]
    done = subprocess.run(argv, env=clean_env(tmp_path), capture_output=True, text=True, timeout=60)
    assert done.returncode != 0
    assert error in done.stderr
    assert "hidden" not in done.stderr + done.stdout


def test_a_server_with_a_file_of_its_own_needs_no_bus(tmp_path):
    from support.server import Server

    server = Server(tmp_path, flags=("--bus", "none"))
    try:
        assert server.start().api().get("/ready", token=None).json() == {"status": "ready"}
    finally:
        server.close()


@pytest.fixture(scope="module")
def tls(tmp_path_factory):
    """A Redis with TLS, its port, and the file of its authority: for `localhost`, and no address."""
    pem, held = certificate(tmp_path_factory.mktemp("tls")), hold()
    port = held.getsockname()[1]
    files = [word for name in ("cert", "key", "ca-cert") for word in (f"--tls-{name}-file", str(pem))]
    with Redis("--tls-port", str(port), "--tls-auth-clients", "no", *files) as redis:
        yield redis, port, pem
    held.close()


def test_with_tls_servers_hear_each_other_by_a_redis_as_well(tls, tmp_path):
    redis, port, pem = tls
    cluster = Cluster(tmp_path)
    try:
        here, there = (cluster.add("--bus", f"rediss://localhost:{port}", "--bus-ca", pem) for _ in range(2))
        for server in (here, there):
            await_bus(server, None)
        [channel] = redis.command("PUBSUB", "CHANNELS").split()
        execution_id = here.api().create()
        with Follower(there, execution_id) as follower, Runner(here, execution_id) as runner:
            for i in range(20):  # a second each, without a hint
                runner.lines([f"line {i}"])
                assert [log["message"] for log in follower.logs(1)] == [f"line {i}"]
            redis.command("PUBLISH", channel, "9" * 100_000)  # more than a record of TLS
            redis.end_connections()
            runner.lines(["after"])
            assert [log["message"] for log in follower.logs(1)] == ["after"]
            runner.complete()
            follower.rest()
        for server in (here, there):
            await_bus(server, None)
    finally:
        cluster.close()


def test_a_redis_whose_certificate_is_not_right_is_not_spoken_to(tls, tmp_path):
    redis, port, pem = tls
    other = tmp_path / "other"
    other.mkdir()
    cluster = Cluster(tmp_path)
    try:
        for host, at, authority, reason in (
            ("localhost", port, certificate(other), "not trusted: self-signed certificate"),
            ("127.0.0.1", port, pem, "not trusted: IP address mismatch"),
            ("localhost", port, tmp_path / "nonesuch.pem", "the file of its authorities cannot be used"),
        ):
            server = cluster.add("--bus", f"rediss://{host}:{at}", "--bus-ca", authority)
            await_bus(server, AWAY)
            assert reason in server.wait_log(lambda entry: entry["message"] == NOT_HEARD)["reason"]
            server.stop()
        assert redis.command("PUBSUB", "CHANNELS") == ""
    finally:
        cluster.close()
