"""A lens hop with a planted fault: it writes another digit. A test starts it in place of the real one."""

from __future__ import annotations

import sys
from pathlib import Path

from interlock import hop
from interlock.adapters.envoy.hop.config import Sockets, Way
from interlock.adapters.envoy.hop.parent import run
from interlock.adapters.envoy.hop.server import Translate


def translators(way: Way) -> tuple[Translate | None, Translate | None]:
    """Right, but for a digit of what goes to the service."""
    request, response = hop.translators(way)
    return request and (lambda body: request(body).replace(b"7", b"8")), response


def main() -> None:
    file, directory, workers, nonce = sys.argv[1:]
    run(Path(file), Sockets(Path(directory), int(workers)), translators, nonce)


main()
