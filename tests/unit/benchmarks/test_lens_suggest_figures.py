"""The benchmark of drafts: its changes are what they say, and its score counts what a draft gets right."""

from __future__ import annotations

from random import Random

import pytest
from benchmarks.lens_suggest import KINDS, TABLES, Score, scored

from interlock.domain.schemas.field import Field, Float, Int, String

FIELDS = tuple(
    Field(name, {"i": Int(64), "f": Float(64), "s": String()}[kind], nullable=kind != "i")
    for name, _, kind in (one.partition(":") for one in TABLES["flights"].split())
)


def total(kind: str) -> Score:
    """Three changes of one kind, drafted from the contracts alone."""
    found = Score()
    for seed in range(3):
        found.add(scored(KINDS[kind](FIELDS, Random(seed)), None))
    return found


@pytest.mark.parametrize("kind", ["spelled out, abbreviated", "another style", "nested"])
def test_names_alone_find_what_is_written_otherwise(kind: str) -> None:
    """Abbreviations, styles, objects that take a part of the name."""
    found = total(kind)
    assert found.moved > 6
    assert found.precision >= 0.85
    assert found.recall >= 0.85


def test_names_that_tell_nothing_are_not_guessed() -> None:
    """A draft moves hardly anything then, and the score says that it misses what moved."""
    found = total("opaque codes")
    assert found.moved >= 9
    assert found.recall < 0.2
    assert found.claimed <= found.moved / 3


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "other labels"])
def test_rows_are_records_of_the_newer_version(kind: str) -> None:
    """Each change does to rows what it does to fields."""
    changed = KINDS[kind](FIELDS, Random(1))
    row = {
        one.name: 1.5 if isinstance(one.type, Float) else 2 if isinstance(one.type, Int) else "x" for one in FIELDS
    }
    assert set(changed.rows(row)) == {one.name for one in changed.newer}
