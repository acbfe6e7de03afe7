"""Backfilling a table: the runner beside the one UPDATE that it stands for, and how long a writer waits meanwhile.

Miles become kilometres by the statements that a plan would have, triggers included. A writer changes one row after
another, as fast as the table lets it; its longest wait is what others feel.
"""

from __future__ import annotations

import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from benchmarks.rig import table

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from interlock.adapters.clock import SystemClock
from interlock.adapters.databases.open import DeclaredDatabases
from interlock.adapters.schemas.table_moves import MigrationWriter
from interlock.domain.catalog.database import Database
from interlock.domain.catalog.database import Table as Declared
from interlock.domain.lenses.lens import Lens
from interlock.domain.lenses.ops import Rename, Unit
from interlock.domain.migrations.migration import Migration
from interlock.domain.migrations.pace import Pace
from interlock.domain.rollout.tables import Allowed, TableMove
from interlock.domain.schemas.contract import record
from interlock.domain.schemas.field import INTEGER, NUMBER, Field
from interlock.engine.migration_runner import Runner
from support.postgres import embedded_postgres
from support.tables import PLAN, Bureau, dialect_of, plan_with

LENS = Lens("flight", "1", "2", (Rename("miles", "km"), Unit("km", 1_609_344, 1_000_000)))


@dataclass(frozen=True)
class Figures:
    """Rows per second, and the longest wait of the writer in milliseconds."""

    rows_s: float
    longest_ms: float


def migration(url: str) -> Migration:
    """As a plan has it."""
    ident = Field("id", INTEGER)
    before, after = (
        record("flight", version, (ident, Field(name, NUMBER)), is_open=False)
        for version, name in (("1", "miles"), ("2", "km"))
    )
    move = TableMove(Declared("air", "flights", ("id",)), dialect_of(url), before, after, LENS)
    written, findings = MigrationWriter().render(move)
    assert written is not None, findings
    return written


class Writer(threading.Thread):
    """Changes rows until it is told to stop."""

    def __init__(self, engine: sa.Engine, rows: int) -> None:
        super().__init__()
        self.engine, self.rows, self.longest_s = engine, rows, 0.0
        self.done = threading.Event()

    def run(self) -> None:
        number = 0
        with self.engine.connect() as connection:
            while not self.done.wait(0.002):
                number = (number + 7_919) % self.rows
                began = time.perf_counter()
                connection.exec_driver_sql(f"UPDATE flights SET miles = miles + 1 WHERE id = {number}")
                connection.commit()
                self.longest_s = max(self.longest_s, time.perf_counter() - began)


def measured(url: str, rows: int, fill: Callable[[Runner, sa.Engine, Migration], None]) -> Figures:
    """One backfill of a fresh table, with a writer beside it."""
    engine = sa.create_engine(url, poolclass=sa.pool.NullPool)
    values: Any = [{"id": i, "miles": 100 + i % 977} for i in range(rows)]
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE IF EXISTS interlock_migration")
        connection.exec_driver_sql("CREATE TABLE flights (id integer PRIMARY KEY, miles double precision NOT NULL)")
        connection.execute(sa.text("INSERT INTO flights VALUES (:id, :miles)"), values)
    moved = migration(url)
    declared = {"air": Database("air", dialect_of(url), url_env="AIR")}
    bureau = Bureau(plan_with(PLAN, moved), Allowed("dual-write"))
    runner = Runner(DeclaredDatabases(lambda: declared, Path(), {"AIR": url}, 30.0), bureau, SystemClock(), "bench")
    runner.run("better")
    bureau.allowed = Allowed("backfill")
    writer = Writer(engine, rows)
    writer.start()
    began = time.perf_counter()
    fill(runner, engine, moved)
    took = time.perf_counter() - began
    writer.done.set()
    writer.join()
    bureau.allowed = Allowed("backfill")
    runner.undo("better")
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE flights")
    return Figures(rows / took, 1_000 * writer.longest_s)


def by_runner(share: float) -> Callable[[Runner, sa.Engine, Migration], None]:
    """The runner, which may spend this share of the time in batches."""

    def fill(runner: Runner, engine: sa.Engine, moved: Migration) -> None:
        runner.pace = Pace(share=share)
        runner.run("better")

    return fill


def at_once(runner: Runner, engine: sa.Engine, moved: Migration) -> None:
    """The statement of a batch over the whole table."""
    batch = next(step.batch for step in moved.steps if step.batch)
    with engine.begin() as connection:
        connection.execute(sa.text(batch.start_sql), {"upto_0": 2**31 - 1})


def run(quick: bool = False) -> dict[str, dict[str, Figures]]:
    """By database and way."""
    rows = 5_000 if quick else 200_000
    ways = {"one UPDATE": at_once, "runner, 100 %": by_runner(1.0), "runner, 50 %": by_runner(0.5)}
    with tempfile.TemporaryDirectory() as place, embedded_postgres() as server:
        urls = {"SQLite": f"sqlite:///{place}/bench.db", "Postgres": server}
        Path(place, "bench.db").touch()
        return {name: {way: measured(url, rows, fill) for way, fill in ways.items()} for name, url in urls.items()}


def main() -> None:
    """Print the figures."""
    found = run(quick="--quick" in sys.argv)
    for name, ways in found.items():
        whole = ways["one UPDATE"].rows_s
        lines = [("", "rows/s (of one UPDATE)", "longest wait of a writer")]
        lines += [
            (way, f"{one.rows_s:,.0f} ({one.rows_s / whole:.2f})", f"{one.longest_ms:,.0f} ms")
            for way, one in ways.items()
        ]
        table(f"backfill on {name}", lines)


if __name__ == "__main__":
    main()
