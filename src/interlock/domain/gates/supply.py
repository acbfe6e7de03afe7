"""How the numbers of an outcome gate come in, and what their absence does to a verdict.

Numbers that are kept or posted elsewhere can stop without a trace: a source is down, a job that joins labels
died. A gate whose numbers do not come is Undecided, whatever it showed before; a Fail stays, because it is proven.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from interlock.domain.gates.verdict import Fail, GateReport, Judgement, Pass, Undecided
from interlock.kernel.finding import Finding
from interlock.kernel.instant import Instant

MISSED = 4
GRACE_S = 15.0
"""Numbers that are MISSED intervals and GRACE_S seconds late have stopped coming."""


@dataclass(frozen=True, slots=True)
class Supply:
    """Where one outcome gate's numbers come from, and how they come.

    lack: why there are none of now, and remedy: what would help; both empty while numbers come. waits: what is on
    its way. through: numbers up to here are judged. wait_s: the age at which labels of a block are judged, None
    while that cannot be said; groups, mature: groups of blocks whose answers wait for labels, and those among them
    that are judged; completeness: the share of the least complete group's labels, None where it cannot be said.
    pending: labels that are here and wait; unseen: labels of answers that this rollout did not give; unknown:
    labels of releases that are not in it. Neither of these two is judged.
    """

    gate: str
    by: Literal["posts", "source"]
    lack: str = ""
    remedy: str = ""
    waits: str = ""
    through: Instant | None = None
    wait_s: float | None = None
    groups: int = 0
    mature: int = 0
    completeness: float | None = None
    pending: int = 0
    unseen: int = 0
    unknown: int = 0
    findings: tuple[Finding, ...] = ()

    @property
    def says(self) -> str:
        """The lack with its remedy, or what is on its way; empty when there is nothing to say."""
        lack = f"{self.lack}. {self.remedy}".rstrip(". ") if self.lack else ""
        return "; ".join(filter(None, (lack, self.waits, *(f.says for f in self.findings))))


def heeding(judgement: Judgement, supplies: Iterable[Supply]) -> Judgement:
    """The judgement with every gate Undecided whose numbers do not come, and with what others wait for."""
    by_gate = {s.gate: s for s in supplies if s.says}
    if not by_gate:
        return judgement
    reports = tuple(_heeding(report, by_gate) for report in judgement.reports)
    lacking = [r for r in reports if (s := by_gate.get(r.gate.name)) and s.lack]
    told = {r.gate.name: r.verdict for r in reports}
    verdict, worst = judgement.verdict, judgement.worst
    match verdict:
        case Pass() if lacking:
            verdict, worst = lacking[0].verdict, lacking[0].gate.name
        case Undecided(reason="no-data" | "warming-up" | "collecting") if worst in by_gate:
            verdict = told[worst]
        case _:
            pass
    return replace(
        judgement,
        verdict=verdict,
        worst=worst,
        reports=reports,
        is_frozen=judgement.is_frozen or bool(lacking),
    )


def _heeding(report: GateReport, supplies: Mapping[str, Supply]) -> GateReport:
    supply = supplies.get(report.gate.name)
    if supply is None:
        return report
    match report.verdict:
        case Fail():
            return report
        case Pass(because=before) if supply.lack:
            says = f"{report.gate.name}: {supply.says}; before that: {before}"
            return replace(report, verdict=Undecided(says, "no-data"))
        case Pass():
            return report
        case Undecided(because=before) as undecided:
            says = f"{report.gate.name}: {supply.says}" if supply.lack else f"{before}; {supply.says}"
            return replace(report, verdict=replace(undecided, because=says))
