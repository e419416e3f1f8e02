"""A registry of images that asks for a password: Debian's docker-registry, on loopback."""

import base64
import json
import re
import shutil
import warnings

from .engine import NoEngine
from .process import Process

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    try:
        import crypt
    except ImportError:  # Python 3.13 has none
        crypt = None

USER, PASSWORD = "alice", "correct-horse-7"
CONFIGURATION = """
version: 0.1
log: {{accesslog: {{disabled: true}}, formatter: json}}
storage: {{filesystem: {{rootdirectory: {folder}/store}}}}
http: {{addr: "127.0.0.1:0"}}
auth: {{htpasswd: {{realm: test, path: {folder}/htpasswd}}}}
"""


class Registry:
    def __init__(self, folder):
        if not shutil.which("docker-registry") or not crypt:
            raise NoEngine("docker-registry is not installed")
        self.folder = folder
        folder.mkdir()
        hashed = crypt.crypt(PASSWORD, crypt.mksalt(crypt.METHOD_BLOWFISH, rounds=16))
        (folder / "htpasswd").write_text(f"{USER}:{hashed}\n")
        (folder / "config.yml").write_text(CONFIGURATION.format(folder=folder))
        self.process = Process(["docker-registry", "serve", folder / "config.yml"])
        found = self.process.err.wait(
            lambda data: re.search(rb"listening on 127\.0\.0\.1:(\d+)", data), "the registry's port"
        )
        self.name = f"127.0.0.1:{int(found.group(1))}"

    def put(self, podman, image, path):
        """Puts an image there, and takes it away from the engine; its name."""
        name = f"{self.name}/{path}"
        podman.run("tag", image, name)
        podman.run("push", "--creds", f"{USER}:{PASSWORD}", name)
        podman.run("rmi", name)
        return name

    def logins(self, path, password=PASSWORD, name=None, mode=0o600):
        """A file of logins, as `docker login` writes it."""
        auth = base64.b64encode(f"{USER}:{password}".encode()).decode()
        path.write_text(json.dumps({"auths": {name or self.name: {"auth": auth}}}))
        path.chmod(mode)
        return path

    def close(self):
        self.process.kill()
