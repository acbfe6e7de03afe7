"""What of a contract a document does not hold: found by reading the document back, so that nothing is overlooked.

A gap is one attribute at one place that reads back differently. Formats with room for foreign attributes carry the
gaps aside, and reading such a document restores them; other tools do not see them. A gap is restored only where
the document still says what it said when the gap was written: whoever edits the document has the last word.
"""

from __future__ import annotations

import dataclasses
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

from interlock.domain.schemas.contract import Check, Contract, Object, Reference, Rule
from interlock.domain.schemas.describe import described
from interlock.domain.schemas.field import Field, List, Map, Struct, Type
from interlock.domain.schemas.formats.notes import ELEMENT, VALUE, Notes, Path, shown_path
from interlock.domain.schemas.formats.plain import (
    attribute_of,
    field_of,
    plain_field,
    plain_type,
    type_of,
)
from interlock.kernel.digest import canonical, plain
from interlock.kernel.finding import Finding, Severity

T = TypeVar("T")

_FIELD = tuple(f.name for f in dataclasses.fields(Field) if f.name != "type")
_OBJECT = tuple(f.name for f in dataclasses.fields(Object) if f.name != "fields")
_CONTRACT = ("name", "version", "owner")
_RECORDS = {"references": Reference, "checks": Check, "rules": Rule}


@dataclass(frozen=True, slots=True)
class Gap:
    """At `path` the contract has `wanted` as its `attribute`, and the document `found`; both are plain JSON data.

    path: an object's name, then fields, by the names that the document has; empty for the contract itself.
    """

    path: Path
    attribute: str
    wanted: Any
    found: Any


def gaps(wanted: Contract, found: Contract) -> tuple[Gap, ...]:
    """Every gap between a contract and what its document reads back as; `where` aside."""
    return tuple(_of_contract(wanted, found))


def _of_contract(wanted: Contract, found: Contract) -> Iterator[Gap]:
    yield from _attributes((), wanted, found, _CONTRACT)
    if len(wanted.objects) != len(found.objects):
        yield Gap((), "objects", [plain_object(o) for o in wanted.objects], [o.name for o in found.objects])
        return
    for one, other in zip(wanted.objects, found.objects, strict=True):
        yield from _attributes((other.name,), one, other, _OBJECT)
        yield from _of_fields((other.name,), one.fields, other.fields)


def _of_fields(path: Path, wanted: tuple[Field, ...], found: tuple[Field, ...]) -> Iterator[Gap]:
    if len(wanted) != len(found):
        yield Gap(path, "fields", [plain_field(f) for f in wanted], [plain_field(f) for f in found])
        return
    for one, other in zip(wanted, found, strict=True):
        yield from _of_field((*path, other.name), one, other)


def _of_field(path: Path, wanted: Field, found: Field) -> Iterator[Gap]:
    yield from _attributes(path, wanted, found, _FIELD)
    match wanted.type, found.type:
        case List(element=one), List(element=other):
            yield from _of_field((*path, ELEMENT), one, other)
        case Map(value=one), Map(value=other):
            yield from _of_field((*path, VALUE), one, other)
        case Struct(), Struct() if wanted.type.is_open == found.type.is_open:
            if len(wanted.type.fields) == len(found.type.fields):
                yield from _of_fields(path, wanted.type.fields, found.type.fields)
            else:
                yield Gap(path, "type", plain_type(wanted.type), plain_type(found.type))
        case one, other if one != other:
            yield Gap(path, "type", plain_type(one), plain_type(other))


def _attributes(path: Path, wanted: Any, found: Any, names: Iterable[str]) -> Iterator[Gap]:
    for name in names:
        one, other = getattr(wanted, name), getattr(found, name)
        if one is other or (not one and not other and one == other and type(one) is type(other)):
            continue
        if not isinstance(one, str) or one != other:
            told, read = plain(one), plain(other)
            if canonical(told) != canonical(read):
                yield Gap(path, name, told, read)


def plain_object(one: Object) -> dict[str, Any]:
    """The object as JSON data."""
    told = {name: plain(getattr(one, name)) for name in _OBJECT}
    return told | {"fields": [plain_field(f) for f in one.fields]}


def object_of(told: Mapping[str, Any]) -> Object:
    """The object that `plain_object` wrote; ValueError when it is none."""
    given = {name: _object_attribute(name, told[name]) for name in _OBJECT if name in told}
    return Object(fields=tuple(field_of(f) for f in told["fields"]), **given)


def _object_attribute(name: str, value: Any) -> Any:
    default = {f.name: f.default for f in dataclasses.fields(Object)}[name]
    if name in _RECORDS:
        return tuple(_RECORDS[name](**{k: _frozen(v) for k, v in item.items()}) for item in value)
    if isinstance(default, tuple):
        return _frozen(value)
    wanted = str if default is dataclasses.MISSING else type(default)
    if not isinstance(value, wanted):
        raise ValueError(f"`{name}` is {value!r}")
    return value


def _frozen(value: Any) -> Any:
    match value:
        case list():
            return tuple(_frozen(v) for v in value)
        case dict():
            return {k: _frozen(v) for k, v in value.items()}
        case _:
            return value


def aside_of(some: Iterable[Gap]) -> list[dict[str, Any]]:
    """Gaps as JSON data, to be carried in a document."""
    return [
        {"path": list(g.path), "attribute": g.attribute, "value": g.wanted, "instead_of": g.found} for g in some
    ]


def restore(contract: Contract, aside: Any, notes: Notes) -> Contract:
    """The contract with what the document carries aside. What cannot be applied is noted and left out."""
    by_path: dict[Path, list[Gap]] = defaultdict(list)
    for item in aside if isinstance(aside, list) else []:
        try:
            gap = Gap(tuple(item["path"]), item["attribute"], item["value"], item["instead_of"])
            by_path[gap.path].append(gap)
        except (TypeError, KeyError):
            notes.tell("aside_unreadable", (), "carries an attribute aside that cannot be read", "Remove it.")
    if not by_path:
        return contract
    return _Restoring(by_path, notes).contract(contract)


@dataclass(slots=True)
class _Restoring:
    """Walks the contract as it was read and applies the gaps."""

    by_path: Mapping[Path, list[Gap]]
    notes: Notes

    def contract(self, one: Contract) -> Contract:
        given = self.given(one, (), lambda _, value: value, _CONTRACT)
        for gap in self.by_path.get((), []):
            if gap.attribute == "objects" and self.holds((), gap, [o.name for o in one.objects]):
                return replace(
                    one, objects=self.made(gap, lambda v: tuple(map(object_of, v)), one.objects), **given
                )
        return replace(one, objects=tuple(map(self.object, one.objects)), **given)

    def object(self, one: Object) -> Object:
        path = (one.name,)
        given = self.given(one, path, _object_attribute, _OBJECT)
        return replace(one, fields=self.fields(one.fields, path), **given)

    def fields(self, some: tuple[Field, ...], path: Path) -> tuple[Field, ...]:
        for gap in self.by_path.get(path, []):
            if gap.attribute == "fields" and self.holds(path, gap, [plain_field(f) for f in some]):
                return self.made(gap, lambda v: tuple(map(field_of, v)), some)
        return tuple(self.field(one, (*path, one.name)) for one in some)

    def field(self, one: Field, path: Path) -> Field:
        for gap in self.by_path.get(path, []):
            if gap.attribute == "type" and self.holds(path, gap, plain_type(one.type)):
                one = replace(one, type=self.made(gap, type_of, one.type))
                break
        else:
            one = replace(one, type=self.type(one.type, path))
        return replace(one, **self.given(one, path, attribute_of, _FIELD))

    def type(self, one: Type, path: Path) -> Type:
        match one:
            case List(element=inner):
                return List(self.field(inner, (*path, ELEMENT)))
            case Map(value=inner):
                return Map(self.field(inner, (*path, VALUE)))
            case Struct(fields=fields, is_open=is_open):
                return Struct(self.fields(fields, path), is_open)
            case _:
                return one

    def given(
        self, one: Any, path: Path, load: Callable[[str, Any], Any], names: tuple[str, ...]
    ) -> dict[str, Any]:
        """The attributes of `one` to replace."""
        found: dict[str, Any] = {}
        for gap in self.by_path.get(path, []):
            name = gap.attribute
            if name in names and self.holds(path, gap, plain(getattr(one, name))):
                found[name] = self.made(gap, partial(load, name), getattr(one, name))
        return found

    def holds(self, path: Path, gap: Gap, now: Any) -> bool:
        """Whether the document still says what it said beside the gap."""
        if canonical(now) == canonical(gap.found):
            return True
        says = f"was edited after its `{gap.attribute}` was carried aside, so the latter is left out"
        self.notes.tell("aside_stale", path, says, "Export it again.")
        return False

    def made(self, gap: Gap, load: Callable[[Any], T], otherwise: T) -> T:
        try:
            return load(gap.wanted)
        except (ValueError, TypeError, KeyError, AttributeError) as fault:
            self.notes.tell(
                "aside_unreadable", gap.path, f"carries aside what cannot be read: {fault}", "Remove it."
            )
            return otherwise


def told(some: Iterable[Gap], form: str, source: str, is_carried: bool) -> list[Finding]:
    """One finding per gap: what `form` has no place for. `is_carried`: Interlock alone reads it back."""
    code, severity = ("export.aside", Severity.INFO) if is_carried else ("export.lost", Severity.WARNING)
    findings = []
    for gap in some:
        place = shown_path(gap.path)
        where = f"{source}#{place}" if place else source
        ending = "; it is carried aside, and only Interlock reads it back" if is_carried else ""
        says = f"{f'`{place}`: ' if place else ''}{gap.attribute} is {_shown(gap, gap.wanted)}, and {form} says "
        findings.append(Finding(code, severity, where, f"{says}{_shown(gap, gap.found)}{ending}", "", where))
    return findings


def _shown(gap: Gap, value: Any) -> str:
    if gap.attribute == "type":
        return described(type_of(value))
    if value in (None, "", [], {}):
        return "nothing"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."
