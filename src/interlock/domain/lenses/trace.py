"""Follows each field through a program, into objects where ops go there: every field has a path of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import assert_never

from interlock.domain.lenses.flow import Known, known, past
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
from interlock.domain.schemas.field import Field, Json, Struct

Path = tuple[str, ...]
"""Names from the outermost field inward, through lists as well."""


@dataclass(frozen=True, slots=True)
class Step:
    """One op on the way of a field. `op` is what it does to a record with this field alone; `leaf` is what it does
    to the field itself, which is `before` at that point. before: None when the op is on an object around the field.
    """

    op: Op
    leaf: Op
    before: Field | None


@dataclass(frozen=True, slots=True)
class Trace:
    """One field's way: `source` is None when the program made it, `target` is None when it ended.

    `steps` are those that touch it, in order, renames included. `now`: what it may hold at this point.
    """

    source: Path | None
    target: Path | None
    now: Known
    steps: tuple[Step, ...] = ()

    @property
    def ops(self) -> Program:
        """A program that does to this field alone what the whole program does to it."""
        return tuple(one.op for one in self.steps)


Live = dict[Path, Trace]
Scope = Callable[[Op], Op]
"""Makes an op on the inside of an object the op on the record."""


def dotted(path: Path) -> str:
    return ".".join(path)


def traces(program: Program, fields: Iterable[Field]) -> tuple[Trace, ...]:
    """The ways of all fields: those that ended first, then those that arrive, in order of the fields."""
    walk = _Walk({(one.name,): Trace((one.name,), (one.name,), known(one)) for one in fields})
    walk.follow(program, (), lambda op: op)
    return (*walk.ended, *walk.live.values())


@dataclass(slots=True)
class _Walk:
    """`opened`: the ways of objects whose fields have ways of their own by now, at the same paths as those."""

    live: Live
    ended: list[Trace] = field(default_factory=list)
    opened: Live = field(default_factory=dict)

    def follow(self, program: Program, at: Path, scope: Scope) -> None:
        for op in program:
            self.past(op, at, scope)

    def past(self, op: Op, at: Path, scope: Scope) -> None:
        """`at`: the object that the op works in; `scope` makes it an op on the record."""
        match op:
            case Rename(source, target):
                self.move((*at, source), (*at, target), op, scope)
            case Add(field):
                self.make((*at, field), op, scope)
            case Drop(field):
                self.end((*at, field), op, scope)
            case Recombine(whole, parts):
                for one in whole:
                    self.end((*at, one.field), op, scope)
                for one in parts:
                    self.make((*at, one.field), op, scope)
            case Nest(fields, into):
                for name in fields:
                    self.move((*at, name), (*at, into, name), Nest((name,), into), scope)
            case Unnest(fields, source):
                self.unnest(fields, (*at, source), scope)
            case Inside(field, ops) | Each(field, ops):
                self.within(op, ops, (*at, field), scope)
            case Cast(field) | Unit(field) | Map(field) | Wrap(field) | Head(field) | Fill(field) | Blank(field):
                self.touch((*at, field), op, scope)
            case _:
                assert_never(op)

    def of(self, path: Path) -> list[Path]:
        """What is live at `path` or within it."""
        return [key for key in self.live if key[: len(path)] == path]

    def make(self, path: Path, op: Op, scope: Scope) -> None:
        if not self.of(path):
            self.live[path] = Trace(None, path, known(Field(path[-1], Json())), (Step(scope(op), op, None),))

    def touch(self, path: Path, op: Op, scope: Scope) -> None:
        for key in self.of(path):
            self.live[key] = _past(self.live[key], op, scope, is_self=key == path)

    def move(self, source: Path, target: Path, op: Op, scope: Scope) -> None:
        moved = {key: (*target, *key[len(source) :]) for key in self.of(source)}
        if source == target or any(new in self.live for new in moved.values()):
            return
        live: Live = {}
        for key, trace in self.live.items():
            if key in moved:
                live[moved[key]] = replace(_past(trace, op, scope, is_self=key == source), target=moved[key])
            else:
                live[key] = trace
        self.live = live
        below = {key: (*target, *key[len(source) :]) for key in self.opened if key[: len(source)] == source}
        self.opened = {below.get(key, key): trace for key, trace in self.opened.items()}

    def end(self, path: Path, op: Op, scope: Scope) -> None:
        self.opened = {key: trace for key, trace in self.opened.items() if key[: len(path)] != path}
        for key in self.of(path):
            trace = self.live.pop(key)
            self.ended.append(replace(trace, target=None, steps=(*trace.steps, Step(scope(op), op, None))))

    def expand(self, path: Path) -> bool:
        """Puts the fields of an object in its place; whether they are known."""
        trace = self.live.get(path)
        if trace is None:
            return bool(self.of(path))
        here = trace.now.element if trace.now.element is not None else trace.now
        if here.inside is None:
            return False
        above = tuple(replace(one, before=None) for one in trace.steps)
        live: Live = {}
        for key, other in self.live.items():
            if key != path:
                live[key] = other
                continue
            for name, inner in here.inside.items():
                source = None if trace.source is None else (*trace.source, name)
                live[*path, name] = Trace(source, (*path, name), inner, above)
        self.live, self.opened[path] = live, trace
        return True

    def unnest(self, fields: tuple[str, ...], path: Path, scope: Scope) -> None:
        """The object ends, its fields move out."""
        op = Unnest(fields, path[-1])
        if not self.expand(path):
            return
        if (whole := self.opened.pop(path, None)) is not None:
            self.ended.append(replace(_past(self.as_it_is(whole, path), op, scope, is_self=True), target=None))
        for name in fields:
            self.move((*path, name), (*path[:-1], name), Unnest((name,), path[-1]), scope)

    def as_it_is(self, whole: Trace, path: Path) -> Trace:
        """An object's way with the fields that it has by now, those that ops inside it renamed or dropped too."""
        inside = tuple(self.live[key].now.field for key in self.of(path) if len(key) == len(path) + 1)
        one = whole.now.field
        of_struct = isinstance(one.type, Struct)
        return replace(whole, now=known(replace(one, type=Struct(inside)))) if of_struct else whole

    def within(self, op: Inside | Each, ops: Program, path: Path, scope: Scope) -> None:
        if not self.expand(path):
            self.touch(path, op, scope)
            return
        kind, field = type(op), op.field
        self.follow(ops, path, lambda inner: scope(kind(field, (inner,))))


def _past(trace: Trace, op: Op, scope: Scope, is_self: bool) -> Trace:
    """The trace past an op on the field itself, or on an object around it."""
    made = Step(scope(op), op, trace.now.field if is_self else None)
    now = trace.now
    if is_self and not isinstance(op, Nest | Unnest):
        fields = {now.field.name: now}
        past(op, fields)
        [now] = fields.values()
    return replace(trace, now=now, steps=(*trace.steps, made))
