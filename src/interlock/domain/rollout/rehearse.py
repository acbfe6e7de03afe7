"""A plan rehearsed in memory: the production decision and the production judge, on traffic that is drawn for them.

No store, no proxy, no clock: every second the plan's position says who serves, `draw` says what was counted, the
judge folds it, and `decide` takes the next position, exactly as the engine's loop does. Limits: routes are in place
within one block, endpoints are well, approvals stand, and shadow answers differ only in that the candidate fails.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from interlock.domain.checks.evidence import LOSS_BINS, ArmCounts, Bins, Block, ServiceCounts
from interlock.domain.checks.pairs import FAILURE
from interlock.domain.checks.shadow import PairCounts
from interlock.domain.checks.violations import CONTRACT
from interlock.domain.gates.chance import Chance, binomial, multinomial, poisson
from interlock.domain.gates.judge import verdicts
from interlock.domain.gates.profile import Harm, Profile, harmed, worse_answers
from interlock.domain.gates.trail import Trail, advance, set_out
from interlock.domain.rollout.climb import advice
from interlock.domain.rollout.decide import decide
from interlock.domain.rollout.observation import Seen
from interlock.domain.rollout.plan import Plan
from interlock.domain.rollout.position import Position, Traffic, traffic
from interlock.domain.rollout.stages import Canary, Climb, Judged, Promote, Shadow, Stage, Watch

BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)
Draw = Callable[[float, float, float], Mapping[str, ServiceCounts]]
"""(candidate's share of the requests, seconds since the start, length in seconds) -> counts by service."""


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """How a rehearsed rollout went. outcome: `promoted`, `rolled_back`, or `held` when the time was up.

    promoted_s: when everything went to the candidate; seconds: when it ended. served: what the candidate answered
    to real callers, by service, until then (in the bake time after promotion too).
    """

    outcome: str
    stage: str
    because: str
    seconds: float
    promoted_s: float | None
    served: Mapping[str, ArmCounts]


@dataclass(slots=True)
class _Run:
    """One rehearsal under way."""

    plan: Plan
    draw: Draw
    block_s: float
    canary: Trail
    shadow: Trail
    position: Position = field(default_factory=lambda: Position(0, BEGINNING))
    elapsed_s: float = 0.0
    steps: tuple[int, ...] = ()
    looked_at: int = -1
    copies: PairCounts = field(default_factory=PairCounts)
    twins: PairCounts = field(default_factory=PairCounts)
    fresh_s: float | None = None
    promoted_s: float | None = None
    served: dict[str, ArmCounts] = field(default_factory=dict)

    def look(self) -> None:
        """One block of traffic at the present position, then the decision."""
        flow, stage = traffic(self.plan, self.position), self.plan.stages[self.position.stage]
        if isinstance(stage, Shadow):
            self._copy(flow)
        else:
            self._serve(flow, stage)
        self.elapsed_s += self.block_s
        now = BEGINNING + timedelta(seconds=self.elapsed_s)
        decision = decide(self.plan, self.position, self._seen(), now)
        entered = self.plan.stages[decision.position.stage]
        if self.promoted_s is None and isinstance(entered, Promote) and decision.position.phase == "forward":
            self.promoted_s = self.elapsed_s
        self.position = decision.position

    def _serve(self, flow: Traffic, stage: Stage) -> None:
        share = 1.0 if flow.default == "candidate" else flow.weight_bp / 10_000
        if not share:
            return
        counts = self.draw(share, self.elapsed_s, self.block_s)
        for name, both in counts.items():
            self.served[name] = self.served.get(name, ArmCounts()) + both.candidate
        if not isinstance(stage, Judged):
            return
        number = self.canary.state.number + 1
        if not isinstance(stage, Watch) and self.looked_at != self.position.stage:
            self.looked_at, self.steps = self.position.stage, (*self.steps, number)
        self.canary = advance(self.canary, Block(number, self.block_s, counts, flow.weight_bp), self.steps)
        self._date(counts)

    def _copy(self, flow: Traffic) -> None:
        """Copies for the candidate, judged for errors alone, as the engine does; no caller sees their answers."""
        share = flow.shadow_bp / 10_000
        callers = self.draw(0.0, self.elapsed_s, self.block_s)
        copies = self.draw(share, self.elapsed_s, self.block_s)
        counts = {
            name: ServiceCounts(
                _errors(copies[name].candidate),
                _errors(callers[name].baseline),
                _paired(copies[name].candidate, callers[name].baseline),
            )
            for name in callers
        }
        self.shadow = advance(self.shadow, Block(self.shadow.state.number + 1, self.block_s, counts))
        pairs = sum(c.candidate.requests for c in counts.values())
        failed = sum(c.candidate.bad for c in counts.values())
        before = self.copies
        self.copies = replace(
            before,
            pairs=before.pairs + pairs,
            differing=before.differing + failed,
            candidate_failed=before.candidate_failed + failed,
        )
        noisy = [_part(c.baseline, flow.twin_bp / 10_000) for c in callers.values()]
        self.twins += PairCounts(pairs=sum(n for n, _ in noisy), differing=sum(bad for _, bad in noisy))
        self._date(counts)

    def _date(self, counts: Mapping[str, ServiceCounts]) -> None:
        if any(c.candidate.requests and c.baseline.requests for c in counts.values()):
            self.fresh_s = self.elapsed_s + self.block_s

    def _seen(self) -> Seen:
        stage = self.plan.stages[self.position.stage]
        climb, is_safe = (
            advice(self.canary.state, stage, self.position.weight_bp) if isinstance(stage, Climb) else (None, False)
        )
        return Seen(
            is_approved=True,
            is_in_place=True,
            ill={},
            judgement=verdicts(self.canary.state) if self.canary.state.number >= 0 else None,
            climb=climb,
            is_safe=is_safe,
            shadow=self.copies,
            twins=self.twins,
            shadow_judgement=verdicts(self.shadow.state) if self.shadow.state.number >= 0 else None,
            evidence_age_s=None if self.fresh_s is None else self.elapsed_s - self.fresh_s,
        )


def _part(arm: ArmCounts, share: float) -> tuple[int, int]:
    """So many of the arm's requests, and of its bad answers."""
    return int(arm.requests * share), int(arm.bad * share)


def _paired(candidate: ArmCounts, baseline: ArmCounts) -> dict[str, Bins]:
    """Pairs of the copies with answers of the baseline that fail as often as it does, on other requests than those
    that the copies fail on: the least that pairing could gain.
    """
    n = candidate.requests
    counted = {FAILURE: (candidate.bad, baseline.bad, baseline.requests)}
    broken = [arm.losses.get(CONTRACT, {}) for arm in (candidate, baseline)]
    if all(broken):
        counted[CONTRACT] = (broken[0].get(LOSS_BINS, 0), broken[1].get(LOSS_BINS, 0), sum(broken[1].values()))
    found: dict[str, Bins] = {}
    for outcome, (worse, before, of) in counted.items():
        better = min(round(n * before / of) if of else 0, n - worse)
        found[outcome] = {b: k for b, k in ((-LOSS_BINS, better), (0, n - worse - better), (LOSS_BINS, worse)) if k}
    return found


def _errors(arm: ArmCounts) -> ArmCounts:
    return replace(arm, latency={}, losses={})


def rehearse(plan: Plan, draw: Draw, block_s: float, limit_s: float) -> Rehearsal:
    """Run `plan` until it has ended, has turned back, or `limit_s` seconds have passed."""
    run = _Run(plan, draw, block_s, set_out(plan.exposed_gates), set_out(plan.gates))
    while run.position.phase == "forward" and run.elapsed_s < limit_s:
        run.look()
    position = run.position
    return Rehearsal(
        outcome=position.outcome or ("promoted" if run.promoted_s is not None else "held"),
        stage=plan.stages[position.stage].kind,
        because=position.because,
        seconds=run.elapsed_s,
        promoted_s=run.promoted_s,
        served=run.served,
    )


def drawn(profiles: Mapping[str, Profile], harm: Harm, chance: Chance) -> Draw:
    """Traffic that `chance` draws: Poisson requests, each to the candidate with the share's probability."""

    def draw(share: float, at_s: float, seconds: float) -> dict[str, ServiceCounts]:
        services = {}
        for name, profile in profiles.items():
            requests = poisson(chance, profile.rate_rps * seconds)
            in_candidate = binomial(chance, requests, share)
            worse = harmed(profile, harm, at_s) if name == harm.service else profile
            services[name] = ServiceCounts(
                _drawn_arm(worse, in_candidate, chance), _drawn_arm(profile, requests - in_candidate, chance)
            )
        return services

    return draw


def _drawn_arm(profile: Profile, requests: int, chance: Chance) -> ArmCounts:
    def of(shares: Mapping[int, float]) -> dict[int, int]:
        return multinomial(chance, requests, shares) if shares else {}

    bad = binomial(chance, requests, profile.bad)
    return ArmCounts(
        requests=requests,
        bad=bad,
        first_bad=bad,
        latency=of(profile.latency),
        losses={name: of(shares) for name, shares in profile.losses.items()},
    )


def worse_served(rehearsal: Rehearsal, profiles: Mapping[str, Profile]) -> float:
    """Bad and slow answers that callers got beyond what the baseline would have given them."""
    return sum(worse_answers(profiles[name], counts) for name, counts in rehearsal.served.items())


def least_s(plan: Plan) -> float:
    """The shortest time in which the plan's exposure can be passed."""
    dwelt = sum(stage.dwell_s for stage in plan.stages if isinstance(stage, Canary | Climb))
    return dwelt + sum(stage.watch_s for stage in plan.stages if isinstance(stage, Watch))


def faults(plan: Plan, service: str) -> tuple[Harm, ...]:
    """The worlds of a simulation: no fault, and faults of `service` as they are met in practice."""
    ramp_s = least_s(plan)
    quality = [
        Harm("quality", service, outcome=g.outcome, loss=min(2 * g.target, g.cap) / g.cap)
        for g in plan.gates.gates
        if g.metric == "outcome" and g.service == service
    ]
    return (
        Harm("none", service),
        Harm("errors +1 pp", service, bad=0.01),
        Harm("errors +5 pp", service, bad=0.05),
        Harm("total failure", service, bad=1.0),
        Harm("latency x1.5", service, latency_factor=1.5),
        Harm("slow leak", service, bad=0.05, grows_s=ramp_s),
        Harm("late", service, bad=0.05, begins_s=ramp_s / 2),
        *quality[:1],
    )
