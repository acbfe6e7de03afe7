"""Databases and the tables in them, as a workspace declares them: their shape, and reading them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any, Final

from interlock.adapters.workspace.reading import Reading
from interlock.domain.catalog.asset import AssetId, Kind
from interlock.domain.catalog.database import Database, Table
from interlock.domain.changes.request import Revisions
from interlock.kernel.ident import NAME_PATTERN

Schema = dict[str, Any]

_COLUMN: Final[Schema] = {"type": "string", "minLength": 1, "description": "A column.", "examples": ["id"]}
_SCHEMES: Final = {"postgres": ("postgresql", "postgres"), "sqlite": ("sqlite",)}

DATABASES: Final[Schema] = {
    "type": "object",
    "description": "Databases whose tables are migrated with their contracts, by name.",
    "propertyNames": {"pattern": NAME_PATTERN},
    "additionalProperties": {
        "type": "object",
        "description": "One database: its dialect, and one of url_env and url.",
        "properties": {
            "dialect": {
                "type": "string",
                "enum": ["postgres", "sqlite"],
                "description": "What it is.",
                "examples": ["postgres"],
            },
            "url_env": {
                "type": "string",
                "pattern": "^[A-Za-z_][A-Za-z0-9_]*$",
                "description": "The environment variable that holds its address, with the password.",
                "examples": ["FLIGHTS_DATABASE"],
            },
            "url": {
                "type": "string",
                "minLength": 1,
                "description": "Its address, when there is no password in it; a path of SQLite is relative to "
                "the workspace.",
                "examples": ["sqlite:///flights.db", "postgresql://reader@localhost/flights"],
            },
        },
        "required": ["dialect"],
        "minProperties": 2,
        "maxProperties": 2,
        "additionalProperties": False,
    },
    "examples": [{"flights": {"dialect": "postgres", "url_env": "FLIGHTS_DATABASE"}}],
}

TABLE: Final[Schema] = {
    "type": "object",
    "description": "The table in which a dataset keeps the records of its contract; it is migrated when the "
    "contract moves.",
    "properties": {
        "database": {
            "type": "string",
            "pattern": NAME_PATTERN,
            "description": "A database of interlock.yaml.",
            "examples": ["flights"],
        },
        "name": {
            "type": "string",
            "minLength": 1,
            "description": "The table.",
            "examples": ["flights"],
        },
        "key": {
            "type": "array",
            "items": _COLUMN,
            "minItems": 1,
            "uniqueItems": True,
            "description": "The columns of its primary key, in order.",
            "examples": [["id"]],
        },
    },
    "required": ["database", "name", "key"],
    "additionalProperties": False,
    "examples": [{"database": "flights", "name": "flights", "key": ["id"]}],
}


REVISIONS: Final[Schema] = {
    "type": "array",
    "description": "Revisions of Alembic that databases get with this change, each from one revision to another.",
    "items": {
        "type": "object",
        "description": "The revisions of one database, in the order in which they follow one another.",
        "properties": {
            "database": {
                "type": "string",
                "pattern": NAME_PATTERN,
                "description": "A database of interlock.yaml.",
                "examples": ["flights"],
            },
            "path": {
                "type": "string",
                "minLength": 1,
                "description": "The folder of the Alembic environment or its versions, relative to the workspace.",
                "examples": ["migrations"],
            },
            "from": {
                "type": "string",
                "minLength": 1,
                "description": "The revision at which the database is; base before the first one.",
                "examples": ["base", "1f2e3d4c5b6a"],
            },
            "to": {
                "type": "string",
                "minLength": 1,
                "description": "The revision at which it is to be.",
                "examples": ["9a8b7c6d5e4f"],
            },
        },
        "required": ["database", "path", "from", "to"],
        "additionalProperties": False,
    },
    "minItems": 1,
    "examples": [[{"database": "flights", "path": "migrations", "from": "base", "to": "9a8b7c6d5e4f"}]],
}


def databases_from(root: Mapping[str, Any], reading: Reading) -> dict[str, Database]:
    """Those of the root document, by name. No finding repeats an address, for it may hold a password."""
    found = {}
    for name, body in root.get("databases", {}).items():
        path = ("databases", name)
        if "url" in body:
            _check_url(name, body, reading)
        found[name] = Database(
            name, body["dialect"], body.get("url_env", ""), body.get("url", ""), reading.locate(path)
        )
    return found


def _check_url(name: str, body: Mapping[str, Any], reading: Reading) -> None:
    path = ("databases", name, "url")
    scheme, _, rest = body["url"].partition("://")
    if ":" in rest.rpartition("@")[0] or "password=" in rest:
        says = f"the address of {name} holds a password, which everybody who reads this file would know."
        remedy = "Put the whole address into an environment variable, and name that with url_env."
        reading.reject(path, says, remedy, "database.password")
    elif scheme.partition("+")[0] not in _SCHEMES[body["dialect"]]:
        says = f"the address of {name} is not one of {body['dialect']}."
        reading.reject(path, says, "Write it like sqlite:///file.db or postgresql://user@host/name.")


def table_from(me: AssetId, body: Mapping[str, Any], reading: Reading) -> Table | None:
    """What `table` says; a finding where the asset keeps no records in one."""
    if (one := body.get("table")) is None:
        return None
    if me.kind is not Kind.DATASET:
        says = f"a {me.kind.value} is not kept in a table; a dataset is."
        reading.reject(("table",), says, "Declare table: of a dataset.")
    elif "keeps" not in body:
        says = f"{me} has a table, but keeps the records of no contract."
        reading.reject(("table",), says, "Add keeps: {contract: NAME}.", "field.missing")
    return Table(one["database"], one["name"], tuple(one["key"]), reading.locate(("table",)))


def revisions_from(body: Mapping[str, Any], reading: Reading) -> Iterator[Revisions]:
    """What `revisions` of a change says; a finding for a path that leaves the workspace."""
    for number, one in enumerate(body.get("revisions", ())):
        path = PurePosixPath(one["path"])
        if path.is_absolute() or ".." in path.parts:
            says = f"{one['path']} is not within the workspace."
            reading.reject(("revisions", number, "path"), says, "Write a path relative to interlock.yaml.")
        where = reading.locate(("revisions", number))
        yield Revisions(one["database"], one["path"], one["from"], one["to"], where)
