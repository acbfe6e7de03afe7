"""Follows each field through a program. Ops name one field each, so every field has a path of its own."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import assert_never

from interlock.domain.lenses.ops import Add, Cast, Drop, Map, Op, Program, Rename, Scalar, Unit


@dataclass(frozen=True, slots=True)
class Trace:
    """One field's way: `source` is None when the program made it, `target` is None when it dropped it.

    `ops` are those that touch it, in order, renames included; `default` is what Add filled in, as a tuple of one.
    """

    source: str | None
    target: str | None
    ops: Program = ()
    default: tuple[Scalar, ...] = ()


def traces(program: Program, names: Iterable[str]) -> tuple[Trace, ...]:
    """The ways of all fields: those that are dropped first, then those that arrive, in order of the fields."""
    live = {name: Trace(name, name) for name in names}
    dropped: list[Trace] = []
    for op in program:
        match op:
            case Rename(source, target) if source in live and target not in live:
                moved = _with(live[source], op, target)
                live = {target if k == source else k: moved if k == source else v for k, v in live.items()}
            case Add(field, default):
                live.setdefault(field, Trace(None, field, (op,), (default,)))
            case Drop(field) if field in live:
                dropped.append(_with(live.pop(field), op, None))
            case Cast(field) | Unit(field) | Map(field) if field in live:
                live[field] = _with(live[field], op, field)
            case Rename() | Drop() | Cast() | Unit() | Map():
                pass
            case _:
                assert_never(op)
    return (*dropped, *live.values())


def _with(trace: Trace, op: Op, target: str | None) -> Trace:
    return replace(trace, target=target, ops=(*trace.ops, op))
