"""The SQL of table migrations, for plans."""

from __future__ import annotations

from interlock.engine.tables import NoRenderer


class MigrationWriter(NoRenderer):
    """Writes no migration yet: a plan that moves a table says so, and is blocked."""
