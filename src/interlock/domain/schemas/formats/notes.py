"""What a reader of a foreign schema notes on its way, and the limits that keep any document bounded."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from interlock.domain.schemas.field import Field
from interlock.domain.schemas.nesting import MAX_DEPTH, MAX_FIELDS
from interlock.kernel.errors import Invalid
from interlock.kernel.finding import Finding, Severity
from interlock.kernel.ident import is_name

Path = tuple[str | int, ...]
"""Names of fields from the outside in; ELEMENT stands for the elements of a list, VALUE for the values of a map."""

ELEMENT: Final = 0
VALUE: Final = 1


class SchemaTooLarge(Invalid):
    """A schema is nested too deep, has too many fields, or too many bytes."""

    code = "schema.too_large"


@dataclass(slots=True)
class Notes:
    """Collects findings about one document; `source` names it. Every field that is read goes through `enter`."""

    source: str
    findings: list[Finding] = field(default_factory=list)
    read: int = 0

    def enter(self, path: Path) -> None:
        """Count one more field or type; SchemaTooLarge beyond the limits. Fields count after references are
        followed: a small document can stand for a very large one.
        """
        self.read += 1
        if len(path) > MAX_DEPTH:
            says = f"the schema is nested deeper than {MAX_DEPTH} levels, at {shown_path(path[:4])}..."
            raise SchemaTooLarge(says, remedy="Flatten it, or hold the inner part as json.", where=self.source)
        if self.read > MAX_FIELDS:
            says = f"the schema has more than {MAX_FIELDS:,} fields once its references are followed"
            raise SchemaTooLarge(says, remedy="Split it.", where=self.source)

    def tell(
        self, code: str, path: Path, says: str, remedy: str = "", severity: Severity = Severity.WARNING
    ) -> None:
        """Note what could not be read as it is written, at the field `path`."""
        where = f"{self.source}#{shown_path(path)}" if path else self.source
        told = f"`{shown_path(path)}` {says}" if path else says
        self.findings.append(Finding(f"import.{code}", severity, where, told, remedy, where))

    def refuse(self, code: str, path: Path, says: str, remedy: str) -> None:
        """Note what makes the document unusable."""
        self.tell(code, path, says, remedy, Severity.ERROR)


def shown_path(path: Path) -> str:
    """A path for people: `order.lines[].price`, `{}` for the values of a map."""
    text = ""
    for step in path:
        match step:
            case int():
                text += "{}" if step == VALUE else "[]"
            case str():
                text += f".{step}" if text else step or "(unnamed)"
    return text


def unique_fields(fields: Iterable[Field], path: Path, notes: Notes) -> tuple[Field, ...]:
    """The fields, without those whose name came before."""
    found: dict[str, Field] = {}
    for one in fields:
        if one.name in found:
            notes.refuse("field_twice", path, f"declares `{one.name}` twice", "Remove one of them.")
        found.setdefault(one.name, one)
    return tuple(found.values())


def name_of(title: str) -> str:
    """A contract's name from a title: `Order Line` becomes `order-line`; empty when nothing is left."""
    if is_name(title):
        return title
    slug = re.sub(r"[^a-z0-9._-]+", "-", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", title).lower())[:63].strip("-._")
    return slug if is_name(slug) else ""


class Identifiers:
    """Identifiers of one scope: letters, digits and `_`, each given once; a digit is never the first character that
    is no `_`, because some tools derive names from others without the `_`.
    """

    def __init__(self) -> None:
        self._given: set[str] = set()

    def give(self, name: str) -> str:
        """`name` when it is an identifier and free, else the nearest one that is."""
        wanted = re.sub(r"\W", "_", name, flags=re.ASCII) or "_"
        wanted = f"n{wanted}" if wanted.lstrip("_")[:1].isdigit() else wanted
        found, number = wanted, 2
        while found in self._given:
            found, number = f"{wanted}_{number}", number + 1
        self._given.add(found)
        return found
