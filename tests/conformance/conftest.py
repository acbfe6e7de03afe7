"""Databases for the conformance suites: one Postgres server for the whole run, an empty schema for each test."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.postgres import embedded_postgres, empty_schema

SCHEMAS = itertools.count(1)


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """URL of the server; it starts when the first test asks for it."""
    with embedded_postgres() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """URL of an empty database of each sort."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/interlock.db"
        return
    with empty_schema(request.getfixturevalue("postgres"), f"test{next(SCHEMAS)}") as place:
        yield place
