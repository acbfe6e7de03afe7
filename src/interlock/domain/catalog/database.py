"""Databases and tables where records are kept. An address may hold a password, so it is never part of a plan."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from interlock.kernel.finding import Finding, Severity
from interlock.kernel.ident import did_you_mean

DatabaseDialect = Literal["postgres", "sqlite"]


@dataclass(frozen=True, slots=True)
class Database:
    """A database by its name. url_env: the environment variable that holds its address, else `url`, which has no
    password. A relative path of SQLite begins at the workspace's root.
    """

    name: str
    dialect: DatabaseDialect
    url_env: str = ""
    url: str = ""
    where: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """A table of a database. key: the columns by whose order its rows are gone through, together unique."""

    database: str
    name: str
    key: tuple[str, ...]
    where: str = ""

    def __str__(self) -> str:
        return f"{self.database}.{self.name}"


def check_tables(
    tables: Iterable[tuple[str, str, Table]],
    databases: Mapping[str, Database],
    fields: Mapping[str, Iterable[frozenset[str]]],
) -> Iterator[Finding]:
    """What is wrong with (asset, contract, table): databases that there are not, tables that two assets keep, keys
    that are no fields. fields: by contract, those of each version.
    """
    keepers: dict[tuple[str, str], str] = {}
    for asset, contract, table in tables:
        if table.database not in databases:
            says = f"no database is named {table.database!r}."
            remedy = did_you_mean(table.database, databases) or "Declare it under databases: in interlock.yaml."
            yield Finding("database.unknown", Severity.ERROR, asset, says, remedy, table.where)
        first = keepers.setdefault((table.database, table.name), asset)
        if first != asset:
            says = f"{table} is kept by {first} already."
            remedy = "Declare a table once; others depend on the asset that keeps it."
            yield Finding("table.twice", Severity.ERROR, asset, says, remedy, table.where)
        versions = tuple(fields.get(contract, ()))
        known = frozenset[str]().union(*versions)
        for one in table.key:
            if versions and one not in known:
                says = f"the key column {one!r} of {table} is no field of contract:{contract}."
                yield Finding(
                    "table.key_unknown", Severity.ERROR, asset, says, did_you_mean(one, known), table.where
                )
