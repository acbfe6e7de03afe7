"""An audit's counts, what it shows, and how it settles verdicts."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from interlock.domain.lenses.apply import Rejected
from interlock.domain.lenses.audit import (
    Audit,
    Counts,
    Refusal,
    counted_records,
    hidden,
    made_up,
    personal_paths,
    settled,
    trip,
)
from interlock.domain.lenses.expressions.nodes import INT, Column, Constant
from interlock.domain.lenses.expressions.typing import call
from interlock.domain.lenses.lens import Lens
from interlock.domain.lenses.loss import loss
from interlock.domain.lenses.ops import Add, Cast, Drop, Each, Inside, Map, Program, Rename
from interlock.domain.lenses.returned import changed_paths
from interlock.domain.schemas.contract import record
from interlock.domain.schemas.field import INTEGER, STRING, Field, List, Struct

LEGS = List(
    Field("element", Struct((Field("no", INTEGER), Field("seat", STRING, is_personal=True)), is_open=False))
)
OLDER = record(
    "trips",
    "1",
    (
        Field("code", STRING),
        Field("note", STRING, nullable=True),
        Field("fare", Struct((Field("sum", INTEGER), Field("tax", INTEGER)), is_open=False)),
        Field("legs", LEGS),
    ),
)
OPS: Program = (
    Rename("code", "number"),
    Cast("number", "string", "integer"),
    Drop("note", ""),
    Inside("fare", (Drop("tax", 0),)),
    Each("legs", (Drop("seat", "?"),)),
    Add("source", "desk"),
)
NEWER = record(
    "trips",
    "2",
    (
        Field("number", INTEGER),
        Field("fare", Struct((Field("sum", INTEGER),), is_open=False)),
        Field("legs", List(Field("element", Struct((Field("no", INTEGER),), is_open=False)))),
        Field("source", STRING),
    ),
)
LENS = Lens("trips", "1", "2", OPS)
ROW = {"code": "7", "note": "", "fare": {"sum": 9, "tax": 0}, "legs": [{"no": 1, "seat": "?"}]}


def test_rows_are_counted_by_what_became_of_each_field() -> None:
    """Unchanged, changed and rejected per field, nested ones by path; a difference counts around it as well."""
    rows = [
        ROW,
        {**ROW, "code": "07", "note": "x"},
        {**ROW, "code": "seven"},
        {**ROW, "fare": {"sum": 9, "tax": 3}, "legs": [{"no": 1, "seat": "12A"}, {"no": 2, "seat": "?"}]},
    ]
    counts = counted_records(trip(LENS, OLDER, NEWER, "1"), rows)
    assert (counts.rows, counts.survived) == (4, 1)
    found = {x.field: (x.unchanged, x.changed, x.rejected) for x in counts.fields if x.version == "1"}
    assert found == {
        "code": (2, 1, 1),
        "note": (2, 1, 0),
        "fare": (2, 1, 0),
        "fare.sum": (3, 0, 0),
        "fare.tax": (2, 1, 0),
        "legs": (2, 1, 0),
        "legs.no": (3, 0, 0),
        "legs.seat": (2, 1, 0),
    }
    assert counts.rejected == (Refusal("there", "number", "is no text of an integer of at most 15 digits", 1),)
    assert [(x.field, x.fabricated) for x in counts.fields if x.version == "2"] == [("source", 3)]


def test_examples_show_no_personal_value() -> None:
    """Neither of a field that is tagged, nor of what is around it, nor of what no contract declares."""
    row = {**ROW, "code": "07", "legs": [{"no": 1, "seat": "12A"}], "source": "web"}
    counts = counted_records(trip(LENS, OLDER, NEWER, "1"), [row])
    shown = {x.field: x.examples[0] for x in counts.fields if x.examples}
    assert (shown["code"].was, shown["code"].came) == ('"07"', '"7"')
    assert {shown[name].was for name in ("legs", "legs.seat", "source")} == {"(not shown)"}
    assert personal_paths(OLDER.fields) == {"legs", "legs.seat"}
    assert hidden(row, OLDER.fields)["legs"] == [{"no": 1, "seat": "(not shown)"}]


def test_a_row_that_could_not_be_read_counts_as_rejected() -> None:
    """It is told of the field that it could not be read for."""
    counts = counted_records(trip(LENS, OLDER, NEWER, "1"), [ROW, Rejected("fare", "is no integer")])
    assert (counts.rows, counts.survived) == (2, 1)
    assert [x.rejected for x in counts.fields if x.field == "fare"] == [1]


def test_in_a_table_absent_and_null_are_one() -> None:
    """What comes back as null of a field that was not there is no change of a row, and is one of a record."""
    fields = (Field("a", INTEGER), Field("b", STRING, required=False, nullable=True))
    older, newer = record("c", "1", fields), record("c", "2", fields[:1])
    asked = trip(Lens("c", "1", "2", (Drop("b"),)), older, newer, "1")
    assert counted_records(asked, [{"a": 1}]).survived == 0
    assert counted_records(asked, [{"a": 1}], is_table=True).survived == 1


def test_what_is_made_up_reads_no_field() -> None:
    """A constant expression is made up, one that reads a field is computed."""
    read = call("add", Column("a", INT), Constant(1, INT))
    ops: Program = (Add("b", value=read), Add("c", value=Constant(1, INT)), Inside("o", (Add("d", 1),)))
    fields = (Field("a", INTEGER), Field("o", Struct((Field("e", INTEGER),), is_open=False)))
    assert set(made_up(ops, fields)) == {"o.d", "c"}


def test_verdicts_are_settled_by_counts() -> None:
    """Each line says how many rows it concerns; on rows of the newer version, the lines of a rollback as well."""
    there = trip(LENS, OLDER, NEWER, "1")
    made = audit_of(there.direction, "1", "2", counted_records(there, [ROW, {**ROW, "note": "x"}]))
    told = {x.field: x for x in settled(loss(LENS, OLDER, NEWER), made)}
    assert {x.direction for x in told.values()} == {"forward"}
    assert told["note"].result == "1 of 2 rows"
    assert told["fare.tax"].result == "exact on this data"
    assert (told["source"].effect, told["source"].result) == ("fabricated", "2 of 2 rows")
    back = trip(LENS, OLDER, NEWER, "2")
    rows = [{"number": 7, "fare": {"sum": 1}, "legs": [], "source": one} for one in ("desk", "web")]
    made = audit_of(back.direction, "2", "1", counted_records(back, rows))
    lines = settled(loss(LENS, OLDER, NEWER), made)
    [rollback] = [x for x in lines if (x.direction, x.field) == ("rollback", "source")]
    assert (rollback.effect, rollback.result) == ("lost", "1 of 2 rows")


def audit_of(direction: Literal["forward", "backward"], source: str, target: str, counts: Counts) -> Audit:
    return Audit("trips", source, target, direction, "sha256:1", "sha256:2", "records", 1.0, counts)


def test_an_audit_is_named_by_everything_in_it() -> None:
    """Other counts, another lens or other data give another digest."""
    made = audit_of("forward", "1", "2", counted_records(trip(LENS, OLDER, NEWER, "1"), [ROW]))
    assert made.is_lossless
    assert len({made.digest, replace(made, data="sha256:3").digest, replace(made, share=0.5).digest}) == 3


def test_rejections_of_a_map_count_for_the_field_that_it_was_before() -> None:
    """A field that was renamed is told of by its name in the rows."""
    older, newer = record("c", "1", (Field("a", STRING),)), record("c", "2", (Field("b", STRING),))
    asked = trip(Lens("c", "1", "2", (Rename("a", "b"), Map("b", (("x", "y"),)))), older, newer, "1")
    [one] = counted_records(asked, [{"a": "z"}]).fields
    assert (one.field, one.rejected) == ("a", 1)


def test_names_with_dots_are_compared() -> None:
    """Alone, and around and within objects: what comes back as something else is changed, not exact."""
    joined = Map("a.b", (("x", "y"), ("z", "y")))
    fields = (Field("a.b", STRING), Field("o.p", Struct((Field("a.b", STRING),))), Field("o", Struct(())))
    lens = Lens("trips", "1", "2", (joined, Inside("o.p", (joined,))))
    older, newer = record("trips", "1", fields), record("trips", "2", fields)
    row = {"a.b": "z", "o.p": {"a.b": "z"}, "o": {"p": "beside it"}}
    counts = counted_records(trip(lens, older, newer, "1"), [row])
    assert {one.field: one.changed for one in counts.fields} == {"a.b": 1, "o.p": 1, "o.p.a.b": 1, "o": 0}


def test_what_no_op_goes_into_may_be_of_any_depth() -> None:
    """Deeper than any walk: it comes back as the same thing."""
    deep: dict[str, object] = {}
    for _ in range(5_000):
        deep = {"inner": deep}
    row = {**ROW, "more": deep}
    counts = counted_records(trip(LENS, OLDER, NEWER, "1"), [row])
    assert (counts.rows, counts.survived) == (1, 1)
    assert changed_paths(row, {**row, "code": "8"}) == ("code",)
