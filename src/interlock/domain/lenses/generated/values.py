"""What the ops that change one value are in Python: a fast expression behind cheap tests, and the reference's own
step for every value that does not pass them.

A test is exact (`type(x) is int`), so that subclasses, true, NaN and huge numbers take the step of the reference.
The contract only says which test is likely to pass.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from interlock.domain.lenses.apply import EXACT_LIMIT, TEXT_DIGITS, compile_program
from interlock.domain.lenses.generated.source import Proven, Source, Unexpected, Value, kind_of, within
from interlock.domain.lenses.ops import Blank, Cast, Fill, Head, Map, Scalar, Unit
from interlock.domain.schemas.field import Field
from interlock.domain.schemas.scalars import identity

ValueOp = Cast | Unit | Map | Head | Fill | Blank

_KINDS: Mapping[str, Proven] = {"integer": "int", "number": "float", "string": "str", "boolean": "bool"}
_LARGEST = repr(sys.float_info.max)


def changed(op: ValueOp, value: Value, hint: Field | None, source: Source) -> Value:
    """What `op` makes of a value; the record is handed to the reference where that cannot be told."""
    if isinstance(op, Head) and value.element is not None:
        return value.element
    x = source.atom(value)
    write = _Writer(source, op, x, hint)
    match op:
        case Unit():
            return value if x.is_null else write.unit(op)
        case Cast():
            return value if x.is_null else write.cast(op)
        case Map():
            return write.map(op)
        case Head():
            return value if x.is_null else write.head()
        case Fill(_, filling):
            return write.fill(filling)
        case Blank(_, blank):
            return write.blank(blank)


def exact(op: ValueOp, is_null_expected: bool) -> Callable[[Any], Any]:
    """What the reference makes of one value in the field of `op`."""
    name, run = op.field, compile_program((op,))

    def change(value: Any) -> Any:
        if value is None and not is_null_expected:
            raise Unexpected
        return run({name: value})[name]

    return change


class _Writer:
    """Writes one op on the value `x`."""

    def __init__(self, source: Source, op: ValueOp, x: Value, hint: Field | None) -> None:
        self.source, self.op, self.x, self.v = source, op, x, x.text
        self.kind: Proven = _KINDS.get(hint.kind, "") if hint else ""
        self.is_null_expected = x.may_be_null and (hint is None or hint.nullable)
        self.is_hopeful = source.is_hopeful and not self.is_null_expected and bool(self.kind)

    def guarded(self, fast: str, kinds: list[Proven], kind: Proven, test: str = "", is_null: bool = False) -> Value:
        """`fast` for values of `kinds` that pass `test`; others go to the reference's step."""
        tests = [t for t in (self.of(kinds), test) if t]
        if self.is_hopeful:
            self.source.require(*tests)
        elif tests:
            helper = f"{self.source.bind(exact(self.op, self.is_null_expected))}({self.v})"
            other = f"None if {self.v} is None else {helper}" if self.is_null_expected else helper
            fast = f"({fast} if {' and '.join(tests)} else {other})"
        return Value(fast, kind, is_null or self.is_null_expected)

    def of(self, kinds: list[Proven]) -> str:
        """The test that a value is of one of the kinds, the likeliest first; empty where that is proven."""
        if self.x.kind in kinds:
            return f"{self.v} is not None" if self.x.may_be_null else ""
        likely = sorted(kinds, key=lambda kind: kind != self.kind)
        tests = " or ".join(f"type({self.v}) is {kind}" for kind in likely)
        return f"({tests})" if len(kinds) > 1 else tests

    def reference(self) -> Value:
        """The reference's step alone."""
        return Value(f"{self.source.bind(exact(self.op, is_null_expected=True))}({self.v})")

    def head(self) -> Value:
        return self.guarded(f"({self.v}[0] if {self.v} else None)", ["list"], "", is_null=True)

    def unit(self, op: Unit) -> Value:
        if max(abs(op.numerator), abs(op.denominator), abs(op.offset)) > EXACT_LIMIT:
            return self.reference()  # a conversion that may raise
        number, v, result = self.source.number, self.v, self.source.fresh()
        kinds: list[Proven] = ["int"] if self.kind == "int" else ["float", "int"]
        formula = f"{v} * {number(float(op.numerator))}"
        if op.denominator != 1:
            formula += f" / {number(float(op.denominator))}"
        is_zero_positive = kinds == ["int"] and op.numerator > 0 and op.denominator > 0
        if op.offset or not (op.integer or is_zero_positive):  # + 0.0 makes a negative zero positive
            formula += f" + {number(float(op.offset))}"
        if is_zero_positive and not op.integer and within(v) in self.source.facts:  # so it is finite
            return self.guarded(f"({formula})", kinds, "float")
        if op.integer:
            test = f"-{EXACT_LIMIT}.0 < ({result} := {formula}) < {EXACT_LIMIT}.0"
            return self.guarded(f"{result}.__round__()", kinds, "int", test)
        return self.guarded(result, kinds, "float", f"-{_LARGEST} <= ({result} := {formula}) <= {_LARGEST}")

    def cast(self, op: Cast) -> Value:
        v, digits = self.v, 10**TEXT_DIGITS
        match op.source, op.target:
            case "integer", "string":
                return self.guarded(f"f'{{{v}}}'", ["int"], "str", f"-{digits} < {v} < {digits}")
            case "string", "integer":
                test = f"{v}.isascii() and {v}.isdecimal() and len({v}) <= {TEXT_DIGITS}"
                return self.guarded(f"int({v})", ["str"], "int", test)
            case "integer", "number":
                return self.guarded(self.x.whole, ["int"], "", f"-{EXACT_LIMIT} < {v} < {EXACT_LIMIT}")
            case "number", "integer":
                whole = self.source.fresh()
                test = f"-{EXACT_LIMIT} < {v} < {EXACT_LIMIT} and ({whole} := int({v})) == {v}"
                return self.guarded(whole, ["float", "int"], "int", test)
            case "boolean", "string":
                return self.guarded(f"('true' if {v} else 'false')", ["bool"], "str")
            case "string", "boolean":
                return self.guarded(f"({v} == 'true')", ["str"], "bool", f"({v} == 'true' or {v} == 'false')")
            case "boolean", "integer":
                return self.guarded(f"(1 if {v} else 0)", ["bool"], "int")
            case "integer", "boolean":
                return self.guarded(f"({v} == 1)", ["int"], "bool", f"0 <= {v} <= 1")
            case _:
                return self.reference()

    def map(self, op: Map) -> Value:
        """A plain lookup tells texts apart; among numbers true must not be 1, and large ones count as doubles."""
        table = _table(op)
        kinds = {kind_of(source) for source in table if source is not None}
        is_small = kinds <= {"int", "float"} and all(x is None or abs(x) < EXACT_LIMIT for x in table)
        if not kinds or not (kinds == {"str"} or is_small):
            return self.reference()
        if None not in table and (self.is_null_expected or (op.fallback and self.x.may_be_null)):
            table[None] = None
        values = (*table.values(), *op.fallback)
        name = self.source.bind(table)
        other = self.source.literal(op.fallback[0]).text if op.fallback else ""
        found = f"{name}.get({self.v}, {other})" if op.fallback else f"{name}[{self.v}]"
        if kinds == {"str"} or (self.x.kind in ("int", "float") and not self.x.may_be_null):
            return Value(found, _common(values), None in values)
        return self.guarded(found, ["int", "float"], _common(values), is_null=None in values)

    def fill(self, filling: Scalar) -> Value:
        if not self.x.may_be_null:
            return self.x
        value = self.source.literal(filling)
        kind = self.x.kind if self.x.kind == value.kind else ""
        return Value(f"({value.text} if {self.v} is None else {self.x.whole})", kind, value.may_be_null)

    def blank(self, blank: Scalar) -> Value:
        kind = kind_of(blank)
        if not (kind == "str" or _is_small(blank)):
            return self.reference()
        kinds: list[Proven] = ["str"] if kind == "str" else ["int", "float"]
        return self.guarded(
            f"(None if {self.v} == {self.source.literal(blank).text} else {self.x.whole})", kinds, "", is_null=True
        )


def _is_small(value: Scalar) -> bool:
    """Whether it is a number that no other number is taken for, as doubles."""
    return kind_of(value) in ("int", "float") and abs(value or 0) < EXACT_LIMIT  # type: ignore[arg-type]


def _table(op: Map) -> dict[Any, Scalar]:
    """The pairs of the map, of which the first that names a value wins. Not for keys of several kinds."""
    table: dict[Any, Scalar] = {}
    seen: set[tuple[str, Any]] = set()
    for source, target in op.pairs:
        if (key := identity(source)) not in seen:
            seen.add(key)
            table[source] = target
    return table


def _common(values: Sequence[Scalar]) -> Proven:
    """The kind of all values but null, if they have one in common."""
    kinds = {kind_of(value) for value in values if value is not None}
    return kinds.pop() if len(kinds) == 1 else ""
