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
    name, _, rest = path.partition(".")
    match record:
        case dict():
            if path in record:  # a name may have dots itself
                return record[path]
            inner = record.get(name, absent)
            return at_path(inner, rest, absent) if rest else inner
        case list():
            return [at_path(one, path, absent) for one in record]
        case _:
            return absent
