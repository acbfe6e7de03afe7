"""A lens on tables: one query of an engine that gives what `domain/lenses/apply` gives record by record.

Fields become columns so: NULL is null, and in an optional field that is not nullable it is no field at all. A
field that is optional and nullable is there in every row of a table, since a table cannot tell the two apart.
Floats that are not finite are NULL. What the lens makes becomes the target's columns, where absent fields are NULL;
a value that such a column cannot hold rejects the row (`COLUMN_MISFIT`), since records have numbers of any size and
columns have not. What an engine cannot do exactly is refused before anything runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, get_args

from interlock.adapters.schemas.compute import Emitter, Engine, EngineRefuses
from interlock.adapters.schemas.lens_fit import column_type, fit, left_over
from interlock.adapters.schemas.lens_shapes import read
from interlock.adapters.schemas.lens_steps import Refusal, run
from interlock.adapters.schemas.lens_terms import Refused, Scope, Stages, Term, Unable, column
from interlock.domain.lenses.ops import Program
from interlock.domain.schemas.field import Field
from interlock.kernel.finding import Finding, Severity

_PREFIX = "_interlock_"


@dataclass(frozen=True, slots=True)
class Translated:
    """rows: the accepted rows, with the target's columns; rejected: the rejected ones as they were, and two columns
    more, named by `field` and `reason`: which field the lens rejects first, and why, in the reference's words. Both
    are Ibis tables that nothing has been computed of yet.
    """

    rows: Any
    rejected: Any
    field: str = "field"
    reason: str = "reason"


def engine_of(name: str) -> Engine | None:
    """The engine by the name that Ibis has for it; None for those that lenses do not run on."""
    known: dict[str, Engine] = {one: one for one in get_args(Engine)}
    return known.get("spark" if name == "pyspark" else name)


def lens_table(
    rows: Any, program: Program, source: tuple[Field, ...], target: tuple[Field, ...], engine: Engine
) -> Translated:
    """The program on the rows of an Ibis table, which are records of `source`, on an engine.

    EngineRefuses when the engine cannot do all of it exactly, or a column is none of its field's; every reason is
    told.
    """
    scope = _scope(rows.columns, engine)
    refusals = [*_read(rows.schema(), source, scope), *run(program, scope)]
    made: dict[str, Term] = {}
    refusals += _fitted(target, scope, made)
    if refusals:
        raise _refused(refusals, engine)
    return _queries(rows, scope, made)


def lens_lacks(program: Program, source: tuple[Field, ...], engine: Engine) -> tuple[Finding, ...]:
    """What of the program the engine cannot do exactly on tables of records of `source`: op, field, and what would
    help. Empty when it can do all of it.
    """
    import ibis

    schema = ibis.schema({one.name: column_type(one.type, engine) for one in source})
    scope = _scope((), engine)
    refusals = [*_read(schema, source, scope), *run(program, scope)]
    return tuple(_finding(one, engine) for one in refusals)


def _finding(one: Refusal, engine: Engine) -> Finding:
    says = f"{one.at}: {engine} cannot do it exactly on `{one.field}`: {one.says}"
    return Finding("lens.engine_lacks", Severity.ERROR, f"engine:{engine}", says, one.remedy)


def _refused(refusals: list[Refusal], engine: Engine) -> EngineRefuses:
    says = "; ".join(f"{one.at}: `{one.field}`: {one.says}" for one in refusals)
    return EngineRefuses(f"{engine} cannot run the lens exactly: {says}", remedy=refusals[0].remedy)


def _scope(taken: Any, engine: Engine) -> Scope:
    prefix = _PREFIX
    while any(name.startswith(prefix) for name in taken):
        prefix = f"_{prefix}"
    return Scope({}, Stages(prefix, []), engine)


def _read(schema: Any, source: tuple[Field, ...], scope: Scope) -> Iterator[Refusal]:
    for one in source:
        try:
            if one.name in schema:
                scope.fields[one.name] = read(one, column(one.name), schema[one.name], scope)
            elif one.required:
                raise Unable(
                    one.name, "the table has no such column", "Name the column so, or correct the contract."
                )
        except Unable as no:
            scope.fields[one.name] = Refused()
            yield Refusal("the source", no.field, no.says, no.remedy)


def _fitted(target: tuple[Field, ...], scope: Scope, made: dict[str, Term]) -> Iterator[Refusal]:
    """Puts the target's columns into `made`."""
    try:
        left_over(scope.fields, target, scope)
    except Unable as no:
        yield Refusal("the target", no.field, no.says, no.remedy)
    for one in target:
        try:
            made[one.name] = fit(scope.fields.get(one.name), one, scope)
        except Unable as no:
            yield Refusal("the target", no.field, no.says, no.remedy)


def _queries(rows: Any, scope: Scope, made: dict[str, Term]) -> Translated:
    import ibis

    table = rows
    for stage in scope.stages.added:
        table = table.mutate(**{name: make(table) for name, make in stage.items()})
        table = table if scope.engine == "polars" else table.view()
    accepted, code = scope.stages.is_accepted(), scope.stages.code()
    names = _free(rows.columns)
    if code is None:
        none = rows.filter(ibis.literal(False)).mutate(**{n: ibis.null("string") for n in names})
        return Translated(_selected(table, made), none, *names)
    by = f"{scope.stages.prefix}code"
    coded = table.mutate(**{by: _kept_here(code.make(table), code.level, scope.engine)})
    assert isinstance(accepted, Term)
    is_deep = code.level >= _DEEP
    kept = coded.filter(coded[by].isnull()) if is_deep else table.filter(accepted.make(table))
    why = coded.filter(coded[by].notnull())
    told = [_told(why[by], [words[n] for words in scope.stages.reasons], scope.engine) for n in (0, 1)]
    rejected = why.select(*rows.columns, **dict(zip(names, told, strict=True)))
    return Translated(_selected(kept, made), rejected, *names)


def _selected(table: Any, made: dict[str, Term]) -> Any:
    return table.select(**{name: one.make(table) for name, one in made.items()})


_DEEP = 2
"""From so many stages on, conditions stay where they are."""


def _kept_here(code: Any, level: int, engine: Engine) -> Any:
    """The code, in a way that no planner asks for it earlier. DuckDB and Spark move a condition below the stages by
    writing each column out as what it is made of, which doubles it stage by stage: five ops on a field take minutes
    to plan. What is random is never moved; this is never less than zero.
    """
    import ibis

    if level < _DEEP or engine not in ("duckdb", "spark"):
        return code
    never = (ibis.random() < 0).ifelse(ibis.literal(0, "int64"), ibis.null("int64"))
    return ibis.coalesce(code, never)


def _told(code: Any, words: list[str], engine: Engine) -> Any:
    """The word of each code."""
    emitter = Emitter(engine)
    by_word: dict[str, list[int]] = {}
    for number, word in enumerate(words):
        by_word.setdefault(word, []).append(number)
    pairs = [(code.isin(numbers), emitter.literal(word, "string")) for word, numbers in by_word.items()]
    return emitter.chosen(pairs, emitter.null("string"))


def _free(taken: Any) -> tuple[str, str]:
    """Names of two columns that the source does not have."""
    field, reason = "field", "reason"
    while {field, reason} & set(taken):
        field, reason = f"_{field}", f"_{reason}"
    return field, reason
