"""Revisions of Alembic as the migration of a database, in the terms of a change: when each of them runs, what going
back costs, and that none runs in a database that is not where the revision begins.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from interlock.adapters.schemas.alembic_moves import BASE, RevisionsUnreadable, plan_revisions
from interlock.domain.changes.revisions import NOTE
from interlock.domain.lenses.loss import FieldLoss
from interlock.domain.migrations.migration import Migration, MigrationStep, Planned
from interlock.domain.migrations.unsafe import takes_away
from interlock.domain.rollout.revisions import RevisionMove
from interlock.kernel.digest import digest
from interlock.kernel.finding import Finding, Severity

KIND: Final = "revisions"
"""What stands where the migration of a table names its contract."""

_FUNCTIONS: Final = {"migration.revision_one_way": "downgrade", "migration.revision_refused": "upgrade"}


def name_of(root: Path, move: RevisionMove) -> str:
    """Of what the move is written from: the declaration, and the bytes of every file beside the revisions."""
    folder = _folder(root, move)
    beside = folder.rglob("*") if folder.is_dir() else folder.parent.glob("*.py")
    files = sorted(one for one in beside if one.is_file() and one.suffix != ".pyc")
    content = [[str(one.relative_to(root)), hashlib.sha256(one.read_bytes()).hexdigest()] for one in files]
    return digest([move, content])


def read_revisions(root: Path, move: RevisionMove) -> Planned:
    """The revisions as Alembic would run them, or why they cannot be written. Findings name files of `root`."""
    root, one = Path(os.path.abspath(root)), move.revisions
    try:
        planned = plan_revisions(_folder(root, move), one.start, one.end, move.dialect)
    except RevisionsUnreadable as fault:
        says = fault.message.replace(f"{root}/", "")
        return Planned(None, (Finding(fault.code, Severity.ERROR, str(one), says, fault.remedy, one.where),))
    return replace(planned, findings=tuple(_located(found, root, move) for found in planned.findings))


def without_notes(written: Migration) -> Migration:
    """`written` with what its author wrote alone: nobody chose how Alembic keeps its note."""
    steps = (replace(one, do=tuple(sql for sql in one.do if NOTE not in sql)) for one in written.steps)
    return replace(written, steps=tuple(steps))


def as_move(written: Migration, move: RevisionMove) -> Migration:
    """`written` as the migration of a change: its steps say when they run and what going back costs; the first one
    is that the database is where they begin.
    """
    steps = [_begins_at(written.older, written.steps[0])]
    before = written.older
    for step in written.steps:
        steps.append(_guarded(_spoken(step), before))
        before = step.name
    return replace(written, contract=KIND, table=NOTE, database=move.revisions.database, steps=tuple(steps))


def _folder(root: Path, move: RevisionMove) -> Path:
    """Where the revisions are: Alembic's environment has them in `versions`."""
    path = root / move.revisions.path
    return path / "versions" if (path / "versions").is_dir() else path


# ---- findings


def _located(found: Finding, root: Path, move: RevisionMove) -> Finding:
    """With the file as people know it, and the line of what it is about."""
    path = Path(found.where)
    where = f"{path.relative_to(root)}:{_line(path, _FUNCTIONS[found.code])}"
    later = " As it is, it and what follows run by order, after the rollout." if not found.is_blocking else ""
    return replace(found, subject=str(move.revisions), where=where, remedy=found.remedy + later)


def _line(path: Path, function: str) -> int:
    lines = enumerate(path.read_text("utf-8", "replace").splitlines(), start=1)
    return next((number for number, text in lines if re.match(rf"(async )?def {function}\b", text)), 1)


# ---- steps


def _begins_at(before: str, first: MigrationStep) -> MigrationStep:
    """Alembic's note is there and names `before`; if not, nothing is executed."""
    note = f"CREATE TABLE IF NOT EXISTS {NOTE} (version_num VARCHAR(32) NOT NULL PRIMARY KEY)"
    check = (f"SELECT 1 WHERE NOT EXISTS ({_at(before)})", f"the database is not at revision {before}")
    if before == BASE:
        check = (f"SELECT version_num FROM {NOTE}", "the database is at a revision already")
    return MigrationStep(f"at {before}", first.kind, f"the database is at {before}", (note,), checks=(check,))


def _spoken(step: MigrationStep) -> MigrationStep:
    """A step that says when it runs, and what going back costs. Nobody but its author knows what a downgrade does
    to rows, so it is never said to cost nothing.
    """
    says = f"{step.says} (by order, after the rollout)" if step.kind == "contract" else step.says
    if not step.is_reversible:
        return replace(step, says=says)
    lost = f"nobody counted what the downgrade of {step.name} does to what was written since"
    if takes_away(step.undo):
        lost = f"the downgrade of {step.name} drops what it added, with everything that was written there since"
    return replace(step, says=says, costs=(FieldLoss("rollback", "*", "lost", lost),))


def _guarded(step: MigrationStep, before: str) -> MigrationStep:
    """A step whose transaction is undone as a whole when somebody else moved the database meanwhile. What runs
    outside of a transaction is repeated after a crash, when its note may have moved already, so it has no guard.
    """
    if not step.is_atomic:
        return step
    do = step.do if before == BASE else tuple(_with_guard(step.do, before))
    return replace(step, do=do, undo=tuple(_with_guard(step.undo, step.name)))


def _with_guard(statements: Sequence[str], revision: str) -> Iterator[str]:
    """Before the note is moved, which is the last statement: a row that the note refuses, unless it is at
    `revision`.
    """
    yield from statements[:-1]
    if statements:
        yield (
            f"/* refused unless the database is at {revision} */ "
            f"INSERT INTO {NOTE} (version_num) SELECT NULL WHERE NOT EXISTS ({_at(revision)})"
        )
    yield from statements[-1:]


def _at(revision: str) -> str:
    text = revision.replace("'", "''")
    return f"SELECT 1 FROM {NOTE} WHERE version_num = '{text}'"
