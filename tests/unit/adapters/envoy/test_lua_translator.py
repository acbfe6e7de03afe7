"""What the Lua translator leaves alone, what it refuses, and that nothing in a lens becomes code."""

from __future__ import annotations

import pytest

from interlock.adapters.envoy.lens_lua import RUNTIME, LuaLacks, translator
from interlock.domain.lenses.apply import MAX_DEPTH
from interlock.domain.lenses.expressions.nodes import INT, Column
from interlock.domain.lenses.ops import (
    Add,
    Cast,
    Computed,
    Drop,
    Each,
    Inside,
    Map,
    Nest,
    Program,
    Recombine,
    Rename,
    Unit,
    Unnest,
    Wrap,
)
from support.lens_programs import lua_translation


def test_what_no_op_touches_leaves_byte_for_byte() -> None:
    """Big integers, decimals, escapes, inner space and the order of keys stay as they were written."""
    text = r'{"b":12345678901234567890,"a":1.10e+2,"\u0078":"\u00e9\/","n":{ "z" : [ 1.0 , -0 ] },"y":1e999}'
    assert lua_translation((Rename("q", "r"), Drop("gone")))(text) == (text, "")


def test_numbers_that_an_op_changes_are_written_plainly() -> None:
    """Whole results have neither fraction nor exponent; others have the fewest digits that read back the same."""
    times = lua_translation((Unit("a", 1, 10),))
    whole = lua_translation((Unit("a", 60, integer=True),))
    assert [times('{"a":' + n + "}")[0] for n in ("1", "3", "1e21", "70", "-0")] == [
        '{"a":0.1}',
        '{"a":0.3}',
        '{"a":1e+20}',
        '{"a":7}',
        '{"a":0}',
    ]
    assert whole('{"a":1e13}') == ('{"a":600000000000000}', "")


def test_text_is_compared_by_what_it_means() -> None:
    """Escapes in keys and values do not hide them from an op."""
    program: Program = (
        Rename("a/é", "b"),
        Map("b", (('\U0001f6eb"', "take-off"),)),
        Cast("c", "string", "integer"),
    )
    body = r'{"\u0061\/\u00e9":"\ud83d\udeeb\"","\u0063":"\u0037"}'
    assert lua_translation(program)(body) == ('{"b":"take-off","\\u0063":7}', "")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not JSON: a value is malformed"),
        ("nonsense", "not JSON: a value is malformed"),
        ('{"a":01}', "not JSON: a value is malformed"),
        ('{"a":"\n"}', "not JSON: a text does not end"),
        ('{"a":"\\x"}', "not JSON: a text has a bad escape"),
        ('{"a":1,}', "not JSON: an object lacks a key"),
        ('{"a" 1}', "not JSON: an object lacks a colon"),
        ('{"a":1', "not JSON: an object does not end"),
        ('{"a":[1 2]}', "not JSON: an array does not end"),
        ("{}{}", "not JSON: something follows the body"),
        ('"text"', "the body is neither an object nor an array of objects"),
        ("[{},[]]", "the body is neither an object nor an array of objects"),
        ('{"a":1,"\\u0061":2}', "an object names a key twice"),
        ('{"o":[{"a":1,"a":2}]}', "an object names a key twice"),
        ('{"a":' + "[" * MAX_DEPTH + "]" * MAX_DEPTH + "}", f"the body nests deeper than {MAX_DEPTH}"),
        ("[" * 1_000_000, f"the body nests deeper than {MAX_DEPTH}"),
    ],
)
def test_a_body_that_is_ambiguous_or_no_json_is_refused(text: str, reason: str) -> None:
    """Unreadable bodies and rejected ones are told apart by how the reason begins."""
    assert lua_translation(())(text) == (None, reason)


def test_one_rejected_record_rejects_the_whole_array() -> None:
    """No half-translated body leaves, and the reason is ASCII without the value."""
    translate = lua_translation((Unit("dép", 60),))
    assert translate('[{"dép":1},{"dép":"secret"}]') == (None, "`d??p` is no finite number")
    assert translate('[{"dép":1}, {}]') == ('[{"dép":60},{}]', "")


HOSTILE = ("']] os.exit() --", "\\", "\x00\n\r", "]]", "@RELEASE@", "${x}", "%d", '"', "é\U0001f6eb", "\ud800")


@pytest.mark.parametrize("hostile", HOSTILE)
def test_names_and_values_never_become_code(hostile: str) -> None:
    """Whatever text a lens holds arrives as data, and the source stays plain ASCII without template marks."""
    program: Program = (
        Add(hostile, hostile),
        Map(hostile, ((hostile, hostile),)),
        Rename(hostile, hostile + "2"),
        Drop("x"),
    )
    source = translator("to_release", program)
    assert source.isascii()
    assert "@" not in RUNTIME + source
    translated, reason = lua_translation(program)("{}")
    assert reason == ""
    assert translated is not None


def test_translators_share_one_chunk_and_any_lua_name() -> None:
    """Each takes a single local of its chunk, and its name cannot collide with what is inside."""
    assert lua_translation((Add("a", 1),))("{}") == ('{"a":1}', "")
    with pytest.raises(ValueError, match="no Lua name"):
        translator("a b", ())
    with pytest.raises(ValueError, match="no Lua name"):
        translator("end", ())


def test_a_large_map_compiles() -> None:
    """Thousands of values stay within the limits of LuaJIT."""
    program = (Map("a", tuple((f"k{n}", n) for n in range(20_000))),) * 3
    assert lua_translation(program[:1])('{"a":"k19999"}') == ('{"a":19999}', "")
    assert lua_translation(program)("{}") == ("{}", "")


def test_what_moves_in_and_out_of_objects_stays_as_it_is_written() -> None:
    """Values are moved as text; inside an object that an op goes into, the others stay as they were."""
    program: Program = (Unnest(("a", "b"), "o"), Nest(("b", "x"), "n"), Wrap("a"), Each("l", (Rename("p", "q"),)))
    text = r'{"x":1.10,"o":{ "b" : "\u00e9" , "a":12345678901234567890},"l":[ {"p":1e1,"r": [ ] } ,null]}'
    assert lua_translation(program)(text) == (
        r'{"l":[{"q":1e1,"r":[ ]},null],"a":[12345678901234567890],"n":{"b":"\u00e9","x":1.10}}',
        "",
    )


def test_a_rejection_inside_an_object_does_not_colour_the_next() -> None:
    """The path is that of the field, also for the body after one that was rejected inside an object."""
    translate = lua_translation((Inside("o", (Cast("p", "string", "integer"),)), Cast("a", "string", "integer")))
    assert translate('{"o":{"p":"x"}}')[1].startswith("`o.p` is no text")
    assert translate('{"a":"x"}')[1].startswith("`a` is no text")


def test_what_needs_an_expression_is_refused() -> None:
    """The plan has said so; if it comes here all the same, nothing is approximated."""
    value = Column("n", INT)
    split = Recombine((Computed("n", value),), (Computed("m", value),))
    for program in ((Add("a", value=value),), (split,), (Inside("o", (split,)),)):
        with pytest.raises(LuaLacks):
            translator("t", program)
