"""Ceph's gateway, as a real server of S3: a monitor, a store in memory, and the gateway, in a folder of their own."""

import atexit
import functools
import hashlib
import pathlib
import shutil
import subprocess
import tempfile
import urllib.parse
import uuid
import xml.etree.ElementTree

from . import DEADLINE
from .api import eventually
from .ports import hold
from .process import Process
from .s3 import BUCKET

PROGRAMS = ["ceph", "ceph-mon", "ceph-osd", "radosgw", "radosgw-admin", "curl"]
MISSING = [name for name in PROGRAMS if not shutil.which(name)]
CONFIGURATION = """
[global]
keyring = {dir}/keyring
fsid = {fsid}
mon host = [v2:127.0.0.1:{mon},v1:127.0.0.1:{mon1}/0]
public addr = 127.0.0.1
cluster addr = 127.0.0.1
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
osd pool default size = 1
osd pool default min size = 1
osd crush chooseleaf type = 0
osd pool default pg num = 8
osd pool default pgp num = 8
osd pool default pg autoscale mode = off
mon allow pool size one = true
mon max pg per osd = 1000
run dir = {dir}/run
admin socket = {dir}/run/$name.$pid.asok
log file = {dir}/log/$name.log
[mon]
mon data = {dir}/mon
mon data avail crit = 1
[osd]
osd data = {dir}/osd
osd objectstore = memstore
memstore device bytes = 1073741824
osd memory target = 939524096
[client]
rgw frontends = beast endpoint=127.0.0.1:{port}
rgw data = {dir}/rgw
"""
RIGHTS = {
    "mon.": ["mon", "allow *"],
    "client.admin": ["mon", "allow *", "osd", "allow *", "mgr", "allow *"],
    "client.rgw": ["mon", "allow rwx", "osd", "allow rwx", "mgr", "allow *"],
    "osd.0": ["mon", "allow profile osd", "osd", "allow *", "mgr", "allow profile osd"],
}


class Ceph:
    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="runnel-ceph-"))
        self.keys = {"AWS_ACCESS_KEY_ID": "RUNNEL", "AWS_SECRET_ACCESS_KEY": "runnelsecret"}
        self.processes, self.held = [], [hold() for _ in range(3)]
        mon, mon1, port = (one.getsockname()[1] for one in self.held)
        self.url = f"http://127.0.0.1:{port}"
        for name in ("mon", "osd", "rgw", "run", "log"):
            (self.folder / name).mkdir()
        fsid = str(uuid.uuid4())
        self.file = self.folder / "ceph.conf"
        self.file.write_text(CONFIGURATION.format(dir=self.folder, fsid=fsid, mon=mon, mon1=mon1, port=port))
        self._make_keys()
        self._start(fsid, f"[v2:127.0.0.1:{mon},v1:127.0.0.1:{mon1}]")

    def _run(self, *arguments):
        done = subprocess.run([*map(str, arguments)], capture_output=True, text=True, timeout=DEADLINE)
        assert done.returncode == 0, (arguments, done.stderr)
        return done.stdout

    def _daemon(self, *arguments):
        argv = [*map(str, arguments), "-c", str(self.file), "-f"]
        self.processes.append(Process(argv, env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}, cwd=str(self.folder)))

    def _make_keys(self):
        ring = self.folder / "keyring"
        self._run("ceph-authtool", "--create-keyring", ring)
        for name, rights in RIGHTS.items():
            caps = [word for i in range(0, len(rights), 2) for word in ("--cap", *rights[i : i + 2])]
            self._run("ceph-authtool", ring, "--gen-key", "-n", name, *caps)

    def _start(self, fsid, address):
        conf = ["-c", self.file]
        self._run("monmaptool", "--create", "--addv", "a", address, "--fsid", fsid, self.folder / "monmap")
        ring = ["--monmap", self.folder / "monmap", "--keyring", self.folder / "keyring"]
        self._run("ceph-mon", *conf, "-i", "a", "--mkfs", *ring)
        self._daemon("ceph-mon", "-i", "a")
        osd = str(uuid.uuid4())
        self._run("ceph", *conf, "osd", "new", osd)
        self._run("ceph-osd", *conf, "-i", "0", "--mkfs", "--osd-uuid", osd)
        self._daemon("ceph-osd", "-i", "0")
        eventually(lambda: "1 up" in self._run("ceph", *conf, "osd", "stat"), "the store is up")
        user = ["--uid=runnel", "--display-name=runnel", "--access-key=RUNNEL", "--secret=runnelsecret"]
        self._run("radosgw-admin", *conf, "user", "create", *user)
        self._daemon("radosgw", "-n", "client.rgw")
        eventually(self._makes_bucket, "the gateway takes a bucket")

    def _makes_bucket(self):
        return self.ask("PUT", f"/{BUCKET}")[0] == 200

    def ask(self, method, target, content=b""):
        """A signed request: the status and the body."""
        argv = ["curl", "-s", "-w", "\n%{http_code}", "-X", method, "--aws-sigv4", "aws:amz:us-east-1:s3"]
        user = "{AWS_ACCESS_KEY_ID}:{AWS_SECRET_ACCESS_KEY}".format(**self.keys)
        argv += ["-u", user, "-H", f"x-amz-content-sha256: {hashlib.sha256(content).hexdigest()}", self.url + target]
        argv += ["--data-binary", "@-"] if content else []
        done = subprocess.run(argv, input=content, capture_output=True, timeout=DEADLINE)
        body, _, status = done.stdout.rpartition(b"\n")
        return int(status), body

    def _listed(self, query, prefix, item):
        status, body = self.ask("GET", f"/{BUCKET}?{query}{urllib.parse.quote(prefix + '/', safe='')}")
        assert status == 200, body
        found = xml.etree.ElementTree.fromstring(body)
        space = found.tag.partition("}")[0] + "}"
        return [one.find(f"{space}Key").text[len(prefix) + 1 :] for one in found.findall(space + item)]

    def flags(self, prefix, url=None):
        return ["--artifacts", f"s3://{BUCKET}/{prefix}", "--s3-endpoint", url or self.url]

    def files(self, prefix):
        return self._listed("list-type=2&prefix=", prefix, "Contents")

    def read(self, prefix, key):
        status, body = self.ask("GET", f"/{BUCKET}/{prefix}/{key}")
        assert status == 200, body
        return body

    def write(self, prefix, key, content):
        status, body = self.ask("PUT", f"/{BUCKET}/{prefix}/{key}", content)
        assert status == 200, body

    def remove(self, prefix, key):
        status, body = self.ask("DELETE", f"/{BUCKET}/{prefix}/{key}")
        assert status == 204, body

    def uploads(self, prefix):
        """The multipart uploads that have no end: {key: numbers of parts}."""
        status, body = self.ask("GET", f"/{BUCKET}?prefix={urllib.parse.quote(prefix + '/', safe='')}&uploads=")
        assert status == 200, body
        found = xml.etree.ElementTree.fromstring(body)
        space = found.tag.partition("}")[0] + "}"
        uploads = {}
        for one in found.findall(space + "Upload"):
            key, id = (one.find(space + name).text for name in ("Key", "UploadId"))
            parts = xml.etree.ElementTree.fromstring(
                self.ask("GET", f"/{BUCKET}/{key}?uploadId={urllib.parse.quote(id, safe='')}")[1]
            )
            uploads[key[len(prefix) + 1 :]] = [int(part.text) for part in parts.iter(space + "PartNumber")]
        return uploads

    def close(self):
        for process in reversed(self.processes):
            process.kill()
        for one in self.held:
            one.close()
        shutil.rmtree(self.folder, ignore_errors=True)


@functools.cache
def shared():
    """One for the session."""
    engine = Ceph()
    atexit.register(engine.close)
    return engine
