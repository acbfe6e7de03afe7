"""Loss is told per field and direction, and counted on rows; the least lossy path is taken."""

from __future__ import annotations

from dataclasses import replace

import pytest

from interlock.domain.lenses.expressions.nodes import INT, TEXT, Column, Constant
from interlock.domain.lenses.expressions.typing import call
from interlock.domain.lenses.inline import lua_lacks
from interlock.domain.lenses.lens import Lens
from interlock.domain.lenses.loss import LensLoss, counted, loss, lossy_ops
from interlock.domain.lenses.ops import (
    Add,
    Blank,
    Cast,
    Computed,
    Drop,
    Each,
    Fill,
    Head,
    Inside,
    Map,
    Nest,
    Op,
    Program,
    Recombine,
    Rename,
    Unit,
    Unnest,
    Wrap,
)
from interlock.domain.lenses.path import LensMissing, lens_path
from interlock.domain.schemas.contract import record
from interlock.domain.schemas.field import ARRAY, BOOLEAN, INTEGER, NUMBER, STRING, Field, List, Struct

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
    (Fill("a", "N/A"), Field("a", STRING, nullable=True), A, ["lost"]),
    (Fill("a", "N/A"), A, A, ["lost"]),
    (Fill("a", -1), Field("a", INTEGER, nullable=True, minimum=0), Field("a", INTEGER), ["exact"]),
    (Fill("a", "N/A"), Field("a", STRING, nullable=True, enum=("x",)), A, ["exact"]),
    (Fill("a", "x"), Field("a", STRING, nullable=True, enum=("x",)), A, ["lost"]),
    (Blank("a", "N/A"), A, Field("a", STRING, nullable=True), ["exact"]),
    (Blank("a", "N/A"), Field("a", STRING, nullable=True), Field("a", STRING, nullable=True), ["lost"]),
    (Wrap("a"), A, Field("a", ARRAY), ["exact"]),
    (Wrap("a"), Field("a", STRING, nullable=True), Field("a", ARRAY), ["exact"]),
    (Head("a"), Field("a", List(A)), Field("a", STRING, nullable=True), ["lost"]),
    (Head("a"), Field("a", List(A), min_items=1, max_items=1), A, ["exact"]),
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


def test_nested_fields_are_counted_by_their_path() -> None:
    """What changed within an object, or within the objects of a list, is told of where it begins."""
    ops: Program = (Inside("fare", (Drop("tax", 0),)), Each("legs", (Unit("minutes", 60, integer=True),)))
    row = {"fare": {"tax": 3, "sum": 9}, "legs": [{"minutes": 1}, None, {"minutes": 0.5}]}
    counts = counted(Lens("c", "1", "2", ops), [row, {**row, "fare": None}, {"legs": []}])
    assert (counts.rows, counts.survived) == (3, 1)
    assert [(c.field, c.rows) for c in counts.changed] == [("fare.tax", 1), ("legs.minutes", 2)]
    assert counts.changed[0].example == "3 came back as 0"


def test_a_path_walks_lenses_both_ways_and_prefers_lossless_then_short() -> None:
    """Identity is empty; the path that loses least is taken, of equals the shortest, whatever the file order."""
    lossy = [Lens("c", "1", "b", (Drop("x"),)), Lens("c", "b", "3", ())]
    clean = [Lens("c", "3", "z", (Rename("v", "w"),)), Lens("c", "z", "1", ())]
    for lenses in ([*lossy, *clean], [*clean, *lossy]):
        assert lens_path(lenses, "c", "1", "3") == (Rename("w", "v"),)
        assert lens_path(lenses, "c", "1", "1") == ()
    direct = Lens("c", "1", "3", (Drop("x"), Drop("y")))
    assert lens_path([*clean, direct], "c", "1", "3") == (Rename("w", "v"),)
    plain = Lens("c", "1", "3", (Rename("p", "q"),))
    assert lens_path([*clean, plain], "c", "1", "3") == plain.ops


def test_a_missing_path_names_the_lenses_that_there_are() -> None:
    """The error says which versions are joined already."""
    with pytest.raises(LensMissing) as caught:
        lens_path([Lens("c", "1", "2", ()), Lens("d", "2", "3", ())], "c", "1", "3")
    assert caught.value.code == "lens.missing"
    assert "1 to 2" in caught.value.remedy
    assert "2 to 3" not in caught.value.remedy


N = Field("n", INTEGER)


def told_of(program: Program, older: tuple[Field, ...], newer: tuple[Field, ...]) -> LensLoss:
    return loss(Lens("c", "1", "2", program), record("c", "1", older), record("c", "2", newer))


def test_fields_in_objects_and_lists_are_told_of_by_their_path() -> None:
    """Where an op goes into an object, each field of it has a line of its own."""
    inner, changed = Struct((N, A)), Struct((Field("n", STRING), Field("b", STRING)))
    ops = (Cast("n", "integer", "string"), Rename("a", "b"))
    older = (Field("o", inner), Field("l", List(Field("x", inner))))
    newer = (Field("o", changed), Field("l", List(Field("x", changed))))
    told = told_of((Inside("o", ops), Each("l", ops)), older, newer)
    assert effects(told, "forward") == {"o.n": ["exact"], "o.a": ["exact"], "l.n": ["exact"], "l.a": ["exact"]}
    assert effects(told, "backward") == {
        "o.n": ["rejected", "lost"],
        "o.b": ["exact"],
        "l.n": ["rejected", "lost"],
        "l.b": ["exact"],
    }


def test_nesting_is_free_but_for_objects_that_are_null_or_empty() -> None:
    """Moving in loses nothing; moving out loses whether there was an object at all."""
    for whole, effect in (
        (Field("o", Struct((N,))), "exact"),
        (Field("o", Struct((N,)), nullable=True), "lost"),
        (Field("o", Struct((Field("n", INTEGER, required=False),))), "lost"),
    ):
        told = told_of((Nest(("n",), "o"),), (N,), (whole,))
        assert effects(told, "forward")["n"] == ["exact"]
        assert effects(told, "backward")["o"] == [effect]


TEN = Constant(10, INT)
TENS = Recombine(
    (Computed("n", call("add", call("mul", Column("t", INT), TEN), Column("o", INT))),),
    (Computed("t", call("idiv", Column("n", INT), TEN)), Computed("o", call("mod", Column("n", INT), TEN))),
)


def test_what_expressions_make_is_settled_on_data() -> None:
    """Nothing is guessed about them: the sentence names the command, and counting gives the answer."""
    halves = (Field("t", INTEGER, nullable=True), Field("o", INTEGER, nullable=True))
    told = told_of((TENS,), (N,), halves)
    assert effects(told, "forward") == {"n": ["check"]}
    assert effects(told, "backward") == {"t": ["check"], "o": ["check"]}
    assert all("`lens audit`" in line.says for line in told.lines)
    needed = replace(TENS, parts=(replace(TENS.parts[0], is_needed=True), TENS.parts[1]))
    told = told_of((needed,), (N,), (Field("t", INTEGER), halves[1]))
    assert effects(told, "forward") == {"n": ["check", "rejected"]}
    lens = Lens("c", "1", "2", (TENS,))
    assert counted(lens, [{"n": n} for n in (0, 7, 42, -42)]).survived == 4
    assert counted(Lens("c", "2", "1", (Recombine(TENS.parts, TENS.whole),)), [{"t": 1, "o": 12}]).survived == 0


def test_what_is_computed_is_not_invented() -> None:
    """A field made from others is recomputed, one made from nothing is fabricated; its edits may be lost."""
    double = call("mul", Column("n", INT), TEN)
    made = (N, Field("m", INTEGER, nullable=True))
    told = told_of((Add("m", value=double),), (N,), made)
    assert effects(told, "forward")["m"] == ["recomputed"]
    assert effects(told, "backward")["m"] == ["check"]
    told = told_of((Add("m", value=Constant("x", TEXT)),), (N,), made)
    assert effects(told, "forward")["m"] == ["fabricated"]
    assert effects(told, "backward")["m"] == ["lost"]


def test_lossy_ops_are_counted_inside_objects_too() -> None:
    """Shapes are free; what joins, drops or computes is not."""
    assert lossy_ops((Nest(("a",), "o"), Unnest(("a",), "o"), Wrap("a"), Rename("a", "b"))) == 0
    assert lossy_ops((Head("a"), Fill("a", 1), Blank("a", 1), TENS)) == 4
    assert lossy_ops((Inside("o", (Wrap("a"), Each("l", (Drop("a"), Drop("b"))))),)) == 2


def test_only_expressions_are_beyond_the_proxy() -> None:
    """What cannot run where requests pass is named by op and field, inside objects too."""
    assert lua_lacks((Nest(("a",), "o"), Each("o", (Head("a"), Fill("a", 1))), Drop("x", value=TEN))) == ()
    inner = (Add("m", value=TEN), TENS, Recombine(TENS.parts, TENS.whole))
    assert lua_lacks((Inside("o", inner),)) == (
        "add of `m` with a value in `o`",
        "split of `n` in `o`",
        "merge of `n` in `o`",
    )
