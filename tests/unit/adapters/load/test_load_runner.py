from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from interlock.adapters.load import Bounds, http_call, run_load
from interlock.domain.checks.check import CheckInvalid


def test_calls_are_counted_to_the_bound() -> None:
    """No more than the declared calls are made, from all threads together."""
    seen = run_load(lambda: None, Bounds(calls=50, threads=4))
    assert (len(seen.latencies_ms), seen.failures, seen.stopped_by) == (50, 0, "calls")


def test_failures_are_counted_with_their_first_reason() -> None:
    """A model that raises, or leaves, fails its calls and not the run."""
    calls = iter(range(10))

    def model() -> None:
        if next(calls) % 2:
            raise SystemExit("out of memory")

    seen = run_load(model, Bounds(calls=10, threads=1))
    assert (len(seen.latencies_ms), seen.failures, seen.first_fault) == (5, 5, "SystemExit: out of memory")


def test_a_call_that_hangs_does_not_hang_the_check() -> None:
    """After the time is up, what has not returned is a failure."""
    released = threading.Event()
    seen = run_load(released.wait, Bounds(calls=10, seconds=0.05, threads=2, grace_s=0.05))
    released.set()
    assert (seen.failures, seen.first_fault, seen.stopped_by) == (2, "2 calls did not return", "seconds")


def test_memory_that_a_model_keeps_is_seen() -> None:
    """Forty megabytes kept by the calls are growth."""
    kept: list[bytes] = []
    seen = run_load(lambda: kept.append(b"x" * 4_000_000), Bounds(calls=10, threads=1))
    assert seen.grown_bytes is not None
    assert seen.grown_bytes >= 15_000_000  # the allocator had some of it already


@pytest.mark.parametrize(
    "wrong", [{"calls": 0}, {"seconds": 0}, {"threads": 0}, {"calls": 10**9}, {"seconds": 1e9}]
)
def test_bounds_are_bounded(wrong: dict[str, int]) -> None:
    """A run without an end is refused."""
    with pytest.raises(CheckInvalid):
        Bounds(**wrong)


class _Model(BaseHTTPRequestHandler):
    """Answers POST /predict with 200 and anything else with 503."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self._answer(200 if self.path == "/predict?v=2" else 503)

    def do_GET(self) -> None:
        self._answer(503)

    def _answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Tests are silent."""


@pytest.fixture
def model() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Model)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_an_endpoint_is_called(model: str) -> None:
    """Answers count with their latency; a status of 400 and above is a failure."""
    good = run_load(http_call(f"{model}/predict?v=2", b"{}"), Bounds(calls=20, threads=2))
    assert (len(good.latencies_ms), good.failures) == (20, 0)
    bad = run_load(http_call(f"{model}/predict"), Bounds(calls=4, threads=1))
    assert (bad.failures, bad.first_fault) == (4, "RuntimeError: status 503")


def test_an_endpoint_that_is_not_there_fails_its_calls() -> None:
    """A refused connection is a failed call; what is no address is a mistake."""
    seen = run_load(http_call("http://127.0.0.1:9"), Bounds(calls=2, threads=1))
    assert seen.failures == 2
    assert "refused" in seen.first_fault
    with pytest.raises(CheckInvalid, match="no HTTP address"):
        http_call("127.0.0.1:80/predict")
