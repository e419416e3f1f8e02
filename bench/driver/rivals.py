"""Programs from Debian that do some of the same work, started here on free ports of 127.0.0.1."""

import os
import pathlib
import shutil
import socket
import subprocess
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


class Nginx:
    def __init__(self, folder, http="", server="", modules=()):
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.port = free_port()
        load = "".join(f"load_module {MODULES / module};\n" for module in modules)
        config = folder / "nginx.conf"
        config.write_text(f"""{load}daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;
worker_rlimit_nofile 20000;
{"user root;" if os.getuid() == 0 else ""}
events {{ worker_connections 12000; }}
http {{
  access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s; keepalive_requests 100000000; types {{ }}
  {http}
  server {{ listen 127.0.0.1:{self.port} backlog=4096; {server} }}
}}
""")
        self.process = subprocess.Popen(["nginx", "-c", config, "-p", folder, "-e", f"{folder}/error.log"],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_port(self.port, self.process)
        time.sleep(0.2)
        self.worker = children(self.process.pid)[0]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(30)
        shutil.rmtree(self.folder, ignore_errors=True)
