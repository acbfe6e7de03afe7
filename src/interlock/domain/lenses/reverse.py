"""Turns a program around: the ops in reverse order, each replaced by its inverse.

Rename and Rename, Add and Drop, Cast and Cast, Unit and Unit undo one another; `integer` holds for both sides
of a Unit. A Map keeps every pair, turned around, and the first pair that names a value wins: where several
values become one, the way back yields the first of them. A fallback has no inverse: on the way back a
value that no pair names is rejected. What this loses is said by `loss`.
"""

from __future__ import annotations

from typing import assert_never

from interlock.domain.lenses.ops import Add, Cast, Drop, Map, Op, Program, Rename, Unit


def reversed_ops(program: Program) -> Program:
    """The program that takes records back. Twice reversed, it does what the program does (fallbacks aside)."""
    return tuple(_inverse(op) for op in reversed(program))


def _inverse(op: Op) -> Op:
    match op:
        case Rename(source, target):
            return Rename(target, source)
        case Add(field, default):
            return Drop(field, default)
        case Drop(field, default):
            return Add(field, default)
        case Cast(field, source, target):
            return Cast(field, target, source)
        case Unit(field, numerator, denominator, offset, integer):
            sign = 1 if numerator > 0 else -1
            back = -offset * denominator / numerator
            return Unit(field, sign * denominator, abs(numerator), back or 0.0, integer)
        case Map(field, pairs):
            return Map(field, tuple((target, source) for source, target in pairs))
        case _:
            assert_never(op)
