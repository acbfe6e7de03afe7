"""Brings a database to this release's tables, or back, in one transaction: a migration that fails leaves the
database as it was, and processes that open the same database at once queue.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

from interlock.adapters.store.faults import StoreForeign, StoreNewer
from interlock.adapters.store.tables import REVISION, VERSION_TABLE, metadata

if TYPE_CHECKING:
    from alembic.config import Config

BEFORE_ALL = "base"
"""The target that leaves an empty database."""


def revision(connection: sa.Connection) -> str | None:
    """The last migration that ran on this database, None before the first."""
    if not sa.inspect(connection).has_table(VERSION_TABLE):
        return None
    found: str | None = connection.scalar(sa.text(f"SELECT version_num FROM {VERSION_TABLE}"))
    return found


def bring_up(engine: sa.Engine) -> None:
    """Run the migrations that are missing. StoreNewer when the database knows one that this release does not,
    StoreForeign when it belongs to something else.
    """
    with engine.connect().execution_options(read_only=True) as connection:
        if revision(connection) == REVISION:
            return
    with engine.begin() as connection:
        found = revision(connection)
        if found and found not in revisions():
            raise StoreNewer(
                f"the store is at revision {found}, this release knows revisions up to {REVISION}",
                remedy="Run the newer release, or restore the backup from before its upgrade.",
            )
        if not found and (foreign := sorted({*sa.inspect(connection).get_table_names()} & {*metadata.tables})):
            raise StoreForeign(
                f"the database has tables that Interlock did not create: {', '.join(foreign)}",
                remedy="Give Interlock a database, or a Postgres schema, of its own.",
            )
        migrate(connection, REVISION)


def migrate(connection: sa.Connection, target: str) -> None:
    """Go forward or back to the revision `target` (or BEFORE_ALL) in the transaction of `connection`."""
    from alembic import command

    known = revisions()
    at = revision(connection)
    forward = target in known and (at is None or known.index(at) <= known.index(target))
    (command.upgrade if forward else command.downgrade)(_config(connection), target)


def revisions() -> list[str]:
    """Every migration, oldest first."""
    from alembic.script import ScriptDirectory

    scripts = ScriptDirectory.from_config(_config(None))
    return [script.revision for script in scripts.walk_revisions()][::-1]


def _config(connection: sa.Connection | None) -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config
