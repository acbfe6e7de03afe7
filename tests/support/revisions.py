"""Revisions of Alembic for a workspace in a folder: a table of remarks that is made, grows, and loses something."""

from __future__ import annotations

from pathlib import Path

from interlock.domain.changes.request import Revisions

HEAD = """\"{says}\"

import sqlalchemy as sa
from alembic import op

revision = {name!r}
down_revision = {down!r}
"""
MADE = """
def upgrade():
    op.create_table("remarks", sa.Column("id", sa.BigInteger, primary_key=True), sa.Column("body", sa.Text))
    op.execute("INSERT INTO remarks (id, body) VALUES (1, 'it''s 5% \\\\:done')")


def downgrade():
    op.drop_table("remarks")
"""
GROWN = """
def upgrade():
    op.add_column("remarks", sa.Column("tag", sa.Text))
    op.execute("UPDATE remarks SET tag = 'old'")


def downgrade():
    op.drop_column("remarks", "tag")
"""
ONE_WAY = """
def upgrade():
    op.execute("DELETE FROM remarks WHERE tag = 'old'")
"""


def write_revision(root: Path, name: str, down: str | None, body: str, says: str = "A revision.") -> Path:
    """Its file, in the versions of the environment `migrations`."""
    folder = root / "migrations" / "versions"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.py"
    path.write_text(HEAD.format(says=says, name=name, down=down) + body)
    return path


def write_revisions(root: Path) -> None:
    """aa11 makes the table, bb22 lets it grow; both can be undone."""
    write_revision(root, "aa11", None, MADE, "Make remarks.")
    write_revision(root, "bb22", "aa11", GROWN, "Remarks have a tag.")


def stretch(database: str, start: str = "base", end: str = "bb22") -> Revisions:
    return Revisions(database, "migrations", start, end, "changes/better.yaml:7")
