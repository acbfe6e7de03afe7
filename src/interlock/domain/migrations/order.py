"""The steps of a migration in their legal order, what each is for, and what going back from it costs.

Every step is written so that both versions work before and after it (expand and contract: Sato 2014). What the lens
loses matters once writers of the newer version may have written, and is told from there on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from interlock.domain.lenses.loss import FieldLoss, LensLoss
from interlock.domain.migrations.layout import Layout
from interlock.domain.migrations.migration import Batch, Migration, MigrationStep, StepKind


@dataclass(frozen=True, slots=True)
class Work:
    """What a database does in a step. A step without any of it is left out."""

    do: tuple[str, ...] = ()
    undo: tuple[str, ...] = ()
    batch: Batch | None = None
    checks: tuple[tuple[str, str], ...] = ()
    is_atomic: bool = True

    @property
    def is_nothing(self) -> bool:
        return not (self.do or self.batch or self.checks)


@dataclass(frozen=True, slots=True)
class _Place:
    kind: StepKind
    says: str
    is_reversible: bool = True


ORDER: Final[Mapping[str, _Place]] = {
    "look": _Place(
        "expand", "`{table}` is as version {older} says, and nothing is in the way; nothing is changed yet"
    ),
    "expand": _Place("expand", "add the columns of version {newer}, empty, beside those of {older}"),
    "dual-write": _Place(
        "dual-write",
        "serve both versions: what is written to `{table}` fills the columns of version {newer}, what is written to"
        " `{newer_view}` fills those of {older}",
    ),
    "backfill": _Place("backfill", "fill the columns of version {newer} in rows that were there before"),
    "verify": _Place("verify", "no row is without a form in version {newer}, or has another than the lens makes"),
    "index": _Place("switch", "build what keeps values of version {newer} unique, beside the writers"),
    "constrain": _Place(
        "switch", "refuse what version {newer} does not allow, from whomever; rows that are there are not asked yet"
    ),
    "validate": _Place("switch", "ask the rows that are there, without keeping writers out"),
    "switch": _Place("switch", "`{current_view}` shows version {newer} instead of {older}"),
    "stop-old-writes": _Place(
        "stop-old-writes",
        "refuse who still writes version {older}; its columns stay, and what is written to version {newer} must"
        " still have a form in it",
    ),
    "archive": _Place("contract", "keep the columns that go in `{archive}`, by key"),
    "contract": _Place(
        "contract",
        "drop the columns of version {older}; while `{archive}` is there they can be brought back, as the last"
        " columns and without indexes of their own",
    ),
    "expire": _Place("contract", "drop `{archive}`", is_reversible=False),
}
"""Every step by its name; all can be taken back but the last. What is written after `contract` has no older form of
its own: that is computed when the step is taken back, and a row that has none keeps it from being taken back.
"""


def in_order(layout: Layout, contract: str, dialect: str, losses: LensLoss, work: Mapping[str, Work]) -> Migration:
    """The migration of what there is to do, by the names of ORDER."""
    versions = (layout.older_version, layout.newer_version)
    words = {
        "table": layout.table,
        "older": versions[0],
        "newer": versions[1],
        "newer_view": layout.newer_view,
        "current_view": layout.current_view,
        "archive": layout.archive,
    }
    steps = []
    for name, place in ORDER.items():
        one = work.get(name, Work())
        if one.is_nothing:
            continue
        says = place.says.format(**words)
        costs = tuple(_costs(name, layout, losses))
        steps.append(
            MigrationStep(
                name,
                place.kind,
                says,
                one.do,
                one.undo,
                one.batch,
                one.checks,
                one.is_atomic,
                place.is_reversible,
                costs,
            )
        )
    return Migration(
        contract,
        *versions,
        layout.table,
        layout.key,
        "sqlite" if dialect == "sqlite" else "postgres",
        tuple(steps),
        _no_return(layout),
    )


def _costs(name: str, layout: Layout, losses: LensLoss) -> Iterator[FieldLoss]:
    """Before the newer version is written nothing is lost; after the archive is gone nothing of it comes back."""
    if name == "expand":
        return
    yield from losses.of("rollback")
    if name == "expire":
        for one in layout.gone:
            says = f"`{one.name}` was dropped, and what was kept of it is gone"
            yield FieldLoss("rollback", one.name, "lost", says)


def _no_return(layout: Layout) -> str:
    gone = ", ".join(f"`{one.name}`" for one in layout.gone)
    older = layout.older_version
    if not gone:
        return f"`contract` takes version {older} away for good; no column is dropped with it"
    kept = layout.archive
    return (
        f"`contract` drops {gone}: from there on rows of version {older} come from `{kept}`, or are computed where"
        f" they were written since; when `expire` drops `{kept}`, they do not come back"
    )
