"""The workspace that `interlock init` writes: two services, one model, one contract in two versions, one change.

The files stand in `starter/` beside this module, so that they are read, completed and checked like any others;
the JSON Schemas for editors are written from `kinds.py`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from interlock.adapters.workspace.kinds import KINDS
from interlock.adapters.workspace.loader import DeclarationExists, write_once

_STARTER: Final = Path(__file__).parent / "starter"


def write_template(directory: Path) -> list[Path]:
    """Write the starter workspace into `directory` and return the paths, sorted.

    DeclarationExists names every file that is there already; then nothing is written.
    """
    texts = {directory / path: text for path, text in _texts().items()}
    if taken := [path for path in texts if path.exists()]:
        names = ", ".join(path.relative_to(directory).as_posix() for path in taken)
        raise DeclarationExists(f"{directory} has {names} already", remedy="Choose an empty directory.")
    for path, text in texts.items():
        write_once(path, text)
    return list(texts)


def _texts() -> dict[Path, str]:
    """Text by relative path, sorted."""
    starter = {path.relative_to(_STARTER): path.read_text("utf-8") for path in _STARTER.rglob("*.yaml")}
    schemas = {Path("schemas", f"{kind.lower()}.json"): _pretty(schema) for kind, schema in KINDS.items()}
    return dict(sorted((starter | schemas).items()))


def _pretty(schema: dict[str, object]) -> str:
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
