"""What a lens does to each field: exact, recomputed, lost, fabricated or rejected, with a sentence for the plan.

A field is exact in one direction when every declared value comes back the same after the return trip; where that
depends on what an expression makes of the data, the verdict is `check`, and `counted` settles it on rows. Fields
with a closed set of values (an enum, a boolean) are settled by trying each value; the others by rule:
a unit conversion without rounding is recomputed (the last bits may differ), one to whole numbers is exact
if it makes numbers larger and loses what is finer otherwise; maps that join values lose their difference.

Rejected means that the lens refuses some declared values, or that the contract on the other side does.

Rollback speaks of records that were written natively in the newer version after the cut-over: what the way
back loses of them, what it has to fabricate, and which it rejects. Records kept from before lose nothing.

Limits: undeclared fields of open content are not seen; magnitudes beyond what `apply` computes exactly
(2**53, or 15 digits in text) are rejected at run time and not predicted here. `counted` asks real rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any, Literal, assert_never

from interlock.domain.lenses.apply import EXACT_LIMIT, Rejected, apply
from interlock.domain.lenses.expressions.nodes import Expr, columns, is_nullable
from interlock.domain.lenses.generate import translator
from interlock.domain.lenses.lens import Lens
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
    Scalar,
    Unit,
    Unnest,
    Wrap,
    first_pairs,
)
from interlock.domain.lenses.returned import at_path, changed_paths
from interlock.domain.lenses.reverse import reversed_ops
from interlock.domain.lenses.trace import Path, Step, Trace, dotted, traces
from interlock.domain.schemas.contract import Contract
from interlock.domain.schemas.diff import interval, limits, shown
from interlock.domain.schemas.field import Field, List, Struct
from interlock.domain.schemas.scalars import double, equal_json, identity
from interlock.domain.schemas.values import misfit

Direction = Literal["forward", "backward", "rollback"]
Effect = Literal["exact", "recomputed", "lost", "fabricated", "rejected", "check"]

_NEARLY = 1e-9
_Said = tuple[Effect, str]


@dataclass(frozen=True, slots=True)
class FieldLoss:
    """What happens to `field` in one direction. A field that is both lossy and rejected has two lines."""

    direction: Direction
    field: str
    effect: Effect
    says: str


@dataclass(frozen=True, slots=True)
class LensLoss:
    """Every line; forward is older to newer, backward newer to older, rollback only what it costs."""

    lines: tuple[FieldLoss, ...]

    def of(self, direction: Direction) -> tuple[FieldLoss, ...]:
        return tuple(line for line in self.lines if line.direction == direction)

    @property
    def is_rollback_exact(self) -> bool:
        return not self.of("rollback")


def loss(lens: Lens, older: Contract, newer: Contract) -> LensLoss:
    """The lens judged in both directions. It must `fit` the two contracts."""
    back = reversed_ops(lens.ops)
    forward = [FieldLoss("forward", *line) for line in _one_way(lens.ops, older, newer)]
    backward = [FieldLoss("backward", *line) for line in _one_way(back, newer, older)]
    rollback = [_rolled_back(line, older) for line in backward if line.effect != "exact"]
    return LensLoss((*forward, *backward, *rollback))


def _rolled_back(line: FieldLoss, older: Contract) -> FieldLoss:
    match line.effect:
        case "lost":
            head = f"rolling back after cut-over loses `{line.field}` of records written since"
        case "fabricated":
            head = f"rolling back after cut-over invents `{line.field}` for records written since"
        case "check":
            head = f"rolling back after cut-over may change `{line.field}` of records written since"
        case "rejected":
            head = f"some records written since the cut-over cannot go back to version {older.version}"
        case _:
            head = f"rolling back after cut-over recomputes `{line.field}` of records written since"
    return FieldLoss("rollback", line.field, line.effect, f"{head}: {line.says}")


def _one_way(program: Program, source: Contract, target: Contract) -> Iterator[tuple[str, Effect, str]]:
    for trace in traces(program, source.fields):
        if trace.target is None:
            if trace.source is not None:
                yield from ((dotted(trace.source or ()), *said) for said in _ended(trace, target))
        elif trace.source is None:
            if (said := _made(trace, source)) is not None:
                yield dotted(trace.target), *said
        else:
            # where the contract says no more than that there is an object, the field is what the ops make it
            given = _at(source.fields, trace.source) or trace.now.field
            wanted = _at(target.fields, trace.target) or trace.now.field
            for effect, says in list(_carried(trace, given, wanted)) or [("exact", _as_it_is(trace))]:
                yield dotted(trace.source), effect, says


def _at(fields: tuple[Field, ...], path: Path) -> Field | None:
    """The field at `path`, through lists and objects."""
    one = next((f for f in fields if f.name == path[0]), None)
    if one is None or len(path) == 1:
        return one
    inner = one.type
    while isinstance(inner, List):
        inner = inner.element.type
    return _at(inner.fields, path[1:]) if isinstance(inner, Struct) else None


def _made(trace: Trace, source: Contract) -> _Said | None:
    """What is told of a field that the program made: nothing where it stands for fields that are told of."""
    name, op = dotted(trace.target or ()), trace.steps[0].leaf
    if isinstance(op, Recombine):
        return None
    lacking = f"version {source.version} does not have `{name}`"
    if isinstance(op, Add) and op.value is not None:
        if read := _read(op.value):
            return "recomputed", f"{lacking}, so it is computed from {read}"
        return "fabricated", f"{lacking}, so it is always the same"
    default = op.default if isinstance(op, Add) else None
    return "fabricated", f"{lacking}, so it is always {shown((default,))}"


def _read(value: Expr) -> str:
    """The fields that an expression reads, for a sentence."""
    return ", ".join(f"`{name}`" for name in dict.fromkeys(columns(value)))


_AUDIT = "`lens audit`"


def _ended(trace: Trace, target: Contract) -> Iterator[_Said]:
    name, op = dotted(trace.source or ()), trace.steps[-1].leaf
    match op:
        case Recombine(parts=parts):
            made = ", ".join(f"`{one.field}`" for one in parts)
            yield "check", f"`{name}` becomes {made}; whether it comes back the same is settled on data: {_AUDIT}"
            if needed := [one.field for one in parts if one.is_needed and is_nullable(one.value)]:
                listed = ", ".join(f"`{one}`" for one in needed)
                yield "rejected", f"records from which {listed} cannot be computed are rejected"
        case Unnest():
            yield _unnested(trace, name)
        case Drop(value=value) if value is not None and (read := _read(value)):
            says = f"version {target.version} does not have `{name}`; on the way back it is computed from {read}"
            yield "check", f"{says}, and whether that is the same is settled on data: {_AUDIT}"
        case _:
            yield "lost", f"version {target.version} does not have `{name}`"


def _unnested(trace: Trace, name: str) -> _Said:
    """The fields are told of one by one; here, whether the object without any of them comes back."""
    whole = trace.steps[-1].before
    inside = whole.type.fields if whole and isinstance(whole.type, Struct) else ()
    if whole is None or whole.nullable:
        return "lost", f"`{name}` that is null comes back as an object whose fields are null"
    if not any(one.required for one in inside):
        return "lost", f"`{name}` without any field does not come back"
    return "exact", f"the fields of `{name}` move out, and move in again"


def _as_it_is(trace: Trace) -> str:
    source, target = dotted(trace.source or ()), dotted(trace.target or ())
    if all(isinstance(one.leaf, Rename | Nest | Unnest) for one in trace.steps):
        return f"`{target}` is `{source}` as it stands"
    return f"`{target}` is `{source}` translated, and translates back to the same value"


def _carried(trace: Trace, given: Field, wanted: Field) -> Iterator[_Said]:
    yield from _missing(given, wanted)
    values = () if _passes_list(trace) else _domain(given)
    if values:
        yield from _tried(trace, values, wanted)
        return
    if given.nullable and not wanted.nullable and not _names_null(trace.steps):
        yield "rejected", f"`{given.name}` may be null, and `{wanted.name}` may not"
    yield from _by_rule(trace)
    if wanted.enum and not any(isinstance(one.leaf, Map) for one in trace.steps):
        yield "rejected", f"`{wanted.name}` may only be {shown(wanted.enum)}"
    yield from _bounds(trace, given, wanted)


def _passes_list(trace: Trace) -> bool:
    """Whether the field is, or is made, part of a list on the way: then its values are not tried one by one."""
    return any(isinstance(one.leaf, Wrap | Head) or _is_each(one.op) for one in trace.steps)


def _is_each(op: Op) -> bool:
    return isinstance(op, Each) or (isinstance(op, Inside) and any(map(_is_each, op.ops)))


def _missing(given: Field, wanted: Field) -> Iterator[_Said]:
    if wanted.required and not given.required and not wanted.default:
        yield "rejected", f"`{given.name}` may be missing, and `{wanted.name}` is required"


def _domain(one: Field) -> tuple[Scalar, ...]:
    """Every value the field may have, when they can be listed."""
    values: tuple[Scalar, ...] = one.enum or ((True, False) if one.kind == "boolean" else ())
    return (*values, None) if values and one.nullable and None not in values else values


def _tried(trace: Trace, values: Iterable[Scalar], wanted: Field) -> Iterator[_Said]:
    """The verdict over a listed set of values, by translating each there and back."""
    back = reversed_ops(trace.ops)
    rejected: list[Scalar] = []
    lost: list[Scalar] = []
    recomputed: list[Scalar] = []
    for value in values:
        try:
            there = apply(trace.ops, _placed(trace.source or (), value))
        except Rejected:
            rejected.append(value)
            continue
        returned = _returned(back, there, trace)
        if misfit(_found(there, trace.target or ()), wanted):
            rejected.append(value)
        elif not equal_json(returned, value):
            (recomputed if _is_near(returned, value) else lost).append(value)
    name = dotted(trace.source or ())
    if rejected:
        yield "rejected", f"`{name}` with the value {shown(rejected)} cannot be translated"
    if lost:
        yield "lost", f"`{name}` with the value {shown(lost)} does not come back the same"
    if recomputed:
        yield "recomputed", f"`{name}` is converted, and its last digits may differ"


def _returned(back: Program, there: Mapping[str, Any], trace: Trace) -> Any:
    """What comes back of a value; something that equals no JSON value when it is rejected on the way."""
    try:
        return _found(apply(back, there), trace.source or ())
    except Rejected:
        return Rejected


def _placed(path: Path, value: Any) -> dict[str, Any]:
    return {path[0]: _placed(path[1:], value) if len(path) > 1 else value}


def _found(record: Any, path: Path) -> Any:
    for name in path:
        record = record.get(name, Rejected) if isinstance(record, dict) else Rejected
    return record


def _is_near(returned: Any, value: Scalar) -> bool:
    came, went = double(returned), double(value)
    return came is not None and went is not None and abs(came - went) <= _NEARLY * max(1.0, abs(went))


def _names_null(steps: Iterable[Step]) -> bool:
    """Whether null becomes something else on the way."""
    return any(
        isinstance(op, Fill | Wrap) or (isinstance(op, Map) and None in [source for source, _ in op.pairs])
        for op in (one.leaf for one in steps)
    )


def _by_rule(trace: Trace) -> Iterator[_Said]:
    """One or more sentences for each op that is not exact, for a field whose values cannot be listed."""
    name = dotted(trace.source or ())
    for one in trace.steps:
        before = one.before
        match one.leaf:
            case Unit() as op:
                yield from _unit(op, name, before is not None and before.kind == "integer")
            case Map() as op:
                yield from _map(op, name, before is None or before.nullable)
            case Cast(_, source, target):
                yield from _CAST_SAYS.get((source, target), ())
            case Head():
                yield from _head(name, before)
            case Fill(_, value):
                yield from _filled(name, value, before)
            case Blank(_, value):
                yield from _blanked(name, value, before)
            case Inside() | Each():
                yield "check", f"what `{name}` holds is not declared; it is settled on data: {_AUDIT}"
            case _:
                pass


def _head(name: str, before: Field | None) -> Iterator[_Said]:
    if before is None or before.nullable or not before.min_items == before.max_items == 1:
        yield "lost", f"only the first element of `{name}` stays, and comes back as a list of one"


def _is_blurred(value: Scalar) -> bool:
    """Integers from 2**53 on are compared as doubles, so that one stands for several."""
    return isinstance(value, int | float) and abs(value) >= EXACT_LIMIT


def _filled(name: str, value: Scalar, before: Field | None) -> Iterator[_Said]:
    if before is None or _is_blurred(value) or not misfit(value, before):
        yield "lost", f"`{name}` with the value {shown((value,))} comes back as null"


def _blanked(name: str, value: Scalar, before: Field | None) -> Iterator[_Said]:
    if before is None or before.nullable or _is_blurred(value):
        yield "lost", f"`{name}` that is null comes back as {shown((value,))}"


_CAST_SAYS: Mapping[tuple[str, str], tuple[_Said, ...]] = {
    ("string", "integer"): (
        ("rejected", "text that is no whole number of at most 15 digits is rejected"),
        ("lost", "leading zeros and plus signs of the text are lost"),
    ),
    ("number", "integer"): (("rejected", "a number with a fraction is rejected"),),
    ("string", "boolean"): (("rejected", "text other than true and false is rejected"),),
    ("integer", "boolean"): (("rejected", "an integer other than 0 and 1 is rejected"),),
}


def _ratio(op: Unit) -> Fraction:
    return Fraction(op.numerator, op.denominator)


def _is_exact(op: Unit, is_whole: bool) -> bool:
    """Integers survive rounding when the conversion spreads them further apart, or only shifts them by a whole."""
    ratio = abs(_ratio(op))
    if op.integer:
        return is_whole and (ratio > 1 or (ratio == 1 and op.offset.is_integer()))
    return ratio == 1 and op.offset == 0


def _unit(op: Unit, name: str, is_whole: bool) -> Iterator[_Said]:
    if _is_exact(op, is_whole):
        return
    how = f"times {_ratio(op)}" + (f" plus {op.offset:.15g}" if op.offset else "")
    if op.integer:
        yield "lost", f"`{name}` is converted ({how}) and rounded to whole numbers; what is finer is lost"
    else:
        yield "recomputed", f"`{name}` is converted ({how}), and its last digits may differ"


def _map(op: Map, name: str, has_null: bool) -> Iterator[_Said]:
    if op.fallback:
        yield "lost", f"`{name}` becomes {shown(op.fallback)} for every value that the map does not name"
    else:
        yield "rejected", f"`{name}` is translated for {len(op.pairs)} values, and others are rejected"
    if joined := _joined(op, has_null):
        yield "lost", f"several values of `{name}` become {shown(joined)}, and only one of them comes back"


def _joined(op: Map, has_null: bool) -> tuple[Scalar, ...]:
    """Targets that more than one distinct source becomes; a null that no pair names stays null."""
    pairs = first_pairs(replace(op, pairs=(*op.pairs, (None, None))) if has_null else op)
    seen = Counter(identity(target) for _, target in pairs)
    return tuple({key: target for _, target in pairs if seen[key := identity(target)] > 1}.values())


def _bounds(trace: Trace, given: Field, wanted: Field) -> Iterator[_Said]:
    """Whether the bounds, carried through the unit conversions, stay within the wanted ones."""
    low, high = limits(given)
    for one in trace.steps:
        match one.leaf:
            case Unit(_, numerator, denominator, offset):
                ends = [end * numerator / denominator + offset for end in (low, high)]
                low, high = min(ends), max(ends)
            case Fill(_, value) if (number := double(value)) is not None:
                low, high = min(low, number), max(high, number)
            case Map() | Cast(_, _, "string" | "boolean") | Wrap() | Head():
                return
            case _:
                pass
    wanted_low, wanted_high = limits(wanted)
    if low < wanted_low or high > wanted_high:
        yield "rejected", f"`{wanted.name}` may only be {interval(wanted_low, wanted_high)}"


def lossy_ops(program: Program) -> int:
    """How many ops of a program lose, invent or reject something by rule; to choose between lens paths. Ops inside
    objects count one by one.
    """
    return sum(lossy_ops(op.ops) if isinstance(op, Inside | Each) else _is_lossy(op) for op in program)


def _is_lossy(op: Op) -> bool:
    match op:
        case Rename() | Nest() | Unnest() | Wrap():  # of null objects that are unnested `loss` knows more
            return False
        case Unit():
            return not _is_exact(op, True)
        case Map():
            return bool(op.fallback or _joined(op, False))
        case Cast(_, source, target):
            return (source, target) in _CAST_SAYS
        case Add() | Drop() | Recombine() | Head() | Fill() | Blank() | Inside() | Each():
            return True
        case _:
            assert_never(op)


@dataclass(frozen=True, slots=True)
class FieldCount:
    """`rows` of the sample differ in, or are rejected for, `field`; `example` shows the first of them."""

    field: str
    rows: int
    example: str


@dataclass(frozen=True, slots=True)
class LossCounts:
    """Rows that went from older to newer and back. `changed` and `rejected` are sorted by field: a dotted path,
    where the difference begins.
    """

    rows: int
    survived: int
    changed: tuple[FieldCount, ...]
    rejected: tuple[FieldCount, ...]


@dataclass(slots=True)
class _Tally:
    counts: dict[str, int] = field(default_factory=dict)
    examples: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, example: str) -> None:
        self.counts[name] = self.counts.get(name, 0) + 1
        self.examples.setdefault(name, example)

    def fields(self) -> tuple[FieldCount, ...]:
        return tuple(FieldCount(name, n, self.examples[name]) for name, n in sorted(self.counts.items()))


def counted(lens: Lens, rows: Iterable[Mapping[str, Any]]) -> LossCounts:
    """How many of `rows`, records of the older version, do not survive the trip to the newer one and back."""
    there, back = translator(lens.ops, ()), translator(reversed_ops(lens.ops), ())
    changed, rejected = _Tally(), _Tally()
    total = survived = 0
    for row in rows:
        total += 1
        try:
            returned = back(there(row))
        except Rejected as why:
            rejected.add(why.field, f"{_written(row, why.field)}: {why.reason}")
            continue
        different = changed_paths(row, returned)
        survived += not different
        for name in different:
            changed.add(name, f"{_written(row, name)} came back as {_written(returned, name)}")
    return LossCounts(total, survived, changed.fields(), rejected.fields())


def _written(row: Mapping[str, Any], path: str) -> str:
    return repr(at_path(row, path))
