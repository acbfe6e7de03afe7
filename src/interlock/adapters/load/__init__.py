"""A bounded load: calls a Python callable or an HTTP endpoint so many times, from so many threads, for so long.

Whichever bound comes first ends the run. A call that has not returned `grace_s` after the time is up counts as
failed and is left behind, so that a model that hangs cannot hang its check. Memory is the growth of a process's
resident set from before the first call to its highest value after any call; it is read from /proc, so on Linux
only.
"""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from interlock.domain.checks.check import CheckInvalid
from interlock.domain.checks.measures.load import LoadSeen

Call = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Bounds:
    """calls: at most so many, from `threads` threads, begun within `seconds`."""

    calls: int = 1_000
    seconds: float = 30.0
    threads: int = 4
    grace_s: float = 5.0

    def __post_init__(self) -> None:
        if not (0 < self.calls <= 1_000_000 and 0 < self.seconds <= 3_600 and 0 < self.threads <= 256):
            remedy = "Use up to 1,000,000 calls, 3,600 seconds and 256 threads."
            raise CheckInvalid("a load needs calls, seconds and threads above 0", remedy=remedy)


def run_load(call: Call, bounds: Bounds, pid: int | str = "self") -> LoadSeen:
    """Call until a bound is reached. An exception is a failure. pid: whose memory is watched."""
    run = _Run(call, bounds, pid)
    threads = [threading.Thread(target=run.work, daemon=True) for _ in range(bounds.threads)]
    begun = time.perf_counter()
    run.deadline = begun + bounds.seconds
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, run.deadline + bounds.grace_s - time.perf_counter()))
    return run.seen(time.perf_counter() - begun)


def http_call(url: str, body: bytes | None = None, timeout_s: float = 10.0) -> Call:
    """A call that asks `url` (POST with a JSON body, else GET) over one kept connection per thread; a status of 400
    or above, or no answer, is a failure.
    """
    at = urlsplit(url)
    if at.scheme not in ("http", "https") or not at.hostname:
        raise CheckInvalid(f"{url!r} is no HTTP address", remedy="Write it like http://127.0.0.1:8000/predict.")
    make = http.client.HTTPSConnection if at.scheme == "https" else http.client.HTTPConnection
    path = (at.path or "/") + (f"?{at.query}" if at.query else "")
    kept = threading.local()

    def call() -> None:
        connection = getattr(kept, "connection", None)
        if connection is None:
            connection = kept.connection = make(at.hostname or "", at.port, timeout=timeout_s)
        try:
            headers = {"content-type": "application/json"} if body is not None else {}
            connection.request("POST" if body is not None else "GET", path, body, headers)
            answer = connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException):
            connection.close()
            raise
        if answer.status >= 400:
            raise RuntimeError(f"status {answer.status}")

    return call


@dataclass(slots=True)
class _Run:
    """What the threads share."""

    call: Call
    bounds: Bounds
    pid: int | str
    deadline: float = 0.0
    begun: int = 0
    latencies_ms: list[float] = field(default_factory=list)
    failures: int = 0
    first_fault: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)
    at_start: int | None = field(init=False)
    peak: int = 0

    def __post_init__(self) -> None:
        self.at_start = _resident_bytes(self.pid)

    def work(self) -> None:
        while self.may_begin():
            start = time.perf_counter()
            try:
                self.call()
            except BaseException as fault:  # a call that raises, in any way, is a failed call
                self.record(None, f"{type(fault).__name__}: {fault}")
            else:
                self.record((time.perf_counter() - start) * 1000, "")

    def may_begin(self) -> bool:
        with self.lock:
            if self.begun >= self.bounds.calls or time.perf_counter() >= self.deadline:
                return False
            self.begun += 1
            return True

    def record(self, latency_ms: float | None, fault: str) -> None:
        resident = _resident_bytes(self.pid) or 0
        with self.lock:
            self.peak = max(self.peak, resident)
            if latency_ms is not None:
                self.latencies_ms.append(latency_ms)
            else:
                self.failures += 1
                self.first_fault = self.first_fault or fault

    def seen(self, seconds: float) -> LoadSeen:
        with self.lock:
            ended = len(self.latencies_ms) + self.failures
            left = self.begun - ended
            fault = self.first_fault or (f"{left} calls did not return" if left else "")
            grown = None if self.at_start is None or not self.peak else max(0, self.peak - self.at_start)
            stopped_by = "calls" if self.begun >= self.bounds.calls else "seconds"
            return LoadSeen(tuple(self.latencies_ms), self.failures + left, fault, grown, seconds, stopped_by)


def _resident_bytes(pid: int | str) -> int | None:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return None
    for line in status.splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    return None
