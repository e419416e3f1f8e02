"""The server's own table of routes, as `runnel help --document routes-json` prints it."""

import json
import subprocess

from .process import BIN


def route_rows():
    made = subprocess.run([BIN, "help", "--document", "routes-json"], check=True, capture_output=True, text=True)
    rows = json.loads(made.stdout)
    assert len(rows) >= 20
    return rows
