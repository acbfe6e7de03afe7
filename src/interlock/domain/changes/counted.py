"""What a change loses of real rows: audits of its lenses, beside the verdicts of its plan.

Audits are looked up anew whenever the plan is. They are no part of its digest, which covers the lens itself:
counting again on newer rows voids nothing, and another lens has no counts until its own are taken in. The audit
entry of an approval names the counts that were there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from interlock.domain.changes.workspace import Workspace
from interlock.domain.lenses.audit import Audit, Settled, settled, trip
from interlock.domain.lenses.lens import Lens
from interlock.domain.lenses.loss import LensLoss, loss
from interlock.domain.lenses.path import LensMissing, lens_path
from interlock.domain.schemas.contract import Contract
from interlock.kernel.finding import Finding, Severity


@dataclass(frozen=True, slots=True)
class Crossing:
    """A contract that moves between two declared versions, with the fused lens between them and its verdicts."""

    lens: Lens
    older: Contract
    newer: Contract
    told: LensLoss

    @property
    def digests(self) -> tuple[str, str]:
        """What audits of this crossing are of: on rows in the version that it comes from, and in the other one."""
        versions = (self.older.version, self.newer.version)
        there, back = (trip(self.lens, self.older, self.newer, version).lens for version in versions)
        return there, back

    @property
    def is_lossy(self) -> bool:
        return any(line.effect != "exact" for line in self.told.lines)


@dataclass(frozen=True, slots=True)
class Counted:
    """An audit, and what it settles."""

    audit: Audit
    lines: tuple[Settled, ...]


def crossings(workspace: Workspace, moved: Iterable[tuple[str, str, str]]) -> Iterator[Crossing]:
    """The crossings of the contracts that move, given as (name, before, after), as far as lenses lead there."""
    for name, before, after in moved:
        older, newer = (workspace.contracts.get((name, version)) for version in (before, after))
        if older is None or newer is None or before == after:
            continue
        try:
            lens = Lens(name, before, after, lens_path(workspace.lenses, name, before, after))
        except LensMissing:
            continue
        yield Crossing(lens, older, newer, loss(lens, older, newer))


def counted(known: Iterable[Crossing], audits: Iterable[Audit]) -> tuple[Counted, ...]:
    """Those of the audits that are about exactly these crossings, each settling the verdicts of its direction."""
    by_lens = {digest: one for one in known for digest in one.digests}
    return tuple(
        Counted(audit, settled(by_lens[audit.lens].told, audit)) for audit in audits if audit.lens in by_lens
    )


def counted_findings(known: Iterable[Crossing], found: Iterable[Counted], is_required: bool) -> Iterator[Finding]:
    """Lossy crossings that nobody has counted on real rows, which blocks where the policy requires it; and rows
    that would be rejected.
    """
    seen = {one.audit.lens for one in found}
    for one in known:
        there, _ = one.digests
        if one.is_lossy and there not in seen:
            named = f"{one.lens.contract}@{one.older.version}..{one.newer.version}"
            yield Finding(
                "loss.uncounted",
                Severity.ERROR if is_required else Severity.WARNING,
                f"contract:{one.lens.contract}",
                f"what {one.lens.contract} loses between {one.older.version} and {one.newer.version} was not "
                "counted on real data",
                f"Run `interlock lens audit {named} --on DATA --post`.",
            )
    for counts in found:
        yield from _rejections(counts.audit)


def _rejections(audit: Audit) -> Iterator[Finding]:
    for one in audit.counts.rejected:
        ends = (audit.source, audit.target) if one.way == "there" else (audit.target, audit.source)
        yield Finding(
            "loss.rejects",
            Severity.WARNING,
            f"contract:{audit.contract}",
            f"{one.rows:,} of {audit.counts.rows:,} rows cannot go from version {ends[0]} to {ends[1]}: "
            f"`{one.field}` {one.reason}",
            "Mend the lens or the rows, or say what becomes of them.",
        )
