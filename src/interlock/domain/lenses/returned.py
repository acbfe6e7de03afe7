"""What of a record did not come back the same, by dotted path: `fare.currency`, `legs.minutes`.

In a list of objects a field's path stands for the field in all of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from interlock.domain.schemas.scalars import equal_json


class _Absent:
    """Equal to nothing that JSON has."""

    def __repr__(self) -> str:
        return "nothing"


ABSENT: Final = _Absent()
"""Stands for a field that a record does not have."""


def changed_paths(was: Mapping[str, Any], came: Mapping[str, Any]) -> tuple[str, ...]:
    """The paths at which a difference begins, sorted, each once: an object that became null is one path, not one
    for each of its fields, and so is a list that has another length, or null in other places.
    """
    return tuple(sorted({*_in_objects(was, came, "")}))


def _in_objects(was: Mapping[str, Any], came: Mapping[str, Any], at: str) -> Iterator[str]:
    for name in {*was, *came}:
        yield from _between(was.get(name, ABSENT), came.get(name, ABSENT), f"{at}{name}")


def _between(was: Any, came: Any, path: str) -> Iterator[str]:
    if was is came:  # most are, and what no op goes into may be deeper than any walk
        return
    match was, came:
        case (dict(), dict()):
            yield from _in_objects(was, came, f"{path}.")
        case (list(), list()) if [one is None for one in was] == [one is None for one in came]:
            for one, other in zip(was, came, strict=True):
                yield from _between(one, other, path)
        case _ if not is_same(was, came):
            yield path
        case _:
            pass


def is_same(was: Any, came: Any) -> bool:
    """Whether two values that `at_path` found are the same JSON value."""
    return was is came or equal_json(was, came)


def at_path(record: Any, path: str, absent: Any = ABSENT) -> Any:
    """What stands at a dotted path; `absent` when nothing does. Through a list of objects: a list of what stands
    there in each.
    """
    match record:
        case dict():
            for name, rest in ways(record, path):
                found = at_path(record[name], rest, absent) if rest else record[name]
                if found is not absent:
                    return found
            return absent
        case list():
            return [at_path(one, path, absent) for one in record]
        case _:
            return absent


def ways(record: Mapping[str, Any], path: str) -> Iterator[tuple[str, str]]:
    """A dotted path as a name that the record has, and the rest of the path in what stands there. Several where
    names have dots themselves; the longest name first.
    """
    if path in record:
        yield path, ""
    place = path.rfind(".")
    while place >= 0:
        if path[:place] in record:
            yield path[:place], path[place + 1 :]
        place = path.rfind(".", 0, place)
