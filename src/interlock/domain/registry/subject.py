"""Subjects and their versions. Everything here is a value: a change gives another `Subject`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from interlock.domain.registry.faults import (
    SubjectDeleted,
    SubjectInvalid,
    SubjectMissing,
    SubjectNotDeleted,
    VersionDeleted,
    VersionInvalid,
    VersionMissing,
    VersionNotDeleted,
)

DEFAULT_CONTEXT = "."
_QUALIFIED = re.compile(r":(\.[^:]*):(.*)", re.DOTALL)
_LONGEST = 1024
_GREATEST = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Version:
    """One version: its number within the subject, and the id of its schema. identity: see `schema.identity`."""

    number: int
    id: int
    identity: str
    bare: str
    is_deleted: bool = False


@dataclass(frozen=True, slots=True)
class Subject:
    """A subject: versions by number. `last` is the greatest number ever given; it is not given again."""

    name: str
    versions: tuple[Version, ...] = ()
    last: int = 0

    @property
    def is_live(self) -> bool:
        return any(not v.is_deleted for v in self.versions)

    def live(self, *, deleted: bool = False) -> tuple[Version, ...]:
        """The versions that are not deleted; with `deleted`, all."""
        return tuple(v for v in self.versions if deleted or not v.is_deleted)

    def find(self, wanted: int | None, *, deleted: bool = False) -> Version:
        """A version by number, or the latest (None). VersionMissing, SubjectMissing."""
        there = self.live(deleted=deleted)
        if not there:
            raise missing(self.name)
        if wanted is None:
            return there[-1]
        found = next((v for v in there if v.number == wanted), None)
        if found is None:
            raise VersionMissing(f"Version {wanted} not found.", remedy=_numbers(there))
        return found

    def with_identity(self, wanted: str, *, deleted: bool = False) -> Version | None:
        """The newest version of a schema, by its identity, with or without its metadata."""
        there = reversed(self.live(deleted=deleted))
        return next((v for v in there if wanted in (v.identity, v.bare)), None)

    def add(self, id: int, identity: str, bare: str, number: int | None = None) -> tuple[Subject, Version]:
        """With one more version, numbered after all that ever were, or as it is to be imported."""
        fresh = Version(number or self.last + 1, id, identity, bare)
        versions = tuple(sorted((*self.versions, fresh), key=lambda v: v.number))
        return replace(self, versions=versions, last=max(self.last, fresh.number)), fresh

    def delete_version(self, wanted: int | None, *, for_good: bool) -> tuple[Subject, Version]:
        """Softly, or for good what was deleted softly before."""
        found = self.find(wanted, deleted=for_good or wanted is not None)
        who = f"Subject '{self.name}' Version {found.number}"
        if for_good:
            if not found.is_deleted:
                raise VersionNotDeleted(f"{who} was not deleted first before being permanently deleted")
            return self._without({found.number}), found
        if found.is_deleted:
            raise VersionDeleted(f"{who} was soft deleted. Set permanent=true to delete permanently")
        return self._hide({found.number}), found

    def delete(self, *, for_good: bool) -> tuple[Subject, tuple[Version, ...]]:
        """All versions, softly; or for good when all were deleted softly before."""
        if not self.versions:
            raise missing(self.name)
        if for_good:
            if self.is_live:
                raise SubjectNotDeleted(
                    f"Subject '{self.name}' was not deleted first before being permanently deleted"
                )
            return replace(self, versions=()), self.versions
        if not self.is_live:
            raise SubjectDeleted(
                f"Subject '{self.name}' was soft deleted. Set permanent=true to delete permanently"
            )
        gone = self.live()
        return self._hide({v.number for v in gone}), gone

    def _hide(self, numbers: Iterable[int]) -> Subject:
        hidden = set(numbers)
        marked = (replace(v, is_deleted=True) if v.number in hidden else v for v in self.versions)
        return replace(self, versions=tuple(marked))

    def _without(self, numbers: Iterable[int]) -> Subject:
        gone = set(numbers)
        return replace(self, versions=tuple(v for v in self.versions if v.number not in gone))


def missing(name: str) -> SubjectMissing:
    return SubjectMissing(f"Subject '{name}' not found.")


def _numbers(there: tuple[Version, ...]) -> str:
    return f"There is: {', '.join(str(v.number) for v in there[-8:])}."


def subject_name(text: str) -> str:
    """The subject's one name: `:.:orders` is `orders`, in the default context. SubjectInvalid."""
    qualified = _QUALIFIED.fullmatch(text)
    name = qualified[2] if qualified and qualified[1] == DEFAULT_CONTEXT else text
    bare = qualified[2] if qualified else text
    if (
        not bare
        or len(text) > _LONGEST
        or any(ord(c) < 32 or 0xD800 <= ord(c) <= 0xDFFF or c == "\x7f" for c in text)
    ):
        raise SubjectInvalid(
            f"The specified subject {text[:80]!r} is not a valid subject.",
            remedy=f"A subject has 1 to {_LONGEST} characters, none of them a control character.",
        )
    return name


def context_of(name: str) -> str:
    """The context of a subject's name: `.` or `.staging`."""
    qualified = _QUALIFIED.fullmatch(name)
    return qualified[1] if qualified else DEFAULT_CONTEXT


def version_number(text: str) -> int | None:
    """The number that `text` names; None for `latest` (and its older spelling, -1). VersionInvalid."""
    if text in ("latest", "-1"):
        return None
    is_number = text.isascii() and text.isdigit() and len(text.lstrip("0")) <= len(str(_GREATEST))
    if not is_number or not 0 < int(text) <= _GREATEST:
        raise VersionInvalid(
            f"The specified version '{text[:40]}' is not a valid version id. "
            f'Allowed values are between [1, 2^31-1] and the string "latest"'
        )
    return int(text)
