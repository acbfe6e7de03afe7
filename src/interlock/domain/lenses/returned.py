"""What of a record did not come back the same, by dotted path: `fare.currency`, `legs.minutes`.

A path is told of where the difference begins: an object that became null is one path, not one for each of its
fields. In a list of objects a field's path stands for the field in all of them; a list is told of itself when it
has another length, or has null in other places.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from interlock.domain.schemas.scalars import equal_json

ABSENT: Any = type("Absent", (), {"__repr__": lambda self: "nothing"})()
"""Stands for a field that a record does not have."""


def changed_paths(
    was: Mapping[str, Any], came: Mapping[str, Any], is_absence_null: bool = False
) -> tuple[str, ...]:
    """The paths at which `came` differs from `was`, sorted, each once.

    is_absence_null: a field that is not there counts as null, as in tables, which know no difference.
    """
    missing = None if is_absence_null else ABSENT
    return tuple(sorted({*_in_objects(was, came, "", missing)}))


def _in_objects(was: Mapping[str, Any], came: Mapping[str, Any], at: str, missing: Any) -> Iterator[str]:
    for name in {*was, *came}:
        yield from _between(was.get(name, missing), came.get(name, missing), f"{at}{name}", missing)


def _between(was: Any, came: Any, path: str, missing: Any) -> Iterator[str]:
    match was, came:
        case (dict(), dict()):
            yield from _in_objects(was, came, f"{path}.", missing)
        case (list(), list()) if len(was) == len(came) and _are_objects(was, came):
            for one, other in zip(was, came, strict=True):
                if one is not None:
                    yield from _in_objects(one, other, f"{path}.", missing)
        case _ if was is missing or came is missing or not equal_json(was, came):
            if was is not came:
                yield path
        case _:
            pass


def _are_objects(was: list[Any], came: list[Any]) -> bool:
    """Whether both hold objects, and null in the same places; not so when they hold nothing but null."""
    pairs = list(zip(was, came, strict=True))
    alike = all((isinstance(a, dict) and isinstance(b, dict)) or (a is None and b is None) for a, b in pairs)
    return alike and any(a is not None for a in was)


def at_path(record: Mapping[str, Any], path: str) -> Any:
    """What stands at a dotted path: ABSENT, or a list of what stands there in each object of a list."""
    value: Any = record
    for name in path.split("."):
        value = _step(value, lambda one, name=name: one.get(name, ABSENT))
    return value


def _step(value: Any, get: Callable[[Mapping[str, Any]], Any]) -> Any:
    match value:
        case dict():
            return get(value)
        case list():
            return [_step(one, get) for one in value]
        case _:
            return ABSENT
