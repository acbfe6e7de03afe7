"""Use cases of lenses on data: translate rows from one file into another, and audit what a lens loses of them.

A run goes piece by piece: read, translate, put into parts beside the target. What is finished is written down after
each piece, so that a run that was killed goes on behind the last one and gives the same bytes. The target appears
at the end, all at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from interlock.domain.lenses.audit import Audit, Counts, Settled, Trip, settled, trip
from interlock.domain.lenses.lens import Lens
from interlock.domain.lenses.loss import loss
from interlock.domain.lenses.ops import Program
from interlock.domain.lenses.path import lens_path
from interlock.domain.schemas.contract import Contract
from interlock.engine.contracts import version
from interlock.kernel.digest import digest
from interlock.kernel.errors import Invalid, Refused, Stale


class LensNamed(Invalid):
    """What a person wrote names no lens."""

    code = "lens.named"


class RowRejected(Refused):
    """The lens rejects a row, and nobody said where rejected rows go."""

    code = "lens.row_rejected"


class SourceChanged(Stale):
    """Somebody wrote what was read, while it was read."""

    code = "data.changed"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a piece of rows begins. row: rows before it; line: lines before it, for text. at, within: what the
    format counts (bytes; row groups and rows of one).
    """

    row: int = 0
    at: int = 0
    within: int = 0
    line: int = 0


@dataclass(frozen=True, slots=True)
class Piece:
    """Rows that are read together: `count` of them after the first `row` rows of the source, and where the next
    piece begins. lines: the line of each row, where it has one.
    """

    rows: Any
    count: int
    row: int
    next: Place
    lines: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """A row that is left out: its number (from 1), field and reason, and the row without what is personal."""

    row: int
    field: str
    reason: str
    record: Any
    line: int | None = None

    @property
    def document(self) -> dict[str, Any]:
        where = {"row": self.row} if self.line is None else {"row": self.row, "line": self.line}
        return {**where, "field": self.field, "reason": self.reason, "record": self.record}


@dataclass(frozen=True, slots=True)
class Translated:
    """What becomes of a piece. rows: those that were accepted, as the target wants them; left_out: names that the
    target has no place for, and in how many rows each is.
    """

    rows: Any
    count: int
    rejected: Sequence[RejectedRow] = ()
    left_out: dict[str, int] = field(default_factory=dict)


class Rows(Protocol):
    """Rows that are read piece by piece."""

    @property
    def identity(self) -> str:
        """A digest that another content does not have."""
        ...

    @property
    def rows(self) -> int | None: ...

    def pieces(self, place: Place) -> Iterator[Piece]: ...


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is. place: what is read next; `is_done`: all pieces are in parts."""

    place: Place = Place()
    written: int = 0
    rejected: int = 0
    left_out: dict[str, int] = field(default_factory=dict)
    is_done: bool = False

    def past(self, piece: Piece, moved: Translated) -> Progress:
        left_out = dict(self.left_out)
        for name, n in moved.left_out.items():
            left_out[name] = left_out.get(name, 0) + n
        written, rejected = self.written + moved.count, self.rejected + len(moved.rejected)
        return Progress(piece.next, written, rejected, left_out)


class Aside(Protocol):
    """What is done with records besides translating them."""

    def past(self, went: Sequence[Mapping[str, Any]], made: list[Any]) -> list[Any]:
        """What becomes of those that were made of the ones that went, one for one."""
        ...


class Parts(Protocol):
    """Where translated rows are gathered until the target is whole."""

    @property
    def progress(self) -> Progress:
        """Of the same work as before: how far it was."""
        ...

    def put(self, moved: Translated, progress: Progress) -> None:
        """Keep the rows and the progress, both or neither."""
        ...

    def publish(self, progress: Progress) -> None:
        """The target appears, whole."""
        ...


@dataclass(frozen=True, slots=True)
class RunResult:
    """resumed_from: rows that an earlier run had read."""

    rows: int
    written: int
    rejected: int
    resumed_from: int
    left_out: dict[str, int]


Translate = Callable[[Piece], Translated]


def run(
    source: Rows,
    translate: Translate,
    parts: Parts,
    keeps_rejects: bool,
    tell: Callable[[Progress], None] = lambda _: None,
) -> RunResult:
    """Every row of `source`, translated. RowRejected at the first rejected row unless `keeps_rejects`;
    SourceChanged. What is finished is then kept, and nothing is published.
    """
    progress, identity = parts.progress, source.identity
    resumed_from = progress.place.row
    for piece in () if progress.is_done else source.pieces(progress.place):
        moved = translate(piece)
        if moved.rejected and not keeps_rejects:
            raise _stopped(moved.rejected[0])
        progress = progress.past(piece, moved)
        parts.put(moved, progress)
        tell(progress)
    if source.identity != identity:
        says = "the input was changed while it was read; nothing was published"
        raise SourceChanged(says, remedy="Run again when it is whole.")
    parts.publish(replace(progress, is_done=True))
    return RunResult(progress.place.row, progress.written, progress.rejected, resumed_from, progress.left_out)


def _stopped(first: RejectedRow) -> RowRejected:
    at = f"row {first.row:,}" + (f" (line {first.line:,})" if first.line else "")
    says = f"`{first.field}` {first.reason}" if first.field else first.reason
    return RowRejected(
        f"{at} is rejected: {says}; nothing was published",
        remedy="Give --rejects FILE to leave such rows out and keep them there, or mend the row or the lens.",
        row=first.row,
        field=first.field,
        reason=first.reason,
    )


@dataclass(frozen=True, slots=True)
class Asked:
    """A lens between two versions of a contract, that may be several in a row. `program` takes source to target."""

    source: Contract
    target: Contract
    program: Program

    @property
    def digest(self) -> str:
        """Of the program and of the fields at both ends."""
        return digest([self.program, self.source.fields, self.target.fields])

    @property
    def title(self) -> str:
        return f"{self.source.name}@{self.source.version}..{self.target.version}"


def asked(
    contracts: Iterable[Contract], lenses: Iterable[Lens], given: str, from_version: str, to_version: str
) -> Asked:
    """The lens that `given` names: CONTRACT@OLDER..NEWER, or CONTRACT with both versions. LensNamed; LensMissing or
    ContractMissing when there is none.
    """
    name, _, span = given.partition("@")
    older, dots, newer = span.partition("..")
    first, last = from_version or older, to_version or newer
    if not name or bool(span) is not bool(dots) or not first or not last:
        remedy = "Write CONTRACT@1..2, or CONTRACT with --from 1 --to 2."
        raise LensNamed(f"{given!r} names no lens between two versions", remedy=remedy)
    known = list(contracts)
    source, target = version(known, name, first), version(known, name, last)
    return Asked(source, target, lens_path(lenses, name, source.version, target.version))


@dataclass(frozen=True, slots=True)
class CountedRows:
    """What rows say to a trip. identity: a digest of what the rows are; engine: who counted; why: the engine that
    might have could not.
    """

    counts: Counts
    identity: str
    engine: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class Audited:
    """An audit, and every verdict on its direction settled by it. why: as of CountedRows."""

    audit: Audit
    settled: tuple[Settled, ...]
    why: str


def audit(asked: Asked, version_: str, share: float, count: Callable[[Trip], CountedRows]) -> Audited:
    """What the lens loses of rows in `version_`, one of its two; `count` looks at about `share` of them."""
    lens = Lens(asked.source.name, asked.source.version, asked.target.version, asked.program)
    sent = trip(lens, asked.source, asked.target, version_)
    found = count(sent)
    made = Audit(
        contract=lens.contract,
        source=sent.source.version,
        target=sent.target.version,
        direction=sent.direction,
        lens=sent.lens,
        data=found.identity,
        engine=found.engine,
        share=share,
        counts=found.counts,
    )
    return Audited(made, settled(loss(lens, asked.source, asked.target), made), found.why)
