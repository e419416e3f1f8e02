"""TLS: HTTPS, wss, the CLI over both, and certificates reloaded while connections live."""

import os
import signal
import ssl
import subprocess

import pytest
from support.api import exchange
from support.cli import Cli
from support.ws import Follower


def certificate(folder, name, days="30", names="IP:127.0.0.1,DNS:localhost"):
    cert, key = folder / f"{name}.pem", folder / f"{name}.key"
    subprocess.run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            days,
            "-keyout",
            key,
            "-out",
            cert,
        ]
        + ["-subj", f"/CN={name}", "-addext", f"subjectAltName={names}"],
        check=True,
        capture_output=True,
    )
    return cert, key


@pytest.fixture
def secure(servers, tmp_path):
    """(server, certificate file, key file, context that trusts it)"""
    cert, key = certificate(tmp_path, "first")
    server = servers("--tls-cert", cert, "--tls-key", key, scheme="https")
    return server, cert, key, ssl.create_default_context(cafile=cert)


@pytest.mark.threads
def test_everything_works_over_tls(secure, tmp_path):
    server, cert, _, context = secure
    api = server.api(ssl_context=context)
    execution_id = api.create()
    with Follower(server, execution_id, ssl=context) as follower:
        lines = [f"{i} " + "x" * 1000 for i in range(2000)]
        api.append_lines(execution_id, lines)
        assert [m["message"] for m in follower.logs(2000)] == lines
    assert api.messages(execution_id, limit=10000) == lines


def test_the_cli_trusts_the_authority_it_is_given(secure, tmp_path):
    server, cert, _, context = secure
    cli = Cli(tmp_path / "home", server)
    refused = cli.run("list")
    assert refused.code == 5 and b"certificate" in refused.err.lower(), refused
    trusted = ("--ca-file", cert)
    assert cli.ok(*trusted, "wrap", "--", "echo", "over tls").out == b"over tls\n"
    execution_id = server.api(ssl_context=context).expect(200, "GET", "/api/v1/executions")["executions"][0][
        "execution_id"
    ]
    assert cli.ok(*trusted, "logs", "-f", execution_id).out == b"over tls\n"


def test_plain_http_on_the_tls_port_gets_nothing(secure):
    assert exchange(secure[0].port, b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n").status in (0, 400)


@pytest.mark.parametrize(
    "version, works", [(ssl.TLSVersion.TLSv1_1, False), (ssl.TLSVersion.TLSv1_2, True), (ssl.TLSVersion.TLSv1_3, True)]
)
def test_versions(secure, version, works):
    server, cert, _, _ = secure
    context = ssl.create_default_context(cafile=cert)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.minimum_version = min(version, ssl.TLSVersion.TLSv1_2) if works else ssl.TLSVersion.TLSv1
    context.maximum_version = version
    api = server.api(ssl_context=context)
    if works:
        assert api.get("/health").status == 200
    else:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            api.get("/health")


def test_sighup_takes_the_new_certificate_and_keeps_old_connections(secure, tmp_path):
    server, cert, key, context = secure
    execution_id = server.api(ssl_context=context).create()
    with Follower(server, execution_id, ssl=context) as follower:
        fresh_cert, fresh_key = certificate(tmp_path, "second")
        cert.write_bytes(fresh_cert.read_bytes())
        key.write_bytes(fresh_key.read_bytes())
        server.process.signal(signal.SIGHUP)
        server.wait_log(lambda entry: "reload" in (entry["message"] or ""))
        fresh = ssl.create_default_context(cafile=fresh_cert)
        server.api(ssl_context=fresh).append(execution_id, {"message": "still here"})
        assert follower.logs(1)[0]["message"] == "still here"
    with pytest.raises(ssl.SSLError):
        server.api(ssl_context=context).get("/health")


def test_a_broken_certificate_at_reload_leaves_the_old_one(secure):
    server, cert, _, context = secure
    cert.write_text("not a certificate")
    server.process.signal(signal.SIGHUP)
    server.wait_log(lambda entry: entry["level"] == "ERROR" and "reload" in entry["message"])
    assert server.api(ssl_context=context).get("/health").status == 200


CIPHERS = [
    ("ECDHE-ECDSA-AES128-GCM-SHA256", True),
    ("ECDHE-ECDSA-AES256-GCM-SHA384", True),
    ("ECDHE-ECDSA-CHACHA20-POLY1305", True),
    ("ECDHE-ECDSA-AES128-SHA256", False),
    ("ECDHE-ECDSA-AES256-SHA", False),
    ("ECDHE-ECDSA-AES128-CCM8", False),
]


@pytest.mark.parametrize("cipher, works", CIPHERS)
def test_tls_1_2_takes_ciphers_that_authenticate_alone(secure, cipher, works):
    server, cert, _, _ = secure
    context = ssl.create_default_context(cafile=cert)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(cipher + ":@SECLEVEL=0")
    api = server.api(ssl_context=context)
    if works:
        assert api.get("/health").status == 200
    else:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            api.get("/health")


def test_a_failed_handshake_is_in_the_log_but_not_each_time(secure):
    server, _, _, context = secure
    server.connect().close()  # a check of the port is no failure
    assert exchange(server.port, b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n").status in (0, 400)
    entry = server.wait_log(lambda entry: "handshake" in (entry["message"] or ""))
    assert (
        entry["level"] == "WARNING" and "http request" in entry["reason"] and entry["peer"].startswith("127.0.0.1:")
    ), entry
    strict = ssl.create_default_context()  # does not know the certificate
    for _ in range(30):
        with pytest.raises(ssl.SSLError):
            server.api(ssl_context=strict).get("/health")
    assert server.api(ssl_context=context).get("/health").status == 200
    server.stop()
    failures = [entry for entry in server.log() if "handshake" in (entry["message"] or "")]
    assert any("unknown ca" in entry["reason"] for entry in failures), failures
    assert 2 <= len(failures) <= 5 * 2 * os.cpu_count() + 5
