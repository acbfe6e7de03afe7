"""Programs of lenses as JSONata: each op in turn makes the next `$r`; what it rejects is an `$error`.

For every record the result is that of `apply`, or an error where `apply` rejects it. Field names and values enter
as JSON literals. An op that JSONata cannot do the same is refused.
"""

from __future__ import annotations

from typing import assert_never

from interlock.domain.lenses.apply import TEXT_DIGITS
from interlock.domain.lenses.flow import Fields, Known, past, start
from interlock.domain.lenses.migration_rules_expressions import EXACT, NotInJsonata, field_of, jsonata_of, literal
from interlock.domain.lenses.ops import (
    Add,
    Blank,
    Cast,
    Computed,
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
    first_pairs,
    title,
)
from interlock.domain.schemas.field import Field, Json, List, Tensor
from interlock.domain.schemas.scalars import double

_MOST_PAIRS = 2000


def program_as_jsonata(program: Program, fields: tuple[Field, ...]) -> tuple[str, tuple[str, ...]]:
    """The program over records of `fields`, and what of it cannot be said, by op."""
    refusals: list[str] = []
    text = _block("$", program, start(fields), refusals)
    return text, tuple(refusals)


def _block(source: str, program: Program, fields: Fields, refusals: list[str], at: str = "") -> str:
    lines = [f"$r := {source}"]
    for number, op in enumerate(program, start=1):
        try:
            lines.append(f"$r := {_op(op, fields, refusals, f'{at}op {number}')}")
        except NotInJsonata as why:
            refusals.append(f"{at}op {number} ({title(op)}) {why}")
        past(op, fields)
    return f"({'; '.join([*lines, '$r'])})"


def _op(op: Op, fields: Fields, refusals: list[str], at: str) -> str:
    match op:
        case Rename(source, target):
            if source == target:
                return "$r"
            made = (
                f"$exists({field_of(target)}) ? {_error(target, 'is there already')} : {_with(op.source, target)}"
            )
            return f"($exists({field_of(source)}) ? ({made}) : $r)"
        case Add(field, default, value):
            made = literal(default) if value is None else jsonata_of(value)
            return f"($exists({field_of(field)}) ? $r : $merge([$r, {{{literal(field)}: {made}}}]))"
        case Drop(field):
            return _without((field,))
        case Recombine():
            return _recombine(op)
        case Nest(names, into):
            return _nest(names, into)
        case Unnest(names, source):
            return _unnest(names, source)
        case Inside(field, inner):
            return _inside(op, inner, fields, refusals, at)
        case Each(field, inner):
            return _each(op, inner, fields, refusals, at)
        case _:
            return f"($v := {field_of(op.field)}; {_changed(op, fields.get(op.field))})"


def _error(field: str, reason: str) -> str:
    return f"$error({literal(f'`{field}` {reason}')})"


def _without(names: tuple[str, ...], *more: str) -> str:
    listed = ", ".join(map(literal, names))
    kept = f"$sift($r, function($v, $k) {{$not($k in [{listed}])}})"
    return f"$merge([{', '.join(['{}', kept, *more])}])"


def _with(source: str, target: str) -> str:
    return _without((source,), f"{{{literal(target)}: {field_of(source)}}}")


def _set(field: str, made: str) -> str:
    return f"$merge([$r, {{{literal(field)}: {made}}}])"


def _changed(op: Cast | Unit | Map | Wrap | Head | Fill | Blank, known: Known | None) -> str:
    """The record with the field changed; `$v` is its value."""
    absent = "$not($exists($v)) ? $r : "
    match op:
        case Cast(field):
            return f"{absent}$v = null ? $r : {_set(field, _cast(op))}"
        case Unit(field):
            return f"{absent}$v = null ? $r : {_set(field, _unit(op))}"
        case Map(field):
            return f"{absent}{_map(op)}"
        case Wrap(field):
            _plain_element(known.field if known else None, "wraps")
            listed = '($type($v) = "array" ? [[$v]] : [$v])'  # a constructor opens what is a list already
            return f"{absent}{_set(field, listed)}"
        case Head(field):
            element = known.element if known else None
            _plain_element(element.field if element else None, "takes the first of")
            first = "($count($v) = 0 ? null : $v[0])"
            is_list = '$type($v) = "array"'
            return f"{absent}$v = null ? $r : {is_list} ? {_set(field, first)} : {_error(field, 'is no list')}"
        case Fill(field, value):
            return f"{absent}$v = null ? {_set(field, literal(value))} : $r"
        case Blank(field, value):
            return f"{absent}{_equals(value)} ? {_set(field, 'null')} : $r"
        case _:
            assert_never(op)


def _plain_element(one: Field | None, verb: str) -> None:
    """JSONata flattens lists of lists."""
    if one is None or isinstance(one.type, List | Tensor | Json):
        raise NotInJsonata(f"{verb} what may be lists, which JSONata flattens")


def _equals(value: object) -> str:
    """Whether `$v` is the JSON value: JSONata tells the types apart, and numbers from 2**53 on it cannot."""
    number = double(value)
    if number is not None and abs(number) >= float(EXACT):
        raise NotInJsonata("compares numbers from 2**53 on")
    return f"$v = {literal(value)}"


def _map(op: Map) -> str:
    """A chain of comparisons: the first pair that names the value wins."""
    if len(op.pairs) > _MOST_PAIRS:
        raise NotInJsonata(f"has more than {_MOST_PAIRS} pairs")
    pairs = first_pairs(op)
    parts = [f"{_equals(source)} ? {_set(op.field, literal(target))}" for source, target in pairs]
    if all(source is not None for source, _ in pairs):
        parts.append("$v = null ? $r")
    other = _set(op.field, literal(op.fallback[0])) if op.fallback else _error(op.field, "has an unknown value")
    return " : ".join([*parts, other])


def _unit(op: Unit) -> str:
    wrong = _error(op.field, "is no number")
    text = f"$v * {literal(float(op.numerator))} / {literal(float(op.denominator))} + {literal(op.offset)}"
    if not op.integer:
        return f'($type($v) = "number" ? {text} : {wrong})'
    big = _error(op.field, "is not below 2**53 after conversion")
    return f'($type($v) = "number" ? ($z := {text}; $abs($z) < {EXACT} ? $round($z) : {big}) : {wrong})'


def _cast(op: Cast) -> str:
    wrong = _error(op.field, f"has no exact counterpart as {op.target}")
    digits = f'$contains($v, /^[+-]?[0-9]{{1,{TEXT_DIGITS}}}$/) and $not($contains($v, "\\n"))'
    match op.source, op.target:
        case "integer", "string":
            fits = f"$v = $floor($v) and $abs($v) < 1e{TEXT_DIGITS}"
            return f'($type($v) != "number" ? {wrong} : {fits} ? $string($v) : {wrong})'
        case "string", "integer":
            number = '$number($replace($v, "+", ""))'
            return f'($type($v) != "string" ? {wrong} : {digits} ? {number} : {wrong})'
        case "integer", "number":
            return f'($type($v) != "number" ? {wrong} : $v = $floor($v) ? $v : {wrong})'
        case "number", "integer":
            return f'($type($v) != "number" ? {wrong} : $v = $floor($v) and $abs($v) < {EXACT} ? $v : {wrong})'
        case "boolean", "string":
            return f'($type($v) = "boolean" ? $string($v) : {wrong})'
        case "string", "boolean":
            return f'($v = "true" ? true : $v = "false" ? false : {wrong})'
        case "boolean", "integer":
            return f'($type($v) = "boolean" ? ($v ? 1 : 0) : {wrong})'
        case "integer", "boolean":
            return f"($v = 0 ? false : $v = 1 ? true : {wrong})"
        case _:
            raise NotInJsonata(f"casts from {op.source} to {op.target}")


def _recombine(op: Recombine) -> str:
    gone = tuple(one.field for one in op.whole)
    there = " or ".join(f"$exists({field_of(name)})" for name in gone)
    taken = [one.field for one in op.parts if one.field not in gone]
    guards = "".join(f"$exists({field_of(name)}) ? {_error(name, 'is there already')} : " for name in taken)
    made = ", ".join(f"{literal(one.field)}: {_computed(one, gone)}" for one in op.parts)
    return f"({there} ? ({guards}{_without(gone, '{' + made + '}')}) : $r)"


def _computed(one: Computed, gone: tuple[str, ...]) -> str:
    value = jsonata_of(one.value)
    if not one.is_needed:
        return value
    wrong = _error(one.field, f"cannot be computed from {', '.join(sorted(gone))}")
    return f"($n := {value}; $n = null ? {wrong} : $n)"


def _nest(names: tuple[str, ...], into: str) -> str:
    there = " or ".join(f"$exists({field_of(name)})" for name in names)
    moved = ", ".join(f"{literal(name)}: {field_of(name)}" for name in names)
    made = f"({there} ? {_without(names, '{' + literal(into) + ': {' + moved + '}}')} : $r)"
    if into in names:
        return made
    return f"($exists({field_of(into)}) ? {_error(into, 'is there already')} : {made})"


def _unnest(names: tuple[str, ...], source: str) -> str:
    listed = ", ".join(map(literal, names))
    nulls = "{" + ", ".join(f"{literal(name)}: null" for name in names) + "}"
    strange = f"$count($keys($v)[$not($ in [{listed}])]) > 0"
    taken = " or ".join(
        f"($exists($lookup($o, {literal(name)})) and $exists({field_of(name)}))" for name in names if name != source
    )
    clash = f"{taken} ? {_error(source, 'holds fields that are there already')} : " if taken else ""
    moved = f"($o := $v = null ? {nulls} : $v; {clash}{_without((source,), '$o')})"
    unknown = _error(source, "holds fields that the lens does not name")
    kind = f'$v = null or $type($v) = "object" ? ($v != null and {strange} ? {unknown} : {moved})'
    return f"($v := {field_of(source)}; $not($exists($v)) ? $r : {kind} : {_error(source, 'is no object')})"


def _inside(op: Inside, inner: Program, fields: Fields, refusals: list[str], at: str) -> str:
    known = fields.get(op.field)
    block = _block("$o", inner, dict((known.inside if known else None) or {}), refusals, f"{at}, ")
    made = f'$v = null ? $r : $type($v) = "object" ? ($o := $v; {_set(op.field, block)})'
    return f"($v := {field_of(op.field)}; $not($exists($v)) ? $r : {made} : {_error(op.field, 'is no object')})"


def _each(op: Each, inner: Program, fields: Fields, refusals: list[str], at: str) -> str:
    """Lists stay lists; null in them stays null, which some processors hand on as nothing."""
    known = fields.get(op.field)
    element = known.element if known else None
    block = _block("$o", inner, dict((element.inside if element else None) or {}), refusals, f"{at}, ")
    wrong = _error(op.field, "is no list of objects")
    one = f'$type($o) = "object" ? {block} : $exists($o) ? ($o = null ? null : {wrong}) : null'
    mapped = f"[$map($v, function($o) {{({one})}})]"
    made = f'$v = null ? $r : $type($v) = "array" ? {_set(op.field, mapped)}'
    return f"($v := {field_of(op.field)}; $not($exists($v)) ? $r : {made} : {wrong})"
