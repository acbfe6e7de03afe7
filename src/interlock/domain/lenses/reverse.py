"""Turns a program around: the ops in reverse order, each replaced by its inverse.

Rename and Rename, Add and Drop, Cast and Cast, Unit and Unit, Nest and Unnest, Wrap and Head, Fill and Blank undo
one another, and so do the two sides of a Recombine; `integer` holds for both sides
of a Unit. A Map keeps every pair, turned around, and the first pair that names a value wins: where several
values become one, the way back yields the first of them. A fallback has no inverse: on the way back a
value that no pair names is rejected. What this loses is said by `loss`.
"""

from __future__ import annotations

from typing import assert_never

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


def reversed_ops(program: Program) -> Program:
    """The program that takes records back. Twice reversed, it does what the program does (fallbacks aside)."""
    return tuple(_inverse(op) for op in reversed(program))


def _inverse(op: Op) -> Op:
    match op:
        case Rename(source, target):
            return Rename(target, source)
        case Add(field, default, value):
            return Drop(field, default, value)
        case Drop(field, default, value):
            return Add(field, default, value)
        case Cast(field, source, target):
            return Cast(field, target, source)
        case Unit(field, numerator, denominator, offset, integer):
            sign = 1 if numerator > 0 else -1
            back = -offset * denominator / numerator
            return Unit(field, sign * denominator, abs(numerator), back or 0.0, integer)
        case Map(field, pairs):
            return Map(field, tuple((target, source) for source, target in pairs))
        case Recombine(whole, parts):
            return Recombine(parts, whole)
        case Nest(fields, into):
            return Unnest(fields, into)
        case Unnest(fields, source):
            return Nest(fields, source)
        case Wrap(field):
            return Head(field)
        case Head(field):
            return Wrap(field)
        case Fill(field, value):
            return Blank(field, value)
        case Blank(field, value):
            return Fill(field, value)
        case Inside(field, ops):
            return Inside(field, reversed_ops(ops))
        case Each(field, ops):
            return Each(field, reversed_ops(ops))
        case _:
            assert_never(op)
