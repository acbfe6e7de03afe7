"""The engine over a real store and a world in memory, driven second by second."""

from __future__ import annotations

from pathlib import Path

from interlock.adapters.store.sql import open_store
from interlock.engine.context import Context
from interlock.engine.plans import Planned, approve_change, plan_change
from interlock.engine.reconcile import Loop
from interlock.engine.records import Rollout
from interlock.engine.releases import adopt_declared
from interlock.engine.rollouts import find, start
from support.world import Declared, ManualClock, SimPlane, SimProbe, workspace


class World:
    """The engine over a store on disk, driven second by second."""

    def __init__(self, path: Path) -> None:
        self.url = f"sqlite:///{path / 'state.db'}"
        self.declared, self.clock, self.plane, self.probe = (
            Declared(workspace()),
            ManualClock(),
            SimPlane(),
            SimProbe(),
        )
        self.boot()
        adopt_declared(self.context)
        self.loop.tick()

    def boot(self) -> None:
        """Start the control plane; the data plane goes on as it was."""
        store = open_store(self.url)
        self.context = Context(store, self.plane, self.probe, self.declared, self.clock)
        self.loop = Loop(self.context)

    def crash(self) -> None:
        """Forget everything that is not stored, and start again."""
        self.context.store.close()
        self.boot()

    def approve_all(self, name: str = "better") -> Planned:
        planned = plan_change(self.context, name)
        for requirement in planned.missing:
            planned = approve_change(self.context, name, requirement.role, requirement.holders[0])
        assert not planned.missing
        return planned

    def begin(self, name: str = "better") -> Rollout:
        self.approve_all(name)
        return start(self.context, name, "ana")

    def second(self, requests: int = 2_000, bad: dict[str, float] | None = None) -> None:
        """A second of traffic, then one look (and at once another where the loop would not sleep)."""
        self.clock.turn(1.0)
        self.plane.send("front", requests, bad)
        self.plane.send("scoring", requests, bad)
        for _ in range(5):
            if self.loop.tick() > 0:
                return

    def now(self, name: str = "better") -> Rollout:
        with self.context.store.transaction(read_only=True) as tx:
            return find(tx, name)

    def run(self, name: str = "better", limit: int = 300, bad: dict[str, float] | None = None) -> Rollout:
        """Seconds of traffic until the rollout has ended."""
        for _ in range(limit):
            self.second(bad=bad)
            if not self.now(name).is_live:
                return self.now(name)
        raise AssertionError(f"still at {self.now(name).position}")
