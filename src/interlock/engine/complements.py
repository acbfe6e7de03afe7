"""Use cases of complements: keep what a run drops, and restore it on the way back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from interlock.domain.lenses.apply import Record, Rejected
from interlock.domain.lenses.complement import Kept, complement, key_text, restored
from interlock.engine.lens_data import Asked
from interlock.kernel.digest import digest
from interlock.kernel.errors import Invalid
from interlock.kernel.instant import Instant

Records = Sequence[Mapping[str, Any]]


class KeyMissing(Invalid):
    """A record has no value in a key field, so that its complement could not be found again."""

    code = "complement.key_missing"


class Complements(Protocol):
    """Where complements are kept, by the texts of keys."""

    def keep(self, batch: Iterable[tuple[Sequence[Any], tuple[Kept, ...]]], until: Instant) -> int:
        """Once more changes nothing; the number of records of which something is kept."""
        ...

    def claim(self, batch: Iterable[tuple[Sequence[Any], tuple[Kept, ...]]]) -> None:
        """Refuses a key under which this run keeps something else already."""
        ...

    def of(self, keys: Sequence[Sequence[Any]], now: Instant) -> Mapping[str, tuple[Kept, ...]]: ...


def belongs_to(asked: Asked, is_back: bool) -> str:
    """What complements belong to: the fields that were kept of, and those on the other side, whichever way one
    goes. The program is no part of it: what another program makes is not what is remembered, and is left as it is.
    """
    kept, other = (asked.target, asked.source) if is_back else (asked.source, asked.target)
    return digest([kept.name, kept.version, other.version, kept.fields, other.fields])


@dataclass(frozen=True, slots=True)
class Keeping:
    """On the way there: `key` names fields of the records that go."""

    store: Complements
    key: tuple[str, ...]
    back: Callable[[Mapping[str, Any]], Record]
    until: Instant

    def past(self, went: Records, made: list[Any]) -> list[Any]:
        """What is made stays as it is. Of a record that cannot come back nothing is kept."""
        batch = list(self.complements(went, made))
        self.store.claim(batch)
        self.store.keep(batch, self.until)
        return made

    def complements(self, went: Records, made: list[Any]) -> Iterator[tuple[Sequence[Any], tuple[Kept, ...]]]:
        for before, after in zip(went, made, strict=True):
            key = key_of(before, self.key)
            try:
                yield key, complement(before, self.back(after))
            except Rejected:
                continue


@dataclass(frozen=True, slots=True)
class Restoring:
    """On the way back: `key` names fields of the records that come."""

    store: Complements
    key: tuple[str, ...]
    now: Instant

    def past(self, went: Records, made: list[Any]) -> list[Any]:
        """What was kept of them is put back where nothing was changed since."""
        keys = [key_of(one, self.key) for one in made]
        kept = self.store.of(keys, self.now)
        return [restored(one, kept.get(key_text(key), ())) for one, key in zip(made, keys, strict=True)]


def key_of(record: Mapping[str, Any], names: tuple[str, ...]) -> tuple[Any, ...]:
    """The values of the key; KeyMissing when one is null or not there."""
    for name in names:
        if record.get(name) is None:
            raise KeyMissing(f"a record has no `{name}`", remedy="Name key fields that every record has.")
    return tuple(record[name] for name in names)
