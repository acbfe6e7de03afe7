"""Where the tables of plans under way stand, as their databases tell it. Threads ask, because databases may be
slow or gone, and the loop waits for none of them.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field

from interlock.domain.migrations.position import Kept
from interlock.domain.rollout.plan import Plan
from interlock.domain.rollout.tables import TableSeen, place
from interlock.engine.ports import Clock
from interlock.engine.tables import TableDatabase, TableDatabases
from interlock.kernel.errors import InterlockError
from interlock.kernel.instant import Instant

STALE_AFTER_S = 15.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What a database told at `at`; a fault tells why it did not."""

    at: Instant
    kept: Mapping[str, Kept] = field(default_factory=dict)
    fault: str = ""


class TableWatch:
    """Asks each database again once it has answered."""

    def __init__(self, databases: TableDatabases, clock: Clock) -> None:
        self._databases, self._clock = databases, clock
        self._open: dict[str, TableDatabase] = {}
        self._asking: dict[str, threading.Thread] = {}
        self._answers: dict[str, Answer] = {}

    def seen(self, plan: Plan) -> dict[str, TableSeen]:
        """The newest answers about the tables of `plan`; those that no database has told of yet are absent."""
        now, found = self._clock.now(), {}
        for one in plan.migrations:
            self._ask(one.database)
            if answer := self._answers.get(one.database):
                age_s = (now - answer.at).total_seconds()
                silent = f"the database {one.database} has not answered for {age_s:.0f} s"
                fault = silent if age_s > STALE_AFTER_S else answer.fault
                found[place(one)] = TableSeen(one, answer.kept.get(one.table), fault)
        return found

    def threads(self) -> list[threading.Thread]:
        """What asks now."""
        return list(self._asking.values())

    def close(self) -> None:
        """Wait for questions under way, which have a time limit, and close the connections."""
        for thread in self.threads():
            thread.join()
        for name in list(self._open):
            self._open.pop(name).close()

    def _ask(self, name: str) -> None:
        asking = self._asking.get(name)
        if asking is None or not asking.is_alive():
            self._asking[name] = threading.Thread(target=self._answer, args=(name,), name=f"tables of {name}")
            self._asking[name].start()

    def _answer(self, name: str) -> None:
        try:
            if name not in self._open:
                self._open[name] = self._databases.open(name)
            self._answers[name] = Answer(self._clock.now(), self._open[name].kept())
        except InterlockError as fault:
            if broken := self._open.pop(name, None):
                broken.close()
            self._answers[name] = Answer(self._clock.now(), fault=fault.message)
