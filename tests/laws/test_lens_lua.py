"""The generated Lua does to every body exactly what the reference in Python does."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

from interlock.adapters.envoy.lens_lua import RUNTIME
from interlock.domain.lenses.apply import Rejected, translate_text
from interlock.domain.lenses.ops import Program
from interlock.domain.schemas.scalars import equal_json
from support.lens_programs import lua_translation, nested, programs, records_for, spelled


@st.composite
def cases(draw: st.DrawFn) -> tuple[Program, list[str]]:
    """A program, and bodies of one record or several."""
    program = draw(programs)
    one = records_for(program)
    return program, draw(st.lists((one | st.lists(one, max_size=2)).flatmap(spelled), min_size=1, max_size=4))


def shown_field(field: str) -> str:
    return re.sub(rb"[^A-Za-z0-9_.-]", b"?", field.encode()).decode()


def assert_agreement(program: Program, texts: list[str], runtime: str = RUNTIME) -> None:
    """Both give the same value with the same order of keys, or both reject for the same reason."""
    translate = lua_translation(program, runtime)
    for text in texts:
        assert_same(program, text, *translate(text))


def assert_same(program: Program, text: str, translated: str | None, reason: str) -> None:
    try:
        expected = translate_text(program, text)
    except Rejected as rejected:
        said = f"`{shown_field(rejected.field)}` {rejected.reason}" if rejected.field else rejected.reason
        assert translated is None
        assert reason == said
        return
    assert translated is not None, reason
    there, here = json.loads(translated), json.loads(expected)
    assert equal_json(there, here)
    firsts = zip(*(v if isinstance(v, list) else [v] for v in (there, here)), strict=True)
    assert all(list(left) == list(right) for left, right in firsts)


@settings(max_examples=300, deadline=None)
@given(cases())
def test_lua_and_python_agree_on_every_program_and_body(case: tuple[Program, list[str]]) -> None:
    """A random program gives the same JSON value in LuaJIT and in Python, or both reject it alike."""
    assert_agreement(*case)


@settings(max_examples=300, deadline=None)
@given(
    nested.flatmap(spelled),
    st.integers(0, 60),
    st.integers(0, 2),
    st.sampled_from(("", "\\", '"', "}", "[", ",", ":", "0", "-", ".", "e", "\x00", "\n", "u", "tru", " 1", "1.")),
)
def test_damaged_bodies_are_read_or_refused_alike(text: str, at: int, cut: int, patch: str) -> None:
    """Whatever is cut out of or patched into a body, Lua accepts exactly what the strict Python reader accepts."""
    damaged = text[:at] + patch + text[at + cut :]
    translated, reason = lua_translation(())(damaged)
    try:
        expected = translate_text((), damaged)
    except Rejected as rejected:
        assume("range of doubles" not in rejected.reason)
        assert translated is None
        if rejected.reason == "the body is not valid JSON":
            assume(reason != "an object names a key twice")
            assert reason.startswith("not JSON") or "neither" in reason
    else:
        assert translated is not None, reason
        assert equal_json(json.loads(translated), json.loads(expected))


MUTANTS = {
    "ties round up": ("low % 2 == 1", "true"),
    "big integers are taken": ("x <= -9007199254740992 or x >= 9007199254740992 then reject", "false then reject"),
    "an empty list has no head": ("elements(r.values[k])[1] or 'null'", "elements(r.values[k])[1] or '0'"),
    "a nested name is told alone": ("gsub(around .. field,", "gsub(field,"),
    "null in a list is refused": ("if raw ~= 'null' and not is_object(raw) then", "if not is_object(raw) then"),
    "what is nested stays": ("r.values[k], r.at[name] = false, nil\n  return value", "return value"),
    "escapes are not read": ("named['\"' .. meaning(raw)]", "named[sub(raw, 1, -2)]"),
    "null is mapped": ("if not found and raw == 'null' then return end", ""),
    "digits are cut": ("'%.17g'", "'%.15g'"),
    "keys are compared as written": ("local name = meaning(key)", "local name = sub(key, 2, -2)"),
    "rename overwrites": ("if r.at[target] then reject", "if false then reject"),
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_the_law_sees_a_broken_runtime(mutant: str) -> None:
    """Each planted fault is found, so that agreement means something."""
    right, wrong = MUTANTS[mutant]
    assert RUNTIME.count(right) == 1
    broken = RUNTIME.replace(right, wrong)

    @settings(
        max_examples=3000,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(cases())
    def law(case: tuple[Program, list[str]]) -> None:
        assert_agreement(*case, broken)

    with pytest.raises((AssertionError, ExceptionGroup)):
        law()
