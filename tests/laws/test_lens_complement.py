"""With its complement a record survives any lens, and what is edited on the other side wins."""

from __future__ import annotations

from typing import Any

from hypothesis import assume, event, given, settings
from hypothesis import strategies as st

from interlock.domain.lenses.apply import Rejected, compile_program
from interlock.domain.lenses.complement import complement, restored
from interlock.domain.lenses.lens import Lens
from interlock.domain.lenses.ops import Drop, Head, Inside, Unnest
from interlock.domain.lenses.reverse import reversed_ops
from interlock.domain.schemas.contract import Contract
from interlock.domain.schemas.scalars import equal_json
from support.lens_cases import SLOW, lenses, rows_of

EDITED = "edited since"


@settings(max_examples=200, deadline=None, suppress_health_check=SLOW)
@given(lenses(), st.data())
def test_a_record_with_its_complement_comes_back_whole(
    case: tuple[Lens, Contract, Contract], data: st.DataObject
) -> None:
    """Whatever the lens drops: GetPut holds for the pair of both."""
    lens, older, _ = case
    there, back = compile_program(lens.ops), compile_program(reversed_ops(lens.ops))
    row: dict[str, Any] = data.draw(rows_of(older))
    try:
        came = back(there(row))
    except Rejected:
        return
    kept = complement(row, came)
    event("lossy" if kept else "lossless")
    before = repr(came)
    assert equal_json(restored(came, kept), row)
    assert repr(came) == before


@settings(max_examples=200, deadline=None, suppress_health_check=SLOW)
@given(lenses(), st.data())
def test_what_is_edited_on_the_other_side_wins(case: tuple[Lens, Contract, Contract], data: st.DataObject) -> None:
    """Whatever field it is, and whatever else was kept of the record."""
    lens, older, _ = case
    there, back = compile_program(lens.ops), compile_program(reversed_ops(lens.ops))
    row: dict[str, Any] = data.draw(rows_of(older))
    try:
        came = back(there(row))
    except Rejected:
        return
    assume(came)
    kept = complement(row, came)
    name = data.draw(st.sampled_from(sorted(came)))
    assert restored({**came, name: EDITED}, kept)[name] == EDITED


LOSSY = (Drop("seat"), Inside("plane", (Drop("tail"),)), Head("legs"))


def keep(row: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    there, back = compile_program(LOSSY), compile_program(reversed_ops(LOSSY))
    came = back(there(row))
    return complement(row, came), came


def test_inside_an_object_only_what_is_missing_is_kept() -> None:
    """So that an edit beside it survives the way back."""
    row = {"seat": "4A", "plane": {"tail": "N1", "model": "A"}, "legs": [1, 2]}
    kept, came = keep(row)
    assert {one.path for one in kept} == {("seat",), ("plane", "tail"), ("legs",)}
    came["plane"]["model"] = "B"
    assert restored(came, kept) == {**row, "plane": {"tail": "N1", "model": "B"}}


def test_an_object_that_is_gone_stays_gone() -> None:
    """What was kept inside it has no place to return to."""
    kept, _ = keep({"plane": {"tail": "N1"}})
    assert restored({"plane": None}, kept) == {"plane": None}


def test_nothing_is_kept_of_what_survives() -> None:
    """A lossless lens has empty complements."""
    lossless = (Unnest(("model",), "plane"),)
    there, back = compile_program(lossless), compile_program(reversed_ops(lossless))
    row = {"plane": {"model": "A"}}
    assert complement(row, back(there(row))) == ()


def test_what_survives_may_be_of_any_depth() -> None:
    """Deeper than any walk: it is the same thing that came back."""
    deep: list[Any] = []
    for _ in range(5_000):
        deep = [deep]
    there, back = compile_program((Drop("seat"),)), compile_program(reversed_ops((Drop("seat"),)))
    row = {"deep": deep, "seat": None}
    assert complement(row, back(there(row))) == ()
