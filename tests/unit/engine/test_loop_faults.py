"""The loop when its surroundings fail: it says so once, changes nothing by half, and goes on when they are back."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from interlock.adapters.store.sql import SqlStore
from interlock.engine.context import Context
from interlock.engine.plans import approve_change, plan_change
from interlock.engine.reconcile import Loop
from interlock.engine.releases import adopt_declared
from interlock.engine.rollouts import find, order, start
from interlock.kernel.errors import Invalid, Invariant, Unavailable
from support.world import Declared, ManualClock, SimPlane, SimProbe, workspace


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqlStore]:
    made = SqlStore(f"sqlite:///{tmp_path / 'state.db'}")
    yield made
    made.close()


@pytest.fixture
def loop(store: SqlStore) -> Loop:
    """A rollout that has just begun."""
    context = Context(store, SimPlane(), SimProbe(), Declared(workspace()), ManualClock())
    adopt_declared(context)
    made = Loop(context)
    made.tick()
    for requirement in plan_change(context, "better").missing:
        approve_change(context, "better", requirement.role, requirement.holders[0])
    start(context, "better", "ana")
    return made


def phase(loop: Loop) -> tuple[int, str]:
    with loop.context.store.transaction(read_only=True) as tx:
        position = find(tx, "better").position
    return position.stage, position.phase


def look(loop: Loop, seconds: int) -> None:
    """One look a second."""
    for _ in range(seconds):
        loop.context.clock.turn(1.0)  # type: ignore[attr-defined] # a manual clock
        loop.tick()


def test_a_full_disk_stops_decisions_and_nothing_else(loop: Loop, store: SqlStore) -> None:
    """With no space left the tick fails as a whole; with space back, the rollout goes on where it was."""
    with store.engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()

    def shrink(connection: sa.Connection) -> None:
        connection.exec_driver_sql(f"PRAGMA max_page_count = {limit}")

    limit = pages
    sa.event.listen(store.engine, "begin", shrink)
    before, served = phase(loop), loop.context.plane.published()
    with pytest.raises(Unavailable) as failed:
        look(loop, seconds=400)
    assert failed.value.code == "store.full"
    stuck = phase(loop)
    assert loop.context.plane.published() == served or stuck != before
    limit = 1_000_000
    look(loop, seconds=3)
    assert phase(loop)[1] == "forward"


def test_a_refused_table_is_reported_once_and_tried_again(loop: Loop) -> None:
    """The data plane says no: traffic stays, the loop lives, the reason is told a single time."""
    told: list[str] = []
    loop.report = told.append
    plane = loop.context.plane
    publish = plane.publish
    tries = 0
    stop = threading.Event()

    def refuse(table: object) -> None:
        nonlocal tries
        tries += 1
        if tries == 5:
            stop.set()
        loop.context.wake.set()
        raise Invalid("the proxy refuses it")

    plane.publish = refuse  # type: ignore[method-assign] # the fault of this test
    loop.run(stop)
    assert told == ["the proxy refuses it"]
    assert tries == 5
    plane.publish = publish  # type: ignore[method-assign] # healed
    loop.tick()
    assert phase(loop)[1] == "forward"


def test_a_broken_invariant_freezes_the_rollout_and_a_person_can_end_it(
    loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Our own bug: nothing is tried, someone is told, abort still works."""
    told: list[str] = []
    loop.report = told.append

    def break_(*arguments: object) -> object:
        raise Invariant("two and two are five")

    with monkeypatch.context() as broken:
        broken.setattr("interlock.engine.reconcile.decide", break_)
        loop.tick()
    assert phase(loop)[1] == "frozen"
    assert any("two and two" in line for line in told)
    loop.tick()
    assert phase(loop)[1] == "frozen"
    order(loop.context, "better", "abort", "ana")
    loop.tick()
    assert phase(loop)[1] == "draining"
