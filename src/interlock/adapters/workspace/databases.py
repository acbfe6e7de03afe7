"""Databases and the tables in them, as a workspace declares them: their shape, and reading them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from interlock.adapters.workspace.reading import Reading
from interlock.domain.catalog.asset import AssetId, Kind
from interlock.domain.catalog.database import Database, Table
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
