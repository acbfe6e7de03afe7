"""Python source under construction: values that stand for expressions, and the objects that the source names.

Nothing but generated names and literals of plain scalars enters the text; whatever else a program holds is bound to
a name. So no field name, default or table can become code.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Proven = Literal["", "bool", "int", "float", "str", "list", "dict"]
"""The exact type of a value, where the source before it proves one."""

PLAIN: tuple[Proven, ...] = ("bool", "int", "float", "str")


WHOLE = 2**31
"""Integers up to this size are computed with in place."""


def within(name: str) -> str:
    """The test that an integer is."""
    return f"-{WHOLE} <= {name} <= {WHOLE}"


class Unexpected(Exception):
    """A record is not as the fast path takes records to be; the reference decides."""


@dataclass(frozen=True, slots=True)
class Value:
    """A value of the record under translation, as Python source.

    kind: its type, proven; `may_be_null` holds beside it. is_atom: a name or a literal, which may be repeated.
    members: the fields of an object that the source makes itself, in order; element: the one value of such a list;
    `text` is unused then. untouched: what stands for the value where it is passed on as it came, when that is
    something else than `text`.
    """

    text: str
    kind: Proven = ""
    may_be_null: bool = True
    is_atom: bool = False
    members: Mapping[str, Value] | None = None
    element: Value | None = None
    untouched: str = ""

    @property
    def whole(self) -> str:
        return self.untouched or self.text

    @property
    def is_null(self) -> bool:
        return self.text == "None"


@dataclass(slots=True)
class Source:
    """Statements in order, and what their names stand for.

    is_hopeful: what is likely is required once, in statements, instead of tested where it is used. looked_at: the
    names of the record's values that some op looks at; others are only passed on.
    """

    lines: list[str] = field(default_factory=list)
    bound: dict[str, Any] = field(default_factory=dict)
    is_hopeful: bool = False
    count: int = 0
    facts: set[str] = field(default_factory=set)
    known: dict[str, str] = field(default_factory=dict)
    looked_at: set[str] = field(default_factory=set)

    def fresh(self) -> str:
        """A name for a temporary."""
        self.count += 1
        return f"t{self.count}"

    def bind(self, value: Any) -> str:
        """A name that stands for `value` in the source."""
        name = f"k{len(self.bound)}"
        self.bound[name] = value
        return name

    def add(self, line: str) -> None:
        self.lines.append(line)

    def require(self, *tests: str) -> None:
        """Go on only if all hold that are not known to."""
        if new := [test for test in dict.fromkeys(tests) if test not in self.facts]:
            self.facts |= {*new}
            self.add(f"if not ({' and '.join(new)}): raise {self.bind(Unexpected)}")

    def shared(self, text: str) -> str:
        """The name of what `text` computes, which is computed once."""
        if text not in self.known:
            self.known[text] = self.fresh()
            self.add(f"{self.known[text]} = {text}")
        return self.known[text]

    def atom(self, value: Value) -> Value:
        """The same value by a name, so that it can be used more than once."""
        if value.is_atom:
            self.looked_at.add(value.text)
            return value
        name, untouched = self.fresh(), self.fresh() if value.untouched else ""
        self.add(f"{name} = {self.looked(value)}")
        if untouched:
            self.add(f"{untouched} = {value.untouched}")
        return Value(name, value.kind, value.may_be_null, is_atom=True, untouched=untouched)

    def text(self, value: Value) -> str:
        """The source of the whole value."""
        if value.element is not None:
            return f"[{self.text(value.element)}]"
        return value.whole if value.members is None else self.object(value.members)

    def looked(self, value: Value) -> str:
        """The source of the whole value, for something that looks at what is in it."""
        if value.members is not None:
            inner = (f"{name!a}: {self.looked(one)}" for name, one in value.members.items())
            return "{" + ", ".join(inner) + "}"
        if value.element is not None:
            return f"[{self.looked(value.element)}]"
        if value.is_atom:
            self.looked_at.add(value.text)
        return value.text

    def object(self, members: Mapping[str, Value]) -> str:
        return "{" + ", ".join(f"{name!a}: {self.text(one)}" for name, one in members.items()) + "}"

    def discard(self, value: Value) -> None:
        """The value is not needed any more, but what would reject the record on the way to it still must."""
        if value.members is not None:
            for one in value.members.values():
                self.discard(one)
        elif value.element is not None:
            self.discard(value.element)
        elif not value.is_atom:
            self.add(value.text)

    def literal(self, value: Any) -> Value:
        """A constant. Only plain scalars are written out."""
        match value:
            case None:
                return Value("None", is_atom=True)
            case bool() | str() if type(value) in (bool, str):
                return Value(ascii(value), kind_of(value), may_be_null=False, is_atom=True)
            case int() if type(value) is int and abs(value) < 2**64:
                return Value(f"({value})" if value < 0 else str(value), "int", may_be_null=False, is_atom=True)
            case float() if type(value) is float:
                return Value(self.number(value), "float", may_be_null=False, is_atom=True)
            case _:
                return Value(self.bind(value), is_atom=True)

    def number(self, value: float) -> str:
        """A float; those that are not finite have no literal."""
        if not math.isfinite(value):
            return self.bind(value)
        return f"({value!r})" if math.copysign(1.0, value) < 0 else repr(value)


def kind_of(value: Any) -> Proven:
    """The kind that a constant of one of the plain types has."""
    return next((kind for kind in PLAIN if type(value).__name__ == kind), "")
