"""Revisions of Alembic as a migration: their statements are rendered in memory, without a database, so that an
approval binds to them. They are Python that is run to do so, as Alembic runs it.

Alembic's own note of where the database stands is kept: each step sets it, so that `alembic current` is right.
"""

from __future__ import annotations

import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from interlock.domain.migrations.migration import Dialect, Migration, MigrationStep, Planned, StepKind
from interlock.domain.migrations.unsafe import takes_away
from interlock.kernel.errors import Invalid
from interlock.kernel.finding import Finding, Severity

if TYPE_CHECKING:
    from alembic.script import Script

BASE: Final = "base"
"""Before the first revision."""

_ALONE = threading.Lock()
"""Alembic's `op` is one for the whole process, so revisions are rendered one after another."""
_TABLE = "alembic_version"
_NAMES: dict[Dialect, str] = {"postgres": "postgresql", "sqlite": "sqlite"}


class RevisionsUnreadable(Invalid):
    """There are no such revisions, or the files are none of Alembic's."""

    code = "migration.revisions_unreadable"


def plan_revisions(path: Path, start: str, end: str, dialect: Dialect, contract: str = "") -> Planned:
    """A step for each revision after `start` (or BASE) up to `end`, in the order in which they follow one another.

    path: a revision's file, or the folder of several. A revision that cannot be undone says so in its step; one
    that needs a connection is refused with the reason. RevisionsUnreadable.
    """
    with _ALONE:
        return _planned(path, start, end, dialect, contract)


def _planned(path: Path, start: str, end: str, dialect: Dialect, contract: str) -> Planned:
    subject = f"revisions:{start}..{end}"
    scripts = _chain(path, start, end)
    steps: list[MigrationStep] = []
    findings: list[Finding] = []
    kind: StepKind = "expand"
    for script in scripts:
        rendered = _rendered(script, dialect)
        if rendered.refused:
            says = f"revision {script.revision} cannot be rendered into SQL: {rendered.refused}"
            remedy = "Write it with statements alone, or run it by hand before or after this change."
            findings.append(
                Finding("migration.revision_refused", Severity.ERROR, subject, says, remedy, script.path)
            )
            continue
        if rendered.one_way:
            says = f"revision {script.revision} cannot be undone: {rendered.one_way}"
            remedy = "Write its downgrade, if there is one."
            findings.append(
                Finding("migration.revision_one_way", Severity.WARNING, subject, says, remedy, script.path)
            )
        if rendered.one_way or takes_away(rendered.up):
            kind = "contract"
        steps.append(_step(script, rendered, kind))
    if any(one.is_blocking for one in findings):
        return Planned(None, tuple(findings))
    before, after = scripts[0].down_revision or BASE, scripts[-1].revision
    moved = Migration(contract, str(before), after, "", (), dialect, tuple(steps), _no_return(steps))
    return Planned(moved, tuple(findings))


def _step(script: Script, rendered: _Rendered, kind: StepKind) -> MigrationStep:
    before = script.down_revision if isinstance(script.down_revision, str) else None
    undo = () if rendered.one_way else (*rendered.down, *_noted(script.revision, before))
    return MigrationStep(
        script.revision,
        kind,
        script.doc or f"revision {script.revision}",
        (*rendered.up, *_noted(before, script.revision)),
        undo,
        is_atomic=not rendered.is_outside,
        is_reversible=not rendered.one_way,
    )


def _noted(was: str | None, now: str | None) -> Iterator[str]:
    """Alembic's note of the revision, moved from one to another."""
    if was is None:
        yield f"CREATE TABLE IF NOT EXISTS {_TABLE} (version_num VARCHAR(32) NOT NULL PRIMARY KEY)"
        yield f"INSERT INTO {_TABLE} (version_num) VALUES ({_text(now)})"
    elif now is None:
        yield f"DELETE FROM {_TABLE} WHERE version_num = {_text(was)}"
    else:
        yield f"UPDATE {_TABLE} SET version_num = {_text(now)} WHERE version_num = {_text(was)}"


def _text(revision: str | None) -> str:
    return "'" + (revision or "").replace("'", "''") + "'"


def _no_return(steps: Sequence[MigrationStep]) -> str:
    one_way = next((step.name for step in steps if not step.is_reversible), "")
    return f"revision {one_way} cannot be undone, and nothing before it from there on" if one_way else ""


# ---- which revisions


def _chain(path: Path, start: str, end: str) -> list[Script]:
    from alembic.script import ScriptDirectory
    from alembic.script.revision import RevisionError
    from alembic.util import CommandError

    folder = path if path.is_dir() else path.parent
    if not path.exists():
        raise RevisionsUnreadable(f"there is no {path}", remedy="Name a revision's file, or the folder of several.")
    try:
        with _compiled_anew():
            known = ScriptDirectory(str(folder), version_locations=[str(folder)])
            found = list(known.iterate_revisions(end, start))[::-1]
    except (CommandError, RevisionError) as fault:
        remedy = "Name revisions by their identifiers, the earlier one first."
        raise RevisionsUnreadable(f"{folder}: {fault}", remedy=remedy) from fault
    except (Exception, SystemExit) as fault:
        says = f"a revision in {folder} cannot be loaded: {type(fault).__name__}: {fault}"
        raise RevisionsUnreadable(says, remedy="Make it importable.") from fault
    if not found:
        raise RevisionsUnreadable(
            f"there is no revision between {start} and {end}", remedy="Name two different ones."
        )
    if not path.is_dir() and [Path(one.path).resolve() for one in found] != [path.resolve()]:
        says = f"{path} is not the one revision from {start} to {end}"
        raise RevisionsUnreadable(says, remedy="Name the revision before it as the start, and its own as the end.")
    if any(isinstance(one.down_revision, tuple) or one.dependencies for one in found):
        says = f"the revisions from {start} to {end} branch, and their order is not the only one"
        raise RevisionsUnreadable(says, remedy="Name a stretch in which each revision follows one other.")
    return found


@contextmanager
def _compiled_anew() -> Iterator[None]:
    """Python trusts compiled files by second and size of their source, and would miss a byte that was changed at
    once. So none is read, and none is left beside the revisions.
    """
    before = sys.pycache_prefix
    with tempfile.TemporaryDirectory() as folder:
        sys.pycache_prefix = folder
        try:
            yield
        finally:
            sys.pycache_prefix = before


# ---- what they do


@dataclass(slots=True)
class _Rendered:
    """up, down: statements. refused: why there are none. one_way: why it is not undone. is_outside: something of it
    runs outside of a transaction.
    """

    up: tuple[str, ...] = ()
    down: tuple[str, ...] = ()
    refused: str = ""
    one_way: str = ""
    is_outside: bool = False


class _NeedsConnection(Exception):
    """A revision asked for the connection."""


def _rendered(script: Script, dialect: Dialect) -> _Rendered:
    up, outside, why = _run(getattr(script.module, "upgrade", None), dialect)
    if why:
        return _Rendered(refused=why)
    down, outside_back, one_way = _run(getattr(script.module, "downgrade", None), dialect)
    if up and not down and not one_way:
        one_way = "its downgrade does nothing"
    return _Rendered(up, down, "", one_way, outside or outside_back)


def _run(function: Callable[[], None] | None, dialect: Dialect) -> tuple[tuple[str, ...], bool, str]:
    """The statements that it issues, whether some run outside of a transaction, and why there are none."""
    if function is None:
        return (), False, "it has no such function"
    said: list[str] = []
    outside: list[bool] = []
    try:
        with _offline(dialect, said, outside):
            function()
    except _NeedsConnection:
        return (), False, "it needs a live connection, to read or to run something of its own"
    except (Exception, SystemExit) as fault:
        first = next(iter(str(fault).splitlines()), "")
        return (), False, f"{type(fault).__name__}: {first}".rstrip(": ")
    return tuple(said), bool(outside), ""


@contextmanager
def _offline(dialect: Dialect, said: list[str], outside: list[bool]) -> Iterator[None]:
    """Alembic's operations, writing statements down instead of running them."""
    import sqlalchemy as sa
    from alembic.operations import Operations
    from alembic.runtime.migration import MigrationContext

    options: Any = {"as_sql": True, "output_buffer": StringIO(), "literal_binds": True}
    plain = {"paramstyle": "named"}  # with others, percent signs would be doubled
    context = MigrationContext.configure(dialect_name=_NAMES[dialect], dialect_opts=plain, opts=options)

    def no_connection() -> Any:
        raise _NeedsConnection

    @contextmanager
    def outside_of_transactions() -> Iterator[None]:
        outside.append(True)
        yield

    def write(text: str) -> None:
        if statement := text.strip().rstrip(";").strip():
            said.append(statement)

    def execute(statement: Any, execution_options: Any = None) -> None:
        """Run in earnest, a parameter without a value would fail; written down, it would become NULL."""
        clause = sa.text(statement) if isinstance(statement, str) else statement
        if missing := [name for name, one in clause.compile().binds.items() if one.required]:
            raise ValueError(f"the statement has parameters without a value: {', '.join(missing)}")
        context.impl.execute(clause, execution_options=execution_options)

    _replace(context.impl, static_output=write)
    _replace(context, autocommit_block=outside_of_transactions)
    with Operations.context(context) as operations:
        _replace(operations, get_bind=no_connection, execute=execute)
        yield


def _replace(one: Any, **methods: Callable[..., Any]) -> None:
    for name, method in methods.items():
        setattr(one, name, method)
