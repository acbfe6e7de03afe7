"""Puts the ops of a draft in an order in which they can be applied: a name is free before something takes it.

Where fields exchange their names, one of them goes by another for a while.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from interlock.domain.lenses.guess import Entry


@dataclass(frozen=True, slots=True)
class Group:
    """Ops that belong together: they take the fields `sources`, and yield `targets`."""

    sources: tuple[str, ...]
    targets: tuple[str, ...]
    entries: tuple[Entry, ...]
    confidence: float = 0.5


def scheduled(groups: tuple[Group, ...], names: tuple[str, ...]) -> tuple[Entry, ...]:
    """The entries, the surest first as far as names allow. names: the fields before the first op."""
    waiting = sorted(groups, key=lambda one: -one.confidence)
    live, made = set(names), []
    while waiting:
        ready = next((one for one in waiting if not _blockers(one, live)), None)
        if ready is None:
            blocker = _movable(waiting, live)
            aside = _unused(blocker, live, waiting)
            made.append(Entry({"rename": {"from": blocker, "to": aside}}))
            live = (live - {blocker}) | {aside}
            waiting = [_moved(one, blocker, aside) for one in waiting]
            continue
        waiting.remove(ready)
        live = (live - set(ready.sources)) | set(ready.targets)
        made += [entry for entry in ready.entries if not _is_idle(entry)]
    return tuple(made)


def _blockers(one: Group, live: set[str]) -> set[str]:
    """Fields whose names it needs, and that are still there."""
    return (set(one.targets) & live) - set(one.sources)


def _movable(waiting: list[Group], live: set[str]) -> str:
    """A field in the way of the surest group, best one that no expression reads."""
    blockers = [name for one in waiting for name in sorted(_blockers(one, live))]
    read = {name for one in waiting if any("merge" in entry.block for entry in one.entries) for name in one.sources}
    return next((name for name in blockers if name not in read), blockers[0])


def _unused(name: str, live: set[str], waiting: list[Group]) -> str:
    taken = live | {target for one in waiting for target in one.targets}
    number = 1
    while (aside := f"{name}_before{number if number > 1 else ''}") in taken:
        number += 1
    return aside


def _moved(one: Group, name: str, aside: str) -> Group:
    """The group with its source under the other name."""
    if name not in one.sources:
        return one
    sources = tuple(aside if source == name else source for source in one.sources)
    entries, is_there = [], True
    for entry in one.entries:
        entries += _renamed(entry, name, aside) if is_there else [entry]
        is_there = is_there and name not in _made_by(entry)
    return replace(one, sources=sources, entries=tuple(entries))


def _made_by(entry: Entry) -> tuple[str, ...]:
    [(op, body)] = entry.block.items()
    return (body["to"],) if op == "rename" else ()


def _renamed(entry: Entry, name: str, aside: str) -> list[Entry]:
    """The op on the field under its other name; in a new object it has its own name again."""
    [(op, body)] = entry.block.items()
    block: dict[str, Any] = dict(body)
    key = "from" if op == "rename" else "field"
    if block.get(key) == name:
        block[key] = aside
    if op != "nest" or name not in block["fields"]:
        return [replace(entry, block={op: block})]
    block["fields"] = [aside if one == name else one for one in block["fields"]]
    back = Entry({"rename": {"from": aside, "to": name}})
    return [replace(entry, block={op: block}), Entry({"in": {"field": block["into"]}}, None, (back,))]


def _is_idle(entry: Entry) -> bool:
    [(op, body)] = entry.block.items()
    return op == "rename" and isinstance(body, Mapping) and body["from"] == body["to"]
