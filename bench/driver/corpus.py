"""Real outputs, made by running real programs, each as often as it has something new to say; no line comes from a
template. They are made once and kept in the work folder."""

import os
import pathlib
import random
import shutil
import subprocess
import urllib.parse

from . import rivals

KINDS = ("compiler", "tests", "packages", "web")
HEADERS = (
    "stdio.h",
    "stdlib.h",
    "string.h",
    "math.h",
    "pthread.h",
    "sys/socket.h",
    "openssl/ssl.h",
    "curl/curl.h",
    "sqlite3.h",
    "uv.h",
    "jansson.h",
    "zstd.h",
)


def run(command, out, **options):
    """Appends what the command writes, stdout and stderr as they come. Its exit code is part of its story."""
    subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, timeout=600, check=False, **options
    )
    out.flush()


class Corpus:
    def __init__(self, bench):
        self.bench = bench
        self.folder = bench.cache / ("corpus-quick" if bench.quick else "corpus")
        self.described = {}
        self.parts()

    def parts(self):
        done = self.folder / "done"
        if not done.exists():
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder.mkdir(parents=True)
            for kind in KINDS:
                self.bench.say(f"corpus: {kind}")
                with open(self.folder / kind, "wb") as out:
                    getattr(self, kind)(out)
            done.touch()
        self.all()
        for kind in (*KINDS, "all"):
            data = (self.folder / kind).read_bytes()
            lines = data.count(b"\n")
            self.described[kind] = {
                "bytes": len(data),
                "lines": lines,
                "mean_line": round(len(data) / max(lines, 1), 1),
            }

    # --- making it

    def compiler(self, out):
        """This project built anew: the commands, then the same with the compiler's own account of what it does."""
        build = self.folder / "build"
        build.mkdir()
        run(["meson", "setup", build, self.bench.root, "--buildtype=debug"], out)
        if self.bench.quick:
            run(["ninja", "-C", build, "-t", "commands", "runnel"], out)
        else:
            run(["ninja", "-v", "-C", build, "runnel"], out)
        includes = ["-I", str(self.bench.root / "src"), "-D_GNU_SOURCE"]
        sources = sorted((self.bench.root / "src").rglob("*.c"))
        for source in sources[:: self.bench.pick(24, 3)]:
            run(
                [
                    "gcc",
                    "-v",
                    "-H",
                    "-c",
                    "-O2",
                    "-fopt-info-all",
                    "-Wall",
                    "-Wextra",
                    "-Wconversion",
                    "-Wpadded",
                    "-Winline",
                    "-Waggregate-return",
                    "-Wtraditional",
                    *includes,
                    source,
                    "-o",
                    "/dev/null",
                ],
                out,
            )
        shutil.rmtree(build)

    def tests(self, out):
        """Python's own test suite, and this project's."""
        modules = ["test_json", "test_string", "test_datetime"]
        modules += self.bench.pick(
            [],
            [
                "test_argparse",
                "test_array",
                "test_ast",
                "test_base64",
                "test_bytes",
                "test_collections",
                "test_configparser",
                "test_csv",
                "test_dataclasses",
                "test_dict",
                "test_difflib",
                "test_enum",
                "test_fractions",
                "test_functools",
                "test_inspect",
                "test_ipaddress",
                "test_list",
                "test_math",
                "test_optparse",
                "test_pathlib",
                "test_posixpath",
                "test_re",
                "test_set",
                "test_statistics",
                "test_textwrap",
                "test_typing",
                "test_urlparse",
                "test_uuid",
                "test_xml_etree",
            ],
        )
        run(["/usr/bin/python3", "-m", "test", "-v", *modules], out, cwd=self.folder)
        unit = sorted(path for path in self.bench.build.glob("test_*") if os.access(path, os.X_OK) and path.is_file())
        for program in unit:
            run([program], out)

    def packages(self, out):
        """The package manager: what there is, what installing much would do, what is installed."""
        run(["dpkg", "-l"], out)
        for name in self.bench.pick(["build-essential"], ["texlive-latex-extra", "science-astronomy"]):
            run(["apt-get", "-s", "install", name], out)
        run(["apt-cache", "depends", "--recurse", self.bench.pick("build-essential", "kde-full")], out)
        installed = subprocess.run(["dpkg-query", "-W", "-f", "${Package}\n"], capture_output=True, text=True)
        packages = installed.stdout.split()
        run(["apt-cache", "policy", *packages], out)
        run(["dpkg", "-L", *packages], out)
        run(["apt-cache", "show", *packages], out)
        if not self.bench.quick:
            run(["apt-cache", "dumpavail"], out)

    def web(self, out):
        """nginx's access log, while it serves this machine's documentation to clients that walk over it."""
        root = pathlib.Path("/usr/share")
        files = [str(path.relative_to(root)) for path in sorted(root.glob("doc/*/*"))]
        files += [str(path.relative_to(root)) for path in sorted(root.glob("man/man*/*"))]
        chosen = random.Random(11).choices(files, k=self.bench.pick(20_000, 250_000))
        paths = self.folder / "paths"
        paths.write_text("".join(f"/{urllib.parse.quote(name)}\n" for name in chosen))
        log = self.folder / "access.log"
        with rivals.Nginx(self.folder / "nginx", server=f"access_log {log} combined; root {root};") as nginx:
            self.bench.load("http", port=nginx.port, paths=paths, connections=8, requests=len(chosen))
            for name in chosen[:100]:  # and another client
                subprocess.run(
                    [
                        "curl",
                        "-s",
                        "-o",
                        "/dev/null",
                        "-e",
                        f"http://127.0.0.1:{nginx.port}/doc/",
                        f"http://127.0.0.1:{nginx.port}/{urllib.parse.quote(name)}",
                    ],
                    check=False,
                )
        out.write(log.read_bytes())
        log.unlink()

    # --- using it

    def all(self):
        """Every kind, one after the other. Of the packages, whose lines are short and most, only the beginning, so that
        the mean line is about as long as in logs elsewhere."""
        path = self.folder / "all"
        if not path.exists():
            with open(path, "wb") as out:
                for kind in KINDS:
                    data = (self.folder / kind).read_bytes()
                    most = (self.folder / "web").stat().st_size // 16 if kind == "packages" else len(data)
                    out.write(data if len(data) <= most else data[: data.rfind(b"\n", 0, most) + 1])
        return path

    def sized(self, size):
        """The outputs one after the other, again and again, up to a size, ending with a whole line."""
        path = self.folder / f"sized-{size}"
        if not path.exists() or path.stat().st_size == 0:
            data = self.all().read_bytes()
            with open(path, "wb") as out:
                left = size
                while left > 0:
                    part = data if left >= len(data) else data[: data.rfind(b"\n", 0, left) + 1]
                    if not part:
                        break
                    out.write(part)
                    left -= len(part)
        return path

    def mixed(self, lines, run=50):
        """So many lines of all kinds, in runs as they came, drawn from all over: where few are used, the first ones alone
        would be of one kind."""
        path = self.folder / f"mixed-{lines}"
        if not path.exists() or path.stat().st_size == 0:
            whole = self.all().read_bytes().splitlines(keepends=True)
            runs = [whole[at : at + run] for at in range(0, len(whole), run)]
            random.Random(lines).shuffle(runs)
            path.write_bytes(b"".join(line for some in runs[: -(-lines // run)] for line in some))
        return path
