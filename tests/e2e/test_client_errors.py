"""What the command line says when a server cannot be reached, or what answers is none: the cause, and what to do."""

import contextlib
import http.server
import json
import ssl
import threading

import pytest
from support.cli import Cli
from support.proxy import Proxy
from test_tls import certificate


@contextlib.contextmanager
def answerer(status, headers=(), tls=None, body=b""):
    """A web server that answers everything in the same way; how often, and its URL."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def answer(self):
            seen.append(self.path)
            self.send_response(status)
            for name, value in headers:
                self.send_header(name, value.replace("PATH", self.path))
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = answer

        def log_message(self, *_):
            pass

    seen = []
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*tls)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http{'s' if tls else ''}://127.0.0.1:{server.server_address[1]}", seen
    server.shutdown()
    server.server_close()


COMMANDS = [["list"], ["logs", "x"], ["logs", "-f", "x"]]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("name, ca, said", [
    ("localhost", None, b"is not trusted: if it is from an authority of your own, name that by --ca-file"),
    ("localhost", "missing.pem", b"the file of certificate authorities cannot be used (error setting certificate file: "),
    ("elsewhere", "own", b"certificate is for another name than 127.0.0.1"),
])  # fmt: skip
def test_a_certificate_that_is_not_good_is_named_and_not_tried_again(tmp_path, command, name, ca, said):
    tls = certificate(tmp_path, name, names=f"DNS:{name}")
    with answerer(200, tls=tls) as (url, seen):
        trusted = {"own": ["--ca-file", tls[0]], None: []}.get(ca, ["--ca-file", tmp_path / "missing.pem"])
        result = Cli(tmp_path / "home", url=url, token="rnl_x").run(*trusted, *command, expect=5)
        assert said in result.err and seen == []


def test_an_untrusted_server_gets_nothing_of_a_job_and_the_job_runs_whole(tmp_path):
    with answerer(200, tls=certificate(tmp_path, "localhost")) as (url, seen):
        cli = Cli(tmp_path / "home", url=url, token="rnl_x")
        result = cli.ok("wrap", "--id", "kept", "--deliver-wait", "0", "--", "echo", "all the same")
        assert result.out == b"all the same\n" and seen == []
        assert b"does not take this log: the certificate of 127.0.0.1 is not trusted" in result.err
        assert b"runnel wrap --resume kept" in result.err


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_tls_and_plain_http_taken_for_each_other_are_named(secure_url, server, tmp_path, command):
    to_plain = Cli(tmp_path / "a", url=server.url.replace("http:", "https:"), token="rnl_x").run(*command, expect=5)
    assert b"does not speak TLS at this port: is its URL http:// instead of https://?" in to_plain.err
    to_tls = Cli(tmp_path / "b", url=secure_url.replace("https:", "http:"), token="rnl_x").run(*command, expect=5)
    assert b"https://" in to_tls.err


@pytest.fixture
def secure_url(servers, tmp_path):
    cert, key = certificate(tmp_path, "first")
    return servers("--tls-cert", cert, "--tls-key", key, scheme="https").url


@pytest.mark.parametrize("url, said", [
    ("http://there-is-none.invalid", b"the host there-is-none.invalid is not known"),
    ("http://127.0.0.1:1", b"Couldn't connect to server (Connection refused)"),
])  # fmt: skip
def test_a_server_that_is_not_there_is_named(tmp_path, url, said):
    for command in COMMANDS:
        assert said in Cli(tmp_path / "home", url=url, token="rnl_x").run(*command, expect=5).err


@pytest.mark.parametrize("status, code, said", [
    (404, 5, b"what answers there is not a Runnel server (HTTP status 404): is the URL right?"),
    (502, 1, b"a proxy in between says that the server behind it is away (HTTP status 502)"),
    (401, 4, b"a proxy in between wants a login of its own (HTTP status 401)"),
])  # fmt: skip
def test_an_answer_of_something_else_is_told_from_a_servers(tmp_path, status, code, said):
    with answerer(status) as (url, _):
        assert said in Cli(tmp_path / "home", url=url, token="rnl_x").run("list", expect=code).err


# --- redirects
def test_a_redirect_of_the_same_host_to_https_is_followed(servers, tmp_path):
    cert, key = certificate(tmp_path, "first")
    server = servers("--tls-cert", cert, "--tls-key", key, scheme="https")
    with answerer(308, [("Location", server.url + "PATH")]) as (url, _):
        cli = Cli(tmp_path / "home", server)
        trusted = ("--url", url, "--ca-file", cert)
        cli.ok(*trusted, "wrap", "-q", "--id", "x", "--", "echo", "there")
        assert cli.ok(*trusted, "logs", "x").out == b"there\n"
        assert cli.ok(*trusted, "logs", "-f", "x").out == b"there\n"


def test_a_redirect_elsewhere_gets_no_credential(tmp_path):
    with answerer(200) as (other, seen), answerer(307, [("Location", other + "PATH")]) as (url, _):
        result = Cli(tmp_path / "home", url=url, token="rnl_secret").run("list", expect=5)
        assert f"Location: {other}/api/v1/executions".encode() in result.err and seen == []


# --- proxies
def test_a_proxy_without_upgrades_is_named_and_followed_through_by_http(server, api, tmp_path):
    execution_id = api.create()
    api.append_lines(execution_id, ["one", "two"])
    proxy = Proxy(server.port, refuse=lambda head: b"upgrade: websocket" in head.lower())
    cli = Cli(tmp_path / "home", server)
    with cli.start("--url", proxy.url, "logs", "-f", execution_id) as follower:
        follower.out.wait_for(b"two\n")
    result = cli.run("--url", proxy.url, "wrap", "--deliver-wait", "1s", "--", "true")
    assert b"does not pass the upgrade to a WebSocket on (HTTP status 403)" in result.err


def test_a_server_on_loopback_is_never_asked_for_through_a_proxy(server, tmp_path):
    nowhere = "http://127.0.0.1:1"
    Cli(tmp_path / "home", server).ok("list", env={"http_proxy": nowhere, "all_proxy": nowhere})


def test_a_proxy_of_the_environment_is_used_for_other_servers(tmp_path):
    with answerer(502) as (url, seen):
        result = Cli(tmp_path / "home", url="http://runnel.example", token="rnl_x").run("list", env={"http_proxy": url})
        assert b"a proxy in between" in result.err
        assert seen == ["http://runnel.example/api/v1/executions?limit=50"]


def test_authorities_of_the_environment_are_trusted(servers, tmp_path):
    cert, key = certificate(tmp_path, "first")
    server = servers("--tls-cert", cert, "--tls-key", key, scheme="https")
    Cli(tmp_path / "home", server).ok("list", env={"SSL_CERT_FILE": str(cert)})


# --- tokens
@pytest.mark.parametrize("end", ["\n", "\r\n", " "])
def test_a_newline_behind_a_token_is_no_part_of_it(server, tmp_path, end):
    Cli(tmp_path / "home", server, token=None).ok("list", env={"RUNNEL_TOKEN": server.operator_key + end})


def test_a_token_that_cannot_be_one_is_refused_before_anything_is_asked(server, tmp_path):
    result = Cli(tmp_path / "home", server).run("list", env={"RUNNEL_TOKEN": "rnl_a\nrnl_b"}, expect=2)
    assert b"the token has characters that no credential has" in result.err


def test_a_url_that_cannot_be_one_is_refused_with_its_forms(tmp_path):
    result = Cli(tmp_path / "home").run("--url", "ftp://x", "list", expect=2)
    assert b'must be http://HOST[:PORT][/PATH] or https://HOST[:PORT][/PATH], not "ftp://x"' in result.err


# --- hints
def test_commands_that_are_told_carry_the_options_that_they_need(server, tmp_path):
    cli = Cli(tmp_path / "home")
    data = tmp_path / "a folder"
    options = ["--url", server.url, "--token", server.operator_key, "--data", data]
    result = cli.ok(*options, "wrap", "--id", "told", "--", "echo", "x")
    assert f"(follow: runnel logs -f --url {server.url} --data '{data}' --token TOKEN told)".encode() in result.err
    away = cli.run(
        "--url", "http://127.0.0.1:1", "--data", data, "wrap", "--id", "left", "--deliver-wait", "1s", "--", "true"
    )
    assert f"runnel wrap --url http://127.0.0.1:1 --data '{data}' --resume left".encode() in away.err


def test_errors_name_the_path_and_its_reason(tmp_path):
    plain = tmp_path / "file"
    plain.write_text("")
    cli = Cli(tmp_path / "home", url="http://127.0.0.1:1", token="rnl_x")
    wrapped = cli.run("--data", plain, "wrap", "--", "true")
    assert wrapped.code != 0 and f"{plain}/spool: Not a directory".encode() in wrapped.err
    served = cli.run("serve", "--listen", "127.0.0.1:0", "--data", plain / "x")
    assert f"the data folder cannot be made: {plain}/x: Not a directory".encode() in served.err


def test_a_backup_that_the_servers_store_cannot_make_is_said_once(tmp_path):
    said = "this server's store (postgres) makes no backups; use the tools of that store"
    error = json.dumps({"error": {"code": "unsupported", "message": said, "request_id": "r"}}).encode()
    headers = [("Content-Type", "application/json"), ("X-Runnel-Incarnation", "I")]
    with answerer(501, headers, body=error) as (url, seen):
        result = Cli(tmp_path / "home", url=url, token="rnl_x").run("backup", expect=1)
    assert said.encode() in result.err and seen == ["/api/v1/backup"]
