"""What the rows share: the folder, the load generators, servers of their own, and the results."""

import json
import os
import pathlib
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import urllib.request

from . import corpus, plot, report

START_SECONDS = 60


class Server:
    """A `runnel serve` with a data folder of its own."""

    def __init__(self, bench, name, *flags, fresh=True, key=None):
        """`key`: the operator's, of another server on the same store."""
        self.bench = bench
        self.data = bench.work / f"data-{name}"
        self.flags = flags
        if fresh:
            shutil.rmtree(self.data, ignore_errors=True)
        if key:
            self.data.mkdir(parents=True)
            (self.data / "admin.key").write_text(key)
        self.log = open(bench.work / f"server-{name}.log", "ab")
        self.start()

    def start(self):
        port_file = self.data.with_suffix(".port")
        port_file.unlink(missing_ok=True)
        began = time.monotonic()
        self.process = subprocess.Popen(
            [
                self.bench.runnel,
                "serve",
                "--listen",
                "127.0.0.1:0",
                "--data",
                self.data,
                "--port-file",
                port_file,
                "--followers-max",
                "20000",
                "--open-executions-max",
                "50000",
                "--log-level",
                "warning",
                "--jobs",
                "0",
                *self.flags,
            ],
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=self.log,
        )
        while not port_file.exists() or not port_file.read_text().strip():
            if self.process.poll() is not None or time.monotonic() - began > START_SECONDS:
                raise RuntimeError(f"the server did not start, see {self.log.name}")
            time.sleep(0.0005)
        self.ready_seconds = time.monotonic() - began
        self.port = int(port_file.read_text())
        self.key = (self.data / "admin.key").read_text().strip()
        self.pid = self.process.pid
        self.profiler = self.bench.profiler(self)

    def stop(self, how=signal.SIGTERM):
        if self.profiler:
            self.profiler.stop()
            self.profiler = None
        if self.process.poll() is None:
            self.process.send_signal(how)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
        self.log.close()
        shutil.rmtree(self.data, ignore_errors=True)

    @property
    def environment(self):
        return {
            **os.environ,
            "RUNNEL_URL": f"http://127.0.0.1:{self.port}",
            "RUNNEL_TOKEN": self.key,
            "RUNNEL_DATA": str(self.data.with_suffix(".client")),
        }

    def peer(self):
        return {"port": self.port, "key": self.key, "pid": self.pid}

    def create(self, name, **fields):
        self.send("POST", "/api/v1/executions", {"execution_id": name, **fields})

    def send(self, method, path, body):
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}",
            json.dumps(body).encode(),
            {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"},
            method=method,
        )
        urllib.request.urlopen(request, timeout=30).read()

    def get(self, path):
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}", headers={"Authorization": f"Bearer {self.key}"}
        )
        return urllib.request.urlopen(request, timeout=60).read()

    def metric(self, name):
        for line in self.get("/metrics").decode().splitlines():
            if line.startswith(name + " "):
                return float(line.split()[1])
        raise KeyError(name)

    def rss_bytes(self):
        for line in pathlib.Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise KeyError("VmRSS")

    def written_bytes(self):
        for line in pathlib.Path(f"/proc/{self.pid}/io").read_text().splitlines():
            if line.startswith("write_bytes:"):
                return int(line.split()[1])
        raise KeyError("write_bytes")

    def disk_bytes(self):
        """Everything in the data folder, as allocated or as long as it is, whichever is more."""
        total = 0
        for path in self.data.rglob("*"):
            try:
                info = path.stat()
            except FileNotFoundError:
                continue
            if path.is_file():
                total += max(info.st_size, info.st_blocks * 512)
        return total


class Bench:
    def __init__(self, root, build, quick, work, profile=False, lines_max=10_000_000):
        """`lines_max`: of stores that grow, in a full run."""
        self.lines_max = lines_max
        self.root = root
        self.build = build
        self.quick = quick
        self.profile = profile
        self.current = ""
        self.runnel = build / "runnel"
        self.tool = build / "bench" / "bench-load"
        for program in (self.runnel, self.tool):
            if not program.exists():
                sys.exit(f"{program} is missing: run ./dev bench")
        folder = pathlib.Path(work).resolve() if work else build / "bench-work"
        folder.mkdir(parents=True, exist_ok=True)
        kind = subprocess.run(["stat", "-f", "-c", "%T", folder], capture_output=True, text=True).stdout.strip()
        if kind in ("tmpfs", "ramfs"):
            sys.exit(f"{folder} is on {kind}; durability costs nothing there: name another with --work")
        self.filesystem = kind
        self.work = pathlib.Path(tempfile.mkdtemp(prefix="run-", dir=folder))
        self.cache = folder
        self.rows = []
        self.growth = []
        self.series = {}
        self.notes = []
        self.failed = []
        self.began = time.monotonic()
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (65536, max(hard, 65536)))
        except (ValueError, PermissionError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self.corpus = corpus.Corpus(self)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.work, ignore_errors=True)

    def pick(self, quick, full):
        return quick if self.quick else full

    def say(self, text):
        print(f"[{time.monotonic() - self.began:6.1f} s] {text}", file=sys.stderr, flush=True)

    # --- load generators

    def command(self, generator, **arguments):
        words = [str(self.tool), generator]
        for name, value in arguments.items():
            words += ["--" + name.replace("_", "-"), str(value)]
        return words

    def load(self, generator, timeout=600, **arguments):
        done = subprocess.run(self.command(generator, **arguments), capture_output=True, text=True, timeout=timeout)
        if done.returncode != 0:
            raise RuntimeError(f"{generator}: {done.stderr.strip()[-800:]}")
        return json.loads(done.stdout)

    def load_ready(self, generator, **arguments):
        """One that has connected, and waits for what it reads: a word to begin, or the end."""
        load = subprocess.Popen(
            self.command(generator, **arguments),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        if load.stdout.readline() != "ready\n":
            raise RuntimeError(f"{generator} could not connect: {load.communicate()[1].strip()[-800:]}")
        return load

    def idle_followers(self, server, execution_id, count):
        """Followers to whom nothing comes; communicate("") ends them."""
        return self.load_ready(
            "follow", mode="idle", port=server.port, key=server.key, id=execution_id, followers=count
        )

    def load_ingest(self, server, timeout=600, **arguments):
        return self.load("ingest", timeout, **server.peer(), **arguments)

    def server(self, name, *flags, **options):
        return Server(self, name, *flags, **options)

    def profiler(self, server):
        return Profiler(self, server) if self.profile else None

    def count_lines(self, path):
        with open(path, "rb") as file:
            return sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 24), b""))

    def raw(self, mode, path, repeat=1):
        return RawServer(self, mode, path, repeat)

    def probe(self):
        return self.load("probe", file=self.work / "probe", count=self.pick(300, 1000))

    # --- results

    def row(self, what, goal, figure, unit, reference=None, reference_what="", ratio=None, met=None):
        row = {
            "what": what,
            "goal": goal,
            "figure": figure,
            "unit": unit,
            "reference": reference,
            "reference_what": reference_what,
            "ratio": ratio,
            "met": met,
        }
        self.rows.append(row)
        self.say(report.row_text(row))

    def grow(self, what, size, figure, unit, note=""):
        self.growth.append({"what": what, "size": size, "figure": figure, "unit": unit, "note": note})
        self.say(f"growth: {what}, {size}: {report.number(figure)} {unit} {note}")

    def plot_point(self, plot_name, series, x, y):
        self.series.setdefault(plot_name, {}).setdefault(series, []).append((x, y))

    def note(self, text):
        self.notes.append(text)
        self.say(text)

    def measure(self, row):
        self.say(f"--- {row.__name__}")
        self.current = row.__name__
        try:
            row(self)
        except Exception as error:  # one row that fails must not cost the others
            self.failed.append(f"{row.__name__}: {error}")
            self.row(row.__name__, "", None, f"not measured: {error}", met=False)
            traceback.print_exc()

    def finish(self, partial):
        result = {
            "quick": self.quick,
            "seconds": round(time.monotonic() - self.began, 1),
            "machine": report.machine(self),
            "corpus": self.corpus.described,
            "rows": self.rows,
            "growth": self.growth,
            "series": self.series,
            "notes": self.notes,
            "failed": self.failed,
        }
        name = "bench-partial.json" if partial else "bench.json"
        (self.build / name).write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")
        plot.write_all(self.series, self.build / "bench-plots")
        print(report.text(result))
        print(f"\n{self.build / name}, {self.build / 'bench-plots'}; {result['seconds']:.0f} s")


class RawServer:
    """The reference: `bench-load raw`."""

    def __init__(self, bench, mode, path, repeat):
        self.process = subprocess.Popen(
            bench.command("raw", mode=mode, file=path, repeat=repeat),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.port = int(self.process.stdout.readline())
        self.pid = self.process.pid

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait(30)
        self.process.stdout.close()


class Profiler:
    """perf on one server from its start to its end; the functions that took most go to BUILD/bench-profile."""

    def __init__(self, bench, server):
        folder = bench.build / "bench-profile"
        folder.mkdir(exist_ok=True)
        self.name = folder / f"{bench.current}-{server.data.name.removeprefix('data-')}"
        self.process = subprocess.Popen(
            [
                "perf",
                "record",
                "-q",
                "-e",
                "cpu-clock",
                "-F",
                "997",
                "-g",
                "-o",
                f"{self.name}.data",
                "-p",
                str(server.pid),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        self.process.wait(60)
        for kind, words in (("self", ["--no-children", "-g", "none"]), ("all", ["--children", "-g", "none"])):
            with open(f"{self.name}.{kind}", "w", encoding="utf-8") as out:
                subprocess.run(
                    [
                        "perf",
                        "report",
                        "-i",
                        f"{self.name}.data",
                        "--stdio",
                        "--percent-limit",
                        "0.8",
                        "--sort",
                        "comm,dso,symbol",
                        *words,
                    ],
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=subprocess.DEVNULL,
                    check=False,
                )
        pathlib.Path(f"{self.name}.data").unlink(missing_ok=True)
