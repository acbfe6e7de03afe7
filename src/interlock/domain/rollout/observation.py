"""What the loop saw just before it decides: states, never events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from interlock.domain.checks.drift import Drift
from interlock.domain.checks.shadow import PairCounts
from interlock.domain.gates.ramp import Recommendation
from interlock.domain.gates.supply import Supply
from interlock.domain.gates.verdict import Judgement
from interlock.domain.rollout.tables import TableSeen


@dataclass(frozen=True, slots=True)
class Seen:
    """One look at the world, for one rollout.

    is_approved: approvals cover exactly this plan's digest (`missing` says which are lacking).
    is_in_place: the data plane acknowledged the table that the present position calls for.
    ill: candidate endpoints that do not answer, with the reason; None when nobody has asked yet.
    judgement: the gates' verdict over all canary blocks; None before the first.
    shadow: answers of copies, compared; twins: the baseline's answers compared with its own. shadow_judgement: the
    gates over shadow blocks. moved: services, and fields of their answers whose distribution surely moved by more
    than is tolerated. notes: what is not watched, in words.
    climb: the weight that the evidence allows, while climbing; is_safe: every gate passes on enough evidence.
    evidence_age_s: seconds since the newest block; None before the first.
    supplies: how the numbers of outcome gates come in; the judgement heeds them.
    tables: where the plan's tables stand, by database and name.
    fault: why the observation itself is incomplete (data plane or store silent); empty when it is whole.
    """

    is_approved: bool
    missing: tuple[str, ...] = ()
    is_in_place: bool = False
    ill: Mapping[str, str] | None = None
    judgement: Judgement | None = None
    shadow: PairCounts = field(default_factory=PairCounts)
    twins: PairCounts = field(default_factory=PairCounts)
    moved: tuple[tuple[str, Drift], ...] = ()
    notes: tuple[str, ...] = ()
    shadow_judgement: Judgement | None = None
    climb: Recommendation | None = None
    is_safe: bool = False
    evidence_age_s: float | None = None
    supplies: tuple[Supply, ...] = ()
    fault: str = ""
    tables: Mapping[str, TableSeen] = field(default_factory=dict)
