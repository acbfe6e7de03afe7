"""The search for proofs: goals on an explicit stack, remembered, with a budget; recursion in schemas closes on
itself.

A goal that is met again below itself, at a smaller part of the value, may be taken as proven: by induction over
the value, the smallest value that speaks against it would have a smaller one inside. Answers that lean on such
an assumption are only kept once the goal that they lean on is proven (compare tabling in logic programming:
Tamaki and Sato, 1986). Only proofs count: that something could not be proven is never used to prove something
else.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Hashable
from dataclasses import dataclass
from typing import Any, TypeAlias

from interlock.domain.schemas.json_schema.difference import Difference, DifferenceType

Task: TypeAlias = Generator[Any, Any, Any]
"""A computation that yields the tasks whose answers it needs."""

Reasons: TypeAlias = tuple[Difference, ...]
"""Why a goal is not proven; empty when it is."""

UNPROVEN: Reasons = (Difference(DifferenceType.NOT_DECIDED, "", "it could not be proven"),)


class TooLarge(Exception):
    """The budget is spent."""


@dataclass(slots=True)
class _Frame:
    """A goal in progress: `low` is the lowest goal on the stack that its answer leans on."""

    index: int
    level: int
    low: int


class Search:
    """Runs tasks. `budget` counts goals and evaluations; TooLarge when it is spent."""

    def __init__(self, budget: int) -> None:
        self._left = budget
        self._proven: dict[Hashable, Reasons] = {}
        self._leaning: dict[Hashable, tuple[int, int]] = {}
        self._order: list[Hashable] = []
        self._running: dict[Hashable, _Frame] = {}
        self._frames: list[_Frame] = []

    def spend(self, amount: int = 1) -> None:
        self._left -= amount
        if self._left < 0:
            raise TooLarge

    @staticmethod
    def run(task: Task) -> Any:
        """The answer of `task`, however deep its tasks go."""
        stack, answer = [task], None
        while stack:
            try:
                asked = stack[-1].send(answer)
            except StopIteration as done:
                stack.pop()
                answer = done.value
            else:
                stack.append(asked)
                answer = None
        return answer

    def goal(self, key: Hashable, level: int, body: Callable[[], Task]) -> Task:
        """The reasons against the goal `key`. `level` grows with each step into the value."""
        self.spend()
        known = self._known(key, level)
        if known is not None:
            return known
        frame = _Frame(len(self._frames), level, len(self._frames))
        self._frames.append(frame)
        self._running[key] = frame
        mark = len(self._order)
        reasons: Reasons = yield body()
        self._frames.pop()
        del self._running[key]
        self._keep(key, frame, mark, reasons)
        return reasons

    def _known(self, key: Hashable, level: int) -> Reasons | None:
        if key in self._proven:
            return self._proven[key]
        if key in self._leaning and level >= self._leaning[key][1]:
            self._lean(self._leaning[key][0])
            return ()
        frame = self._running.get(key)
        if frame is None:
            return None
        if level <= frame.level:
            return UNPROVEN
        self._lean(frame.index)
        return ()

    def _lean(self, index: int) -> None:
        if self._frames:
            self._frames[-1].low = min(self._frames[-1].low, index)

    def _keep(self, key: Hashable, frame: _Frame, mark: int, reasons: Reasons) -> None:
        if reasons:
            self._proven[key] = reasons
            for leaning in self._order[mark:]:
                self._leaning.pop(leaning, None)
            del self._order[mark:]
        elif frame.low >= frame.index:
            self._proven[key] = ()
            for leaning in self._order[mark:]:
                self._leaning.pop(leaning, None)
                self._proven[leaning] = ()
            del self._order[mark:]
        else:
            for leaning in self._order[mark:]:  # they may lean on this goal, which leans on another now
                low, level = self._leaning[leaning]
                self._leaning[leaning] = (min(low, frame.low), level)
            self._leaning[key] = (frame.low, frame.level)
            self._order.append(key)
            self._lean(frame.low)
