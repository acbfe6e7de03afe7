"""The tables. Bodies and facts are JSON text, instants RFC 3339 text: equal bytes on SQLite and Postgres, and
nothing that a database could round or reorder.

The migrations must lead to exactly this; a test compares the two.
"""

from __future__ import annotations

import sqlalchemy as sa

REVISION = "0002"
"""The newest migration; it is here so that opening an up-to-date store need not load Alembic."""

VERSION_TABLE = "interlock_revision"

metadata = sa.MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)


def _text() -> sa.types.TypeEngine[str]:
    """Text that compares by code point on both databases, so that `scan` sorts alike."""
    return sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def _serial() -> sa.types.TypeEngine[int]:
    """SQLite numbers rows by itself only in a column that is an INTEGER to the letter."""
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")


documents = sa.Table(
    "documents",
    metadata,
    sa.Column("kind", _text(), primary_key=True),
    sa.Column("key", _text(), primary_key=True),
    sa.Column("version", sa.BigInteger(), nullable=False),
    sa.Column("body", sa.Text(), nullable=False),
)

audit = sa.Table(
    "audit",
    metadata,
    sa.Column("seq", _serial(), primary_key=True, autoincrement=False),
    sa.Column("at", sa.Text(), nullable=False),
    sa.Column("actor", sa.Text(), nullable=False),
    sa.Column("kind", sa.Text(), nullable=False),
    sa.Column("subject", sa.Text(), nullable=False),
    sa.Column("because", sa.Text(), nullable=False),
    sa.Column("facts", sa.Text(), nullable=False),
    sa.Column("previous", sa.Text(), nullable=False, unique=True),  # no two entries with one predecessor: no fork
    sa.Column("digest", sa.Text(), nullable=False),
)

audit_head = sa.Table(
    "audit_head",
    metadata,
    sa.Column(
        "id", sa.Integer(), sa.CheckConstraint("id = 1", name="single"), primary_key=True, autoincrement=False
    ),
    sa.Column("seq", sa.BigInteger(), nullable=False),
    sa.Column("digest", sa.Text(), nullable=False),
)

blocks = sa.Table(
    "blocks",
    metadata,
    sa.Column("rollout", _text(), primary_key=True),
    sa.Column("number", sa.BigInteger(), primary_key=True, autoincrement=False),
    sa.Column("body", sa.Text(), nullable=False),
)

outcomes = sa.Table(
    "outcomes",
    metadata,
    sa.Column("seq", _serial(), primary_key=True),
    sa.Column("id", sa.Text(), nullable=False, unique=True),
    sa.Column("service", sa.Text(), nullable=False),
    sa.Column("release", sa.Text(), nullable=False),
    sa.Column("metric", sa.Text(), nullable=False),
    sa.Column("loss", sa.Double(), nullable=False),
    sa.Column("at", sa.Text(), nullable=False),
    sa.Column("answered_at", sa.Text()),
    sqlite_autoincrement=True,  # a number is never given twice, so a reader's place stays valid
)
