"""A program as generated Python does to every record, and to every JSON body, what the reference does."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from interlock.adapters.bodies import body_translator
from interlock.adapters.bodies.strict import BodyUnread
from interlock.domain.lenses import generate
from interlock.domain.lenses.apply import Rejected, compile_program, translate_text
from interlock.domain.lenses.expressions.nodes import INT, TEXT, Column, Expr
from interlock.domain.lenses.expressions.typing import call
from interlock.domain.lenses.generate import translator
from interlock.domain.lenses.generated.source import Source
from interlock.domain.lenses.lens import Lens
from interlock.domain.lenses.ops import (
    Add,
    Blank,
    Cast,
    Computed,
    Drop,
    Fill,
    Inside,
    Map,
    Op,
    Program,
    Recombine,
    Rename,
    Unit,
    Unnest,
)
from interlock.domain.lenses.reverse import reversed_ops
from interlock.domain.schemas.contract import Contract
from interlock.domain.schemas.field import BOOLEAN, INTEGER, NUMBER, STRING, Date, Decimal, Field, Struct
from interlock.domain.schemas.scalars import equal_json
from support.expressions import COLUMNS, random_expression, random_rows
from support.lens_cases import SLOW, awkward, lenses, not_finite, rough_rows, rows_of
from support.lens_programs import lua_translation, nested, programs, records_for, spelled

Outcome = tuple[Any, ...]
OFTEN = 6
"""A record is translated so often that its keys are familiar."""


def outcome(translate: Callable[[dict[str, Any]], Any], record: dict[str, Any]) -> Outcome:
    """What comes of it, told so that types, the order of keys and the sign of zero count."""
    try:
        return ("made", repr(translate(record)))
    except Rejected as why:
        return ("rejected", why.field, why.reason)


def assert_same(program: Program, translate: Callable[[dict[str, Any]], Any], record: dict[str, Any]) -> None:
    before = repr(record)
    expected = outcome(compile_program(program), record)
    for _ in range(OFTEN):
        assert outcome(translate, record) == expected
    assert repr(record) == before


def assert_record_law(case: tuple[Lens, Contract, Contract], data: st.DataObject) -> None:
    lens, older, newer = case
    for program, contract in ((lens.ops, older), (reversed_ops(lens.ops), newer)):
        translate = translator(program, contract.fields, is_open=False)
        rows = data.draw(st.lists(rows_of(contract) | rough_rows(contract), max_size=4))
        for row in rows:
            assert_same(program, translate, row)


@settings(max_examples=120, deadline=None, suppress_health_check=SLOW)
@given(lenses(), st.data())
def test_generated_code_translates_as_the_reference_does(
    case: tuple[Lens, Contract, Contract], data: st.DataObject
) -> None:
    """Lenses that fit their contracts, on rows that keep the contract and on rows that do not."""
    assert_record_law(case, data)


@st.composite
def loose_cases(draw: st.DrawFn) -> tuple[Program, list[dict[str, Any]]]:
    program = draw(programs)
    return program, draw(st.lists(records_for(program), min_size=1, max_size=3))


@settings(max_examples=200, deadline=None)
@given(loose_cases())
def test_it_does_so_without_a_contract(case: tuple[Program, list[dict[str, Any]]]) -> None:
    """Any program on any record, hostile names included: what is not promised is learned."""
    program, records = case
    translate = translator(program, (), is_open=True)
    for one in records:
        assert_same(program, translate, one)


def test_expressions_are_worth_what_the_evaluator_says() -> None:
    """Random typed expressions over awkward columns: a field that each computes, NULL or not."""
    random = Random(5)
    kinds = {"i": INTEGER, "j": INTEGER, "x": NUMBER, "y": NUMBER, "s": STRING, "u": STRING, "b": BOOLEAN}
    kinds |= {"d": Date(), "m": Decimal(9, 2)}
    fields = tuple(Field(name, kinds[name], nullable=True) for name in COLUMNS)
    for _ in range(150):
        program = (Add("made", value=random_expression(random)), Add("again", value=random_expression(random)))
        translate, reference = translator(program, fields, is_open=False), compile_program(program)
        for row in random_rows(random, 20):
            mixed = {name: row[name] if random.random() < 0.95 else random.choice(ROUGH) for name in row}
            for one in (row, mixed):
                assert outcome(translate, one) == outcome(reference, one), program


ROUGH = (True, None, 7, 7.0, -0.0, float("nan"), float("inf"), 2**53, 10**400, "7", "", [], {}, "2024-02-29")
PLAIN = (
    Field("a", INTEGER),
    Field("x", NUMBER, nullable=True),
    Field("s", STRING),
    Field("o", Struct((Field("p", INTEGER), Field("q", STRING)), is_open=False)),
)


def half(name: str) -> Expr:
    return call("idiv", Column(name, INT, is_nullable=False), Column("a", INT, is_nullable=False))


EACH_OP: tuple[Op, ...] = (
    Unit("a", 60, integer=True),
    Unit("x", 1, 2, integer=True),
    Unit("x", -7, 3),
    Cast("a", "integer", "string"),
    Cast("s", "string", "integer"),
    Cast("x", "number", "integer"),
    Cast("a", "integer", "boolean"),
    Map("s", (("7", "x"), ("x", "y")), ("z",)),
    Map("a", ((7, "x"), (1, None)), ("z",)),
    Fill("x", 0.5),
    Blank("a", 7),
    Blank("s", "x"),
    Drop("a"),
    Drop("s"),
    Rename("s", "t"),
    Inside("o", (Cast("p", "integer", "string"), Rename("q", "r"))),
    Unnest(("p", "q"), "o"),
    Add("h", value=half("a")),
    Recombine((Computed("s", Column("u", TEXT)),), (Computed("u", call("upper", Column("s", TEXT))),)),
)
VALUES = awkward | not_finite | st.sampled_from((-1.5, 0.5, 1.5, 7, True, 2**53 + 1, 10**15))


@st.composite
def plain_cases(draw: st.DrawFn) -> tuple[Program, dict[str, Any]]:
    """A few ops, and a record that keeps the contract but for at most one thing."""
    program = draw(st.lists(st.sampled_from(EACH_OP), min_size=1, max_size=3).map(tuple))
    row: dict[str, Any] = {
        "a": draw(st.integers(-3, 9)),
        "x": draw(st.integers(-7, 9).map(lambda n: n / 2)),
        "s": draw(st.sampled_from(("7", "x", "12", "\u0663"))),
        "o": {"p": 7, "q": "k"},
    }
    match draw(st.sampled_from(("value", "value", "inner", "order", "extra", "none"))):
        case "value":
            row[draw(st.sampled_from("axs"))] = draw(VALUES)
        case "inner":
            row["o"] = draw(st.sampled_from(({"q": "k", "p": 7}, {"p": 7}, {"p": 7, "q": 1, "z": 0}, None)))
        case "order":
            row = dict(reversed(row.items()))
        case "extra":
            row["t"] = 0
        case _:
            pass
    return program, row


def assert_plain_law(case: tuple[Program, dict[str, Any]]) -> None:
    program, row = case
    assert_same(program, translator(program, PLAIN, is_open=False), row)


@settings(max_examples=200, deadline=None)
@given(plain_cases())
def test_one_stray_thing_in_a_record_is_seen(case: tuple[Program, dict[str, Any]]) -> None:
    """Each op on a record in which one thing is not as promised."""
    assert_plain_law(case)


MUTANTS: dict[str, tuple[str, str]] = {
    "true is 1": (r"type\((\w+)\) is int", r"isinstance(\1, int)"),
    "ties and halves are cut": (r"__round__", "__trunc__"),
    "big integers are taken": (r"9007199254740992\.0", "1e300"),
    "any order of keys": (r"\[\*record\] != (k\d+)", r"{*record} != {*\1}"),
    "keys inside are not looked at": (r" or \[\*(\w+)\] != (k\d+)", ""),
    "zero stays negative": (r" \+ 0\.0", ""),
    "all digits are digits": (r"\w+\.isascii\(\) and ", ""),
    "long numbers are texts": ("1000000000000000", "10000000000000000"),
}


def assert_seen() -> None:
    @settings(
        max_examples=2000,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(plain_cases())
    def law(case: tuple[Program, dict[str, Any]]) -> None:
        assert_plain_law(case)

    with pytest.raises((AssertionError, ExceptionGroup)):
        law()


@pytest.mark.parametrize("mutant", MUTANTS)
def test_the_law_sees_a_careless_generator(mutant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each fault that is planted in the generated source is found, so that agreement means something."""
    right, wrong = MUTANTS[mutant]
    made = generate.made

    def broken(source: Source, lines: Iterable[str], otherwise: Any) -> Any:
        return made(source, [re.sub(right, wrong, line) for line in lines], otherwise)

    monkeypatch.setattr(generate, "made", broken)
    assert_seen()


def test_the_law_sees_what_is_dropped_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    """A value that is dropped after an op that would reject it still rejects the record."""
    monkeypatch.setattr(Source, "discard", lambda *_: None)
    assert_seen()


HOSTILE = (
    "'",
    '"',
    "\\",
    "x'] = 1; raise SystemExit #",
    "\n",
    "{r0}",
    "r0",
    "q0",
    "k0",
    "record",
    "\u2028",
    "\x00",
    "",
)


@pytest.mark.parametrize("name", HOSTILE)
def test_names_are_never_code(name: str) -> None:
    """Field names, texts of maps and defaults enter the source as literals only."""
    program = (Map(name, ((name, "')} #"), ("a", name))), Rename(name, f"{name}!"), Add(f"{name}?", name))
    fields = (Field(name, STRING), Field("other", STRING))
    translate = translator(program, fields, is_open=False)
    assert translate({name: "a", "other": "b"}) == {f"{name}!": name, "other": "b", f"{name}?": name}
    body = json.dumps({name: "a", "other": 1.5}).encode()
    assert json.loads(body_translator(program, fields, False)(body)) == {
        f"{name}!": name,
        "other": 1.5,
        f"{name}?": name,
    }


@pytest.mark.parametrize(
    "pairs", [((1, "a"), (True, "b")), ((0.0, "a"), (1, "c"), (False, "b")), ((True, "b"), (1, "a"))]
)
@pytest.mark.parametrize("value", [0, 1, 1.0, True, False, None])
def test_a_map_may_name_both_true_and_1(pairs: tuple[tuple[Any, Any], ...], value: Any) -> None:
    """Which are one key in Python, and two values in JSON."""
    program = (Map("a", pairs, ("z",)),)
    for one in (INTEGER, NUMBER, BOOLEAN):
        assert_same(program, translator(program, (Field("a", one),), is_open=False), {"a": value})


@pytest.mark.parametrize("pairs", [((None, False), (0, None)), ((0, "a"), (None, "b"))])
@pytest.mark.parametrize("value", [0, 0.0, None, 7, False])
def test_a_map_of_numbers_may_name_null(pairs: tuple[tuple[Any, Any], ...], value: Any) -> None:
    """Null becomes what its pair says, whether the contract expects it or not."""
    for program in ((Map("a", pairs, ("z",)),), (Map("a", pairs),)):
        for fields in ((), (Field("a", INTEGER, nullable=True),), (Field("a", INTEGER),)):
            assert_same(program, translator(program, fields, is_open=False), {"a": value})


def test_what_the_fast_path_met_is_not_told() -> None:
    """A rejection carries no exception of the fast path, whose text may hold a value."""
    translate = translator((Map("s", (("x", "y"),)),), (Field("s", STRING),), is_open=False)
    with pytest.raises(Rejected) as why:
        translate({"s": "a secret"})
    assert why.value.__context__ is None
    assert why.value.__cause__ is None


def body_outcome(translate: Callable[[bytes], bytes], body: bytes) -> Outcome:
    try:
        return ("made", json.loads(translate(body)))
    except Rejected as why:
        return ("rejected", why.reason if isinstance(why, BodyUnread) else f"`{why.field}` {why.reason}")


def assert_body_law(program: Program, contract: Contract, is_open: bool, bodies: list[bytes]) -> None:
    translate = body_translator(program, contract.fields, is_open)
    for body in bodies:
        try:
            expected: Outcome = ("made", json.loads(translate_text(program, body.decode())))
        except Rejected as why:
            expected = ("rejected", f"`{why.field}` {why.reason}" if why.field else why.reason)
        for _ in range(OFTEN):
            kind, found = body_outcome(translate, body)
            assert (kind, kind == "made" and equal_json(found, expected[1])) == (expected[0], kind == "made")
            assert kind == "made" or found == expected[1]


@settings(max_examples=50, deadline=None, suppress_health_check=SLOW)
@given(lenses(), st.data(), st.booleans())
def test_bodies_become_what_the_reference_makes_of_them(
    case: tuple[Lens, Contract, Contract], data: st.DataObject, is_open: bool
) -> None:
    """JSON to JSON, one record or several, however it is written."""
    lens, older, newer = case
    for program, contract in ((lens.ops, older), (reversed_ops(lens.ops), newer)):
        one = rows_of(contract) | rough_rows(contract, is_json=True)
        texts = data.draw(st.lists((one | st.lists(one, max_size=3)).flatmap(spelled), max_size=3))
        assert_body_law(program, contract, is_open, [text.encode("utf-8", "surrogatepass") for text in texts])


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_bodies_become_what_the_proxy_makes_of_them(data: st.DataObject) -> None:
    """The same JSON value as from the Lua of the proxy, or the same reason."""
    program = data.draw(programs)
    text = data.draw(records_for(program).flatmap(spelled))
    body = text.encode("utf-8", "surrogatepass")
    there, reason = lua_translation(program)(text)
    fields = tuple(Field(name, STRING, required=False) for name in json.loads(text))
    for is_open in (True, False):
        translate = body_translator(program, fields, is_open)
        for _ in range(OFTEN):
            kind, found = body_outcome(translate, body)
            if there is None:
                assert kind == "rejected"
                assert re.sub("`.*` ", "", str(found)) == re.sub("`.*` ", "", reason)
            else:
                assert kind == "made"
                assert equal_json(found, json.loads(there))


@settings(max_examples=150, deadline=None)
@given(
    nested.flatmap(spelled) | st.just('{"a":1.5,"s":"x:y"}'),
    st.integers(0, 60),
    st.integers(0, 2),
    st.sampled_from(
        ("", "\\", '"', "}", "[", ",", ":", "0", "-", ".", "e", "\x00", "\n", "u", "tru", " 1", '"a":1,', "NaN")
    ),
)
def test_damaged_bodies_are_read_or_refused_as_the_reference_does(text: str, at: int, cut: int, patch: str) -> None:
    """Whatever is cut out of or patched into a body: msgspec and the strict reader accept what JSON is."""
    damaged = (text[:at] + patch + text[at + cut :]).encode("utf-8", "surrogatepass")
    for fields in ((), (Field("a", NUMBER), Field("s", STRING)), (Field("a", STRING),)):
        for is_open in (True, False):
            translate = body_translator((), fields, is_open)
            found = [body_outcome(translate, damaged) for _ in range(OFTEN)]
            try:
                expected: Outcome = ("made", json.loads(translate_text((), damaged.decode())))
            except UnicodeDecodeError:
                expected = ("rejected", "the body is not UTF-8")
            except Rejected as why:
                if "range of doubles" in why.reason:
                    continue
                expected = ("rejected", why.reason)
            assert all(one[0] == expected[0] for one in found)
            assert all(equal_json(one[1], expected[1]) for one in found)
