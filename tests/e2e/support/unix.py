"""Unix sockets whose files lie deep: an address has room for 107 bytes."""

import contextlib
import os


@contextlib.contextmanager
def address(path):
    """What bind and connect take for this path: through its folder, however long it is."""
    folder, name = os.path.split(path)
    descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{descriptor}/{name}"
    finally:
        os.close(descriptor)
