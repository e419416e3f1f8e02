"""A server of S3 for the session, npm's s3rver, which keeps the files of the servers under test: each has a prefix of
its own."""

import contextlib
import functools
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

import pytest

from . import DEADLINE
from .files import files_beneath
from .npm import NPM
from .process import Process

WANTED = os.environ.get("RUNNEL_TEST_ARTIFACTS") == "s3"
BUCKET = "runnel"
needs_s3 = pytest.mark.skipif(
    not (shutil.which("node") and (NPM / "node_modules" / "s3rver").is_dir()),
    reason="s3rver is not installed (npm --prefix tests/npm ci --ignore-scripts)",
)
in_files = pytest.mark.skipif(WANTED, reason="it looks at the folder of files")


class S3:
    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="runnel-s3-"))
        self.keys = dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), "S3RVER")
        argv = [
            "node",
            "--openssl-legacy-provider",
            "--no-warnings",
            str(NPM / "s3.mjs"),
            str(self.folder),
            BUCKET,
        ]
        self.process = Process(argv, env={"PATH": os.environ["PATH"]}, cwd="/", stdin=subprocess.PIPE)
        said = self.process.out.wait(
            lambda data: re.search(rb"listening (\d+)\n", data),
            "s3rver's start",
            DEADLINE,
        )
        self.url = f"http://127.0.0.1:{int(said[1])}"

    def flags(self, prefix, url=None):
        where = f"s3://{BUCKET}/{prefix}" if prefix else f"s3://{BUCKET}"
        return [
            "--artifacts",
            where,
            "--s3-endpoint",
            url or self.url,
            "--s3-region",
            "us-east-1",
        ]

    def files(self, prefix):
        """What s3rver has beneath it, by its files: (key, path), and parts that no object has yet."""
        suffix, bucket = "._S3rver_object", self.folder / BUCKET
        paths = [
            pathlib.Path(folder, name)
            for folder, _, names in os.walk(bucket)  # which takes it that a folder goes meanwhile
            for name in names
            if name.endswith(suffix)
        ]
        found = {
            str(path.relative_to(bucket))[: -len(suffix)]: path
            for path in paths
            if str(path.relative_to(bucket)).startswith(f"{prefix}/")
        }
        return {key[len(prefix) + 1 :]: path for key, path in found.items()}

    def read(self, prefix, key):
        return self.files(prefix)[key].read_bytes()

    def write(self, prefix, key, content):
        (self.folder / BUCKET / prefix / f"{key}._S3rver_object").write_bytes(content)

    def remove(self, prefix, key):
        self.files(prefix)[key].unlink()

    def uploads(self, prefix):
        """The multipart uploads of s3rver that have no end: {key: numbers of parts}."""
        found = {}
        for folder in (self.folder / BUCKET / "._S3rver_uploads").glob("*"):
            with contextlib.suppress(FileNotFoundError):  # it is being made, or has ended
                key = (folder / "key").read_text()
                if key.startswith(f"{prefix}/"):
                    found[key[len(prefix) + 1 :]] = sorted(int(path.stem) for path in folder.glob("*.md5"))
        return found

    def close(self):
        self.process.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


@functools.cache
def shared():
    import atexit

    engine = S3()
    atexit.register(engine.close)
    return engine


def prefix_of(root):
    return "t" + hashlib.sha256(str(root).encode()).hexdigest()[:20]


def kept(server, folder="."):
    """The files that hold what the server keeps beneath that folder."""
    if WANTED:
        found = shared().files(prefix_of(server.root))
        return sorted(path for key, path in found.items() if folder == "." or key.startswith(f"{folder}/"))
    return sorted(files_beneath(server.data / "blobs" / folder))


def flags_of(root, flags):
    """What a server must be told in addition, if these tests are about S3."""
    return shared().flags(prefix_of(root)) if WANTED and "--artifacts" not in flags else []


def environment_of(flags):
    return shared().keys if WANTED and "--artifacts" not in flags else {}
