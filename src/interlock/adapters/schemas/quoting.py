"""Names and texts as SQL has them, whatever is in them."""

from __future__ import annotations


def name_sql(name: str) -> str:
    """An identifier."""
    return '"' + name.replace('"', '""') + '"'


def text_sql(text: str) -> str:
    """A text literal. Postgres and SQLite take a backslash for itself."""
    return "'" + text.replace("'", "''") + "'"
