"""What a migration is: steps in legal order, each with what it does, how it is undone and what going back costs.

The order is that of expand and contract (Sato 2014, parallel change): expand, write both shapes, backfill what is
there, verify, switch readers and writers, stop writing the old shape, contract. Every step up to the last but one
can be taken back; `Migration.no_return` tells which cannot, and why.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from interlock.domain.lenses.loss import FieldLoss
from interlock.kernel.finding import Finding

Dialect = Literal["postgres", "sqlite"]
StepKind = Literal["expand", "dual-write", "backfill", "verify", "switch", "stop-old-writes", "contract"]


@dataclass(frozen=True, slots=True)
class Batch:
    """An update of one stretch of rows in order of the key.

    sql: one statement that changes the rows whose key is above `:after_0 ...` and at most `:upto_0 ...`, one
    parameter per key column; it changes nothing when it runs again. next_sql: gives the key of the `:size`-th row
    after `:after_0 ...`, or of the last row, as one row of the key columns; none when there are no more.
    """

    table: str
    key: tuple[str, ...]
    sql: str
    next_sql: str
    first_sql: str
    """As next_sql, from the first row on: it has no parameter but `:size`."""
    start_sql: str
    """As sql, for the first stretch: without a lower bound, so it has the parameters `:upto_0 ...` alone."""
    count_sql: str
    """How many rows there are, for progress."""


@dataclass(frozen=True, slots=True)
class MigrationStep:
    """do, undo: statements in order; `batch` besides them for a backfill. is_atomic: whether `do` runs in one
    transaction (Postgres builds indexes CONCURRENTLY outside one). checks: queries that must give no row before the
    next step, each with what a row of it means; where that ends with a colon, the rows are names that complete it.
    costs: what going back from here loses, by field.
    """

    name: str
    kind: StepKind
    says: str
    do: tuple[str, ...] = ()
    undo: tuple[str, ...] = ()
    batch: Batch | None = None
    checks: tuple[tuple[str, str], ...] = ()
    is_atomic: bool = True
    is_reversible: bool = True
    costs: tuple[FieldLoss, ...] = ()


@dataclass(frozen=True, slots=True)
class Migration:
    """A table's way from contract version `older` to `newer`. no_return: in plain words, from where on what cannot
    be taken back any more.
    """

    contract: str
    older: str
    newer: str
    table: str
    key: tuple[str, ...]
    dialect: Dialect
    steps: tuple[MigrationStep, ...]
    no_return: str
    database: str = ""
    """The declared name of the database where the table is; its address is no part of a plan."""


@dataclass(frozen=True, slots=True)
class Planned:
    """A migration, or none when a finding blocks it; the findings that do not block are there beside it."""

    migration: Migration | None
    findings: tuple[Finding, ...] = ()
