"""A lens as one SQL query over the rows of a table or over the row of a trigger: what the reference makes of each.

Unlike a batch, a trigger runs in connections of applications, so nothing is used that only connections which were
prepared by us have. What a database cannot compute exactly is refused when the plan is made. Beyond the reference,
rows are rejected whose values a column cannot hold exactly: integers from 2**53 on where the lens calculates with
them, and numbers nearer to zero than 1e-250 where it converts units (Postgres raises on underflow).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, assert_never

from interlock.adapters.schemas.compute import MAX_DOUBLE, lacks
from interlock.adapters.schemas.quoting import name_sql, text_sql
from interlock.adapters.schemas.scalar_sql import needs_preparation, scalar_sql
from interlock.domain.lenses.apply import EXACT_LIMIT, TEXT_DIGITS
from interlock.domain.lenses.expressions.nodes import Column as ExprColumn
from interlock.domain.lenses.expressions.nodes import Expr, fields_read
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
    title,
)
from interlock.domain.migrations.migration import Dialect
from interlock.domain.schemas.describe import described
from interlock.domain.schemas.field import (
    BOOLEAN,
    NUMBER,
    STRING,
    Bool,
    Date,
    Decimal,
    Field,
    Float,
    Int,
    Json,
    Number,
    String,
    Timestamp,
    Type,
)
from interlock.kernel.finding import Finding, Severity

GIVEN = '"interlock_given"'
MADE, NO = "interlock_made_", "interlock_no_"
"""What the columns begin with that hold what was made, and that are true where the row is rejected."""

_TINY = 1e-250
_WHOLE = Int(64)
Sort = Literal["int", "float", "text", "bool", "other"]


@dataclass(frozen=True, slots=True)
class Rejection:
    """A column of the query that is true for rows which are rejected. reads: the source fields that decide it."""

    column: str
    field: str
    reason: str
    reads: frozenset[str]

    @property
    def says(self) -> str:
        return f"`{self.field}` {self.reason}"


@dataclass(frozen=True, slots=True)
class Translation:
    """A query over `GIVEN`, without its SELECT. made: target field -> the column that has it. reads: target field
    -> the source fields that it is made of.
    """

    sql: str
    made: Mapping[str, str]
    reads: Mapping[str, frozenset[str]]
    rejections: tuple[Rejection, ...]

    def over(self, source: str, carried: Iterable[str] = ()) -> str:
        """The query over one that gives the source fields by name. carried: columns of it that stay as they are."""
        columns = "".join(f"{name_sql(name)}, " for name in carried)
        return f"SELECT {columns}{self.sql.replace(f'{GIVEN} AS', f'({source}) AS', 1)}"


@dataclass(frozen=True, slots=True)
class _Slot:
    """A field at some point of the program: the column of the query that has it."""

    column: str
    type: Type
    reads: frozenset[str]
    is_checked: bool = False

    @property
    def sort(self) -> Sort:
        match self.type:
            case Int():
                return "int"
            case Float() | Number():
                return "float"
            case String():
                return "text"
            case Bool():
                return "bool"
            case _:
                return "other"


class _CannotHere(Exception):
    """The database cannot do an op exactly: field and why. It becomes a finding where the op is known."""

    def __init__(self, field: str, why: str, remedy: str = "") -> None:
        super().__init__(why)
        self.field, self.why = field, why
        self.remedy = remedy or "Move the table with an application that writes both shapes, or change the lens."


def translate(
    program: Program,
    source: Sequence[Field],
    wanted: Sequence[Field],
    dialect: Dialect,
    subject: str,
) -> tuple[Translation | None, tuple[Finding, ...]]:
    """The query that makes the `wanted` fields of the source's."""
    made = _Query(source, dialect)
    found = []
    for number, op in enumerate(program, start=1):
        try:
            made.past(op)
        except _CannotHere as cannot:
            says = f"op {number} ({title(op)}) on `{cannot.field}`: {cannot.why}"
            found.append(Finding("migration.engine_refuses", Severity.ERROR, subject, says, cannot.remedy))
            return None, tuple(found)
    for one in wanted:
        try:
            made.arrive(one)
        except _CannotHere as cannot:
            says = f"`{cannot.field}`: {cannot.why}"
            found.append(Finding("migration.engine_refuses", Severity.ERROR, subject, says, cannot.remedy))
    if found:
        return None, tuple(found)
    return made.finished([one.name for one in wanted]), ()


def violations(one: Field, column: str, dialect: Dialect) -> Iterator[tuple[str, str]]:
    """Why a value is none of the field, and the condition of the column that says so; NULL is allowed or not."""
    if not one.nullable and one.required:
        yield "may not be null", f"{column} IS NULL"
    yield from _Query((), dialect).misfits(one, column)


def literal_sql(value: Scalar, one: Field, dialect: Dialect) -> str:
    """The value as the field's column takes it."""
    kind = one.type if isinstance(one.type, Int | Float | Number | Bool | String) else STRING
    return _Query((), dialect).literal(value, kind)


class _Query:
    """Columns that grow by stages: each is computed once, after those that it is made of."""

    def __init__(self, source: Sequence[Field], dialect: Dialect) -> None:
        self.dialect: Dialect = dialect
        self.is_sqlite = dialect == "sqlite"
        self.integer, self.real = ("INTEGER", "REAL") if self.is_sqlite else ("bigint", "double precision")
        self.slots = {f.name: _Slot(name_sql(f.name), f.type, frozenset((f.name,))) for f in source}
        self.stages: list[list[str]] = []
        self.levels: dict[str, int] = {}
        self.count = 0
        self.rejections: list[Rejection] = []
        self.conditions: list[str] = []

    # ---- stages

    def add(self, sql: str, kind: Type, reads: frozenset[str], *made_of: str) -> _Slot:
        """A column more."""
        self.count += 1
        column = f"interlock_{self.count}"
        level = 1 + max((self.levels.get(one, 0) for one in made_of), default=0)
        self.levels[column] = level
        self.stages += [[] for _ in range(level - len(self.stages))]
        self.stages[level - 1].append(f"{sql} AS {column}")
        return _Slot(column, kind, reads, is_checked=True)

    def change(self, field: str, sql: str, kind: Type) -> None:
        slot = self.slots[field]
        self.slots[field] = self.add(sql, kind, slot.reads, slot.column)

    def reject(self, field: str, reason: str, condition: str, reads: frozenset[str]) -> None:
        """Rows for which the condition is true; null is not."""
        self.rejections.append(Rejection(f"{NO}{len(self.rejections)}", field, reason, reads))
        self.conditions.append(condition)

    def only(self, field: str, reason: str, condition: str) -> str:
        """The field's value where the condition is true, else null; and then the row is rejected."""
        slot = self.slots[field]
        self.reject(field, reason, f"{slot.column} IS NOT NULL AND NOT ({condition})", slot.reads)
        return f"CASE WHEN {condition} THEN {slot.column} END"

    def cast_to(self, kind: str, sql: str) -> str:
        return f"CAST({sql} AS {kind})"

    def double(self, value: float) -> str:
        return self.cast_to(self.real, text_sql(repr(float(value))))

    def literal(self, value: Scalar, kind: Type) -> str:
        match kind:
            case _ if value is None:
                return self.null(kind)
            case Float() | Number():
                return self.double(float(value))
            case _ if isinstance(value, bool):
                return str(int(value)) if self.is_sqlite else str(value).upper()
            case Int():
                return self.cast_to(self.integer, str(int(value)))
            case _ if "\0" in str(value):
                raise _CannotHere("", "text with a zero byte is not held by every database")
            case _:
                return text_sql(str(value)) if self.is_sqlite else self.cast_to("text", text_sql(str(value)))

    def null(self, kind: Type) -> str:
        """Postgres takes a bare NULL for text."""
        words = {"int": "bigint", "float": "double precision", "number": "double precision", "bool": "boolean"}
        is_text = self.is_sqlite or kind.kind not in (*words, "decimal")
        return "NULL" if is_text else self.cast_to(words.get(kind.kind, "numeric"), "NULL")

    # ---- what a field holds

    def checked(self, name: str) -> _Slot:
        """The field as ops calculate with it; rows are rejected in which it is none of its type."""
        slot = self.slots[name]
        if slot.is_checked:
            return slot
        if isinstance(slot.type, Float) and slot.type.bits < 64:
            raise _CannotHere(name, f"{described(slot.type)} is not what the lens calculates with", "Use float64.")
        if slot.sort == "other":
            raise _CannotHere(name, f"{described(slot.type)} cannot be changed where rows are written")
        if self.is_sqlite:
            is_one = self.is_of_type(slot)
            self.change(name, self.only(name, f"holds what is no {described(slot.type)}", is_one), slot.type)
        slot = self.slots[name]
        if slot.sort == "text" and not self.is_sqlite:  # the column may be of an enum, or of uuid
            self.change(name, self.cast_to("text", slot.column), slot.type)
        elif slot.sort == "float":
            most = self.double(MAX_DOUBLE)
            held = self.only(name, "is no finite number", f"{slot.column} BETWEEN -{most} AND {most}")
            self.change(name, held, NUMBER)
        elif slot.sort == "int" and not self.is_sqlite and self.is_decimal(slot.type):
            held = self.only(name, "is beyond 64 bits", f"abs({slot.column}) <= {2**63 - 1}")
            self.change(name, self.cast_to("bigint", held), _WHOLE)
        self.slots[name] = replace(self.slots[name], is_checked=True)
        return self.slots[name]

    def is_of_type(self, slot: _Slot) -> str:
        """A column of SQLite holds values of any type (sqlite.org/datatype3.html)."""
        kinds = {"float": "'integer', 'real'", "text": "'text'"}.get(slot.sort, "'integer'")
        is_one = f"typeof({slot.column}) IN ({kinds})"
        return f"{is_one} AND {slot.column} IN (0, 1)" if slot.sort == "bool" else is_one

    def is_decimal(self, one: Type) -> bool:
        return isinstance(one, Int) and (not one.bits or (one.bits == 64 and not one.is_signed))

    # ---- ops

    def past(self, op: Op) -> None:
        match op:
            case Rename(source, target):
                self.slots[target] = self.slots.pop(source)
            case Add(field, default, None):
                self.slots[field] = self.constant(default)
            case Add(field, _, value):
                assert value is not None
                self.slots[field] = self.computed(field, value)
            case Drop(field):
                del self.slots[field]
            case Cast():
                self.cast(op)
            case Unit():
                self.unit(op)
            case Map():
                self.map(op)
            case Recombine():
                self.recombine(op)
            case Fill(field, value):
                self.fill(field, value)
            case Blank(field, value):
                self.blank(field, value)
            case Nest(into=field) | Unnest(source=field) | Wrap(field) | Head(field) | Inside(field) | Each(field):
                raise _CannotHere(field, "objects and lists are not taken apart where rows are written")
            case _:
                assert_never(op)

    def constant(self, value: Scalar) -> _Slot:
        kind = _of_value(value)
        return self.add(self.literal(value, kind), kind, frozenset())

    def cast(self, op: Cast) -> None:
        name = op.field
        c = self.checked(name).column
        match op.source, op.target:
            case "integer", "string":
                self.whole(name)
                c, limit = self.slots[name].column, 10**TEXT_DIGITS
                says = f"has more than {TEXT_DIGITS} digits"
                fits = self.only(name, says, f"{c} > -{limit} AND {c} < {limit}")
                self.change(name, self.cast_to("text", fits), STRING)
            case "string", "integer":
                says = f"is no text of an integer of at most {TEXT_DIGITS} digits"
                self.change(name, self.cast_to(self.integer, self.only(name, says, self.is_integer(c))), _WHOLE)
            case ("integer", "number") | ("number", "integer"):
                self.whole(name)
            case "boolean", "string":
                self.change(name, f"CASE WHEN {c} THEN 'true' WHEN NOT {c} THEN 'false' END", STRING)
            case "string", "boolean":
                is_word = self.only(name, "is neither the text true nor false", f"{c} IN ('true', 'false')")
                self.change(name, f"({is_word}) = 'true'", BOOLEAN)
            case "boolean", "integer":
                self.change(name, f"CASE WHEN {c} THEN 1 WHEN NOT {c} THEN 0 END", _WHOLE)
            case _:
                self.change(name, f"({self.only(name, 'is neither 0 nor 1', f'{c} IN (0, 1)')}) = 1", BOOLEAN)

    def whole(self, name: str) -> None:
        """The field as an integer below 2**53, of a number that has no fraction."""
        slot, limit = self.slots[name], EXACT_LIMIT
        c = slot.column
        held = self.only(name, "is no integer below 2**53", f"{c} > -{limit} AND {c} < {limit}")
        self.change(name, held, slot.type)
        if slot.sort == "float":
            c = self.slots[name].column
            held = self.only(name, "is no integer", f"{c} = CAST({c} AS {self.integer})")
            self.change(name, self.cast_to(self.integer, held), _WHOLE)

    def is_integer(self, text: str) -> str:
        if not self.is_sqlite:
            return f"{text} ~ '^[+-]?[0-9]{{1,{TEXT_DIGITS}}}$'"
        digits = f"substr({text}, 1 + (substr({text}, 1, 1) IN ('+', '-')))"
        return (
            f"length({digits}) BETWEEN 1 AND {TEXT_DIGITS} AND {digits} NOT GLOB '*[^0-9]*'"
            f" AND length(CAST({text} AS BLOB)) = length({text})"
        )

    def unit(self, op: Unit) -> None:
        name = op.field
        if self.checked(name).sort not in ("int", "float"):
            raise _CannotHere(name, "only numbers have units")
        held = self.cast_to(self.real, self.slots[name].column)
        if self.slots[name].sort == "float":
            held = self.in_range(name, abs(op.numerator))
        made = f"({held}) * {self.double(op.numerator)}"
        made += f" / {self.double(op.denominator)}" if op.denominator != 1 else ""
        made += f" + {self.double(op.offset)}" if op.offset else ""
        self.change(name, made, NUMBER)
        if op.integer:
            self.rounded(name)

    def in_range(self, name: str, factor: int) -> str:
        """The number, where multiplying it neither leaves the range of doubles nor ends below it."""
        c, most = self.slots[name].column, MAX_DOUBLE / max(1, factor)
        near = self.only(
            name, "is beyond the range of numbers after conversion", f"abs({c}) <= {self.double(most)}"
        )
        self.change(name, near, NUMBER)
        c = self.slots[name].column
        return self.only(
            name, "is too near to zero to be converted", f"({c} = 0 OR abs({c}) >= {self.double(_TINY)})"
        )

    def rounded(self, name: str) -> None:
        """Half to even, as IEEE 754 has it. Postgres' cast from double does just that; SQLite's cuts off."""
        c = self.slots[name].column
        says = "is not below 2**53 after conversion"
        self.change(name, self.only(name, says, f"{c} > -{EXACT_LIMIT} AND {c} < {EXACT_LIMIT}"), NUMBER)
        c = self.slots[name].column
        cut = self.cast_to(self.integer, c)
        if self.is_sqlite:
            moves = f"abs({c} - {cut}) > 0.5 OR (abs({c} - {cut}) = 0.5 AND {cut} % 2 <> 0)"
            cut = f"{cut} + CASE WHEN {moves} THEN CASE WHEN {c} < 0 THEN -1 ELSE 1 END ELSE 0 END"
        self.change(name, cut, _WHOLE)

    def map(self, op: Map) -> None:
        slot = self.checked(op.field)
        kind = _common(op.field, [*(target for _, target in op.pairs), *op.fallback])
        pairs = [(source, target) for source, target in first_pairs(op) if _can_be(source, slot)]
        tests = [self.is_value(slot, source) for source, _ in pairs]
        whens = " ".join(
            f"WHEN {test} THEN {self.literal(target, kind)}" for test, (_, target) in zip(tests, pairs, strict=True)
        )
        other = f"WHEN {slot.column} IS NOT NULL THEN {self.literal(op.fallback[0], kind)}" if op.fallback else ""
        if not op.fallback:
            is_named = " OR ".join((*tests, "1 = 0"))
            says = "has a value that the map does not name"
            self.reject(op.field, says, f"{slot.column} IS NOT NULL AND NOT ({is_named})", slot.reads)
        self.change(op.field, f"CASE {whens} {other} END" if whens or other else self.null(kind), kind)

    def is_value(self, slot: _Slot, wanted: Scalar) -> str:
        if wanted is None:
            return f"{slot.column} IS NULL"
        is_whole = slot.sort == "int" and isinstance(wanted, int | float) and float(wanted).is_integer()
        kind = _WHOLE if is_whole else NUMBER if slot.sort in ("int", "float") else slot.type
        return f"{slot.column} = {self.literal(wanted, kind)}"

    def fill(self, name: str, value: Scalar) -> None:
        slot = self.checked(name)
        kind = _common(name, [value], slot)
        self.change(name, f"coalesce({slot.column}, {self.literal(value, kind)})", kind)

    def blank(self, name: str, value: Scalar) -> None:
        slot = self.checked(name)
        if value is not None and _can_be(value, slot):
            is_it = self.is_value(slot, value)
            self.change(name, f"CASE WHEN {is_it} THEN NULL ELSE {slot.column} END", slot.type)

    def recombine(self, op: Recombine) -> None:
        made = [self.computed(one.field, one.value) for one in op.parts]
        gone = [one.field for one in op.whole]
        for name in gone:
            del self.slots[name]
        for one, slot in zip(op.parts, made, strict=True):
            if one.is_needed:
                says = f"cannot be computed from {', '.join(sorted(gone))}"
                self.reject(one.field, says, f"{slot.column} IS NULL", slot.reads)
            self.slots[one.field] = slot

    # ---- expressions

    def computed(self, name: str, expr: Expr) -> _Slot:
        """What the expression is worth: the house's query for it, over the columns of this row."""
        if missing := lacks(expr, self.dialect):
            raise _CannotHere(name, f"{self.dialect} cannot compute {', '.join(missing)} exactly")
        if self.is_sqlite and isinstance(expr.type, Date | Timestamp):
            raise _CannotHere(name, "SQLite has no dates that every connection can check")
        read = {one.name: self.read(one) for one in fields_read(expr)}
        sql = scalar_sql(expr, {field: (slot.column, slot.type) for field, slot in read.items()}, self.dialect)
        if needs_preparation(sql):
            raise _CannotHere(name, "SQLite has no regular expressions in every connection")
        reads = frozenset[str]().union(*(slot.reads for slot in read.values()))
        return self.add(sql, expr.type, reads, *(slot.column for slot in read.values()))

    def read(self, one: ExprColumn) -> _Slot:
        """The field as the expression has it."""
        if not self.is_sqlite and isinstance(one.type, Decimal | Date | Timestamp):
            slot = self.slots[one.name]
            if slot.type.kind == one.type.kind:
                return slot
        else:
            slot = self.checked(one.name)
            sort = _Slot("", one.type, frozenset()).sort
            if slot.sort == "int" and sort == "float":
                return self.add(self.cast_to(self.real, slot.column), NUMBER, slot.reads, slot.column)
            if slot.sort == sort:
                return slot
        raise _CannotHere(one.name, f"{described(slot.type)} is not read as {described(one.type)}")

    # ---- what arrives

    def arrive(self, wanted: Field) -> None:
        """The field as its column holds it; rows are rejected whose value the contract does not allow."""
        if self.slots[wanted.name].type != wanted.type:
            self.convert(wanted)
        slot = self.slots[wanted.name]
        if not wanted.nullable and wanted.required:
            self.reject(wanted.name, "may not be null", f"{slot.column} IS NULL", slot.reads)
        for reason, condition in self.misfits(wanted, slot.column):
            self.reject(wanted.name, reason, condition, slot.reads)

    def convert(self, wanted: Field) -> None:
        name = wanted.name
        slot = self.slots[name]
        match wanted.type, slot.type:
            case ((Float(bits=64) | Number()), Int()):
                c = self.checked(name).column
                says = "is beyond 2**53, which doubles do not hold exactly"
                held = self.only(name, says, f"{c} BETWEEN -{EXACT_LIMIT} AND {EXACT_LIMIT}")
                self.change(name, self.cast_to(self.real, held), wanted.type)
            case to, Json() if not slot.reads:  # a null that the lens adds
                self.slots[name] = self.add(self.null(to), to, slot.reads)
            case to, held_type if not _holds(to, held_type):
                raise _CannotHere(name, f"{described(held_type)} is not held by a column of {described(to)}")
            case _:
                pass

    def misfits(self, one: Field, c: str) -> Iterator[tuple[str, str]]:
        """Reason and condition of each constraint that SQL can ask for."""
        if one.enum and isinstance(one.type, Int | Float | Number | String | Bool):
            kind = NUMBER if isinstance(one.type, Int | Float | Number) else one.type
            words = ", ".join(self.literal(v, kind) for v in one.enum if v is not None)
            yield "is none of the listed values", f"{c} NOT IN ({words})" if words else f"{c} IS NOT NULL"
        match one.type:
            case Int(bits=bits, is_signed=is_signed):
                most = 2 ** (bits - is_signed) - 1
                if bits and (bits, is_signed) != (64, True):
                    least = -most - 1 if is_signed else 0
                    yield f"does not fit into {bits} bits", f"{c} NOT BETWEEN {least} AND {most}"
                yield from self.beyond(one, c)
            case Float() | Number() | Decimal():
                yield from self.beyond(one, c)
            case String():
                if one.min_length is not None:
                    yield f"is shorter than {one.min_length}", f"length({c}) < {one.min_length}"
                if one.max_length is not None:
                    yield f"is longer than {one.max_length}", f"length({c}) > {one.max_length}"
            case _:
                pass

    def beyond(self, one: Field, c: str) -> Iterator[tuple[str, str]]:
        bounds = (
            ("is below", "<", one.minimum),
            ("is above", ">", one.maximum),
            ("is not above", "<=", one.more_than),
            ("is not below", ">=", one.less_than),
        )
        for says, sign, limit in bounds:
            if limit is not None:
                is_plain = isinstance(one.type, Int | Decimal)
                yield f"{says} {limit}", f"{c} {sign} {limit if is_plain else self.double(limit)}"

    def finished(self, names: Sequence[str]) -> Translation:
        made = {name: f"{MADE}{number}" for number, name in enumerate(names)}
        picked = [f"{self.slots[name].column} AS {alias}" for name, alias in made.items()]
        picked += [
            f"coalesce({condition}, {self.literal(False, BOOLEAN)}) AS {one.column}"
            for one, condition in zip(self.rejections, self.conditions, strict=True)
        ]
        picked = picked or ["1 AS interlock_nothing"]
        sql = f"{GIVEN} AS row_0"
        for number, stage in enumerate(self.stages, start=1):
            sql = f"(SELECT *, {', '.join(stage)} FROM {sql}) AS row_{number}"
        reads = {name: self.slots[name].reads for name in names}
        return Translation(f"{', '.join(picked)} FROM {sql}", made, reads, tuple(self.rejections))


def _holds(column: Type, value: Type) -> bool:
    """Whether a column of the type holds every value of the other; what is beyond an integer's bits is asked."""
    match column, value:
        case (Int(), Int()) | (Float(bits=64) | Number(), Float(bits=64) | Number()):
            return True
        case Decimal(), Decimal():
            is_wide = column.precision - column.scale >= value.precision - value.scale
            return is_wide and column.scale >= value.scale
        case Timestamp(), Timestamp():
            return column.is_zoned == value.is_zoned and value.unit in ("s", "ms", "us")
        case _:
            return column == value


def _of_value(value: Scalar) -> Type:
    match value:
        case None:
            return Json()
        case bool():
            return BOOLEAN
        case int():
            return _WHOLE
        case float():
            return NUMBER
        case str():
            return STRING


def _common(field: str, values: Sequence[Scalar], slot: _Slot | None = None) -> Type:
    """The type of a column that holds all the values, and those of the slot."""
    kinds = {_of_value(v).kind for v in values if v is not None} | ({slot.type.kind} if slot else set())
    if kinds <= {"int"}:
        return _WHOLE
    if kinds <= {"int", "float", "number"}:
        return NUMBER
    if kinds == {"string"}:
        return STRING
    if kinds == {"bool"}:
        return BOOLEAN
    raise _CannotHere(field, "its values are of several types, which no column holds")


def _can_be(value: Scalar, slot: _Slot) -> bool:
    """Whether a field of this kind can have the value."""
    match value:
        case None:
            return True
        case bool():
            return slot.sort == "bool"
        case int() | float():
            return slot.sort in ("int", "float")
        case str():
            return slot.sort == "text"
