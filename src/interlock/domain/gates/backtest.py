"""Recorded blocks judged again: with other gates, and with the baseline against itself.

An A/A test makes both arms out of the baseline's own counts, so every Fail is a false alarm. Splitting by
requests gives each counted answer to an arm by a coin: it shows this service's rates, latencies and common bursts
to the gates, but can show no burst that hits one arm alone. Splitting by blocks gives one of two neighbouring
blocks to each arm: then whatever changes from block to block looks like a difference between the arms, which is
harsher than any real rollout and shows how far the traffic is from independent requests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from interlock.domain.checks.evidence import ArmCounts, Bins, Block, SegmentCounts, ServiceCounts
from interlock.domain.gates.chance import Chance, binomial
from interlock.domain.gates.gate import Gate, GateSet, InvalidGate
from interlock.domain.gates.judge import verdicts
from interlock.domain.gates.trail import walk
from interlock.kernel.ident import did_you_mean

Split = Literal["requests", "blocks"]


@dataclass(frozen=True, slots=True)
class Turn:
    """From block `number` on, `at_s` seconds after the first block, the verdict is another one."""

    number: int
    at_s: float
    verdict: str
    because: str
    is_step: bool = False


@dataclass(frozen=True, slots=True)
class Null:
    """A/A runs: how many ever failed, and how many passed at some time."""

    runs: int
    failed: int
    passed: int
    blocks: int


def rejudge(gate_set: GateSet, blocks: Iterable[Block], steps: Sequence[int] = ()) -> tuple[Turn, ...]:
    """When which verdict comes; a step that begins is a turn too, because limits begin anew with it."""
    turns: list[Turn] = []
    ahead = list(steps)
    for block, state in walk(gate_set, blocks, steps):
        begins = bool(ahead) and ahead[0] <= block.number
        while ahead and ahead[0] <= block.number:
            ahead.pop(0)
        verdict = verdicts(state).verdict
        if begins or not turns or turns[-1].verdict != verdict.kind:
            turns.append(Turn(block.number, state.elapsed_s, verdict.kind, verdict.because, begins))
        if verdict.kind == "fail":
            break
    return tuple(turns)


def adjusted(gate_set: GateSet, margins: Mapping[str, float], **constants: float) -> GateSet:
    """The gates with other margins (by gate name, or by metric for all of its gates) and other constants.

    InvalidGate when a name fits no gate, or a value is out of range.
    """
    known = {name for gate in gate_set.gates for name in (gate.name, gate.metric)}
    for name in margins:
        if name not in known:
            raise InvalidGate(f"there is no gate {name!r}", remedy=did_you_mean(name, known))

    def with_margin(gate: Gate) -> Gate:
        return replace(gate, margin=margins.get(gate.name, margins.get(gate.metric, gate.margin)))

    changed = replace(gate_set, gates=tuple(with_margin(g) for g in gate_set.gates))
    return replace(changed, **constants)  # type: ignore[arg-type] # the numbers of GateSet, checked by its constructor


def compare_baseline(
    gate_set: GateSet,
    blocks: Sequence[Block],
    chances: Iterable[Chance],
    split: Split = "requests",
    told: Callable[[int], None] = lambda _: None,
) -> Null:
    """A/A runs over the baseline's counts, one for each source of chance; `told` hears of each run done."""
    runs = failed = passed = 0
    for runs, chance in enumerate(chances, start=1):
        kinds = {verdicts(state).verdict.kind for _, state in walk(gate_set, halves(blocks, chance, split))}
        failed += "fail" in kinds
        passed += "pass" in kinds
        told(runs)
    return Null(runs, failed, passed, len(blocks))


def halves(blocks: Iterable[Block], chance: Chance, split: Split) -> Iterator[Block]:
    """The baseline's counts as both arms."""
    match split:
        case "requests":
            for block in blocks:
                services = {s: _coin(c.baseline, chance) for s, c in block.services.items()}
                yield Block(block.number, block.seconds, services, weight_bp=5_000)
        case "blocks":
            yield from _paired(blocks, chance)


def _paired(blocks: Iterable[Block], chance: Chance) -> Iterator[Block]:
    waiting: Block | None = None
    for block in blocks:
        if waiting is None:
            waiting = block
            continue
        one, other = (waiting, block) if chance.random() < 0.5 else (block, waiting)
        names = sorted({*one.services, *other.services})
        services = {s: ServiceCounts(_baseline(one, s), _baseline(other, s)) for s in names}
        yield Block(block.number, waiting.seconds + block.seconds, services)
        waiting = None


def _baseline(block: Block, service: str) -> ArmCounts:
    return block.services.get(service, ServiceCounts()).baseline


def _coin(arm: ArmCounts, chance: Chance) -> ServiceCounts:
    """Each answer to an arm by a coin; what was counted separately is tossed separately."""

    def half(bins: Bins) -> dict[int, int]:
        return {k: n for k, count in bins.items() if (n := binomial(chance, count, 0.5))}

    def coin(n: int) -> int:
        return binomial(chance, n, 0.5)

    first_bad = coin(arm.first_bad)
    bad = first_bad + coin(arm.bad - arm.first_bad)
    first = ArmCounts(
        requests=bad + coin(arm.requests - arm.bad),
        bad=bad,
        first_bad=first_bad,
        latency=half(arm.latency),
        losses={name: half(bins) for name, bins in arm.losses.items()},
        segments={name: _coin_segment(counts, coin) for name, counts in arm.segments.items()},
    )
    return ServiceCounts(first, _rest(arm, first))


def _coin_segment(counts: SegmentCounts, coin: Callable[[int], int]) -> SegmentCounts:
    requests, bad, keys = counts
    half_bad = coin(bad)
    return half_bad + coin(requests - bad), half_bad, coin(keys)


def _rest(arm: ArmCounts, taken: ArmCounts) -> ArmCounts:
    def less(bins: Bins, gone: Bins) -> dict[int, int]:
        return {k: left for k, n in bins.items() if (left := n - gone.get(k, 0))}

    return ArmCounts(
        requests=arm.requests - taken.requests,
        bad=arm.bad - taken.bad,
        first_bad=arm.first_bad - taken.first_bad,
        latency=less(arm.latency, taken.latency),
        losses={name: less(bins, taken.losses[name]) for name, bins in arm.losses.items()},
        segments={name: _less_segment(counts, taken.segments[name]) for name, counts in arm.segments.items()},
    )


def _less_segment(counts: SegmentCounts, taken: SegmentCounts) -> SegmentCounts:
    return counts[0] - taken[0], counts[1] - taken[1], counts[2] - taken[2]
