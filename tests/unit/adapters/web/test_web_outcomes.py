"""Outcomes over HTTP: taken once, with or without the time of their answer; anything else is refused whole."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from interlock.kernel.instant import from_rfc3339
from support.gate_world import GateWorld


@pytest.fixture
def world(tmp_path: Path) -> Iterator[GateWorld]:
    made = GateWorld(tmp_path)
    yield made
    made.close()


def outcome(**more: Any) -> dict[str, Any]:
    at = "2026-05-01T09:30:00+02:00"
    return {"id": "a", "service": "s", "release": "r", "metric": "m", "loss": 1, "at": at, **more}


def test_the_time_of_the_answer_is_kept(world: GateWorld) -> None:
    """In any zone; without it, it is unknown. The first of an id counts."""
    answered = "2026-05-01T08:12:07.5+02:00"
    sent = [outcome(answered_at=answered), outcome(id="b"), outcome(id="c", answered_at=None), outcome()]
    answer = world.client.post("/v1/outcomes", json={"outcomes": sent})
    assert (answer.status_code, answer.json()) == (202, {"received": 4, "new": 3})
    with world.context.store.transaction(read_only=True) as tx:
        kept = [o.answered_at for _, o in tx.outcomes()]
    assert kept == [from_rfc3339(answered), None, None]


@pytest.mark.parametrize(
    "wrong",
    [
        {"answered_at": "2026-05-01T08:00:00"},
        {"answered_at": "yesterday"},
        {"loss": -1},
        {"loss": "1e999"},
        {"anwsered_at": "2026-05-01T08:00:00Z"},
    ],
)
def test_a_batch_with_a_mistake_is_refused_whole(world: GateWorld, wrong: dict[str, Any]) -> None:
    """A time without a zone, a loss that is none, a field that does not exist: nothing is stored."""
    answer = world.client.post("/v1/outcomes", json={"outcomes": [outcome(), outcome(id="b", **wrong)]})
    assert answer.status_code == 422
    with world.context.store.transaction(read_only=True) as tx:
        assert tx.last_outcome() == 0
