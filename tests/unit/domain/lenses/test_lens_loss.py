"""Loss is told per field and direction, and counted on rows; the least lossy path is taken."""

from __future__ import annotations

import pytest

from interlock.domain.lenses.lens import Lens
from interlock.domain.lenses.loss import LensLoss, counted, loss
from interlock.domain.lenses.ops import Add, Cast, Drop, Map, Op, Rename, Unit
from interlock.domain.lenses.path import LensMissing, lens_path
from interlock.domain.schemas.contract import record
from interlock.domain.schemas.field import ARRAY, BOOLEAN, INTEGER, NUMBER, STRING, Field

LENS = Lens(
    "flights",
    "1",
    "2",
    (
        Rename("dep_delay", "departure_delay"),
        Unit("departure_delay", 60, integer=True),
        Map("carrier", (("UA", "United"), ("B6", "JetBlue"))),
        Drop("tailnum", ""),
        Add("wind_speed", None),
    ),
)
OLDER = record(
    "flights",
    "1",
    (
        Field("dep_delay", INTEGER, unit="min"),
        Field("carrier", STRING, enum=("UA", "B6")),
        Field("tailnum", STRING),
        Field("note", STRING),
    ),
)
NEWER = record(
    "flights",
    "2",
    (
        Field("departure_delay", INTEGER, unit="s"),
        Field("carrier", STRING, enum=("United", "JetBlue", "Delta")),
        Field("wind_speed", NUMBER, nullable=True),
        Field("note", STRING),
    ),
)


def effects(told: LensLoss, direction: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in told.lines:
        if line.direction == direction:
            found.setdefault(line.field, []).append(line.effect)
    return found


def test_each_direction_has_its_verdict_for_each_field() -> None:
    """Minutes survive as seconds, seconds do not survive as minutes; the rest is lost or made up."""
    told = loss(LENS, OLDER, NEWER)
    assert effects(told, "forward") == {
        "tailnum": ["lost"],
        "dep_delay": ["exact"],
        "carrier": ["exact"],
        "note": ["exact"],
        "wind_speed": ["fabricated"],
    }
    assert effects(told, "backward") == {
        "wind_speed": ["lost"],
        "departure_delay": ["lost"],
        "carrier": ["rejected"],
        "note": ["exact"],
        "tailnum": ["fabricated"],
    }


def test_rollback_is_told_in_sentences_for_the_plan() -> None:
    """Only what costs something is told, and each line is a whole sentence."""
    told = loss(LENS, OLDER, NEWER)
    assert not told.is_rollback_exact
    assert [line.says.split(": ", 1) for line in told.of("rollback")] == [
        [
            "rolling back after cut-over loses `wind_speed` of records written since",
            "version 1 does not have `wind_speed`",
        ],
        [
            "rolling back after cut-over loses `departure_delay` of records written since",
            "`departure_delay` is converted (times 1/60) and rounded to whole numbers; what is finer is lost",
        ],
        [
            "some records written since the cut-over cannot go back to version 1",
            "`carrier` with the value 'Delta' cannot be translated",
        ],
        [
            "rolling back after cut-over invents `tailnum` for records written since",
            "version 2 does not have `tailnum`, so it is always ''",
        ],
    ]


def test_a_renaming_lens_costs_nothing() -> None:
    """Names alone are free in both directions."""
    lens = Lens("c", "1", "2", (Rename("a", "b"),))
    told = loss(lens, record("c", "1", (Field("a", ARRAY),)), record("c", "2", (Field("b", ARRAY),)))
    assert told.is_rollback_exact
    assert {line.effect for line in told.lines} == {"exact"}


A = Field("a", STRING)
ONE_FIELD: list[tuple[Op, Field, Field, list[str]]] = [
    (Cast("a", "string", "integer"), A, Field("a", INTEGER), ["rejected", "lost"]),
    (Cast("a", "integer", "string"), Field("a", INTEGER), A, ["exact"]),
    (Cast("a", "number", "integer"), Field("a", NUMBER), Field("a", INTEGER), ["rejected"]),
    (Cast("a", "boolean", "string"), Field("a", BOOLEAN), A, ["exact"]),
    (Cast("a", "string", "integer"), Field("a", STRING, enum=("1", "07")), Field("a", INTEGER), ["lost"]),
    (Unit("a", 9, 5, 32.0), Field("a", NUMBER), Field("a", NUMBER), ["recomputed"]),
    (Unit("a", 1), Field("a", NUMBER), Field("a", NUMBER), ["exact"]),
    (Unit("a", 60, integer=True), Field("a", NUMBER), Field("a", INTEGER), ["lost"]),
    (Unit("a", 1, 1, 0.5, True), Field("a", INTEGER), Field("a", INTEGER), ["lost"]),
    (Unit("a", 60), Field("a", NUMBER, maximum=2), Field("a", NUMBER, maximum=100), ["recomputed", "rejected"]),
    (Map("a", (("x", "y"),)), A, A, ["rejected"]),
    (Map("a", (("x", "y"),), ("z",)), A, A, ["lost"]),
    (Map("a", (("x", "y"), ("z", "y"))), A, A, ["rejected", "lost"]),
    (Map("a", (("x", "y"), ("z", "y"))), Field("a", STRING, enum=("x", "z")), A, ["lost"]),
    (
        Map("a", (("x", None),)),
        Field("a", STRING, nullable=True, enum=("x",)),
        Field("a", STRING, nullable=True),
        ["lost"],
    ),
    (
        Map("a", (("x", None),)),
        Field("a", STRING, nullable=True),
        Field("a", STRING, nullable=True),
        ["rejected", "lost"],
    ),
    (Rename("a", "a"), Field("a", STRING, nullable=True), A, ["rejected"]),
    (Rename("a", "a"), Field("a", STRING, required=False), A, ["rejected"]),
    (Rename("a", "a"), A, Field("a", STRING, enum=("x",)), ["rejected"]),
]


@pytest.mark.parametrize(("op", "older", "newer", "expected"), ONE_FIELD)
def test_one_op_on_one_field(op: Op, older: Field, newer: Field, expected: list[str]) -> None:
    """Listed values are tried one by one, others are judged by rule."""
    told = loss(Lens("c", "1", "2", (op,)), record("c", "1", (older,)), record("c", "2", (newer,)))
    assert [line.effect for line in told.of("forward")] == expected


def test_counting_shows_what_real_rows_lose() -> None:
    """Rows that do not return are counted by field with an example; rejected rows are counted apart."""
    row = {"dep_delay": 5, "carrier": "UA", "tailnum": "", "note": "n"}
    rows = [row, {**row, "tailnum": "N1"}, {**row, "tailnum": "N2", "dep_delay": 0.5}, {**row, "carrier": "ZZ"}]
    counts = counted(LENS, rows)
    assert (counts.rows, counts.survived) == (4, 1)
    assert [(c.field, c.rows, c.example) for c in counts.changed] == [
        ("dep_delay", 1, "0.5 came back as 0"),
        ("tailnum", 2, "'N1' came back as ''"),
    ]
    assert [(c.field, c.rows, c.example) for c in counts.rejected] == [
        ("carrier", 1, "'ZZ': has a value that the map does not name")
    ]


def test_a_missing_field_that_comes_back_is_counted() -> None:
    """A drop makes up its field on the way back even for rows that never had it."""
    [count] = counted(Lens("c", "1", "2", (Drop("t", ""),)), [{"a": 1}]).changed
    assert count.example == "nothing came back as ''"


def test_a_path_walks_lenses_both_ways_and_prefers_short_then_lossless() -> None:
    """Identity is empty; of two equally long paths the one that loses less is taken, whatever the file order."""
    lossy = [Lens("c", "1", "b", (Drop("x"),)), Lens("c", "b", "3", ())]
    clean = [Lens("c", "3", "z", (Rename("v", "w"),)), Lens("c", "z", "1", ())]
    for lenses in ([*lossy, *clean], [*clean, *lossy]):
        assert lens_path(lenses, "c", "1", "3") == (Rename("w", "v"),)
        assert lens_path(lenses, "c", "1", "1") == ()
    direct = Lens("c", "1", "3", (Drop("x"), Drop("y")))
    assert lens_path([*clean, direct], "c", "1", "3") == direct.ops


def test_a_missing_path_names_the_lenses_that_there_are() -> None:
    """The error says which versions are joined already."""
    with pytest.raises(LensMissing) as caught:
        lens_path([Lens("c", "1", "2", ()), Lens("d", "2", "3", ())], "c", "1", "3")
    assert caught.value.code == "lens.missing"
    assert "1 to 2" in caught.value.remedy
    assert "2 to 3" not in caught.value.remedy
