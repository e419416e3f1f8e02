"""Behind proxies: real ones with the configurations of docs/proxies.md, taken from the page itself, and what the
server believes."""

import contextlib
import json
import os
import pathlib
import pwd
import re
import shutil
import signal
import socket
import ssl
import stat
import subprocess
import tempfile
import threading

import pytest
from support import DEADLINE
from support.api import Api, RawConnection, exchange
from support.cli import Cli
from support.job_worker import JobWorker
from support.jobs import fresh_id, output_of
from support.ports import hold
from support.process import Process
from support.server import Server
from support.sse import Stream
from support.unix import address
from support.ws import Follower, Runner

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "proxies.md").read_text()
NAME = "runnel.example"


def block(heading, language, index=0):
    """A configuration as it stands beneath a heading of the page."""
    section = re.split(r"^## ", PAGE, flags=re.M)
    [text] = [part for part in section if part.startswith(heading + "\n")]
    return re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.M | re.S)[index]


_held = []


def free_port():
    """It is held to the end of all tests."""
    _held.append(hold())
    return _held[-1].getsockname()[1]


def connects(port):
    with contextlib.suppress(OSError):
        socket.create_connection(("127.0.0.1", port), timeout=DEADLINE).close()
        return True
    return False


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certificate")
    cert, key, both = folder / "cert.pem", folder / "key.pem", folder / "both.pem"
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
            "30",
            "-keyout",
            key,
            "-out",
            cert,
        ]
        + ["-subj", f"/CN={NAME}", "-addext", f"subjectAltName=IP:127.0.0.1,DNS:{NAME},DNS:localhost"],
        check=True,
        capture_output=True,
    )
    both.write_bytes(cert.read_bytes() + key.read_bytes())
    return cert, key, both


def placed(text, port, upstream, certificate):
    """The page's configuration with nothing but ports and files changed."""
    cert, key, both = certificate
    wanted = {
        "127.0.0.1:7117": f"127.0.0.1:{upstream}",
        "/etc/ssl/runnel.example.key": str(key),
        "/etc/ssl/runnel.example.pem": str(both if "ssl crt" in text else cert),
    }
    for old, new in wanted.items():
        text = text.replace(old, new)
    return re.sub(
        r"(listen |Listen |\*:|bind :)443\b",
        lambda m: m.group(1).replace("bind :", "bind 127.0.0.1:") + str(port),
        text,
    )


def start_nginx(folder, text):
    user = f"user {pwd.getpwuid(os.getuid()).pw_name};" if os.getuid() == 0 else ""
    (folder / "site.conf").write_text(text)
    temps = "".join(
        f"{name}_temp_path {folder}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(
        f"{user} daemon off; pid {folder}/pid; error_log stderr; events {{}}\nhttp {{ access_log off; {temps} include {folder}/site.conf; }}\n"
    )
    return ["nginx", "-p", folder, "-c", folder / "nginx.conf"]


def start_caddy(folder, text):
    port = re.search(r"^runnel\.example:(\d+)", text, flags=re.M).group(1)
    options = f"{{\n admin off\n auto_https disable_redirects\n https_port {port}\n storage file_system {folder}\n}}\n"
    (folder / "Caddyfile").write_text(options + text)
    return ["caddy", "run", "--config", folder / "Caddyfile", "--adapter", "caddyfile"]


def start_haproxy(folder, text):
    (folder / "haproxy.cfg").write_text(text)
    return ["haproxy", "-f", folder / "haproxy.cfg", "-db"]


def start_apache(folder, text):
    modules = "mpm_event authz_core ssl socache_shmcb proxy proxy_http headers".split()
    load = "".join(f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n" for name in modules)
    own = (
        f"ServerRoot {folder}\nServerName localhost\nPidFile {folder}/pid\nErrorLog /dev/stderr\nMutex file:{folder}\n"
    )
    (folder / "apache.conf").write_text(load + own + text)
    return ["apache2", "-d", folder, "-f", folder / "apache.conf", "-DFOREGROUND"]


PROXIES = {"nginx": ("nginx", "nginx", start_nginx), "caddy": ("Caddy", "caddyfile", start_caddy)}
PROXIES |= {"haproxy": ("HAProxy", "haproxy", start_haproxy), "apache": ("Apache", "apache", start_apache)}


@contextlib.contextmanager
def running(folder, command, port):
    """The proxy, from when it listens until it has ended."""
    path = "/usr/sbin:/usr/bin:/sbin:/bin"
    assert shutil.which(command[0], path=path), f"install {command[0]}: ./dev check does"
    env = {"PATH": path, "HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    with Process([str(part) for part in command], env=env, cwd=str(folder)) as process:
        end = threading.Event()
        deadline = threading.Timer(DEADLINE, end.set)
        deadline.start()
        while not connects(port):
            assert process.popen.poll() is None and not end.is_set(), process.err.data[-3000:].decode(errors="replace")
        deadline.cancel()
        try:
            yield process
        finally:
            process.signal(signal.SIGTERM)  # so that it ends its own children
            with contextlib.suppress(Exception):
                process.finish(10)


@pytest.fixture(scope="module")
def behind(tmp_path_factory):
    """A server with the settings of the page."""
    folder = tmp_path_factory.mktemp("server")
    config = folder / "server.conf"
    config.write_text(block("What the server has to know", "ini").replace("127.0.0.1:7117", "127.0.0.1:0"))
    server = Server(folder, flags=["--config", config, "--log-level", "info", "--failed-logins-max", "3"])
    yield server.start()
    server.close()


class Public:
    """What clients see of a server behind a proxy: the support's classes take it for a server."""

    scheme, host = "https", NAME

    def __init__(self, server, port, context):
        self.server, self.port, self.context = server, port, context
        self.operator_key = server.operator_key
        self.url = f"https://{NAME}:{port}"

    def api(self, token=None):
        return NamedApi(self.port, token or self.operator_key, ssl_context=self.context)


class NamedApi(Api):
    """Calls the proxy by its public name, as its configuration and the server's Host check want it."""

    def open(self, method, path, body=None, headers=None, *more, **options):
        return super().open(method, path, body, {"Host": NAME, **(headers or {})}, *more, **options)

    def _connection(self):
        connection = super()._connection()
        connection.sock = self.ssl_context.wrap_socket(
            socket.create_connection(("127.0.0.1", self.port), timeout=self.timeout), server_hostname=NAME
        )
        return connection


@pytest.fixture(scope="module", params=PROXIES)
def public(request, behind, certificate, tmp_path_factory):
    heading, language, start = PROXIES[request.param]
    folder = tmp_path_factory.mktemp(request.param)
    port = free_port()
    text = placed(block(heading, language), port, behind.port, certificate)
    text = text.replace(f"{NAME} {{", f"{NAME}:{port}, localhost:{port} {{")  # Caddy's
    with running(folder, start(folder, text), port):
        yield Public(behind, port, ssl.create_default_context(cafile=certificate[0]))


def stream_lines(api, path, count):
    """The first lines of a stream that goes on; the connection is cut then."""
    with api.open("GET", path) as answer:
        assert answer.status == 200, answer.read()
        return [answer.readline() for _ in range(count)]


def test_a_page_and_appending_work(public):
    api = public.api()
    execution_id = api.create()
    lines = [f"{i} " + "x" * 500 for i in range(3000)]
    api.append_lines(execution_id, lines)
    assert api.messages(execution_id, limit=10000) == lines


def test_errors_come_through_whole(public):
    answer = public.api().get("/api/v1/executions/exec_nowhere")
    assert (answer.status, answer.code) == (404, "not_found") and answer.headers["X-Request-ID"]
    answer = public.api(token="rnl_" + "A" * 43).get("/api/v1/executions", headers={"X-Forwarded-For": "192.0.2.77"})
    assert answer.status in (401, 429)


class Live:
    """Reads lines of a stream on a thread, so that a test sees when they come."""

    def __init__(self, api, path):
        self.answer = api.open("GET", path)
        assert self.answer.status == 200, self.answer.read()
        self.lines = []
        self.changed = threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        with contextlib.suppress(Exception):
            while line := self.answer.readline():
                with self.changed:
                    self.lines.append(line)
                    self.changed.notify_all()

    def wait(self, needle):
        with self.changed:
            assert self.changed.wait_for(lambda: any(needle in line for line in self.lines), DEADLINE), self.lines


@pytest.mark.parametrize("query", ["/stream", "?format=ndjson&follow=true"])
def test_each_record_of_a_stream_comes_at_once(public, query):
    """The next is appended only when the one before has come: nothing on the way gathers."""
    api = public.api()
    execution_id = api.create()
    live = Live(api, f"/api/v1/executions/{execution_id}/logs{query}")
    for i in range(5):
        api.append_lines(execution_id, [f"record-{i}-"])
        live.wait(f"record-{i}-".encode())
    with proxied(Runner, public, execution_id) as runner:
        runner.complete()
    live.wait(b"complete")


def proxied(kind, public, execution_id, **options):
    return kind(public, execution_id, ssl=public.context, **options)


def test_a_follower_and_a_runner_by_websocket(public):
    api = public.api()
    execution_id = api.create()
    with proxied(Follower, public, execution_id) as follower, proxied(Runner, public, execution_id) as runner:
        for i in range(5):
            runner.lines([f"line {i}"])
            assert follower.logs(1)[0]["message"] == f"line {i}"
        runner.complete()
        assert follower.expect("complete")["final_sequence"] == 4


def test_wrap_and_logs_work(public, certificate, tmp_path):
    """The command line, by the name of the host that the certificate has for it."""
    cli = Cli(tmp_path / "home", url=f"https://localhost:{public.port}", token=public.operator_key)
    job = fresh_id()
    cli.ok("--ca-file", certificate[0], "wrap", "-q", "--id", job, "--", "sh", "-c", "seq 1000; echo err >&2")
    assert output_of(public.api(), job, "stdout") == b"".join(b"%d\n" % i for i in range(1, 1001))
    assert cli.ok("--ca-file", certificate[0], "logs", "-f", job).out.count(b"\n") == 1001


def test_the_client_s_address_is_in_the_log_and_no_made_up_one(public):
    marker = fresh_id()
    made_up = {
        "X-Forwarded-For": "203.0.113.9",
        "X-Forwarded-Proto": "http",
        "X-Forwarded-Host": "evil.example",
        "X-Request-ID": marker,
    }
    answer = public.api().get("/api/v1/executions", headers=made_up)
    assert answer.status == 200, answer
    entry = public.server.wait_log(lambda entry: entry.get("request_id") == marker)
    assert entry["peer"].startswith("127.0.0.1:"), entry
    forwarded = {"Forwarded": "for=203.0.113.9;proto=http;host=evil.example", "X-Request-ID": marker + "-2"}
    assert public.api().get("/api/v1/executions", headers=forwarded).status == 200
    entry = public.server.wait_log(lambda entry: entry.get("request_id") == marker + "-2")
    assert entry["peer"].startswith("127.0.0.1:"), entry


def test_a_page_of_the_same_origin_may_call_and_no_other(public):
    api = public.api()
    host = f"{NAME}:{public.port}"
    assert api.get("/api/v1/executions", headers={"Host": host, "Origin": f"https://{host}"}).status == 200
    assert api.get("/api/v1/executions", headers={"Host": host, "Origin": f"http://{host}"}).status == 403
    assert api.get("/api/v1/executions", headers={"Host": host, "Origin": "https://evil.example"}).status == 403


# --- The page's other examples
def test_the_proxy_protocol_with_tls_passed_through(servers, certificate, tmp_path):
    cert, key, _ = certificate
    server = servers(
        "--proxy-protocol",
        "--trusted-proxies",
        "127.0.0.1",
        "--tls-cert",
        cert,
        "--tls-key",
        key,
        "--allowed-hosts",
        NAME,
        scheme="https",
    )
    port = free_port()
    text = placed(block("The PROXY protocol", "haproxy"), port, server.port, certificate)
    with running(tmp_path, start_haproxy(tmp_path, text), port):
        api = Public(server, port, ssl.create_default_context(cafile=cert)).api()
        execution_id = api.create()
        api.append_lines(execution_id, ["through it"])
        assert api.messages(execution_id) == ["through it"]


def test_a_unix_socket_behind_nginx(servers, certificate, tmp_path, short_folder):
    path = short_folder / "runnel.sock"
    server = servers("--listen", f"unix:{path}", "--trusted-proxies", "unix", "--allowed-hosts", NAME)
    port = free_port()
    upstream = block("A unix socket", "nginx").replace("/run/runnel/runnel.sock", str(path))
    whole = re.sub(r"^upstream runnel {.*?^}\n", lambda _: upstream, block("nginx", "nginx"), flags=re.M | re.S)
    assert str(path) in whole
    with running(tmp_path, start_nginx(tmp_path, placed(whole, port, 1, certificate)), port):
        public = Public(server, port, ssl.create_default_context(cafile=certificate[0]))
        marker = fresh_id()
        assert public.api().get("/api/v1/executions", headers={"X-Request-ID": marker}).status == 200
        assert server.wait_log(lambda entry: entry.get("request_id") == marker)["peer"].startswith("127.0.0.1:")


def test_a_path_and_a_password_of_the_proxy(servers, certificate, tmp_path):
    """--base-path, and a proxy that takes Authorization for itself; the command line has both in its URL."""
    server = servers("--base-path", "/runnel", "--trusted-proxies", "127.0.0.1", "--allowed-hosts", NAME)
    port = free_port()
    location = block("Beneath a path", "nginx")
    assert location.strip().startswith("location /runnel/ {")
    (tmp_path / "users").write_text("me:{PLAIN}pass word\n")
    asks = f'{location.rstrip().splitlines()[0]}\n auth_basic "proxy"; auth_basic_user_file {tmp_path}/users;'
    text = placed(block("nginx", "nginx").replace("    location / {", asks), port, server.port, certificate)
    with running(tmp_path, start_nginx(tmp_path, text), port):
        cli = Cli(tmp_path / "home", url=f"https://me:pass%20word@localhost:{port}/runnel", token=server.operator_key)
        trusted = ("--ca-file", certificate[0])
        job = fresh_id()
        cli.ok(*trusted, "wrap", "-q", "--id", job, "--", "echo", "beneath a path")
        assert cli.ok(*trusted, "logs", "-f", job).out == b"beneath a path\n"
        refused = cli.run(*trusted, "list", env={"RUNNEL_URL": f"https://me:wrong@localhost:{port}/runnel"})
        assert refused.code == 4 and b"wrong" not in refused.err.replace(b"went wrong", b""), refused
        missed = cli.run(*trusted, "list", env={"RUNNEL_URL": f"https://me:pass%20word@localhost:{port}/other"})
        assert missed.code == 5 and b"not a Runnel server" in missed.err and b"pass" not in missed.err, missed


# --- A base path
def test_a_proxy_that_passes_no_upgrades_is_followed_through_by_other_ways(servers, tmp_path):
    server = servers()
    api, port = server.api(), free_port()
    text = f"server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://127.0.0.1:{server.port}; }} }}\n"
    jobs = {"job": {"command": ["true"]}, "jobs": [{}, {}]}
    with running(tmp_path, start_nginx(tmp_path, text), port):
        cli = Cli(tmp_path / "home", url=f"http://127.0.0.1:{port}", token=server.operator_key)
        id = api.expect(201, "POST", "/api/v1/batches", jobs)["batch_id"]
        stream = Stream(Api(port, server.operator_key), id, path=f"/api/v1/batches/{id}/stream")
        with cli.start("batch", "watch", id) as watching, stream:
            watching.out.wait_for(b"0/2 complete")
            assert stream.next().kind == "batch"
            with JobWorker(server) as worker:
                job = worker.take().begin()
                with cli.start("logs", "-f", job.id) as following:
                    job.end(0, ["one", "two"])
                    assert following.finish() == 0
                    assert following.out.data == b"one\ntwo\n" and following.err.data == b""
                worker.take().end(0)
            assert watching.finish() == 0
            while (event := stream.next()).kind == "batch":
                pass
            assert event.kind == "complete"


def test_every_route_lies_beneath_the_base_path(servers):
    server = servers("--base-path", "/tools/runnel/")
    api = server.api()
    for path in ("/health", "/ready", "/metrics", "/api/v1/executions"):
        assert api.get("/tools/runnel" + path).status == 200
        missed = api.get(path)
        assert (missed.status, missed.code) == (404, "no_such_route") and "/tools/runnel" in missed.json()["error"][
            "message"
        ]
    assert api.get("/tools/runnelx/health").status == 404
    made = api.post("/tools/runnel/api/v1/executions", {})
    assert made.status == 201
    assert made.headers["Location"] == f"/tools/runnel/api/v1/executions/{made.json()['execution_id']}"
    assert api.get(made.headers["Location"]).status == 200


@pytest.mark.parametrize("path", ["runnel", "/a//b", "/a b", "/a?b", "/a%20b"])
def test_a_base_path_that_is_none_is_refused(servers, path):
    server = servers("--base-path", path, start=False)
    server.spawn()
    server.ended(expect=2)
    assert b"base_path: must be a path such as /runnel" in server.process.err.data


def test_a_wrong_path_is_told_as_such(server, cli):
    """And not as an execution that does not exist."""
    wrong = {"RUNNEL_URL": server.url + "/runnel"}
    for command in (["list"], ["logs", "exec_x"], ["logs", "-f", "exec_x"], ["status", "exec_x"]):
        result = cli.run(*command, env=wrong)
        assert result.code == 5 and b"there is no Runnel at this path" in result.err, result
    wrapped = cli.run("wrap", "--deliver-wait", "5s", "--", "echo", "kept", env=wrong)
    assert wrapped.out == b"kept\n" and b"there is no Runnel at this path" in wrapped.err, wrapped
    assert cli.run("logs", "exec_x").code == 3


# --- Whose word is believed
def ask(server, headers, path="/api/v1/executions", host="localhost"):
    lines = [f"GET {path} HTTP/1.1", f"Host: {host}", f"Authorization: Bearer {server.operator_key}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return exchange(server.port, ("\r\n".join(lines) + "\r\n\r\n").encode())


@pytest.fixture(scope="module")
def trusting(tmp_path_factory):
    flags = ["--trusted-proxies", "127.0.0.1,10.0.0.0/8", "--allowed-hosts", NAME, "--log-level", "info"]
    server = Server(tmp_path_factory.mktemp("trusting"), flags=flags)
    yield server.start()
    server.close()


HTTPS = {"X-Forwarded-Proto": "https"}
TOLD = [
    ({"X-Forwarded-For": "192.0.2.1", **HTTPS}, 200, "192.0.2.1:0"),
    ({"X-Forwarded-For": "127.0.0.1, 192.0.2.1, 10.1.1.1", **HTTPS}, 200, "192.0.2.1:0"),
    ({"Forwarded": 'for="[2001:db8::7]:99";proto=https'}, 200, "[2001:db8::7]:99"),
    ({"X-Forwarded-For": "192.0.2.1", "Forwarded": "for=192.0.2.1;proto=https", **HTTPS}, 200, "192.0.2.1:0"),
    ({"X-Forwarded-For": "192.0.2.1", "Forwarded": "for=127.0.0.1", **HTTPS}, 400, None),
    ({"X-Forwarded-For": "192.0.2.1"}, 403, "192.0.2.1:0"),  # plain HTTP from another machine
    ({"X-Forwarded-For": "192.0.2.1", "X-Forwarded-Proto": "http"}, 403, "192.0.2.1:0"),
    ({"X-Forwarded-For": "127.0.0.2"}, 200, "127.0.0.2:0"),
    ({"X-Forwarded-Host": NAME}, 200, "127.0.0.1"),
    ({"X-Forwarded-Host": "evil.example"}, 403, "127.0.0.1"),
    ({"X-Forwarded-Host": "a/b"}, 400, "127.0.0.1"),
    ({}, 200, "127.0.0.1"),
]


@pytest.mark.parametrize("headers, status, peer", TOLD)
def test_what_a_trusted_proxy_says_is_believed(trusting, headers, status, peer):
    marker = fresh_id()
    answer = ask(trusting, {**headers, "X-Request-ID": marker})
    assert answer.status == status, answer
    if peer:
        entry = trusting.wait_log(lambda entry: entry.get("request_id") == marker)
        assert entry["peer"].startswith(peer), entry


def test_public_routes_are_served_to_a_proxy_s_plain_clients(trusting):
    assert ask(trusting, {"X-Forwarded-For": "192.0.2.1"}, path="/health").status == 200


def test_nobody_else_is_believed(server):
    marker = fresh_id()
    answer = ask(
        server,
        {
            "X-Forwarded-For": "192.0.2.1",
            "X-Forwarded-Host": "evil.example",
            "Forwarded": "for=192.0.2.2",
            "X-Request-ID": marker,
        },
    )
    assert answer.status == 200


def test_failed_logins_count_by_the_client_s_address(servers):
    server = servers("--trusted-proxies", "127.0.0.1", "--failed-logins-max", "3")
    unknown = Api(server.port, "rnl_" + "B" * 43)

    def attempt(client, **more):
        return unknown.get(
            "/api/v1/executions", headers={"X-Forwarded-For": client, "X-Forwarded-Proto": "https", **more}
        ).status

    assert [attempt("192.0.2.1") for _ in range(5)][-1] == 429
    assert attempt("192.0.2.2") == 401
    assert attempt("192.0.2.3, 192.0.2.1") == 429  # who writes an address of its own in front gains nothing


@pytest.mark.parametrize(
    "flags, words",
    [
        (["--trusted-proxies", "10.0.0.0/33"], b'trusted_proxies: "10.0.0.0/33" is no address'),
        (["--trusted-proxies", "example.com"], b'"example.com" is no address'),
        (["--proxy-protocol"], b"proxy_protocol: name in trusted_proxies whose headers are to be believed"),
        (["--socket-mode", "rw"], b"socket_mode must be permissions in octal"),
        (["--listen", "0.0.0.0:0"], b"plain HTTP is served on loopback only"),
        (["--listen", "127.0.0.1:65536"], b"with a port up to 65535"),
        (["--listen", "runnel.example:7117"], b"no name of a host"),
        (["--memory-max", "67108863"], b"memory_max must be 0, or at least 67108864 bytes"),
    ],
)
def test_settings_that_cannot_be_are_refused(servers, flags, words):
    server = servers(*flags, start=False)
    server.spawn()
    server.ended(expect=2)
    assert words in server.process.err.data, server.process.err.data


def test_a_trusted_proxy_on_another_machine_needs_no_tls_of_its_own(servers):
    """The server listens to all addresses then, but plain clients that reach it past the proxy are not served."""
    server = servers("--trusted-proxies", "10.0.0.0/8", listen="0.0.0.0:0")
    assert ask(server, {}).status == 200  # from this machine


# --- The PROXY protocol
@pytest.fixture
def gated(servers):
    return servers("--proxy-protocol", "--trusted-proxies", "127.0.0.1", "--loops", "1")


def plain(server, request_id="x"):
    head = f"GET /api/v1/executions HTTP/1.1\r\nHost: localhost\r\nX-Request-ID: {request_id}\r\n"
    return (head + f"Authorization: Bearer {server.operator_key}\r\n\r\n").encode()


V2 = b"\r\n\r\n\0\r\nQUIT\n"
HEADERS = [
    (b"PROXY TCP4 127.0.0.9 127.0.0.1 4711 80\r\n", "127.0.0.9:4711", 200),
    (b"PROXY TCP4 192.0.2.1 127.0.0.1 4711 80\r\n", "192.0.2.1:4711", 403),  # plain HTTP from another machine
    (b"PROXY UNKNOWN\r\n", "127.0.0.1:", 200),
    (V2 + b"\x21\x11\0\x0c\xc0\0\2\1\x7f\0\0\1\x12\x67\0\x50", "192.0.2.1:4711", 403),
    (
        V2 + b"\x21\x11\0\x14\xc0\0\2\1\x7f\0\0\1\x12\x67\0\x50\x20\0\5\1\0\0\0\0",
        "192.0.2.1:4711",
        200,
    ),  # it came by TLS
    (V2 + b"\x20\0\0\0", "127.0.0.1:", 200),
]


@pytest.mark.parametrize("header, peer, status", HEADERS)
def test_the_header_tells_the_client(gated, header, peer, status):
    marker = fresh_id()
    assert exchange(gated.port, header + plain(gated, marker)).status == status
    assert gated.wait_log(lambda entry: entry.get("request_id") == marker)["peer"].startswith(peer)
    with RawConnection(gated.port) as connection:  # byte by byte
        for byte in header:
            connection.socket.send(bytes([byte]))
        assert connection.send(plain(gated)).answer().status == status


def test_a_client_that_the_header_does_not_name_is_not_believed(gated):
    marker = fresh_id()
    request = plain(gated, marker).replace(b"Host:", b"X-Forwarded-For: 203.0.113.9\r\nHost:", 1)
    assert exchange(gated.port, b"PROXY UNKNOWN\r\n" + request).status == 200
    assert gated.wait_log(lambda entry: entry.get("request_id") == marker)["peer"].startswith("127.0.0.1:")


@pytest.mark.parametrize(
    "data", [b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n", b"PROXY TCP4 nobody\r\n", V2 + b"\x21\x11\xff\xff"]
)
def test_a_trusted_proxy_without_a_header_is_refused(gated, data):
    assert exchange(gated.port, data).status == 0
    entry = gated.wait_log(lambda entry: "PROXY protocol" in (entry["message"] or ""))
    assert entry["level"] == "WARNING" and entry["peer"].startswith("127.0.0.1:")


def test_a_header_that_does_not_come_in_time_ends_the_connection(gated):
    with RawConnection(gated.port) as connection:
        connection.send(b"PROXY TCP4 192.0.2.1 ")
        assert connection.ended()
    gated.wait_log(lambda entry: "PROXY protocol" in (entry["message"] or "") and "too long" in entry["reason"])


def test_a_header_from_who_is_not_trusted_is_no_http(servers):
    server = servers("--proxy-protocol", "--trusted-proxies", "10.0.0.0/8")
    assert exchange(server.port, plain(server)).status == 200
    assert exchange(server.port, b"PROXY TCP4 127.0.0.9 127.0.0.1 4711 80\r\n" + plain(server)).status in (400, 501)


# --- Unix sockets
@pytest.fixture
def short_folder():
    """For sockets of programs that take no long path."""
    with tempfile.TemporaryDirectory(prefix="rnl-") as folder:
        os.chmod(folder, 0o755)
        yield pathlib.Path(folder)


def ask_unix(path, data):
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(DEADLINE)
        with address(path) as short:
            connection.connect(short)
        connection.sendall(data)
        return connection.recv(65536)


def health():
    return b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"


def test_a_unix_socket_is_listened_on_beside_an_address(servers, tmp_path):
    path = tmp_path / "s"
    server = servers("--listen", f"unix:{path}", "--socket-mode", "0600", "--loops", "2")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    for _ in range(10):
        assert ask_unix(path, health()).startswith(b"HTTP/1.1 200 OK")
    assert exchange(server.port, health()).status == 200
    marker = fresh_id()
    assert ask_unix(path, plain(server, marker)).startswith(b"HTTP/1.1 200")
    assert server.wait_log(lambda entry: entry.get("request_id") == marker)["peer"] == "local:0"
    server.stop()
    assert not path.exists()


def test_a_unix_socket_has_no_tls_beside_an_address_that_has(servers, certificate, tmp_path):
    path = tmp_path / "s"
    servers("--listen", f"unix:{path}", "--tls-cert", certificate[0], "--tls-key", certificate[1], scheme="https")
    assert ask_unix(path, health()).startswith(b"HTTP/1.1 200 OK")


def test_what_a_dead_server_left_is_replaced(servers, tmp_path):
    path = tmp_path / "s"
    first = servers("--listen", f"unix:{path}")
    first.kill()
    assert path.exists()
    servers("--listen", f"unix:{path}")
    assert ask_unix(path, health()).startswith(b"HTTP/1.1 200 OK")


def test_a_socket_that_is_listened_on_and_a_file_are_left_alone(servers, tmp_path):
    path, file = tmp_path / "s", tmp_path / "file"
    first = servers("--listen", f"unix:{path}")
    file.write_text("precious")
    for taken, words in ((path, b"in use"), (file, b"a file that is no socket is in the way")):
        second = servers("--listen", f"unix:{taken}", start=False)
        second.spawn()
        second.ended(expect=1)
        assert words in second.process.err.data
    assert file.read_text() == "precious"
    assert ask_unix(path, health()).startswith(b"HTTP/1.1 200 OK")
    path.unlink()
    other = socket.socket(socket.AF_UNIX)
    with address(path) as short:
        other.bind(short)  # somebody else's by now
    first.stop()
    assert path.exists()
    other.close()


def test_a_unix_socket_may_lie_deep(servers, tmp_path):
    folder = tmp_path / ("x" * 120)
    folder.mkdir()
    path = folder / "s"
    first = servers("--listen", f"unix:{path}")
    assert ask_unix(path, health()).startswith(b"HTTP/1.1 200 OK")
    second = servers("--listen", f"unix:{path}", start=False)
    second.spawn()
    second.ended(expect=1)
    assert b"in use" in second.process.err.data
    first.kill()
    third = servers("--listen", f"unix:{path}")
    assert ask_unix(path, health()).startswith(b"HTTP/1.1 200 OK")
    third.stop()
    assert not path.exists()


def test_a_name_that_is_too_long_is_refused(servers, tmp_path):
    server = servers("--listen", "unix:" + str(tmp_path / ("x" * 120)), start=False)
    server.spawn()
    server.ended(expect=2)
    assert b"the name of the socket's file is too long; it may have 85 bytes" in server.process.err.data


# --- Keep-alive
def test_ndjson_that_follows_has_an_empty_line_when_nothing_comes(server, api):
    execution_id = api.create()
    api.append_lines(execution_id, ["one"])
    first, second = stream_lines(api, f"/api/v1/executions/{execution_id}/logs?follow=true", 2)
    assert json.loads(first)["message"] == "one" and second == b"\n"
