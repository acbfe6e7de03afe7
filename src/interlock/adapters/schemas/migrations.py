"""Plans the migration of a table: from a lens and two contract versions to every statement that will run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from interlock.adapters.schemas import migration_postgres, migration_sqlite
from interlock.adapters.schemas.migration_look import looks
from interlock.adapters.schemas.migration_sql import Part, Shapes, done, shapes_of, undone
from interlock.adapters.schemas.squawk import squawk_findings
from interlock.domain.lenses.check import fit
from interlock.domain.lenses.lens import Lens
from interlock.domain.lenses.loss import loss
from interlock.domain.migrations.layout import lay_out, unkept
from interlock.domain.migrations.migration import Dialect, Migration, Planned
from interlock.domain.migrations.order import Work, in_order
from interlock.domain.migrations.unsafe import unsafe_statements
from interlock.domain.schemas.contract import Contract
from interlock.kernel.finding import Finding, Severity


def plan_migration(
    lens: Lens,
    older: Contract,
    newer: Contract,
    table: str,
    key: tuple[str, ...],
    dialect: Dialect,
    has_older_view: bool = False,
) -> Planned:
    """The steps that take `table` from `older` to `newer`, or the findings that say why there are none.

    key: columns whose values name a row, never null and untouched by the lens but for renaming. has_older_view: a
    migration before this one left the views of the older version.
    """
    misfits = tuple(one for one in fit(lens, older, newer) if one.is_blocking)
    if misfits:
        return Planned(None, misfits)
    layout, found = lay_out(lens, older, newer, table, key)
    if layout is None:
        return Planned(None, found)
    told = unkept(layout, older, newer, dialect)
    if any(one.is_blocking for one in told):
        return Planned(None, told)
    try:
        shapes, found = shapes_of(lens, older, newer, layout, dialect, has_older_view)
    except ModuleNotFoundError as missing:
        says = f"the migration of {table} cannot be written, because {missing.name} is not installed"
        remedy = "Install it with: pip install 'interlock[data]'"
        return Planned(None, (Finding("migration.no_writer", Severity.ERROR, f"table:{table}", says, remedy),))
    if shapes is None:
        return Planned(None, found)
    work = _on_postgres(shapes) if dialect == "postgres" else _on_sqlite(shapes)
    return Planned(in_order(layout, newer.name, dialect, loss(lens, older, newer), work), told)


def _on_postgres(shapes: Shapes) -> Mapping[str, Work]:
    here = migration_postgres
    return {
        "look": Work(checks=tuple(looks(shapes))),
        "expand": _locking(here.expand(shapes)),
        "dual-write": _locking(here.dual_write(shapes)),
        "backfill": Work(batch=shapes.batch()),
        "verify": Work(checks=tuple(shapes.checks())),
        "index": _work(here.indexes(shapes), is_atomic=False),
        "constrain": _again_verified(_locking(here.constrain(shapes)), shapes),
        "validate": _work(here.validate(shapes), is_atomic=False),
        "switch": _locking(here.switch(shapes)),
        "stop-old-writes": _locking(here.stop(shapes)),
        "archive": _waiting(here.archive(shapes)),
        "contract": _locking(here.contract(shapes)),
        "expire": _locking(here.expire(shapes)),
    }


def _on_sqlite(shapes: Shapes) -> Mapping[str, Work]:
    here = migration_sqlite
    return {
        "look": Work(checks=tuple(looks(shapes))),
        "expand": _work(here.expand(shapes)),
        "dual-write": _work(here.dual_write(shapes)),
        "backfill": Work(batch=shapes.batch()),
        "verify": Work(checks=tuple(shapes.checks())),
        "index": _work(here.indexes(shapes)),
        "constrain": _again_verified(_work(here.constrain(shapes)), shapes),
        "switch": _work(here.switch(shapes)),
        "stop-old-writes": _work(here.stop(shapes)),
        "archive": _work(here.archive(shapes)),
        "contract": _work(here.contract(shapes)),
        "expire": _work(here.expire(shapes)),
    }


def _again_verified(work: Work, shapes: Shapes) -> Work:
    """Until writers of the older version are held to the newer one, they may add rows that have no form in it."""
    return replace(work, checks=tuple(shapes.checks()))


def _work(parts: tuple[Part, ...], is_atomic: bool = True) -> Work:
    return Work(done(parts), undone(parts), is_atomic=is_atomic)


def _locking(parts: tuple[Part, ...]) -> Work:
    """Work that waits shortly for locks, there and back, and touches no rows on the way there."""
    do, undo = done(parts), undone(parts)
    wait, hurry = migration_postgres.WAIT, migration_postgres.HURRY
    return Work((wait, hurry, *do) if do else (), (wait, *undo) if undo else ())


def _waiting(parts: tuple[Part, ...]) -> Work:
    """Work that waits shortly for locks, and then takes as long as there are rows."""
    wait = migration_postgres.WAIT
    return Work((wait, *done(parts)), (wait, *undone(parts)))


def unsafe(migration: Migration, server_version: str = "") -> tuple[Finding, ...]:
    """What is unsafe in the statements of a migration while applications use the database, once for each step. What
    the order of our own steps answers is left out; revisions are of no table, and have no such order.
    server_version: as the database says it, `16.4` or `3.40.1`.
    """
    found: dict[tuple[str, str], Finding] = {}
    subject = f"migration:{migration.table}"
    for step in migration.steps:
        if migration.dialect == "postgres":
            answered = migration_postgres.ANSWERED if migration.table else ()
            told = squawk_findings(step.do, subject, step.name, server_version, step.is_atomic, answered)
        else:
            known = migration_sqlite.ANSWERED if migration.table else ()
            told = tuple(unsafe_statements(step.do, subject, step.name, _version(server_version), known))
        for one in told:
            found.setdefault((step.name if one.where else "", one.code), one)
    return tuple(found.values())


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".") if part.isdecimal())
