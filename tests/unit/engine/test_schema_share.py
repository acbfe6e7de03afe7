"""What relays follow is the rollout's own share: it grows, freezes, empties and settles with it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from interlock.domain.releases.release import Release
from interlock.engine import records
from interlock.engine.rollouts import order
from interlock.engine.schema_share import VersionUnclear, schema_share
from interlock.kernel.errors import Missing
from support.driven import World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.context.store.close()


def test_the_share_follows_the_rollout_until_it_is_settled(world: World) -> None:
    """Its keys are those of the requests: the same seed and weight; then the new version is the default."""
    before = schema_share(world.context, "amounts")
    assert (before.default, before.share, before.pins) == ("1", None, ())
    rollout = world.begin()
    seen = []
    for _ in range(300):
        world.second()
        if not world.now().is_live:
            break
        now = schema_share(world.context, "amounts")
        assert dict(now.pins) == {rollout.baseline: "1", rollout.candidate: "2"}
        seen.append((now.default, now.share.weight_bp if now.share else None))
    assert list(dict.fromkeys(seen)) == [("1", 0), ("1", 1_000), ("1", 5_000), ("2", None)]
    after = schema_share(world.context, "amounts")
    assert (after.default, after.share) == ("2", None)


def test_a_paused_rollout_freezes_it_and_a_rollback_empties_it(world: World) -> None:
    """The rollout is the only switch."""
    world.begin()
    while not (now := schema_share(world.context, "amounts")).share or not now.share.weight_bp:
        world.second()
    order(world.context, "better", "pause", "ana")
    world.second()
    frozen = schema_share(world.context, "amounts")
    assert frozen.is_frozen
    assert frozen.share
    assert frozen.share.weight_bp > 0
    assert "is paused" in frozen.because
    order(world.context, "better", "rollback", "ana")
    world.run()
    assert (schema_share(world.context, "amounts").default, schema_share(world.context, "amounts").share) == (
        "1",
        None,
    )


def test_what_nobody_speaks_is_not_followed(world: World) -> None:
    """The person is told to name versions instead."""
    with pytest.raises(Missing, match="no service that serves now speaks ghosts"):
        schema_share(world.context, "ghosts")


def test_what_services_speak_differently_is_not_followed(world: World) -> None:
    """front answers in version 2 while scoring reads version 1."""
    with world.context.store.transaction() as tx:
        current = records.read_current(tx)
        assert current is not None
        mixed = [replace(d, writes="amounts@2") if d.service == "front" else d for d in current.deployments]
        records.write_current(tx, Release(tuple(mixed)))
    with pytest.raises(VersionUnclear, match="versions 1, 2"):
        schema_share(world.context, "amounts")
