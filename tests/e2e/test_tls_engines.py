"""Engines that are spoken to with TLS, by authorities of one's own: whose certificate is not right gets nothing."""

import subprocess

import pytest
from support import s3
from support.api import eventually
from support.jwts import certificate
from support.loki import Loki
from support.postgres import Postgres, roomy_folder
from support.process import BIN
from support.s3_kept import blob
from support.server import clean_env
from support.tls_front import TlsFront


@pytest.fixture(scope="module")
def pem(tmp_path_factory):
    """A key and its certificate, for `localhost` and no address; it is its own authority."""
    return certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    return certificate(tmp_path_factory.mktemp("other"))


@s3.needs_s3
def test_files_go_to_s3_with_tls_to_the_right_one_alone(servers, pem, other):
    engine, content = s3.shared(), b"what is kept" * 1000
    with TlsFront(pem, engine.url) as front:

        def server(prefix, host, authority):
            where = engine.flags(prefix, f"https://{host}:{front.port}")
            return servers(*where, "--s3-ca", authority, "--s3-timeout-seconds", "2", env=engine.keys)

        right = server("tls-right", "localhost", pem).api()
        assert right.request("PUT", blob(content), content).status == 201
        assert engine.files("tls-right")
        for prefix, host, authority in (("tls-authority", "localhost", other), ("tls-host", "127.0.0.1", pem)):
            wrong = server(prefix, host, authority)
            answer = wrong.api().request("PUT", blob(content), content)
            assert (answer.status, answer.code) == (503, "unavailable")
            assert wrong.wait_log(lambda entry: "certificate" in entry.get("detail", "").lower())  # for the operator
            assert not engine.files(prefix)


def test_lines_are_pushed_to_loki_with_tls_to_the_right_one_alone(servers, pem, other):
    loki = Loki()
    try:
        with TlsFront(pem, loki.url) as front:
            for run, host, authority in (("authority", "localhost", other), ("host", "127.0.0.1", pem)):
                server = servers(*loki.flags(url=f"https://{host}:{front.port}", ca=authority))
                api = server.api()
                api.create(execution_id=run, queue=False)
                api.append(run, {"message": "kept"})
                said = server.wait_log(lambda entry: entry["message"].startswith("Loki does not take logs"))
                assert "certificate" in said["reason"].lower(), said
                assert api.messages(run) == ["kept"]
                server.stop()
            assert loki.lines() == []
            api = servers(*loki.flags(url=f"https://localhost:{front.port}", ca=pem)).api()
            api.create(execution_id="right", queue=False)
            api.append("right", {"message": "pushed"})
            loki.wait(lambda: [line.text for line in loki.lines(run_id="right")] == ["pushed"])
        assert loki.problems == []
    finally:
        loki.close()


def test_the_store_is_in_a_postgresql_whose_certificate_is_verified(servers, pem, other, tmp_path):
    engine = Postgres(roomy_folder(), tls=pem)
    try:

        def address(host, authority):
            return f"postgresql://postgres@{host}:{engine.port}/postgres?sslmode=verify-full&sslrootcert={authority}"

        server = servers("--store", address("localhost", pem))
        api = server.api()
        execution_id = api.create()
        api.append(execution_id, {"message": "there"})
        assert api.messages(execution_id) == ["there"]
        by = "SELECT bool_and(s.ssl), count(*) > 2 FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid) "
        assert engine.sql(by + "WHERE a.client_port > 0") == "t|t"
        for host, authority, reason in (
            ("localhost", other, "certificate verify failed"),
            ("127.0.0.1", pem, "does not match host name"),
        ):
            argv = [
                BIN,
                "serve",
                "--listen",
                "127.0.0.1:0",
                "--data",
                tmp_path / "d",
                "--store",
                address(host, authority),
            ]
            done = subprocess.run(argv, env=clean_env(tmp_path), capture_output=True, text=True, timeout=60)
            assert done.returncode != 0 and reason in done.stderr, done
        assert eventually(lambda: api.get("/ready", token=None).status == 200, "the first one goes on")
    finally:
        engine.close()
