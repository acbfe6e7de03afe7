"""Programs on JSON bodies: what is refused, and what stays as it was written."""

from __future__ import annotations

import json

import pytest

from interlock.adapters.bodies import body_translator
from interlock.adapters.bodies.strict import BodyUnread, KeyTwice, NoRecords, NotJson, NotUtf8, TooDeep
from interlock.domain.lenses.apply import MAX_DEPTH, Rejected
from interlock.domain.lenses.expressions.nodes import Column
from interlock.domain.lenses.expressions.typing import call
from interlock.domain.lenses.ops import (
    Blank,
    Cast,
    Computed,
    Drop,
    Fill,
    Map,
    Nest,
    Program,
    Recombine,
    Rename,
    Unit,
    Wrap,
)
from interlock.domain.schemas.field import INTEGER, NUMBER, STRING, Decimal, Field
from support.lens_programs import lua_translation

FIELDS = (Field("a", NUMBER, nullable=True), Field("s", STRING))
PROGRAM: Program = (Rename("s", "t"), Fill("a", 0))
OFTEN = 6
"""So often that the keys are familiar."""

UNREAD: tuple[tuple[bytes, type[BodyUnread]], ...] = (
    (b'{"a":1,"s":"\xff"}', NotUtf8),
    (b'{"a":1,"s":"\xed\xa0\x80"}', NotUtf8),
    (b'\xef\xbb\xbf{"a":1,"s":""}', NotJson),
    (b'{"a":NaN,"s":""}', NotJson),
    (b'{"a":-Infinity,"s":""}', NotJson),
    (b'{"a":01,"s":""}', NotJson),
    (b'{"a":1,"s":""}}', NotJson),
    (b'{"a":1,"s":"",}', NotJson),
    (b"", NotJson),
    (b'{"a":1,"s":"","a":1}', KeyTwice),
    (b'{"a":1,"a" :1,"s":""}', KeyTwice),
    (b'{"a":1,"\\u0061":1,"s":""}', KeyTwice),
    (b'{"a":1,"s":"\\u003a","s":"x"}', KeyTwice),
    (b'{"a":1,"s":"x","s":"::"}', KeyTwice),
    (b'{"a":1,"s":"","z":{"b":1,"b":1}}', KeyTwice),
    (b'[{"a":1,"s":""},{"a":1,"a":1,"s":""}]', KeyTwice),
    (b'{"a":1,"s":"","z":' + b"[" * MAX_DEPTH + b"]" * MAX_DEPTH + b"}", TooDeep),
    (b'{"a":1,"s":"","z":' + b'{"b":' * MAX_DEPTH + b"1" + b"}" * MAX_DEPTH + b"}", TooDeep),
    (b"[" * 100_000, TooDeep),
    (b"[" * 600 + b"]" * 600, TooDeep),
    (b"[" * 5_000 + b"]" * 5_000, TooDeep),
    (b'{"a":1,"s":"","z":' + b'{"b":' * 600 + b"1" + b"}" * 600 + b"}", TooDeep),
    (b'{"a":1,"s":"","z":' + b'{"b":' * 5_000 + b"1" + b"}" * 5_000 + b"}", TooDeep),
    (b"1", NoRecords),
    (b"[1]", NoRecords),
    (b'[{"a":1,"s":""},null]', NoRecords),
)


@pytest.mark.parametrize("is_open", [True, False], ids=["open", "closed"])
@pytest.mark.parametrize(("body", "why"), UNREAD, ids=lambda x: x.__name__ if isinstance(x, type) else None)
def test_what_is_no_body_is_refused_by_kind(body: bytes, why: type[BodyUnread], is_open: bool) -> None:
    """Each with its own code, familiar keys or not, and without a value in the text."""
    translate = body_translator(PROGRAM, FIELDS, is_open)
    for _ in range(OFTEN):
        translate(b'{"a":1,"s":""}')
        with pytest.raises(why) as told:
            translate(body)
        assert told.value.code.startswith("body.")
        assert told.value.__context__ is None or told.value.__suppress_context__


def test_a_rejection_is_the_lens_s_and_holds_no_value() -> None:
    """The same words as from the reference."""
    translate = body_translator((Map("s", (("x", "y"),)),), FIELDS, is_open=False)
    with pytest.raises(Rejected, match="`s` has a value that the map does not name") as told:
        translate(b'{"a":1,"s":"secret"}')
    assert told.value.code == "lens.rejected"
    assert "secret" not in str(told.value)


NUMBERS = (
    "1.10",
    "1e2",
    "1E+2",
    "-0",
    "-0.0",
    "9007199254740993",
    "123456789012345678901234567890",
    "1e400",
    "0.1e1",
)
PASSING: tuple[Program, ...] = (
    (),
    (Rename("a", "b"),),
    (Nest(("a",), "n"),),
    (Wrap("a"),),
    (Fill("a", 5),),
    (Blank("a", 5),),
    (Fill("a", 5), Blank("a", 5), Rename("a", "b")),
    (Blank("a", 5), Fill("a", 5)),
    (Blank("a", 10**16),),
    (Blank("a", "n/a"), Rename("a", "b")),
    (Blank("a", 5), Blank("a", 6), Nest(("a",), "n")),
    (Cast("s", "string", "integer"), Fill("a", 0), Rename("a", "b")),
)


@pytest.mark.parametrize("is_open", [True, False], ids=["open", "closed"])
@pytest.mark.parametrize("number", NUMBERS)
def test_a_number_that_only_passes_keeps_its_digits(number: str, is_open: bool) -> None:
    """To the last byte what the proxy makes of it, whichever way is taken."""
    body = f'{{"a":{number},"s":"7"}}'
    for program in PASSING:
        translate = body_translator(program, FIELDS, is_open)
        expected, reason = lua_translation(program)(body)
        assert expected is not None, reason
        for _ in range(OFTEN):
            assert translate(body.encode()).decode() == expected


def test_escapes_stay_where_nothing_looks() -> None:
    """A text that no op touches keeps its bytes, half a surrogate pair included."""
    translate = body_translator((Unit("a", 60),), FIELDS, is_open=False)
    assert translate(b'{"a": 1, "s": "\\u00e9:\\ud83d"}') == b'{"a":60.0,"s":"\\u00e9:\\ud83d"}'


@pytest.mark.parametrize("text", ["x:y", "2024-01-01T12:00:00Z", "a :", 'a\\":', "é:", "{[:"])
def test_texts_may_hold_what_keys_end_with(text: str) -> None:
    """Colons in texts are no keys, in one record and in several."""
    for is_open in (True, False):
        translate = body_translator((Drop("a"),), FIELDS, is_open)
        one = f'{{"a":1,"s":"{text}"}}'
        for _ in range(OFTEN):
            assert json.loads(translate(one.encode())) == {"s": json.loads(f'"{text}"')}
            assert json.loads(translate(f"[{one},{one}]".encode())) == [{"s": json.loads(f'"{text}"')}] * 2


def test_unknown_fields_pass_and_a_closed_contract_orders_its_own() -> None:
    """What the contract does not know is never lost."""
    fields = (Field("a", INTEGER), Field("s", STRING))
    closed = body_translator((), fields, is_open=False)
    assert closed(b'{"s":"x","z":{"deep":[1.0]},"a":2}') == b'{"a":2,"s":"x","z":{"deep":[1.0]}}'
    assert closed(b'{"s":"x","a":2}') == b'{"a":2,"s":"x"}'
    opened = body_translator((), fields, is_open=True)
    for _ in range(OFTEN):
        assert opened(b'{"s":"x","z":{"deep":[1.0]},"a":2}') == b'{"s":"x","z":{"deep":[1.0]},"a":2}'


MONEY = call("to_float", Column("m", Decimal(9, 2)))
AFTER: tuple[tuple[Program, str, str], ...] = (
    ((Blank("m", 5), Map("m", ((1, "b"),), ("z",))), "1", "b"),
    ((Blank("m", 5), Map("m", ((1, "b"),), ("z",))), "2", "z"),
    ((Fill("m", 1), Map("m", ((1, "b"),), ("z",))), "1", "b"),
    ((Blank("m", 5), Recombine((Computed("m", MONEY),), (Computed("m", MONEY),))), "-1.50", "-1.5"),
)


@pytest.mark.parametrize("is_open", [True, False], ids=["open", "closed"])
@pytest.mark.parametrize(("program", "given", "made"), AFTER)
def test_what_an_op_lets_pass_the_next_one_sees(program: Program, given: str, made: str, is_open: bool) -> None:
    """A value that was looked at and may leave as it came is a value, and not its bytes, for the ops behind."""
    for kind in (INTEGER, NUMBER, Decimal(9, 2)):
        translate = body_translator(program, (Field("m", kind, nullable=True),), is_open)
        for _ in range(OFTEN):
            assert str(json.loads(translate(f'{{"m":{given}}}'.encode()))["m"]) == made
