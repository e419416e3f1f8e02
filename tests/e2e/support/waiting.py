"""Waiting for what only asking tells."""

import time

from . import DEADLINE

PAUSE = 0.05  # between two questions; no test depends on it


def until(found, what, timeout=2 * DEADLINE):
    """The first true value of found()."""
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        value = found()
        if value:
            return value
        time.sleep(PAUSE)
    raise AssertionError(f"in vain: {what}")
