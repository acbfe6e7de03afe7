"""Oneofs: a reader keeps the last member that it sees, so a writer must never send two of one."""

from __future__ import annotations

from collections.abc import Iterator

from interlock.domain.schemas.protobuf.model import Field, Message
from interlock.domain.schemas.reason import Reason


def oneof_reasons(wanted: Message, given: Message, path: str) -> Iterator[Reason]:
    """What changed about the oneofs from the writer's `given` to the reader's `wanted`."""
    mine, theirs = _oneofs(wanted), _oneofs(given)
    for name in theirs:
        if name not in mine:
            yield Reason("ONEOF_REMOVED", f"{path}/{name}", f"the oneof `{name}` is gone", is_blocking=False)
    for name, members in mine.items():
        if name not in theirs:
            yield Reason("ONEOF_ADDED", f"{path}/{name}", f"the oneof `{name}` is new", is_blocking=False)
        yield from _gathered(name, members, given, path)
    for name, members in theirs.items():
        yield from _scattered(name, members, wanted, path)


def _oneofs(message: Message) -> dict[str, list[Field]]:
    found: dict[str, list[Field]] = {}
    for field in message.fields:
        if field.oneof:
            found.setdefault(field.oneof, []).append(field)
    return found


def _gathered(name: str, members: list[Field], given: Message, path: str) -> Iterator[Reason]:
    """The members must come from one place: all of one oneof of the writer, or a single field."""
    known = [other for member in members if (other := given.field(member.number)) is not None]
    sources = {other.oneof or other.number for other in known}
    if len(sources) > 1:
        together = ", ".join(f"`{f.name}`" for f in known)
        is_moved = any(other.oneof for other in known)
        code = "FIELD_MOVED_TO_EXISTING_ONEOF" if is_moved else "MULTIPLE_FIELDS_MOVED_TO_ONEOF"
        says = f"{together} may be written together, and the oneof `{name}` keeps the last alone"
        yield Reason(code, f"{path}/{name}", says, "Leave them outside of the oneof.")
    for member in members:
        if given.field(member.number) is None:
            says = f"`{member.name}` is not written"
            yield Reason("ONEOF_FIELD_ADDED", f"{path}/{name}/{member.number}", says, is_blocking=False)


def _scattered(name: str, members: list[Field], wanted: Message, path: str) -> Iterator[Reason]:
    for member in members:
        mine = wanted.field(member.number)
        if mine is None:
            says = f"`{member.name}` may be written, and a reader without it sees the oneof `{name}` unset"
            yield Reason("ONEOF_FIELD_REMOVED", f"{path}/{name}/{member.number}", says, "Keep the member.")
        elif not mine.oneof:
            says = f"`{member.name}` left the oneof `{name}`"
            yield Reason("ONEOF_FIELD_MOVED_TO_TOP_LEVEL", f"{path}/{member.number}", says, is_blocking=False)
