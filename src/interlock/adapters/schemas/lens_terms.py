"""Fields of a row while a lens is run over it: what each is worth, said in columns, and when it is there.

Nothing is computed here. A Term makes its value from a row when the query is built; a row is a table, or one object
of a list. The columns of a row grow in stages: what is named more than once is held as a column of the next stage,
so that a query never doubles in size at each op.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from interlock.adapters.schemas.compute import Engine, Make
from interlock.domain.schemas.field import Type


@dataclass(frozen=True, slots=True)
class Term:
    """make: the value, from a row with the columns of `level` stages. is_simple: naming it twice costs nothing."""

    make: Make
    level: int = 0
    is_simple: bool = False


Cond = Term | bool
"""A condition that is never NULL."""


def column(name: str, level: int = 0) -> Term:
    return Term(lambda row: row[name], level, is_simple=True)


def term(make: Callable[..., Any], *parts: Term) -> Term:
    """What `make` makes of the values of `parts`."""
    level = max((one.level for one in parts), default=0)
    return Term(lambda row: make(*(one.make(row) for one in parts)), level)


def both(*conditions: Cond) -> Cond:
    """Whether all hold."""
    return _joined(conditions, is_decisive=False)


def either(*conditions: Cond) -> Cond:
    """Whether one holds."""
    return _joined(conditions, is_decisive=True)


def _joined(conditions: Iterable[Cond], is_decisive: bool) -> Cond:
    joined: Cond = not is_decisive
    for one in conditions:
        if isinstance(one, bool) or isinstance(joined, bool):
            known, other = (one, joined) if isinstance(one, bool) else (joined, one)
            joined = is_decisive if known is is_decisive else other
        else:
            joined = term((lambda a, b: a | b) if is_decisive else (lambda a, b: a & b), joined, one)
    return joined


def negated(one: Cond) -> Cond:
    return not one if isinstance(one, bool) else term(lambda a: ~a, one)


@dataclass(frozen=True, slots=True)
class Plain:
    """A field that is a value. term: NULL where the field is null or absent; there: when the field is there;
    held: the Ibis type of its column; texts: all the texts that it can be, when they are known; raw: the column as
    it is, when `term` is it without the floats that are not finite.
    """

    term: Term
    there: Cond
    type: Type
    held: Any
    texts: tuple[str, ...] = ()
    raw: Term | None = None


@dataclass(frozen=True, slots=True)
class Whole:
    """A field that is an object, field by field. is_full: when it is there and not null; only then do its fields
    mean anything.
    """

    there: Cond
    is_full: Cond
    fields: Fields


@dataclass(frozen=True, slots=True)
class Single:
    """A list of one, which a Wrap made of `one`."""

    there: Cond
    one: Known


@dataclass(slots=True)
class Listed:
    """A list of objects. base: the list, whose objects have the fields `names`; inner: an object of it, null or
    not, as the ops so far made it; `applied` of its stages are in `base` already.
    """

    there: Cond
    is_full: Cond
    base: Term
    names: tuple[str, ...]
    inner: Scope
    applied: int = 0


@dataclass(frozen=True, slots=True)
class Refused:
    """A field that an op made which the engine cannot run; what is done to it is not looked at."""

    there: Cond = True


Known = Plain | Whole | Single | Listed | Refused
Fields = dict[str, Known]


@dataclass(slots=True)
class Stages:
    """The columns that a row gets, stage by stage, and what rejects it.

    prefix: what the names of added columns begin with; reasons: (field, reason) of each code, of all rows within
    rows alike.
    """

    prefix: str
    reasons: list[tuple[str, str]]
    added: list[dict[str, Make]] = field(default_factory=list)
    rejections: list[tuple[int | None, Term]] = field(default_factory=list)
    count: int = 0

    def held(self, one: Term) -> Term:
        """The term as a column, unless it may be named freely."""
        return one if one.is_simple else self.hold(one.make, one.level)

    def hold(self, make: Make, level: int) -> Term:
        """A value over the columns of `level` stages, as a column of the next."""
        return column(self.named(make, level), level + 1)

    def named(self, make: Make, level: int) -> str:
        """`hold`, and the column's name."""
        name = self.fresh()
        self.put(name, make, level)
        return name

    def fresh(self) -> str:
        """A name that no column has."""
        self.count += 1
        return f"{self.prefix}{self.count}"

    def put(self, name: str, make: Make, level: int) -> None:
        while len(self.added) <= level:
            self.added.append({})
        self.added[level][name] = make

    def reject(self, is_bad: Cond, path: str, reason: str) -> None:
        """Rows for which the condition holds are rejected, unless an earlier one did."""
        if is_bad is False:
            return
        self.reasons.append((path, reason))
        bad = is_bad if isinstance(is_bad, Term) else _always()
        self.rejections.append((len(self.reasons) - 1, bad))

    def reject_by(self, code: Term) -> None:
        """Rows are rejected by the code (NULL: not), which was made from rows within."""
        self.rejections.append((None, code))

    def is_accepted(self) -> Cond:
        """When nothing rejects the row."""
        if not self.rejections:
            return True
        return term(
            _no_other, *(term(lambda v: v.notnull(), by) if code is None else by for code, by in self.rejections)
        )

    def code(self) -> Term | None:
        """What rejects the row first: its place in `reasons`; NULL for accepted ones. None when nothing can."""
        if not self.rejections:
            return None
        codes = [by if code is None else _coded(code, by) for code, by in self.rejections]
        return term(_first, *codes)


def _always() -> Term:
    import ibis

    return Term(lambda _: ibis.literal(True))


def _no_other(*bad: Any) -> Any:
    """None of them. As one condition, since DuckDB filters by each part of a conjunction anew, at more cost."""
    import ibis

    return ibis.cases(*((one, ibis.literal(False)) for one in bad), else_=ibis.literal(True))


def _coded(code: int, is_bad: Term) -> Term:
    import ibis

    return term(lambda bad: bad.ifelse(ibis.literal(code, "int64"), ibis.null("int64")), is_bad)


def _first(*codes: Any) -> Any:
    import ibis

    return ibis.coalesce(*codes) if len(codes) > 1 else codes[0]


@dataclass(slots=True)
class Scope:
    """One record that ops are run on: the row itself, an object in it, or an object of a list.

    guard: whether there is such a record at all; path: what stands before its fields' names, in rejections.
    """

    fields: Fields
    stages: Stages
    engine: Engine
    guard: Cond = True
    path: str = ""

    def reject(self, is_bad: Cond, field: str, reason: str) -> None:
        self.stages.reject(both(self.guard, is_bad), f"{self.path}{field}", reason)


class Unable(Exception):
    """The engine cannot run an op exactly: on which field, why, and what would help."""

    def __init__(self, field: str, says: str, remedy: str) -> None:
        super().__init__(says)
        self.field = field
        self.says = says
        self.remedy = remedy
