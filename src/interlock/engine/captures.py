"""What single requests tell beyond counts: which answers break their contract, how inputs and answers are spread,
and which callers got their first bad answer. Folded once from what was captured, and stored with the position.

Both arms of a spread are counted in equal numbers and at the same time (an answer of one release waits for one of
the other), so that a distribution that changes over the day, or a weight that changes, looks the same in both.
Answers that wait are forgotten at a restart: that loses evidence and makes none up.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from interlock.domain.checks.answer import read_answer
from interlock.domain.checks.compare import STRICT
from interlock.domain.checks.drift import Drift, drifts
from interlock.domain.checks.evidence import LOSS_BINS, ArmCounts, Bins, ServiceCounts
from interlock.domain.checks.first_bad import FirstBad, note
from interlock.domain.checks.movement import Spell
from interlock.domain.checks.pairs import FAILURE, pair_bin
from interlock.domain.checks.shadow import PairCounts, count_pair
from interlock.domain.checks.shape import (
    LEARNING_RECORDS,
    Layout,
    Shape,
    inferred_layout,
    layout_of,
    names_release,
    shape_of,
)
from interlock.domain.checks.violations import CONTRACT, ViolationCounts, count_violations, violations_of
from interlock.domain.gates.gate import Gate
from interlock.domain.lenses.rows import row_tests
from interlock.domain.rollout.plan import Plan
from interlock.domain.rollout.stages import Shadow
from interlock.domain.schemas.contract import Contract
from interlock.domain.schemas.nesting import MAX_DEPTH
from interlock.engine.codec import dump, load
from interlock.engine.ports import Answer, BadAnswer, Captured, Counters, ShadowPair, Transaction
from interlock.engine.records import Rollout
from interlock.kernel.instant import Instant

LONGEST_TEXT = 200
"""Longer texts are no categories; while a layout is learned they are kept as being there, not as what they say."""

CAPTURED_PER_S = 300.0
SAMPLES_BP = (10_000, 3_000, 1_000, 300, 100)
"""Captured answers cost the proxy several times what plain ones do, so that of much traffic a share is looked at:
the largest of these that stays within CAPTURED_PER_S. Steps, because each change publishes the routes anew.
"""

ANSWERS = 500
"""So many sampled answers of one release are looked at in one look."""

LOOK_AFTER = 1.1
"""A spread is looked at again when it has grown by a tenth: each look spends a part of alpha."""

SPELL_S = 2.0
LONGEST_S = 60.0
KEPT = 32
"""So many windows of one length are kept; beyond them the two oldest become one of the next length. What is recent
is told finely, what is long ago coarsely, and the number of windows grows with the logarithm of time.
"""


@dataclass(frozen=True, slots=True)
class Spread:
    """How the records of one service are spread. learning: the baseline's first ones, until there is a layout;
    records: seen in all; unlike: those that are no JSON object. moved: what had surely moved at the last look;
    named: fields that say which release answered.
    """

    learning: tuple[Mapping[str, Any], ...] = ()
    layout: Layout | None = None
    candidate: Shape = field(default_factory=Shape)
    baseline: Shape = field(default_factory=Shape)
    records: int = 0
    unlike: int = 0
    looks: int = 0
    looked_at: int = 0
    moved: tuple[Drift, ...] = ()
    named: tuple[str, ...] = ()

    @property
    def is_unreadable(self) -> bool:
        """Whether the records are mostly no JSON objects, so that there is nothing to watch."""
        return self.records >= LEARNING_RECORDS and self.unlike > self.records / 2


@dataclass(frozen=True, slots=True)
class Caught:
    """What was captured of one rollout. Keys are services, or `service|release`.

    first_bad: first bad answers by segment; contract: answers that kept and that broke their contract; pairs: bins
    of losses on the same request; all three since the last block. broken: violations since the start. answers,
    inputs: spreads. spell, begun_at: the present window, and when it began; spells: the earlier ones that are kept
    beside, oldest first, by number and by how often they were joined.
    """

    first_bad: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    contract: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    pairs: Mapping[str, Mapping[str, Bins]] = field(default_factory=dict)
    broken: Mapping[str, ViolationCounts] = field(default_factory=dict)
    answers: Mapping[str, Spread] = field(default_factory=dict)
    inputs: Mapping[str, Spread] = field(default_factory=dict)
    spell: Spell = field(default_factory=lambda: Spell(0.0))
    begun_at: Instant | None = None
    spells: tuple[tuple[int, int], ...] = ()


Waiting = dict[tuple[str, str, str], deque[Any]]
"""Answers that wait for one of the other release, by rollout, service and release; in memory alone."""
WAITING = 64


def affordable(rate: float, wanted_bp: int) -> int:
    """The share of answers to capture at `rate` requests per second, in basis points; never above `wanted_bp`."""
    kept = next((bp for bp in SAMPLES_BP if rate * bp / 10_000 <= CAPTURED_PER_S), SAMPLES_BP[-1])
    return min(kept, wanted_bp)


def fold(
    tx: Transaction,
    waiting: Waiting,
    caught: Caught,
    rollout: Rollout,
    plan: Plan,
    captured: Captured,
    now: Instant,
) -> Caught:
    """`caught` with everything that was captured since the last look, but for how pairs compare."""
    begun = replace(caught, begun_at=caught.begun_at or now)
    pairs = [p for p in captured.pairs if p.candidate == rollout.candidate]
    arms = {rollout.candidate, rollout.baseline}
    answers = _first_of_each([a for a in captured.answers if a.release in arms and a.status < 400])
    found = _with_inputs(begun, plan, pairs, answers)
    found = _with_answers(found, waiting, rollout, plan, pairs, answers)
    found = _with_contract(found, rollout, plan, pairs, answers)
    found = _with_pairs(found, plan, pairs)
    return _with_first_bad(tx, found, rollout, [b for b in captured.bad if b.release in arms])


def _first_of_each(answers: Sequence[Answer]) -> list[Answer]:
    """The first ANSWERS of each service and release, whatever they say: so a look costs the same at any traffic."""
    taken: dict[tuple[str, str], int] = {}
    kept = []
    for answer in answers:
        arm = answer.service, answer.release
        taken[arm] = taken.get(arm, 0) + 1
        if taken[arm] <= ANSWERS:
            kept.append(answer)
    return kept


# Contracts ------------------------------------------------------------------------------------------------------


def _with_contract(
    caught: Caught, rollout: Rollout, plan: Plan, pairs: Sequence[ShadowPair], answers: Sequence[Answer]
) -> Caught:
    """Answers that break what callers were promised: of both arms of pairs, and of sampled answers."""
    if not pairs and not answers:
        return caught
    contract, broken = dict(caught.contract), dict(caught.broken)
    for promise in plan.answers.promises:
        tests = row_tests(promise.contract.record)
        for release, bodies in (
            (rollout.candidate, _bodies(promise.service, rollout.candidate, pairs, answers, is_candidate=True)),
            (rollout.baseline, _bodies(promise.service, rollout.baseline, pairs, answers, is_candidate=False)),
        ):
            counts = count_violations(bodies, promise.contract, tests)
            if counts.answers:
                key = f"{promise.service}|{release}"
                kept, failed = contract.get(key, (0, 0))
                contract[key] = (kept + counts.answers - counts.broken, failed + counts.broken)
                broken[key] = broken.get(key, ViolationCounts()) + counts
    return replace(caught, contract=contract, broken=broken)


def _bodies(
    service: str, release: str, pairs: Sequence[ShadowPair], answers: Sequence[Answer], is_candidate: bool
) -> list[bytes]:
    """Bodies of successful answers of one arm; of pairs only where both arms succeeded, so that they are alike."""
    both = [p for p in pairs if p.service == service and not p.is_twin and _succeeded(p)]
    copied = [p.candidate_body if is_candidate else p.baseline_body for p in both]
    return [*copied, *(a.body for a in answers if (a.service, a.release) == (service, release))]


def _succeeded(pair: ShadowPair) -> bool:
    return pair.baseline_status < 400 and pair.candidate_status < 400


def _with_pairs(caught: Caught, plan: Plan, pairs: Sequence[ShadowPair]) -> Caught:
    """Losses of both answers to one request: whether it failed, and whether it broke its contract."""
    if not pairs:
        return caught
    violations = {p.service: violations_of(p.contract, row_tests(p.contract.record)) for p in plan.answers.promises}
    scored = {service: dict(found) for service, found in caught.pairs.items()}
    for pair in pairs:
        if pair.is_twin:
            continue
        of_service = scored.setdefault(pair.service, {})
        losses = {FAILURE: (float(pair.candidate_status >= 500), float(pair.baseline_status >= 500))}
        if (broken := violations.get(pair.service)) and _succeeded(pair):
            both = (pair.candidate_body, pair.baseline_body)
            broke = [float(bool(broken(read_answer(body)))) for body in both]
            losses[CONTRACT] = (broke[0], broke[1])
        for outcome, (candidate, baseline) in losses.items():
            of_service[outcome] = _one_more(of_service.get(outcome, {}), pair_bin(candidate, baseline, 1.0))
    return replace(caught, pairs=scored)


def _one_more(bins: Bins, index: int | None) -> Bins:
    return bins if index is None else {**bins, index: bins.get(index, 0) + 1}


# Spreads --------------------------------------------------------------------------------------------------------


def _with_inputs(caught: Caught, plan: Plan, pairs: Sequence[ShadowPair], answers: Sequence[Answer]) -> Caught:
    """Requests of callers, each once: a pair's, and a sampled answer's. Both arms get the same population."""
    inputs, asked = dict(caught.inputs), {s: dict(by) for s, by in caught.spell.asked.items()}
    for service in plan.moved_services:
        told = [(p.service, p.segment, p.request) for p in pairs]
        told += [(a.service, a.segment, a.request) for a in answers]
        records = [(segment, read_answer(body)) for of, segment, body in told if of == service and body]
        if not records:
            continue
        spread = _learned(inputs.get(service, Spread()), [r for _, r in records], None)
        inputs[service] = spread
        if spread.layout is None:
            continue
        of_service = asked.setdefault(service, {})
        for segment in sorted({s for s, _ in records}):
            shape = shape_of([r for s, r in records if s == segment], spread.layout)
            of_service[segment] = of_service.get(segment, Shape()) + shape
    return replace(caught, inputs=inputs, spell=replace(caught.spell, asked=asked))


def _with_answers(
    caught: Caught,
    waiting: Waiting,
    rollout: Rollout,
    plan: Plan,
    pairs: Sequence[ShadowPair],
    answers: Sequence[Answer],
) -> Caught:
    spreads, answered = dict(caught.answers), dict(caught.spell.answered)
    promises = {p.service: p.contract for p in plan.answers.promises}
    for service in plan.moved_services:
        matched = _matched(waiting, rollout, service, answers)
        matched += [
            (read_answer(p.candidate_body), read_answer(p.baseline_body))
            for p in pairs
            if p.service == service and not p.is_twin and _succeeded(p)
        ]
        if not matched:
            continue
        spread = _learned(spreads.get(service, Spread()), [b for _, b in matched], promises.get(service))
        if spread.layout is not None:
            candidate, baseline = (shape_of(arm, spread.layout) for arm in zip(*matched, strict=True))
            spread = _looked(
                replace(spread, candidate=spread.candidate + candidate, baseline=spread.baseline + baseline),
                plan.answers.tolerated,
            )
            before = answered.get(service, (Shape(), Shape()))
            answered[service] = (before[0] + candidate, before[1] + baseline)
        spreads[service] = spread
    return replace(caught, answers=spreads, spell=replace(caught.spell, answered=answered))


def _matched(waiting: Waiting, rollout: Rollout, service: str, answers: Sequence[Answer]) -> list[tuple[Any, Any]]:
    """Answers of both releases in equal numbers, candidate first; the rest waits, the oldest is forgotten."""
    queues = []
    for release in (rollout.candidate, rollout.baseline):
        queue = waiting.setdefault((rollout.id, service, release), deque(maxlen=WAITING))
        queue += [read_answer(a.body) for a in answers if (a.service, a.release) == (service, release)]
        queues.append(queue)
    candidate, baseline = queues
    return [(candidate.pop(), baseline.pop()) for _ in range(min(len(candidate), len(baseline)))]


def _learned(spread: Spread, records: Sequence[Any], contract: Contract | None) -> Spread:
    """The spread with its layout, once there are records enough to learn it from."""
    unlike = sum(not isinstance(r, dict) for r in records)
    counted = replace(spread, records=spread.records + len(records), unlike=spread.unlike + unlike)
    if spread.layout is not None:
        return counted
    kept = (*spread.learning, *(_trimmed(r) for r in records if isinstance(r, dict)))
    if len(kept) < LEARNING_RECORDS:
        return replace(counted, learning=kept)
    layout = layout_of(contract, kept) if contract is not None else inferred_layout(kept)
    return replace(counted, learning=(), layout=layout)


def _trimmed(record: Mapping[str, Any], depth: int = MAX_DEPTH) -> dict[str, Any]:
    """What a layout is learned from: scalars, also those inside objects; no lists."""
    out: dict[str, Any] = {}
    for name, value in record.items():
        if isinstance(value, str):
            out[name] = value[:LONGEST_TEXT]
        elif isinstance(value, int | float | bool | None):
            out[name] = value
        elif isinstance(value, dict) and depth > 1:
            out[name] = _trimmed(value, depth - 1)
    return out


def _looked(spread: Spread, tolerated: float) -> Spread:
    """The spread after the next look, when one is due."""
    if spread.layout is None or spread.candidate.records < max(spread.looked_at * LOOK_AFTER, 30):
        return spread
    found = drifts(spread.baseline, spread.candidate, spread.layout, look=spread.looks + 1)
    named = {
        one.field.name for one in spread.layout.fields if names_release(one, spread.baseline, spread.candidate)
    }
    moved = tuple(d for d in found if d.is_above(tolerated) and d.field not in named)
    looked = replace(spread, looks=spread.looks + 1, looked_at=spread.candidate.records)
    return replace(looked, moved=moved, named=tuple(sorted(named)))


def moved(caught: Caught, plan: Plan) -> tuple[tuple[str, Drift], ...]:
    """Fields of answers whose distribution surely moved by more than is tolerated, and that nobody allowed, with
    their service; the surest first.
    """
    found = [
        (service, d)
        for service, spread in sorted(caught.answers.items())
        for d in spread.moved
        if not plan.answers.is_allowed(d.field)
    ]
    return tuple(sorted(found, key=lambda one: -one[1].at_least))


def notes(caught: Caught, plan: Plan, counters: Counters | None) -> tuple[str, ...]:
    """What is not watched, in words."""
    promised = {p.service for p in plan.answers.promises}
    edge = {d.service for d in plan.candidate.deployments if d.edge}
    told = []
    for service in plan.moved_services:
        spread = caught.answers.get(service, Spread())
        if service not in edge:
            told.append(
                f"{service}: answers are captured at the edge alone, so those of an inner service are not watched"
            )
        elif spread.is_unreadable:
            told.append(f"{service}: answers are no JSON objects, so how they are spread is not watched")
        elif service not in promised:
            told.append(f"{service}: answers have no contract, so only how they are spread is watched")
        told += [f"{service}: {name} says which release answered, and is not watched" for name in spread.named]
    unkeyed = counters.unkeyed if counters else {}
    for entry in (d for d in plan.baseline.deployments if d.edge and d.unkeyed == "baseline"):
        if n := unkeyed.get(entry.service):
            says = f"had no key in the header {entry.entity_header}, so that the baseline answers them"
            told.append(f"{entry.service}: {n:,} requests since the proxy started {says}")
    untold = counters.untold if counters else {}
    for service in sorted({g.service for g in plan.gates.gates if g.counts != "every"}):
        if unkeyed.get(service):
            says = "have no first bad answer; the gate does not see their errors"
            told.append(f"{service}: {unkeyed[service]:,} requests since the proxy started had no key and {says}")
        if untold.get(service):
            says = "came too fast to tell whose they were; the gate sees fewer than there were"
            told.append(f"{service}: {untold[service]:,} bad answers since the proxy started {says}")
    return tuple(told)


# First bad answers ----------------------------------------------------------------------------------------------


def _with_first_bad(tx: Transaction, caught: Caught, rollout: Rollout, bad: Sequence[BadAnswer]) -> Caught:
    """Bad answers that are the first of their key in their window; the memory of keys is stored beside."""
    pending = {key: dict(found) for key, found in caught.first_bad.items()}
    for arm in sorted({f"{b.service}|{b.release}" for b in bad}):
        memory = before = _read_memory(tx, rollout.id, arm)
        of_arm = pending.setdefault(arm, {})
        for one in bad:
            if f"{one.service}|{one.release}" == arm:
                memory, is_first = note(memory, one.key, one.at_s)
                if is_first:
                    of_arm[one.segment] = of_arm.get(one.segment, 0) + 1
        if memory != before:
            windows = {str(w): sorted(keys) for w, keys in memory.windows.items()}
            tx.write("bad-keys", f"{rollout.id}/{arm}", {"windows": windows})
    return replace(caught, first_bad=pending)


def _read_memory(tx: Transaction, rollout_id: str, arm: str) -> FirstBad:
    found = tx.read("bad-keys", f"{rollout_id}/{arm}")
    windows = found.body["windows"] if found else {}
    return FirstBad({int(w): frozenset(keys) for w, keys in windows.items()})


# Blocks ---------------------------------------------------------------------------------------------------------


def in_block(caught: Caught, service: str, release: str, counted: ArmCounts, gates: Iterable[Gate]) -> ArmCounts:
    """The counts of one arm in the block that closes now, with what was captured of it.

    First bad answers are told apart from the counters, so they may come sooner: what is more than the bad answers
    counted waits for the next block.
    """
    key = f"{service}|{release}"
    firsts = caught.first_bad.get(key, {})
    kept, broken = caught.contract.get(key, (0, 0))
    losses = {CONTRACT: {b: n for b, n in ((0, kept), (LOSS_BINS, broken)) if n}} if kept + broken else {}
    segments = counted.segments
    if _by_first(caught, service, gates):
        segments = {name: (n, min(firsts.get(name, 0), n), keys) for name, (n, _, keys) in counted.segments.items()}
    return replace(
        counted,
        first_bad=min(sum(firsts.values()), counted.bad),
        segments=segments,
        losses={**counted.losses, **losses},
    )


def _by_first(caught: Caught, service: str, gates: Iterable[Gate]) -> bool:
    """Whether the service's gates judge by first bad answers; those that do where keys are known, once some are."""
    counts = {g.counts for g in gates if g.service == service}
    has_keys = any(arm.rpartition("|")[0] == service for arm in caught.first_bad)
    return "first" in counts or ("keyed" in counts and has_keys)


def after_block(caught: Caught, rollout: Rollout, services: Mapping[str, ServiceCounts]) -> Caught:
    """What waits for the next block, after one with these counts; the present window has them too."""
    arms = {f"{s}|{rollout.candidate}": c.candidate for s, c in services.items()}
    arms |= {f"{s}|{rollout.baseline}": c.baseline for s, c in services.items()}
    waiting = {key: _less(found, arms.get(key, ArmCounts()).first_bad) for key, found in caught.first_bad.items()}
    spell = replace(
        caught.spell,
        candidate=_added(caught.spell.candidate, {s: c.candidate for s, c in services.items()}),
        baseline=_added(caught.spell.baseline, {s: c.baseline for s, c in services.items()}),
    )
    return replace(caught, first_bad=waiting, contract={}, pairs={}, spell=spell)


def _added(a: Mapping[str, ArmCounts], b: Mapping[str, ArmCounts]) -> dict[str, ArmCounts]:
    return {s: a.get(s, ArmCounts()) + b.get(s, ArmCounts()) for s in sorted({*a, *b})}


def _less(found: Mapping[str, int], told: int) -> dict[str, int]:
    """Without the first `told` of them, segment by segment."""
    left = {}
    for segment, n in sorted(found.items()):
        gone = min(n, told)
        told -= gone
        if n > gone:
            left[segment] = n - gone
    return left


# Windows --------------------------------------------------------------------------------------------------------


def compared(rollout: Rollout, plan: Plan, captured: Captured) -> tuple[PairCounts, PairCounts]:
    """The new pairs, and the new twins."""
    rules = next((s.rules for s in plan.stages if isinstance(s, Shadow)), STRICT)
    shadow = twins = PairCounts()
    for p in captured.pairs:
        if p.candidate == rollout.candidate:
            pair = count_pair(p.baseline_status, p.candidate_status, p.baseline_body, p.candidate_body, rules)
            shadow, twins = (shadow, twins + pair) if p.is_twin else (shadow + pair, twins)
    return shadow, twins


def turned(tx: Transaction, caught: Caught, rollout: Rollout, now: Instant) -> Caught:
    """The next window, when this one is over, which is then stored."""
    elapsed_s = (now - (caught.begun_at or now)).total_seconds()
    if elapsed_s < 0:
        return replace(caught, begun_at=now)
    if elapsed_s < SPELL_S:
        return caught
    ended = replace(caught.spell, at_s=caught.spell.at_s + min(elapsed_s, LONGEST_S))
    number = caught.spells[-1][0] + 1 if caught.spells else 0
    tx.write("spell", _spell_key(rollout, number), dump(ended))
    kept = _joined(tx, rollout, (*caught.spells, (number, 0)))
    return replace(caught, spell=Spell(ended.at_s), begun_at=now, spells=kept)


def _spell_key(rollout: Rollout, number: int) -> str:
    return f"{rollout.id}/{number:09d}"


def _joined(tx: Transaction, rollout: Rollout, kept: tuple[tuple[int, int], ...]) -> tuple[tuple[int, int], ...]:
    """The windows that are kept, after two of each length of which there are too many were joined."""
    for times in range(max(t for _, t in kept) + 1):
        same = [number for number, t in kept if t == times]
        if len(same) <= KEPT:
            break
        first, second = same[:2]
        joined = _read_spell(tx, rollout, first) + _read_spell(tx, rollout, second)
        tx.write("spell", _spell_key(rollout, second), dump(joined))
        tx.erase("spell", _spell_key(rollout, first))
        kept = tuple((n, t + (n == second)) for n, t in kept if n != first)
    return kept


def _read_spell(tx: Transaction, rollout: Rollout, number: int) -> Spell:
    found = tx.read("spell", _spell_key(rollout, number))
    return Spell(0.0) if found is None else load(Spell, found.body)


def spells(tx: Transaction, caught: Caught, rollout: Rollout, now: Instant) -> list[Spell]:
    """Every window so far, the present one included, oldest first."""
    elapsed_s = max(0.0, (now - (caught.begun_at or now)).total_seconds())
    present = replace(caught.spell, at_s=caught.spell.at_s + min(elapsed_s, LONGEST_S))
    return [*(_read_spell(tx, rollout, number) for number, _ in caught.spells), present]


def forget(tx: Transaction, rollout_id: str) -> None:
    """Drop what only a rollout under way needs."""
    for kind in ("spell", "bad-keys"):
        for document in tx.scan(kind, f"{rollout_id}/"):
            tx.erase(kind, document.key)
