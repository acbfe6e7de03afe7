"""What a translation drops, kept aside on request, so that a later way back restores it.

A complement holds, for one record, the places where the record that comes back differs from the one that went
(Bancilhon and Spyratos 1981, constant complement; kept as a difference, so that lossless records need none). On the
way back a place is restored only where nothing was changed since: what is edited in the newer version wins.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from interlock.domain.lenses.apply import Record
from interlock.domain.schemas.scalars import equal_json
from interlock.kernel.digest import canonical

Value = tuple[Any, ...]
"""One value, or empty where there is none: absent is not null."""


@dataclass(frozen=True, slots=True)
class Kept:
    """At `path` (names of nested objects, outermost first) the record had `original`, and comes back with
    `returned`.
    """

    path: tuple[str, ...]
    original: Value
    returned: Value


def complement(went: Mapping[str, Any], came: Mapping[str, Any]) -> tuple[Kept, ...]:
    """What `came`, the record that is back, lacks of the one that `went`; empty when it is the same."""
    return tuple(_differences((), went, came))


def key_text(key: Sequence[Any]) -> str:
    """The values of a record's key fields as one text, by which its complement is found again: 5 and 5.0 are one
    key, whatever the form of the file in between made of it.
    """
    return canonical(key).decode()


def _differences(at: tuple[str, ...], went: Mapping[str, Any], came: Mapping[str, Any]) -> Iterator[Kept]:
    for name in dict.fromkeys((*went, *came)):
        original, returned = _at(went, name), _at(came, name)
        if _is_same(original, returned):
            continue
        if original and returned and isinstance(original[0], dict) and isinstance(returned[0], dict):
            yield from _differences((*at, name), original[0], returned[0])
        else:
            yield Kept((*at, name), original, returned)


def restored(came: Mapping[str, Any], kept: tuple[Kept, ...]) -> Record:
    """`came`, a record that is back, with what was kept of it. The one given is left alone."""
    record = dict(came)
    for one in kept:
        _restore(record, one)
    return record


def _restore(record: Record, kept: Kept) -> None:
    """Objects on the way are copied, so that nobody else's change."""
    inner = record
    for name in kept.path[:-1]:
        if not isinstance(inner.get(name), dict):
            return
        inner[name] = dict(inner[name])
        inner = inner[name]
    name = kept.path[-1]
    if not _is_same(_at(inner, name), kept.returned):
        return
    if kept.original:
        inner[name] = kept.original[0]
    else:
        inner.pop(name, None)


def _at(record: Mapping[str, Any], name: str) -> Value:
    return (record[name],) if name in record else ()


def _is_same(one: Value, other: Value) -> bool:
    return len(one) == len(other) and all(equal_json(a, b) for a, b in zip(one, other, strict=True))
