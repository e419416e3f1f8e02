"""What stays on the disk."""

import subprocess
import time

from .corpus import KINDS

SETTLED_SECONDS = 6
SETTLE_MAX_SECONDS = 90


def settle(server):
    """Until the data folder has not changed for a while."""
    began = changed = time.monotonic()
    size = server.disk_bytes()
    while time.monotonic() - changed < SETTLED_SECONDS and time.monotonic() - began < SETTLE_MAX_SECONDS:
        time.sleep(0.5)
        now = server.disk_bytes()
        if now != size:
            size, changed = now, time.monotonic()
    return size


def disk(bench):
    """Each real output as one execution of its own, as wrap records it; then everything that the data folder holds."""
    packed = 0
    raw = 0
    with bench.server("disk") as server:
        empty = server.disk_bytes()
        for kind in KINDS:
            path = bench.corpus.folder / kind
            raw += path.stat().st_size
            done = subprocess.run(["zstd", "-3", "-q", "-c", str(path)], capture_output=True, check=True)
            alone = len(done.stdout)
            packed += alone
            before = server.disk_bytes()
            subprocess.run(
                [bench.runnel, "wrap", "-q", "--id", kind, "--", "cat", str(path)],
                check=True,
                stdout=subprocess.DEVNULL,
                env=server.environment,
            )
            if bench.quick:
                continue
            after = settle(server)
            bench.grow(
                "disk",
                f"{kind}, {path.stat().st_size / 1e6:.1f} MB",
                (after - before) / alone,
                "× zstd -3",
                "what the folder grew by, with the store's log as it stood",
            )
        running = settle(server)
        server.stop()
        stopped = server.disk_bytes()
        files = {path.name: path.stat().st_size for path in sorted(server.data.iterdir()) if path.is_file()}
    bench.row(
        "disk after merging, everything counted, server running",
        "≤ 1.3 × zstd -3",
        running / 1e6,
        "MB",
        packed / 1e6,
        f"zstd -3 of {raw / 1e6:.0f} MB, MB",
        running / packed,
        running <= 1.3 * packed,
    )
    bench.row(
        "disk after merging, server stopped",
        "≤ 1.3 × zstd -3",
        stopped / 1e6,
        "MB",
        packed / 1e6,
        f"zstd -3 of {raw / 1e6:.0f} MB, MB",
        stopped / packed,
        stopped <= 1.3 * packed,
    )
    bench.note(
        f"an empty store takes {empty / 1e6:.2f} MB; the files in the end: "
        + ", ".join(f"{name} {size / 1e6:.2f} MB" for name, size in files.items() if size > 10_000)
    )
