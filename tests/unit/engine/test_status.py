"""The status tells of the processes that traffic passes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from interlock.cli.rollouts import lines
from interlock.engine.ports import PartHealth
from interlock.engine.status import status_view
from support.driven import World


def test_a_process_that_does_not_do_its_work_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the data always, to a person when something is wrong."""
    world = World(tmp_path)
    parts = [PartHealth("envoy", True, "process 7"), PartHealth("lens hop", False, "not running")]
    monkeypatch.setattr(world.context.plane, "health", lambda: tuple(parts))
    view: dict[str, Any] = status_view(world.context)
    assert view["proxy"] == {
        "envoy": {"well": True, "says": "process 7"},
        "lens hop": {"well": False, "says": "not running"},
    }
    assert lines(view)[-1] == "lens hop: not running"
    world.context.store.close()
