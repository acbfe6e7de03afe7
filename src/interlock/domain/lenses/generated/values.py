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
from interlock.domain.lenses.ops import Blank, Cast, Fill, Head, Map, Scalar, Unit, first_pairs
from interlock.domain.schemas.field import Field

ValueOp = Cast | Unit | Map | Head | Fill | Blank

_KINDS: Mapping[str, Proven] = {"integer": "int", "number": "float", "string": "str", "boolean": "bool"}
_LARGEST = repr(sys.float_info.max)


def changed(op: ValueOp, value: Value, hint: Field | None, source: Source) -> Value:
    """What `op` makes of a value; the record is handed to the reference where that cannot be told."""
    match op:
        case Head() if value.element is not None:
            return value.element
        case Fill() | Blank() if value.element is not None or value.members is not None:
            return value  # no scalar
        case _:
            pass
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

    def guarded(
        self,
        fast: str,
        kinds: list[Proven],
        kind: Proven,
        test: str = "",
        is_null: bool = False,
        null: str = "None",
        untouched: str = "",
    ) -> Value:
        """`fast` for values of `kinds` that pass `test`; others go to the reference's step. is_null: whether it may
        be null; null: what null becomes. untouched: what is passed on in place of `fast`, where that differs.
        """
        if self.x.kind and self.x.kind not in kinds:
            return self.reference(is_passing=bool(untouched))
        tests = [t for t in (self.of(kinds), test) if t]
        if self.is_hopeful:
            self.source.require(*tests)
        elif tests:
            helper = f"{self.source.bind(exact(self.op, self.is_null_expected))}({self.v})"
            before = f"{null} if {self.v} is None else " if self.is_null_expected else ""
            fast = f"({fast} if {' and '.join(tests)} else {before}{helper})"
            if untouched:
                untouched = f"({untouched} if {' and '.join(tests)} else {before}{self.as_it_came(helper)})"
        return Value(fast, kind, is_null or self.is_null_expected, untouched=untouched)

    def of(self, kinds: list[Proven]) -> str:
        """The test that a value is of one of the kinds, the likeliest first; empty where that is proven."""
        if self.x.kind in kinds:
            return f"{self.v} is not None" if self.x.may_be_null else ""
        likely = sorted(kinds, key=lambda kind: kind != self.kind)
        tests = " or ".join(f"type({self.v}) is {kind}" for kind in likely)
        return f"({tests})" if len(kinds) > 1 else tests

    def reference(self, is_passing: bool = False) -> Value:
        """The reference's step alone. is_passing: it may let the value pass."""
        helper = f"{self.source.bind(exact(self.op, is_null_expected=True))}({self.v})"
        return Value(helper, untouched=self.as_it_came(helper) if is_passing and self.x.untouched else "")

    def as_it_came(self, helper: str) -> str:
        """What is passed on of a value that `helper` may have let pass."""
        made = self.source.fresh()
        return f"({self.x.untouched} if ({made} := {helper}) is {self.v} else {made})"

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
                test = f"-{EXACT_LIMIT} < {v} < {EXACT_LIMIT}"
                return self.guarded(v, ["int"], "", test, untouched=self.x.untouched)
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
        pairs = first_pairs(op)
        sources = [source for source, _ in pairs if source is not None]
        kinds = {kind_of(source) for source in sources}
        if not kinds or not (kinds == {"str"} or all(map(_is_small, sources))):
            return self.reference()
        table: dict[Any, Scalar] = dict(pairs)
        if None not in table and (self.is_null_expected or (op.fallback and self.x.may_be_null)):
            table[None] = None
        values = (*table.values(), *op.fallback)
        name = self.source.bind(table)
        other = self.source.literal(op.fallback[0]).text if op.fallback else ""
        found = f"{name}.get({self.v}, {other})" if op.fallback else f"{name}[{self.v}]"
        if kinds == {"str"} or (self.x.kind in ("int", "float") and not self.x.may_be_null):
            return Value(found, _common(values), None in values)
        null = self.source.literal(table.get(None)).text
        return self.guarded(found, ["int", "float"], _common(values), is_null=None in values, null=null)

    def fill(self, filling: Scalar) -> Value:
        if not self.x.may_be_null:
            return self.x
        value = self.source.literal(filling)
        kind = self.x.kind if self.x.kind == value.kind else ""
        text, untouched = self.passed(f"{value.text} if {self.v} is None")
        return Value(text, kind, value.may_be_null, untouched=untouched)

    def blank(self, blank: Scalar) -> Value:
        kind = kind_of(blank)
        if not (kind == "str" or _is_small(blank)):
            return self.reference(is_passing=True)
        kinds: list[Proven] = ["str"] if kind == "str" else ["int", "float"]
        text, untouched = self.passed(f"None if {self.v} == {self.source.literal(blank).text}")
        return self.guarded(text, kinds, "", is_null=True, untouched=untouched)

    def passed(self, otherwise: str) -> tuple[str, str]:
        """The source of `otherwise`, else the value: for what looks at it, and as it is passed on."""
        x = self.x.untouched
        return f"({otherwise} else {self.v})", f"({otherwise} else {x})" if x else ""


def _is_small(value: Scalar) -> bool:
    """Whether it is a number that no other number is taken for, as doubles."""
    return kind_of(value) in ("int", "float") and abs(value or 0) < EXACT_LIMIT  # type: ignore[arg-type]


def _common(values: Sequence[Scalar]) -> Proven:
    """The kind of all values but null, if they have one in common."""
    kinds = {kind_of(value) for value in values if value is not None}
    return kinds.pop() if len(kinds) == 1 else ""
