"""Waiting for what another process does."""

from __future__ import annotations

import time
from collections.abc import Callable


def wait_until(claim: Callable[[], bool], deadline_s: float) -> bool:
    """Poll `claim`, at first each millisecond, then more slowly; False when it is not true by the deadline."""
    ends, pause = time.monotonic() + deadline_s, 0.001
    while not claim():
        if time.monotonic() >= ends:
            return False
        time.sleep(pause)
        pause = min(pause * 1.5, 0.05)
    return True
