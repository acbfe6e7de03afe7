"""A table of distances that moves from miles to kilometres, by hand-written steps, on SQLite and Postgres."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from interlock.adapters.clock import SystemClock
from interlock.adapters.databases.open import DeclaredDatabases
from interlock.domain.catalog.database import Database
from interlock.domain.changes.cut import cut
from interlock.domain.lenses.loss import FieldLoss
from interlock.domain.migrations.migration import Batch, Dialect, Migration, MigrationStep
from interlock.domain.migrations.pace import Pace
from interlock.domain.migrations.position import Kept
from interlock.domain.rollout.compile import compile_plan
from interlock.domain.rollout.plan import Plan
from interlock.domain.rollout.tables import Allowed, place
from interlock.engine.migration_runner import Progress, Runner
from interlock.engine.migrations import MigrationNotNow, Told
from interlock.kernel.errors import Unavailable
from support.world import workspace

TRIGGER = {
    "sqlite": (
        """CREATE TRIGGER flights_km AFTER INSERT ON flights WHEN NEW.km IS NULL
        BEGIN UPDATE flights SET km = NEW.miles * 1.609344 WHERE id = NEW.id; END""",
    ),
    "postgres": (
        """CREATE FUNCTION flights_km() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN NEW.km := coalesce(NEW.km, NEW.miles * 1.609344); RETURN NEW; END $$""",
        "CREATE TRIGGER flights_km BEFORE INSERT ON flights FOR EACH ROW EXECUTE FUNCTION flights_km()",
    ),
}
UNTRIGGER = {
    "sqlite": ("DROP TRIGGER flights_km",),
    "postgres": ("DROP TRIGGER flights_km ON flights", "DROP FUNCTION flights_km()"),
}
COLUMNS = """SELECT table_name::text, column_name::text, data_type::text FROM information_schema.columns
    WHERE table_schema = current_schema() AND table_name <> 'interlock_migration' ORDER BY 1, 2"""
STRETCH = "UPDATE flights SET km = miles * 1.609344 WHERE km IS NULL AND"
KEYS = "SELECT id FROM (SELECT id FROM flights {} ORDER BY id LIMIT :size) AS f ORDER BY id DESC LIMIT 1"


def migration(dialect: Dialect, database: str = "air") -> Migration:
    """Seven steps, each with its undo but the last. Percent signs and colons stand where drivers stumble."""
    batch = Batch(
        table="flights",
        key=("id",),
        sql=f"{STRETCH} id > :after_0 AND id <= :upto_0 AND '%:size' <> ''",
        next_sql=KEYS.format("WHERE id > :after_0"),
        first_sql=KEYS.format(""),
        start_sql=f"{STRETCH} id <= :upto_0",
        count_sql="SELECT count(*) FROM flights",
    )
    lost = FieldLoss("rollback", "km", "lost", "rolling back loses `km` of records written since")
    steps = (
        MigrationStep(
            "add km",
            "expand",
            "a column for kilometres",
            ("ALTER TABLE flights ADD COLUMN km double precision", "INSERT INTO notes VALUES ('100 % :size')"),
            ("DELETE FROM notes", "ALTER TABLE flights DROP COLUMN km"),
            costs=(lost,),
        ),
        MigrationStep("write both", "dual-write", "new rows get both", TRIGGER[dialect], UNTRIGGER[dialect]),
        MigrationStep("backfill", "backfill", "old rows get kilometres", batch=batch),
        MigrationStep(
            "verify",
            "verify",
            "every row has both",
            checks=(("SELECT id FROM flights WHERE km IS NULL", "rows have no kilometres"),),
        ),
        MigrationStep(
            "switch",
            "switch",
            "readers see kilometres",
            ("CREATE VIEW distances AS SELECT id, km FROM flights",),
            ("DROP VIEW distances",),
        ),
        MigrationStep("stop", "stop-old-writes", "miles are no longer kept", UNTRIGGER[dialect], TRIGGER[dialect]),
        MigrationStep(
            "drop miles",
            "contract",
            "miles are gone",
            ("ALTER TABLE flights DROP COLUMN miles",),
            is_reversible=False,
        ),
    )
    return Migration(
        "flight", "1", "2", "flights", ("id",), dialect, steps, "once miles are dropped nobody knows them", database
    )


class Table:
    """The table itself, and what a test looks at."""

    def __init__(self, url: str, rows: int) -> None:
        self.engine = sa.create_engine(url, poolclass=sa.pool.NullPool)
        self.run(
            "CREATE TABLE flights (id integer PRIMARY KEY, miles double precision NOT NULL)",
            "CREATE TABLE notes (text text)",
        )
        with self.engine.begin() as connection:
            many = [{"id": 3 * i, "miles": 100 + i % 977} for i in range(1, rows + 1)]
            connection.execute(sa.text("INSERT INTO flights VALUES (:id, :miles)"), many)

    def run(self, *statements: str) -> None:
        with self.engine.begin() as connection:
            for one in statements:
                connection.exec_driver_sql(one)

    def rows(self, query: str = "SELECT * FROM flights ORDER BY id") -> list[tuple[Any, ...]]:
        with self.engine.connect() as connection:
            return [tuple(row) for row in connection.exec_driver_sql(query)]

    def schema(self) -> list[tuple[Any, ...]]:
        """Every table, view, column and trigger but Interlock's own."""
        queries = {
            "sqlite": (
                "SELECT type, name, sql FROM sqlite_master WHERE name NOT LIKE '%interlock%' ORDER BY 1, 2",
            ),
            "postgresql": (
                COLUMNS,
                "SELECT tgname::text FROM pg_trigger WHERE tgrelid = to_regclass('flights') ORDER BY 1",
            ),
        }
        return [row for query in queries[self.engine.dialect.name] for row in self.rows(query)]


@dataclass
class Bureau:
    """A control plane in memory: it knows one plan that counts and earlier `plans`, allows what it is told to, and
    writes down what it hears.
    """

    known: Plan
    allowed: Allowed = field(default_factory=lambda: Allowed("verify"))
    heard: list[Told] = field(default_factory=list)
    refuses: str = ""
    away: int = 0
    plans: Mapping[str, Plan] = field(default_factory=dict)

    def standing(self, change: str) -> tuple[str, Allowed]:
        return self.known.digest, self.allowed

    def plan(self, digest: str) -> Plan:
        return self.plans.get(digest, self.known)

    def tell(self, change: str, told: Told) -> None:
        if self.away:
            self.away -= 1
            raise Unavailable("the control plane does not answer")
        if told.what == "stands":
            return
        kinds = {place(one): one.steps for one in self.plan(told.plan).migrations}
        kind = kinds[told.place][told.step].kind
        is_told = told.what == "doing" and not self.allowed.may_do(kind, told.is_ordered)
        if self.refuses or is_told or (told.what == "undoing" and not self.allowed.may_undo(kind)):
            raise MigrationNotNow(self.refuses or f"not {told.what} {kind}")
        self.heard.append(told)

    def words(self) -> list[str]:
        """`doing 0`, `done 0`, ... as they were heard."""
        return [f"{one.what} {one.step}" for one in self.heard]


def plan_with(plan: Plan, *migrations: Migration) -> Plan:
    """A plan that moves these tables, too."""
    return replace(plan, migrations=migrations)


ROWS = 160
SPACE = workspace()
PLAN, _ = compile_plan(SPACE, SPACE.changes["better"], cut(SPACE, dict.fromkeys(SPACE.services, "1")))


def dialect_of(url: str) -> Dialect:
    return "sqlite" if url.startswith("sqlite") else "postgres"


def databases(url: str, patience_s: float = 0.2) -> DeclaredDatabases:
    declared = {"air": Database("air", dialect_of(url), url_env="AIR")}
    return DeclaredDatabases(lambda: declared, Path(), {"AIR": url}, patience_s)


class Moving:
    """A table, its migration, a control plane and a runner of it."""

    def __init__(self, url: str, rows: int = ROWS) -> None:
        self.url, self.table = url, Table(url, rows)
        self.untouched = self.snapshot()
        self.migration = migration(dialect_of(url))
        self.bureau = Bureau(plan_with(PLAN, self.migration))
        self.told: list[Progress] = []

    def runner(self, report: Callable[[Progress], None] | None = None, **more: Any) -> Runner:
        more = {"pace": Pace(40, least=40, most=40), "rest": lambda s: None} | more
        hear = report or self.told.append
        return Runner(databases(self.url), self.bureau, SystemClock(), "ana, process 1", report=hear, **more)

    def snapshot(self) -> tuple[list[Any], list[Any]]:
        return self.table.rows(), self.table.schema()

    def kept(self) -> Kept:
        opened = databases(self.url).open("air")
        try:
            return opened.kept()["flights"]
        finally:
            opened.close()
