"""Use case: take outcomes in. An id counts once, however often and in whatever order it is posted."""

from __future__ import annotations

from collections.abc import Sequence

from interlock.engine.context import Context
from interlock.engine.ports import Outcome

REMEMBERED = 1_000_000
"""The newest outcomes are remembered, so that the store does not grow with traffic; an id posted again after
that many others counts a second time.
"""


def take_in(context: Context, outcomes: Sequence[Outcome]) -> int:
    """How many of `outcomes` were new."""
    with context.store.transaction() as tx:
        new = tx.add_outcomes(outcomes)
        tx.forget_outcomes(through=tx.last_outcome() - REMEMBERED)
    return new
