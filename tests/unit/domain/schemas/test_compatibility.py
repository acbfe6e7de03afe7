"""Differences are named, and each direction of compatibility gives its reasons."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from interlock.domain.schemas.compatibility import compatibility, reads
from interlock.domain.schemas.contract import Contract, record
from interlock.domain.schemas.diff import differences
from interlock.domain.schemas.field import INTEGER, NUMBER, STRING, Field

DELAY = Field("delay", INTEGER, unit="min", minimum=0, maximum=100)
CARRIER = Field("carrier", STRING, enum=("UA", "B6"))


def contract(version: str, *fields: Field, is_open: bool = True) -> Contract:
    return record("flights", version, fields, is_open)


# change of one field -> (difference codes, backward holds, forward holds)
CHANGES: dict[str, tuple[Field, dict[str, Any], list[str], bool, bool]] = {
    "nothing": (DELAY, {}, [], True, True),
    "description": (DELAY, {"description": "late"}, [], True, True),
    "integer to number": (DELAY, {"type": NUMBER}, ["type.changed"], True, False),
    "integer to string": (DELAY, {"type": STRING}, ["type.changed"], False, False),
    "other unit": (DELAY, {"unit": "s"}, ["unit.changed"], False, False),
    "unit forgotten": (DELAY, {"unit": ""}, ["unit.changed"], False, False),
    "enum widened": (CARRIER, {"enum": ("UA", "B6", "DL")}, ["enum.widened"], True, False),
    "enum narrowed": (CARRIER, {"enum": ("UA",)}, ["enum.narrowed"], False, True),
    "enum replaced": (CARRIER, {"enum": ("United", "B6")}, ["enum.narrowed", "enum.widened"], False, False),
    "enum removed": (CARRIER, {"enum": ()}, ["enum.removed"], True, False),
    "enum added": (DELAY, {"enum": (1, 2)}, ["enum.added"], False, True),
    "made optional": (DELAY, {"required": False}, ["field.optional"], True, False),
    "made nullable": (DELAY, {"nullable": True}, ["null.allowed"], True, False),
    "bounds widened": (DELAY, {"maximum": None}, ["bounds.widened"], True, False),
    "bounds narrowed": (DELAY, {"minimum": 5}, ["bounds.narrowed"], False, True),
    "bounds moved": (DELAY, {"minimum": 5, "maximum": 105}, ["bounds.widened", "bounds.narrowed"], False, False),
    "default of a field that is always there": (DELAY, {"default": (0,)}, ["default.changed"], True, True),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_of_one_field_has_its_code_and_its_directions(change: str) -> None:
    """Each kind of change is one difference and is compatible in exactly the directions that are safe."""
    field, how, codes, backward, forward = CHANGES[change]
    older, newer = contract("1", field), contract("2", replace(field, **how))
    judged = compatibility(older, newer)
    assert [d.code for d in differences(older, newer)] == codes
    assert (judged.backward.holds, judged.forward.holds) == (backward, forward)
    assert judged.is_full is (backward and forward)


def test_turning_the_versions_around_swaps_the_directions() -> None:
    """Backward of one order is forward of the other."""
    for field, how, *_ in CHANGES.values():
        older, newer = contract("1", field), contract("2", replace(field, **how))
        assert compatibility(older, newer).backward == compatibility(newer, older).forward


def test_a_new_field_is_compatible_when_readers_can_do_without() -> None:
    """A required field without default is what older records lack; a default or optional one is not missed."""
    older = contract("1", DELAY)
    for added, holds in (
        (CARRIER, False),
        (replace(CARRIER, default=("UA",)), True),
        (replace(CARRIER, required=False), True),
    ):
        judged = compatibility(older, contract("2", DELAY, added))
        assert judged.backward.holds is holds
        assert judged.forward.holds
    assert [d.code for d in differences(older, contract("2"))] == ["field.removed"]
    assert [d.code for d in differences(contract("1"), older)] == ["field.added"]


def test_closed_content_refuses_what_it_does_not_list() -> None:
    """A closed reader cannot read a field that it does not list, nor an open writer."""
    closed = contract("1", DELAY, is_open=False)
    unlisted = reads(closed, contract("2", DELAY, CARRIER, is_open=False))
    unbounded = reads(closed, contract("2", DELAY))
    assert [f.code for f in unlisted.reasons] == ["compatibility.field_unexpected"]
    assert [f.code for f in unbounded.reasons] == ["compatibility.content_closed"]
    assert [d.code for d in differences(closed, contract("2", DELAY))] == ["content.opened"]
    assert [d.code for d in differences(contract("2", DELAY), closed)] == ["content.closed"]


def test_a_changed_default_of_an_optional_field_is_a_warning() -> None:
    """The meaning of absence changes, which a person should read; it blocks nothing."""
    field = replace(DELAY, required=False, default=(0,))
    judged = compatibility(contract("1", field), contract("2", replace(field, default=(1,))))
    assert judged.is_full
    assert [f.code for f in judged.backward.reasons] == ["compatibility.default_changed"]


def test_the_values_of_an_enum_count_as_bounds() -> None:
    """A writer whose enum lies within the reader's bounds is read."""
    writer = replace(DELAY, minimum=None, maximum=None, enum=(1, 2))
    assert reads(contract("2", DELAY), contract("1", writer)).holds
    assert not reads(contract("2", DELAY), contract("1", replace(writer, enum=(1, 200)))).holds


def test_true_is_no_number_and_one_is_one() -> None:
    """Enums compare as JSON does."""
    one, true = replace(CARRIER, enum=(1,)), replace(CARRIER, enum=(True,))
    assert [d.code for d in differences(contract("1", one), contract("2", true))] == [
        "enum.narrowed",
        "enum.widened",
    ]
    assert differences(contract("1", one), contract("2", replace(CARRIER, enum=(1.0,)))) == ()
