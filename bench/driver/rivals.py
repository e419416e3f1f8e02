"""Programs from Debian that do some of the same work, started here on free ports of 127.0.0.1."""

import contextlib
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time

MODULES = pathlib.Path("/usr/lib/nginx/modules")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_port(port, process, seconds=30):
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            if process.poll() is not None:
                break
            time.sleep(0.02)
    raise RuntimeError(f"nothing listens on port {port}: {process.args}")


def children(pid):
    """Processes below one."""
    found = []
    for path in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
        for child in path.read_text().split():
            found += [int(child), *children(int(child))]
    return found


def cpu_of_all(pid):
    """Seconds of a process and all below it, also of those that have ended there."""
    return sum(times_of(one) for one in (pid, *children(pid))) / os.sysconf("SC_CLK_TCK")


def times_of(pid):
    try:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return 0
    return sum(int(field) for field in fields[11:15])


class Nginx:
    def __init__(self, folder, http="", server="", modules=()):
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.port = free_port()
        load = "".join(f"load_module {MODULES / module};\n" for module in modules)
        config = folder / "nginx.conf"
        config.write_text(
            f"""{load}daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;
worker_rlimit_nofile 20000;
{"user root;" if os.getuid() == 0 else ""}
events {{ worker_connections 12000; }}
http {{
  access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s; keepalive_requests 100000000; types {{ }}
  {http}
  server {{ listen 127.0.0.1:{self.port} backlog=4096; {server} }}
}}
"""
        )
        self.process = subprocess.Popen(
            ["nginx", "-c", config, "-p", folder, "-e", f"{folder}/error.log"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_port(self.port, self.process)
        time.sleep(0.2)
        self.worker = children(self.process.pid)[0]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(30)
        shutil.rmtree(self.folder, ignore_errors=True)


class Programs:
    """Programs with a folder of their own; they end, and the folder goes, when it is left."""

    def __init__(self, bench, name):
        self.bench = bench
        self.name = name
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix=f"{name}-", dir=bench.cache))
        self.processes = []

    def spawn(self, words, port, **options):
        log = open(self.bench.work / f"{self.name}.log", "ab")
        process = subprocess.Popen(
            [str(word) for word in words],
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            **options,
        )
        log.close()
        self.processes.append(process)
        wait_port(port, process)

    def start_postgres(self, port, *settings):
        """Durable as it comes: fsync is on."""
        # The database refuses to run as root.
        as_user = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
        data = self.folder / "database"
        data.mkdir()
        if as_user:
            self.folder.chmod(0o755)
            shutil.chown(data, "postgres", "postgres")
        programs = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"))[-1]
        subprocess.run(
            [*as_user, programs / "initdb", "-D", data, "-U", "bench", "-A", "trust", "-E", "UTF8", "--locale=C"],
            check=True,
            stdout=subprocess.DEVNULL,
            stdin=subprocess.DEVNULL,
            cwd="/",
        )
        options = ["listen_addresses=127.0.0.1", "unix_socket_directories=", "max_wal_size=4GB", *settings]
        words = [word for option in options for word in ("-c", option)]
        self.spawn([*as_user, programs / "postgres", "-D", data, "-p", port, *words], port)
        self.database = (programs / "psql", port, self.processes[-1].pid)
        self.wait_database()

    def wait_database(self):
        """It listens before it takes anybody in."""
        deadline = time.monotonic() + 60
        while True:
            try:
                return self.ask("SELECT 1")
            except RuntimeError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def ask(self, statement):
        """The rows that PostgreSQL answers, as lists of words."""
        program, port, _ = self.database
        words = [program, "-h", "127.0.0.1", "-p", str(port), "-U", "bench", "-d", "postgres", "-AtXq", "-F", "\x1f"]
        done = subprocess.run(
            [*words, "-v", "ON_ERROR_STOP=1", "-c", statement], stdin=subprocess.DEVNULL, capture_output=True, text=True
        )
        if done.returncode:
            raise RuntimeError(done.stderr.strip())
        return [line.split("\x1f") for line in done.stdout.splitlines()]

    def database_cpu_seconds(self):
        return cpu_of_all(self.database[2])

    def database_wal_bytes(self):
        return int(self.ask("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn")[0][0])

    def database_bytes(self):
        return int(self.ask("SELECT pg_database_size(current_database())")[0][0])

    def stop(self):
        for process in reversed(self.processes):
            for pid in (*children(process.pid), process.pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGINT)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


class Rows(Programs):
    """rivals/rows.py with a PostgreSQL and a Redis of its own, both as durable as they come (fsync on)."""

    def __init__(self, bench):
        super().__init__(bench, "rows")
        self.port, database_port, redis_port = free_port(), free_port(), free_port()
        try:
            self.start_postgres(database_port)
            self.spawn(
                [
                    "redis-server",
                    "--port",
                    redis_port,
                    "--bind",
                    "127.0.0.1",
                    "--save",
                    "",
                    "--appendonly",
                    "no",
                    "--maxclients",
                    "12000",
                ],
                redis_port,
            )
            environment = {
                **os.environ,
                "DATABASE_URL": f"postgresql://bench@127.0.0.1:{database_port}/postgres",
                "REDIS_URL": f"redis://127.0.0.1:{redis_port}",
            }
            self.spawn(
                [
                    "/usr/bin/python3",
                    "-B",
                    "-m",
                    "uvicorn",
                    "--app-dir",
                    bench.root / "bench" / "rivals",
                    "--port",
                    self.port,
                    "--log-level",
                    "warning",
                    "rows:app",
                ],
                self.port,
                env=environment,
            )
            self.pid = self.processes[-1].pid
        except BaseException:
            self.stop()
            raise

    def peer(self):
        return {"port": self.port, "key": "none"}
