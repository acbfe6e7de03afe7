"""Check results on a real store: kept once, audited, refused whole when one was altered."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from interlock.adapters.store.sql import open_store
from interlock.checking.measures import quality
from interlock.domain.checks.check import Check, perform
from interlock.domain.checks.record import as_document
from interlock.engine.checks import latest, take_in
from interlock.engine.context import Context
from interlock.kernel.errors import Invalid
from support.world import Declared, ManualClock, SimPlane, SimProbe, workspace


@pytest.fixture
def context(tmp_path: Path) -> Iterator[Context]:
    store = open_store(f"sqlite:///{tmp_path / 'state.db'}")
    yield Context(store, SimPlane(), SimProbe(), Declared(workspace()), ManualClock())
    store.close()


def document(predictions: list[float]) -> dict[str, Any]:
    labels = [0.0] * len(predictions)
    check = Check("error", "model:risk@2", lambda: quality("mae", predictions, labels, limit=1.0, cap=10.0), "test")
    return as_document([perform(check)])


def test_results_are_kept_once_and_audited(context: Context) -> None:
    """Posting again changes nothing; the newest result of a check is the one that counts."""
    good = document([0.1] * 400)
    assert take_in(context, good, "ben")["new"] == 1
    assert take_in(context, good, "ben")["new"] == 0
    assert latest(context, "model:risk@2")["verdict"]["kind"] == "pass"
    take_in(context, document([5.0] * 400), "ben")
    assert latest(context, "model:risk@2")["verdict"]["kind"] == "fail"
    assert latest(context, "model:other@1")["results"] == []
    with context.store.transaction() as tx:
        assert [e.event.kind for e in tx.trail()] == ["checks.reported"] * 2


def test_an_altered_result_is_refused_and_nothing_is_kept(context: Context) -> None:
    """The digest does not fit, so none of the document is evidence."""
    forged = copy.deepcopy(document([5.0] * 400))
    forged["results"][0]["verdict"] = document([0.1] * 400)["results"][0]["verdict"]
    with pytest.raises(Invalid):
        take_in(context, forged, "ben")
    assert latest(context, "")["results"] == []
