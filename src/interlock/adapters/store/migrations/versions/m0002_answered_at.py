"""Outcomes may say when their answer was given."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("outcomes", sa.Column("answered_at", sa.Text()))


def downgrade() -> None:
    op.drop_column("outcomes", "answered_at")
