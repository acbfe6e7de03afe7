"""The lens hop's composition root: `python -m interlock.hop FILE DIRECTORY WORKERS NONCE`, started by the data plane.

A process of its own with as little in it as translating takes; see `adapters/envoy/hop`.
"""

from __future__ import annotations

import sys
from pathlib import Path

from interlock.adapters.envoy.hop.config import Sockets, Way
from interlock.adapters.envoy.hop.parent import run
from interlock.adapters.envoy.hop.server import Translate
from interlock.domain.lenses.bodies import body_run, bytes_run, without_selection


def translators(way: Way) -> tuple[Translate | None, Translate | None]:
    """What translates the requests and the answers of a way."""
    selects = way.body == "oip" and bool(way.response)
    request = body_run(way.request, way.body, dict(way.request_types)) if way.request or selects else None
    response = body_run(way.response, way.body, dict(way.response_types)) if way.response else None
    if request and selects:
        request = without_selection(request)
    return bytes_run(request) if request else None, bytes_run(response) if response else None


def main() -> None:
    """Serve until told to end."""
    file, directory, workers, nonce = sys.argv[1:]
    run(Path(file), Sockets(Path(directory), int(workers)), translators, nonce)


if __name__ == "__main__":
    main()
