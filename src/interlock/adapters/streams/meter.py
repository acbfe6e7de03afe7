"""What a relay counts, in Prometheus' text format (version 0.0.4), on an address of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from interlock.engine.relay import Counts
from interlock.kernel.errors import Unavailable

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class MetricsPortTaken(Unavailable):
    """Something else listens where the metrics should be served."""

    code = "relay.metrics_port_taken"


def exposition(relay: str, counts: Counts) -> str:
    """The page. What is unknown is left out, so that an alert on absence finds it."""
    return "\n".join([*_lines(relay, counts), ""])


def _lines(relay: str, counts: Counts) -> Iterator[str]:
    label = f'relay="{relay}"'
    yield "# HELP interlock_relay_messages_total Messages taken from the source, by what became of them."
    yield "# TYPE interlock_relay_messages_total counter"
    for outcome in ("relayed", "unchanged", "dead", "repeated"):
        yield f'interlock_relay_messages_total{{{label},outcome="{outcome}"}} {getattr(counts, outcome)}'
    yield "# HELP interlock_relay_waits_total How often a broker was found away."
    yield "# TYPE interlock_relay_waits_total counter"
    yield f"interlock_relay_waits_total{{{label}}} {counts.waits}"
    yield "# HELP interlock_relay_up Whether both brokers answer."
    yield "# TYPE interlock_relay_up gauge"
    yield f"interlock_relay_up{{{label}}} {int(not counts.is_away)}"
    yield "# HELP interlock_relay_lag_seconds Age of the last message taken while others wait."
    yield "# TYPE interlock_relay_lag_seconds gauge"
    yield f"interlock_relay_lag_seconds{{{label}}} {counts.lag_s}"
    if counts.behind is not None:
        yield "# HELP interlock_relay_behind_messages Messages that wait to be taken."
        yield "# TYPE interlock_relay_behind_messages gauge"
        yield f"interlock_relay_behind_messages{{{label}}} {counts.behind}"


class Meter:
    """Serves the page until closed."""

    def __init__(self, at: tuple[str, int], page: Callable[[], str]) -> None:
        class Page(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = page().encode()
                self.send_response(200)
                self.send_header("content-type", CONTENT_TYPE)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Nobody asked for a line per scrape."""

        try:
            self._server = ThreadingHTTPServer(at, Page)
        except OSError as fault:
            says = f"metrics cannot be served at {at[0]}:{at[1]} ({fault.strerror})"
            raise MetricsPortTaken(says, remedy="Choose another address with --metrics.") from fault
        self.address: tuple[str, int] = (str(self._server.server_address[0]), self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, name="relay metrics", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
