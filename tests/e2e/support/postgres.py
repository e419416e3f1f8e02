"""A PostgreSQL for the session, as the store of the servers under test: each has a database of its own."""

import contextlib
import functools
import glob
import hashlib
import os
import pathlib
import pwd
import shutil
import signal
import subprocess
import tempfile

from . import DEADLINE
from .ports import hold
from .process import Process

WANTED = os.environ.get("RUNNEL_TEST_STORE") == "postgres"
NEEDED_BYTES = 12 << 30


def roomy_folder():
    """In memory, where there is room for all workers: a database is some 300 files, and to make them for each server
    takes a disk's file system longer than all else."""
    memory = pathlib.Path("/dev/shm")
    return memory if memory.is_dir() and shutil.disk_usage(memory).free >= NEEDED_BYTES else None


class Postgres:
    """`tls`: a key and its certificate, by which it is reached at localhost's `port` too."""

    def __init__(self, within=None, tls=None):
        programs = sorted(glob.glob("/usr/lib/postgresql/*/bin"))
        assert programs, "PostgreSQL is not installed here (apt install postgresql)"
        self.programs = pathlib.Path(programs[-1])
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="runnel-pg-", dir=within))
        self.user = "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
        if os.geteuid() == 0:
            shutil.chown(self.folder, "postgres")
        self.settings, self.held, self.port = ["listen_addresses="], None, 5432
        if tls:
            self._listen(tls)
        self._run("initdb", "-D", self.folder / "data", "-A", "trust", "-U", "postgres", "-E", "UTF8", "--no-sync")
        self.start()

    def _listen(self, tls):
        kept, self.held = self.folder / "server.pem", hold()
        self.port = self.held.getsockname()[1]
        shutil.copyfile(tls, kept)
        kept.chmod(0o600)
        if os.geteuid() == 0:
            shutil.chown(kept, "postgres")
        self.settings = ["listen_addresses=127.0.0.1", f"port={self.port}", "ssl=on"]
        self.settings += [f"ssl_cert_file={kept}", f"ssl_key_file={kept}"]

    def start(self):
        settings = [*self.settings, "fsync=off", "max_connections=400", "log_min_messages=log"]
        settings += ["dynamic_shared_memory_type=mmap"]  # in its folder, which goes with it
        self.process = Process(
            self.argv(
                "postgres", "-D", self.folder / "data", "-k", self.folder, *(x for s in settings for x in ("-c", s))
            ),
            env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8"},
            cwd="/",
        )
        self.process.err.wait(lambda data: b"ready to accept connections" in data, "PostgreSQL's start", DEADLINE)

    @property
    def socket(self):
        return self.folder / ".s.PGSQL.5432"

    def stop(self, how=signal.SIGINT):
        """SIGINT: connections are ended; SIGQUIT: as if it had crashed."""
        self.process.signal(how)
        self.process.wait()

    def pause(self, does):
        """All of its processes stand still, or go on."""
        number = signal.SIGSTOP if does else signal.SIGCONT
        pid = self.process.pid
        if does:
            os.kill(pid, number)  # it starts no other meanwhile
        with open(f"/proc/{pid}/task/{pid}/children") as file:
            children = [int(child) for child in file.read().split()]
        for one in (*children, pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(one, number)

    def argv(self, program, *arguments):
        become = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"] if os.geteuid() == 0 else []
        return [*become, str(self.programs / program), *map(str, arguments)]

    def _run(self, program, *arguments):
        subprocess.run(self.argv(program, *arguments), check=True, capture_output=True, cwd="/", timeout=DEADLINE)

    def sql(self, text, database="postgres"):
        command = self.argv("psql", "-h", self.folder, "-p", self.port, "-U", "postgres", "-d", database, "-Atqc", text)
        done = subprocess.run(command, check=True, capture_output=True, text=True, cwd="/", timeout=DEADLINE)
        return done.stdout.strip()

    @contextlib.contextmanager
    def locked(self, table, database, mode="ACCESS EXCLUSIVE"):
        """By a session that goes on for as long."""
        argv = self.argv("psql", "-h", self.folder, "-p", self.port, "-U", "postgres", "-d", database, "-Atq")
        with Process(argv, cwd="/", stdin=subprocess.PIPE) as session:
            session.write(f"BEGIN; LOCK TABLE {table} IN {mode} MODE; SELECT 'held';\n".encode())
            session.out.wait(lambda data: b"held" in data, "the lock")
            yield

    def store(self, name):
        """How to connect to the database of this name, which is made if there is none."""
        database = "t" + hashlib.sha256(str(name).encode()).hexdigest()[:20]
        if not self.sql(f"SELECT 1 FROM pg_database WHERE datname = '{database}'"):
            self.sql(f"CREATE DATABASE {database}")
        return f"host={self.folder} user=postgres dbname={database}"

    def close(self):
        self.process.kill()
        if self.held:
            self.held.close()
        shutil.rmtree(self.folder, ignore_errors=True)


@functools.cache
def shared():
    import atexit

    engine = Postgres(roomy_folder())
    atexit.register(engine.close)
    return engine


def ask(root, text):
    """What a statement says on the store of the server of that folder."""
    engine = shared()
    return engine.sql(text, engine.store(root).split("dbname=")[1])


def flags_of(root, flags):
    """What a server must be told in addition, if these tests are about PostgreSQL."""
    return ["--store", shared().store(root)] if WANTED and "--store" not in flags else []
