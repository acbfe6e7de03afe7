"""Hypothesis strategies for lens programs and records, and the Lua reading of a program under LuaJIT."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st
from lupa.luajit21 import LuaRuntime

from interlock.adapters.envoy.lens_lua import RUNTIME, translator
from interlock.domain.lenses.apply import CASTS
from interlock.domain.lenses.ops import (
    Add,
    Blank,
    Cast,
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

NAMES = ("a", "b", "c", 'dép"\\ay', "\U0001f6eb", "]] --")

names = st.sampled_from(NAMES)
telling_text = st.sampled_from(
    (
        "UA",
        "7",
        "+007",
        "-0",
        "0",
        "1",
        "true",
        "false",
        "null",
        "1.5",
        "9" * 15,
        "9" * 16,
        '"\\',
        "é",
        "\U0001f6eb",
    )
)
numbers = st.one_of(
    st.integers(-3, 3),
    st.integers(),
    st.sampled_from((2**53, 2**53 + 1, -(2**53), 2**53 - 1, 10**15, 10**15 - 1, 2**63, 10**40)),
    st.floats(allow_nan=False, allow_infinity=False),
    st.integers(-20, 20).map(lambda n: n / 2),
    st.sampled_from((-0.0, 1e300, 5e-324, 0.1, 1e15, 1e16, 123456.75)),
)
scalars = st.one_of(st.none(), st.booleans(), numbers, telling_text, st.text(max_size=4))
nested = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
)
units = st.builds(
    Unit,
    names,
    st.sampled_from((60, 1, 9, -7, 3600, 1609344, 2**53 - 1)),
    st.sampled_from((1, 60, 5, 7, 1000000)),
    st.sampled_from((0.0, 32.0, -273.15, 0.5, 1e300)),
    st.booleans(),
)
maps = st.builds(
    Map,
    names,
    st.lists(st.tuples(telling_text | scalars, scalars), min_size=1, max_size=8).map(tuple),
    st.one_of(st.just(()), st.tuples(scalars)),
)
casts = st.builds(lambda name, pair: Cast(name, *pair), names, st.sampled_from(sorted(CASTS)))
several = st.lists(names, min_size=1, max_size=3, unique=True).map(tuple)
sentinels = scalars.filter(lambda v: v is not None and not (isinstance(v, int | float) and abs(v) >= 2**53))
on_scalars = st.one_of(
    st.builds(Rename, names, names),
    st.builds(Add, names, scalars),
    st.builds(Drop, names, scalars),
    casts,
    units,
    maps,
    st.builds(Fill, names, sentinels),
    st.builds(Blank, names, sentinels),
)
on_shapes = st.one_of(
    st.builds(Nest, several, names),
    st.builds(Unnest, several, names),
    st.builds(Wrap, names),
    st.builds(Head, names),
)
ops: st.SearchStrategy[Op] = st.recursive(
    on_scalars | on_shapes,
    lambda inner: st.builds(
        lambda kind, name, ops: kind(name, ops),
        st.sampled_from((Inside, Each)),
        names,
        st.lists(inner, min_size=1, max_size=2).map(tuple),
    ),
    max_leaves=3,
)
"""Every op that the proxy can run."""
programs = st.lists(ops, min_size=1, max_size=4).map(tuple)


@st.composite
def records_for(draw: st.DrawFn, program: Program) -> dict[str, Any]:
    """A record that gives the ops of `program` something to do: mostly values that they are meant for."""
    record = draw(st.dictionaries(st.text(max_size=3), nested, max_size=1))
    for op in program:
        for name in read_by(op):
            if draw(st.integers(0, 4)):
                record[name] = draw(apt_values(op) if draw(st.integers(0, 4)) else scalars | nested)
    return record


def read_by(op: Op) -> tuple[str, ...]:
    """The fields that the op looks at."""
    match op:
        case Rename(source) | Unnest(_, source):
            return (source,)
        case Nest(fields):
            return fields
        case Recombine(whole):
            return tuple(one.field for one in whole)
        case _:
            return (op.field,)


def apt_values(op: Op) -> st.SearchStrategy[Any]:
    """Values that the op is likely to change."""
    match op:
        case Unit():
            return st.integers(-50, 50).map(lambda n: n / 2) | numbers
        case Map(_, pairs):
            return st.sampled_from([source for source, _ in pairs])
        case Cast(_, "string"):
            return telling_text
        case Cast(_, "boolean"):
            return st.booleans()
        case Cast():
            return numbers
        case Fill(_, value) | Blank(_, value):
            return st.sampled_from((None, value)) | scalars
        case Unnest(fields):
            return st.none() | st.dictionaries(st.sampled_from(fields), scalars, max_size=3)
        case Head():
            return st.lists(nested, max_size=3)
        case Inside(_, ops):
            return records_for(ops)
        case Each(_, ops):
            return st.lists(st.none() | records_for(ops), max_size=3)
        case _:
            return scalars


@st.composite
def spelled(draw: st.DrawFn, value: Any) -> str:
    """JSON text of `value`, in one of the many ways to write it."""
    space = draw(st.sampled_from(("", " ", "\n\t")))
    match value:
        case dict():
            pairs = [f"{draw(spelled(k))}{space}:{space}{draw(spelled(v))}" for k, v in value.items()]
            return "{" + space + f",{space}".join(pairs) + space + "}"
        case list():
            return "[" + space + f"{space},".join(draw(spelled(v)) for v in value) + space + "]"
        case str() if draw(st.booleans()):
            halves = value.encode("utf-16-be", "surrogatepass")
            codes = [halves[i : i + 2].hex() for i in range(0, len(halves), 2)]
            return '"' + "".join(f"\\u{code}" for code in codes) + '"'
        case _:
            return json.dumps(value, ensure_ascii=draw(st.booleans()))


def lua_translation(program: Program, runtime: str = RUNTIME) -> Callable[[str], tuple[str | None, str]]:
    """The program in LuaJIT: text to (translated text or None, reason)."""
    chunk = f"{runtime}\n{translator('translate', program)}\nreturn translate"
    function = LuaRuntime(encoding=None).execute(chunk.encode("ascii"))

    def run(text: str) -> tuple[str | None, str]:
        answer = function(text.encode("utf-8", "surrogatepass"))
        if isinstance(answer, tuple):
            return None, answer[1].decode("ascii")
        return answer.decode("utf-8", "surrogatepass"), ""

    return run
