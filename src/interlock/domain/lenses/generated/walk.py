"""A program run over expressions instead of values: which of them stands in which field, in order of the keys.

Which keys a record has is known before (`keys`), so that every question of presence is answered here and not once
per record. Where an op cannot be followed, the record so far is made and the reference takes the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, assert_never

from interlock.domain.lenses.apply import Record, compile_program
from interlock.domain.lenses.expressions.nodes import Expr, columns
from interlock.domain.lenses.flow import Fields, Known, past
from interlock.domain.lenses.generated.formulas import computed
from interlock.domain.lenses.generated.source import Proven, Source, Unexpected, Value
from interlock.domain.lenses.generated.values import changed
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
from interlock.domain.schemas.field import Field

Environment = Mapping[str, Value]
Translate = Callable[[Mapping[str, Any]], Record]
Nested = Callable[[Program, Sequence[Field], bool], Translate]
"""Makes the translator of the objects in a field: program, fields, whether their content is open."""


class _Opaque(Exception):
    """The op cannot be followed here."""


@dataclass(slots=True)
class Walk:
    """One run over one list of keys; `nested` makes the functions for objects that are not opened in place."""

    nested: Nested
    source: Source = field(default_factory=Source)

    def body(self, program: Program, there: Environment, known: Sequence[Fields]) -> str:
        """The statements that return the translated record, one per line. known: the fields before each op."""
        for number, (op, fields) in enumerate(zip(program, known, strict=True)):
            try:
                there = self.past(op, there, fields)
            except _Opaque:
                rest = self.source.bind(compile_program(program[number:]))
                whole = self.source.looked(Value("", "dict", members=there))
                return "\n".join((*self.source.lines, f"return {rest}({whole})"))
        return "\n".join((*self.source.lines, f"return {self.source.object(there)}"))

    def past(self, op: Op, there: Environment, fields: Fields) -> Environment:
        """The fields after `op`. _Opaque where it would reject the record for its keys, or cannot be followed."""
        match op:
            case Rename(source, target):
                return _renamed(there, source, target)
            case Add(name, default, value):
                if name in there:
                    return there
                if value is None:
                    return {**there, name: self.source.literal(default)}
                there = self.ready(there, (value,))
                return {**there, name: self.computed(value, there)}
            case Drop(name):
                self.discard(there, (name,))
                return _without(there, (name,))
            case Cast() | Unit() | Map() | Head() | Fill() | Blank():
                if op.field not in there:
                    return there
                hint = fields.get(op.field)
                return {**there, op.field: changed(op, there[op.field], hint.field if hint else None, self.source)}
            case Wrap(name):
                if name not in there:
                    return there
                return {**there, name: Value("", "list", may_be_null=False, element=there[name])}
            case Recombine():
                return self.recombined(op, there)
            case Nest(names, into):
                return _nested(there, names, into)
            case Unnest():
                return self.unnested(op, there, fields.get(op.source))
            case Inside() | Each():
                return {**there, op.field: self.scoped(op, there, fields)} if op.field in there else there
            case _:
                assert_never(op)

    def ready(self, there: Environment, values: Sequence[Expr]) -> Environment:
        """The fields, those that the expressions read by a name."""
        read = {name for value in values for name in columns(value)}
        return {name: self.source.atom(one) if name in read else one for name, one in there.items()}

    def computed(self, value: Expr, there: Environment) -> Value:
        read = {name: there[name] for name in dict.fromkeys(columns(value)) if name in there}
        return computed(value, read, self.source)

    def discard(self, there: Environment, names: Sequence[str]) -> None:
        for name in names:
            if name in there:
                self.source.discard(there[name])

    def recombined(self, op: Recombine, there: Environment) -> Environment:
        gone = [one.field for one in op.whole]
        if not any(name in there for name in gone):
            return there
        there = self.ready(there, [one.value for one in op.parts])
        left = dict(_without(there, gone))
        self.discard(there, gone)
        for one in op.parts:
            if one.field in left:
                raise _Opaque
            value = self.computed(one.value, there)
            left[one.field] = self.needed(value) if one.is_needed else value
        return left

    def needed(self, value: Value) -> Value:
        """The value, which must not be null."""
        if not value.may_be_null:
            return value
        x = self.source.atom(value)
        self.source.add(f"if {x.text} is None: raise {self.source.bind(Unexpected)}")
        return Value(x.text, x.kind, may_be_null=False, is_atom=True)

    def unnested(self, op: Unnest, there: Environment, known: Known | None) -> Environment:
        if op.source not in there:
            return there
        whole = there[op.source]
        inner = whole.members if whole.members is not None else self.opened(whole, known, op.fields)
        left = _without(there, (op.source,))
        if any(name not in op.fields or name in left for name in inner):
            raise _Opaque
        return {**left, **inner}

    def scoped(self, op: Inside | Each, there: Environment, fields: Fields) -> Value:
        known, value = fields.get(op.field), there[op.field]
        if isinstance(op, Inside) and (value.members is not None or _is_plain(known)):
            inside = value.members if value.members is not None else self.opened(value, known, ())
            return self.inside(op.ops, inside, known)
        if value.is_null:
            return value
        known = known.element if known is not None and isinstance(op, Each) else known
        translate = self.nested(op.ops, _fields_of(known), _is_open_within(known))
        run = _each(translate) if isinstance(op, Each) else _inside(translate)
        kind: Proven = "list" if isinstance(op, Each) else "dict"
        return Value(f"{self.source.bind(run)}({self.source.looked(value)})", kind)

    def inside(self, program: Program, there: Environment, known: Known | None) -> Value:
        fields = dict(known.inside or {}) if known is not None else {}
        for op, before in zip(program, moved(program, fields), strict=True):
            there = self.past(op, there, before)
        return Value("", "dict", may_be_null=False, members=there)

    def opened(self, whole: Value, known: Known | None, order: Sequence[str]) -> Environment:
        """The fields of an object of the record, which must be those of the contract in their order.

        `order`: how null is taken apart, into as many nulls; null is not expected when it is empty.
        """
        if not _is_plain(known, is_null_allowed=order == _names(known)) or known is None or not known.inside:
            raise _Opaque
        x, source = self.source.atom(whole).text, self.source
        names = [source.fresh() for _ in known.inside]
        joined = "".join(f"{name}, " for name in names)
        keys, unexpected = source.bind(list(known.inside)), source.bind(Unexpected)
        is_null = known.field.nullable and whole.may_be_null
        if is_null:
            source.add(f"if {x} is None: {' = '.join(names)} = None")
        source.add(f"{'elif' if is_null else 'if'} type({x}) is not dict or [*{x}] != {keys}: raise {unexpected}")
        source.add(f"else: {joined}= {x}.values()")
        return {name: Value(local, is_atom=True) for name, local in zip(known.inside, names, strict=True)}


def moved(program: Program, fields: Fields) -> list[Fields]:
    """The fields that the contract promises before each op."""
    known = []
    for op in program:
        known.append(dict(fields))
        past(op, fields)
    return known


def _names(known: Known | None) -> tuple[str, ...]:
    return tuple(known.inside or ()) if known is not None else ()


def _fields_of(known: Known | None) -> tuple[Field, ...]:
    return tuple(one.field for one in (known.inside or {}).values()) if known is not None else ()


def _is_open_within(known: Known | None) -> bool:
    return known is None or known.inside is None or bool(getattr(known.field.type, "is_open", True))


def _is_plain(known: Known | None, is_null_allowed: bool = False) -> bool:
    """Whether the object has the same keys in every record that keeps the contract."""
    if known is None or not known.inside or (known.field.nullable and not is_null_allowed):
        return False
    return all(one.field.required for one in known.inside.values())


def _renamed(there: Environment, source: str, target: str) -> Environment:
    if source not in there or source == target:
        return there
    if target in there:
        raise _Opaque
    return {target if name == source else name: one for name, one in there.items()}


def _without(there: Environment, names: Sequence[str]) -> Environment:
    return {name: one for name, one in there.items() if name not in names}


def _nested(there: Environment, names: Sequence[str], into: str) -> Environment:
    if into in there and into not in names:
        raise _Opaque
    inner = {name: there[name] for name in names if name in there}
    if not inner:
        return there
    return {**_without(there, names), into: Value("", "dict", may_be_null=False, members=inner)}


def _inside(translate: Translate) -> Callable[[Any], Any]:
    def run(value: Any) -> Any:
        if type(value) is dict:
            return translate(value)
        if value is None:
            return None
        raise Unexpected

    return run


def _each(translate: Translate) -> Callable[[Any], Any]:
    one = _inside(translate)

    def run(value: Any) -> Any:
        if type(value) is list:
            return [one(v) for v in value]
        if value is None:
            return None
        raise Unexpected

    return run
