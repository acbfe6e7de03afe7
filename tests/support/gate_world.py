"""The control plane's API over a store on disk and a world in memory, driven second by second."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastapi.testclient import TestClient

from interlock.adapters.store.sql import open_store
from interlock.adapters.web.app import build_app
from interlock.engine.context import Context
from interlock.engine.plans import approve_change, plan_change
from interlock.engine.reconcile import Loop
from interlock.engine.records import Rollout
from interlock.engine.releases import adopt_declared
from interlock.engine.rollouts import start
from interlock.engine.tokens import OPERATOR, keep_token
from support.world import Declared, ManualClock, SimPlane, SimProbe, workspace

TOKEN = "a-token"


class GateWorld:
    """`client` speaks with the operator's token; `restart` forgets everything that is not stored."""

    def __init__(self, path: Path) -> None:
        self.url = f"sqlite:///{path / 'state.db'}"
        self.clock, self.plane = ManualClock(), SimPlane()
        self._boot()
        adopt_declared(self.context)
        keep_token(self.context, TOKEN, OPERATOR, by="interlock")
        self.loop.tick()

    def _boot(self) -> None:
        store = open_store(self.url)
        self.context = Context(store, self.plane, SimProbe(), Declared(workspace()), self.clock)
        self.loop = Loop(self.context)
        self.client = TestClient(build_app(self.context), headers={"authorization": f"Bearer {TOKEN}"})

    def restart(self) -> None:
        self.close()
        self._boot()

    def close(self) -> None:
        self.context.store.close()

    def begin(self) -> Rollout:
        planned = plan_change(self.context, "better")
        for requirement in planned.missing:
            approve_change(self.context, "better", requirement.role, requirement.holders[0])
        return start(self.context, "better", "ana")

    def seconds(self, count: int, requests: int = 2_000, bad: dict[str, float] | None = None) -> None:
        """Traffic, then a look after each second (and at once another where the loop would not sleep)."""
        for _ in range(count):
            self.clock.turn(1.0)
            self.plane.send("front", requests, bad)
            self.plane.send("scoring", requests, bad)
            for _ in range(5):
                if self.loop.tick() > 0:
                    break

    def get(self, path: str) -> Any:
        answer = self.client.get(f"/v1{path}")
        assert answer.status_code == 200, answer.text
        return answer.json()
