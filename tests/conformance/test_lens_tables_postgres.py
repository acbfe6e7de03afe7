"""A lens on a Postgres table: read in pieces by `lens run`, counted by one query of Postgres in `lens audit`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from click.testing import CliRunner
from pyarrow import parquet

from interlock.cli.main import interlock
from support.flights import flights, write_workspace
from support.postgres import embedded_postgres

pytestmark = pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")  # Ibis 12 with DuckDB 1.5
ROWS = 400


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A workspace with a file of flights, and a Postgres with a table of them."""
    rows = parquet.read_table(flights(write_workspace(tmp_path) / "in.parquet", ROWS)).to_pylist()
    kinds = {"id": sa.BigInteger, "delay": sa.Double, "carrier": sa.Text, "tail": sa.Text}
    kinds |= {"distance": sa.BigInteger, "hours": sa.BigInteger, "day": sa.Date}
    with embedded_postgres() as url:
        database = sa.create_engine(url)
        with database.begin() as tx:
            table = sa.Table("flown", sa.MetaData(), *(sa.Column(name, kind) for name, kind in kinds.items()))
            table.create(tx)
            tx.execute(table.insert(), rows)
        database.dispose()
        yield tmp_path, url


def told(workspace: Path, *arguments: str) -> Any:
    done = CliRunner().invoke(interlock, ["-C", str(workspace), "lens", *arguments, "--output", "json"])
    assert done.exit_code == 0, (done.output, done.exception)
    return json.loads(done.stdout)


def test_a_table_gives_what_the_file_gives(shop: tuple[Path, str]) -> None:
    """The same bytes, and the same counts; the audit is asked of Postgres itself."""
    workspace, url = shop
    for source, target, more in (("flown", "a", ("--database", url)), (str(workspace / "in.parquet"), "b", ())):
        done = told(workspace, "run", "flights@1..2", source, str(workspace / f"{target}.parquet"), *more)
        assert done["written"] == ROWS
    assert (workspace / "a.parquet").read_bytes() == (workspace / "b.parquet").read_bytes()
    of_table = told(workspace, "audit", "flights@1..2", "--on", "flown", "--database", url)
    of_file = told(workspace, "audit", "flights@1..2", "--on", str(workspace / "in.parquet"))
    assert (of_table["engine"], of_file["engine"]) == ("postgres", "duckdb")
    assert of_table["counts"] == of_file["counts"]
