"""Alembic's revisions as steps of a migration."""

from __future__ import annotations

from pathlib import Path

import pytest

from interlock.adapters.schemas.alembic_moves import BASE, RevisionsUnreadable, plan_revisions
from interlock.adapters.schemas.migrations import unsafe
from interlock.domain.migrations.migration import Dialect, MigrationStep
from support.migrating import Sqlite, backward, forward

HEAD = "from alembic import op\nimport sqlalchemy as sa\nrevision = {revision!r}\ndown_revision = {down!r}\n"
TABLE = """
def upgrade():
    op.create_table("t", sa.Column("id", sa.Integer, primary_key=True), sa.Column("n", sa.Text))
    op.bulk_insert(sa.table("t", sa.column("id", sa.Integer)), [{"id": 1}, {"id": 2}])

def downgrade():
    op.drop_table("t")
"""
TEXT = """
def upgrade():
    op.execute("UPDATE t SET n = 'it''s 5%; \\\\:x' WHERE id = 1")

def downgrade():
    op.execute("UPDATE t SET n = NULL WHERE id = 1")
"""


@pytest.fixture
def revisions(tmp_path: Path) -> Path:
    write(tmp_path, "aa11", None, TABLE)
    write(tmp_path, "bb22", "aa11", TEXT)
    return tmp_path


def write(folder: Path, revision: str, down: str | None, body: str) -> Path:
    path = folder / f"{revision}_it.py"
    path.write_text(f'"""Does {revision}."""\n' + HEAD.format(revision=revision, down=down) + body)
    return path


def steps(path: Path, start: str, end: str) -> tuple[MigrationStep, ...]:
    planned = plan_revisions(path, start, end, "sqlite")
    assert planned.migration is not None, planned.findings
    return planned.migration.steps


def test_revisions_become_statements_that_run_there_and_back(revisions: Path) -> None:
    """As Alembic would have run them, its note of the revision included; quotes, percent and colons stay."""
    database = Sqlite()
    found = steps(revisions, BASE, "bb22")
    assert [(one.name, one.says, one.kind) for one in found] == [
        ("aa11", "Does aa11.", "expand"),
        ("bb22", "Does bb22.", "expand"),
    ]
    for step in found:
        forward(database, step)
    assert database.run("SELECT n FROM t ORDER BY id") == [("it's 5%; :x",), (None,)]
    assert database.run("SELECT * FROM alembic_version") == [("bb22",)]
    for step in reversed(found):
        backward(database, step)
    assert [name for _, name, *_ in database.told()[0] if "autoindex" not in name] == ["alembic_version"]
    assert database.run("SELECT * FROM alembic_version") == []
    database.close()


def test_one_file_is_its_own_revision_alone(revisions: Path) -> None:
    """And must be what lies between the two that are named."""
    path = revisions / "bb22_it.py"
    assert [one.name for one in steps(path, "aa11", "bb22")] == ["bb22"]
    with pytest.raises(RevisionsUnreadable, match="is not the one revision"):
        plan_revisions(path, BASE, "bb22", "sqlite")


@pytest.mark.parametrize(
    ("downgrade", "why"),
    [("", "it has no such function"), ("def downgrade():\n    pass\n", "does nothing"),
     ("def downgrade():\n    raise RuntimeError('gone for good')\n", "gone for good")],
)  # fmt: skip
def test_a_revision_without_a_way_back_says_so(revisions: Path, downgrade: str, why: str) -> None:
    """It is irreversible, and comes last by its kind."""
    write(revisions, "cc33", "bb22", f"def upgrade():\n    op.drop_column('t', 'n')\n{downgrade}")
    planned = plan_revisions(revisions, "bb22", "cc33", "postgres")
    assert planned.migration is not None
    [step] = planned.migration.steps
    assert (step.is_reversible, step.undo, step.kind) == (False, (), "contract")
    assert planned.migration.no_return.startswith("revision cc33 cannot be undone")
    [finding] = planned.findings
    assert (finding.code, finding.is_blocking) == ("migration.revision_one_way", False)
    assert why in finding.says
    assert finding.where.endswith("cc33_it.py")


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("op.get_bind().execute(sa.text('SELECT 1'))", "live connection"),
        ("op.execute('UPDATE t SET n = :missing')", "parameters without a value: missing"),
        ("with op.batch_alter_table('t') as batch:\n        batch.drop_column('n')", "CommandError"),
        ("raise KeyError('x')", "KeyError: 'x'"),
    ],
)
def test_a_revision_that_is_no_statements_is_refused(revisions: Path, body: str, why: str) -> None:
    """With the reason, and nothing of the others is planned."""
    write(revisions, "cc33", "bb22", f"def upgrade():\n    {body}\ndef downgrade():\n    pass\n")
    planned = plan_revisions(revisions, "aa11", "cc33", "sqlite")
    assert planned.migration is None
    [finding] = [one for one in planned.findings if one.is_blocking]
    assert finding.code == "migration.revision_refused"
    assert why in finding.says


def test_what_runs_outside_of_a_transaction_is_known(revisions: Path) -> None:
    """An index that is built beside the writers."""
    body = "with op.get_context().autocommit_block():\n"
    body += "        op.create_index('i', 't', ['n'], postgresql_concurrently=True)"
    write(revisions, "cc33", "bb22", f"def upgrade():\n    {body}\ndef downgrade():\n    op.drop_index('i')\n")
    planned = plan_revisions(revisions, "bb22", "cc33", "postgres")
    assert planned.migration is not None
    [step] = planned.migration.steps
    assert step.do[0] == "CREATE INDEX CONCURRENTLY i ON t (n)"
    assert not step.is_atomic


@pytest.mark.parametrize(
    ("dialect", "code"), [("sqlite", "migration.column-dropped"), ("postgres", "squawk.ban-drop-column")]
)
def test_what_is_unsafe_in_a_revision_is_told(revisions: Path, dialect: Dialect, code: str) -> None:
    """Unlike in our own steps, nothing before it has answered for it."""
    down = "def downgrade():\n    op.add_column('t', sa.Column('n', sa.Text))\n"
    write(revisions, "cc33", "bb22", f"def upgrade():\n    op.drop_column('t', 'n')\n{down}")
    planned = plan_revisions(revisions, "bb22", "cc33", dialect)
    assert planned.migration is not None
    assert (code, "cc33:1") in [(one.code, one.where) for one in unsafe(planned.migration)]


def test_revisions_that_are_not_there_are_told(revisions: Path) -> None:
    """Unknown ones, ones in the wrong order, none at all, files that are no revisions, branches."""
    for start, end in (("zz99", "bb22"), ("aa11", "zz99"), ("bb22", "aa11"), ("aa11", "aa11")):
        with pytest.raises(RevisionsUnreadable):
            plan_revisions(revisions, start, end, "sqlite")
    with pytest.raises(RevisionsUnreadable, match="there is no"):
        plan_revisions(revisions / "none", BASE, "bb22", "sqlite")
    write(revisions, "dd44", "aa11", TABLE)
    write(revisions, "ee55", ("bb22", "dd44"), TABLE)  # type: ignore[arg-type]
    with pytest.raises(RevisionsUnreadable, match="branch"):
        plan_revisions(revisions, "aa11", "ee55", "sqlite")
    (revisions / "ff66.py").write_text("import nothing_of_the_kind\n")
    with pytest.raises(RevisionsUnreadable, match="cannot be loaded"):
        plan_revisions(revisions, "aa11", "bb22", "sqlite")
