"""The lens hop's composition root: `python -m interlock.hop FILE DIRECTORY WORKERS NONCE`, run by the data plane.

A process of its own with as little in it as translating takes; see `adapters/envoy/hop`.
"""

from __future__ import annotations

import sys
from pathlib import Path

from interlock.adapters.bodies import body_translator
from interlock.adapters.bodies.strict import read, written
from interlock.adapters.envoy.hop.config import Sockets, Way
from interlock.adapters.envoy.hop.parent import run
from interlock.adapters.envoy.hop.server import Translate
from interlock.domain.lenses.bodies import body_run, without_selection
from interlock.domain.lenses.generate import translator
from interlock.domain.lenses.ops import Program


def translators(way: Way) -> tuple[Translate | None, Translate | None]:
    """What translates the requests and the answers of a way; None for a side without a lens."""
    selects = way.body == "oip" and bool(way.response)  # then requests may name tensors that callers know
    request = _translator(way, way.request, way.request_types, selects=selects) if way.request or selects else None
    return request, _translator(way, way.response, way.response_types) if way.response else None


def _translator(
    way: Way, program: Program, types: tuple[tuple[str, str], ...], *, selects: bool = False
) -> Translate:
    if way.body == "object":
        return body_translator(program, ())
    translated = body_run(program, way.body, dict(types), translator(program, ()))
    if selects:
        translated = without_selection(translated)
    return lambda body: written(translated(read(body)))


def main() -> None:
    """Serve until told to end."""
    file, directory, workers, nonce = sys.argv[1:]
    run(Path(file), Sockets(Path(directory), int(workers)), translators, nonce)


if __name__ == "__main__":
    main()
