"""The world in memory with a real table beside it: amounts in cents, which move to euros with their contract."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import sqlalchemy as sa

from interlock.adapters.databases.open import DeclaredDatabases
from interlock.adapters.schemas.table_moves import MigrationWriter
from interlock.domain.catalog.asset import Asset, AssetId, Kind
from interlock.domain.catalog.consumer import Keeping
from interlock.domain.catalog.database import Database, Table
from interlock.domain.changes.workspace import Workspace
from interlock.domain.lenses.lens import Lens
from interlock.domain.lenses.ops import Rename, Unit
from interlock.domain.migrations.pace import Pace
from interlock.domain.rollout.plan import Plan
from interlock.domain.rollout.tables import Allowed
from interlock.domain.schemas.contract import record
from interlock.domain.schemas.field import INTEGER, NUMBER, Field
from interlock.engine import migrations, records
from interlock.engine.context import Context
from interlock.engine.migration_runner import Runner
from interlock.engine.migrations import Told, stand
from interlock.engine.rollouts import order
from interlock.engine.tables import MigrationRenderer
from support.driven import World
from support.world import workspace

LEDGER = AssetId(Kind.DATASET, "ledger")
LENS = Lens("amounts", "1", "2", (Rename("cents", "euros"), Unit("euros", 1, 100)))


def with_ledger(space: Workspace, where: str = "interlock.yaml:9") -> Workspace:
    """`space` with a dataset that keeps amounts in the table `ledger` of the database `books`."""
    ident = Field("id", INTEGER)
    versions = {"1": (ident, Field("cents", NUMBER)), "2": (ident, Field("euros", NUMBER))}
    table = Table("books", "ledger", ("id",), where)
    changes = {name: replace(one, steps=replace(one.steps, bake_s=0.0)) for name, one in space.changes.items()}
    return replace(
        space,
        changes=changes,
        contracts={("amounts", v): record("amounts", v, fields, is_open=False) for v, fields in versions.items()},
        lenses=(LENS,),
        assets=(*space.assets, Asset(LEDGER)),
        keepings=(Keeping(LEDGER, "amounts", where=where, table=table),),
        databases={"books": Database("books", "sqlite", url_env="BOOKS")},
    )


class TableWorld(World):
    """A world whose contract is kept in a table of `rows` rows."""

    def __init__(self, path: Path, rows: int = 60, renderer: MigrationRenderer | None = None) -> None:
        self.file = path / "books.db"
        self.variables: Mapping[str, str] = {"BOOKS": f"sqlite:///{self.file}"}
        self.renderer = renderer or MigrationWriter()
        self.engine = sa.create_engine(f"sqlite:///{self.file}", poolclass=sa.pool.NullPool)
        with self.engine.begin() as connection:
            connection.exec_driver_sql("CREATE TABLE ledger (id integer PRIMARY KEY, cents real NOT NULL)")
            many = [{"id": i, "cents": 100.0 * i} for i in range(1, rows + 1)]
            connection.execute(sa.text("INSERT INTO ledger VALUES (:id, :cents)"), many)
        self.first = self.schema()
        super().__init__(path)

    def boot(self) -> None:
        """With databases and a writer of SQL."""
        if not self.declared.workspace.databases:
            self.declared.workspace = with_ledger(workspace())
        super().boot()
        self.context = replace(self.context, databases=self.databases(), renderer=self.renderer)
        self.loop = type(self.loop)(self.context)

    def databases(self) -> DeclaredDatabases:
        return DeclaredDatabases(lambda: self.declared.workspace.databases, Path(), self.variables, patience_s=0.2)

    def second(self, requests: int = 2_000, bad: dict[str, float] | None = None) -> None:
        """A second of traffic; the databases have answered when it is over."""
        super().second(requests, bad)
        for thread in self.loop.tables.threads():
            thread.join()

    def runner(self, person: str = "ana") -> Runner:
        pace = Pace(25, least=25, most=25)
        return Runner(self.databases(), Desk(self.context, person), self.clock, person, lambda s: None, pace=pace)

    def schema(self) -> list[tuple[str, ...]]:
        query = "SELECT type, name, sql FROM sqlite_master WHERE name NOT LIKE '%interlock%' ORDER BY 1, 2"
        return self.rows(query)

    def rows(self, query: str) -> list[tuple[str, ...]]:
        with self.engine.connect() as connection:
            return [tuple(row) for row in connection.exec_driver_sql(query)]

    def events(self) -> list[str]:
        """What was told of tables, in order."""
        with self.context.store.transaction(read_only=True) as tx:
            told = [one.event for one in tx.trail()]
        return [f"{one.kind} {one.facts['step']}" for one in told if one.kind.startswith("migration.")]

    def promote(self, name: str = "better") -> None:
        """The whole way of an approved change: moved, promoted by order, switched, retired."""
        self.runner().run(name)
        self.second()
        order(self.context, name, "promote", "ana")
        runner = self.runner()
        runner.rest = lambda seconds: self.second()
        assert all(one.is_there for one in runner.follow(name, "switch"))
        assert self.run(name).position.outcome == "promoted"

    def close(self) -> None:
        self.loop.close()
        self.context.store.close()
        self.engine.dispose()


class Desk:
    """The control plane without HTTP in between; see `engine.migration_runner.Office`."""

    def __init__(self, context: Context, person: str) -> None:
        self.context, self.person = context, person

    def standing(self, change: str) -> tuple[str, Allowed]:
        with self.context.store.transaction(read_only=True) as tx:
            found = stand(tx, change)
        return found.plan.digest, found.allowed

    def plan(self, digest: str) -> Plan:
        with self.context.store.transaction(read_only=True) as tx:
            return records.read_plan(tx, digest)

    def tell(self, change: str, told: Told) -> None:
        migrations.tell(self.context, change, told, self.person)
