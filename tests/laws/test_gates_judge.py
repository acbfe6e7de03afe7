"""Laws of the judge: addition order, monotony, no pass without evidence, and how rarely it errs under peeking."""

from __future__ import annotations

import random
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from interlock.domain.checks.evidence import LOSS_BINS, ArmCounts, Block, ServiceCounts
from interlock.domain.gates.gate import GateSet
from interlock.domain.gates.judge import absorb, begin, verdicts
from interlock.domain.gates.receipt import receipt
from interlock.domain.gates.verdict import Fail, Pass
from support.gate_traffic import ALL, ERRORS, SERVICE, blocks

OFTEN = 200


@st.composite
def arms(draw: st.DrawFn, most: int = 60) -> ArmCounts:
    requests = draw(st.integers(0, most))
    counts = st.integers(0, 20)
    return ArmCounts(
        requests=requests,
        bad=draw(st.integers(0, requests)),
        latency=draw(st.dictionaries(st.integers(-3, 90), counts, max_size=5)),
        losses={"absolute_error": draw(st.dictionaries(st.integers(0, LOSS_BINS), counts, max_size=5))},
    )


counts_of_both = st.builds(ServiceCounts, arms(), arms())
parts = st.lists(st.lists(counts_of_both, min_size=1, max_size=4), min_size=1, max_size=6)


def merged(number: int, counts: list[ServiceCounts]) -> Block:
    whole = Block(number, 1.0, {SERVICE: counts[0]})
    for part in counts[1:]:
        whole = whole + Block(number, 1.0, {SERVICE: part})
    return whole


@settings(max_examples=60, deadline=None)
@given(parts, st.randoms(use_true_random=False))
def test_counts_merged_in_any_order_give_the_same_bytes(
    gathered: list[list[ServiceCounts]], chance: random.Random
) -> None:
    """Counts of a block may arrive from many places; the receipt does not tell in which order."""
    shuffled = [chance.sample(counts, len(counts)) for counts in gathered]
    one = receipt(ALL, [merged(i, counts) for i, counts in enumerate(gathered)], {})
    other = receipt(ALL, [merged(i, counts) for i, counts in enumerate(shuffled)], {})
    assert one == other


@settings(max_examples=100, deadline=None)
@given(st.lists(counts_of_both, min_size=1, max_size=12), st.sampled_from(["candidate", "baseline"]))
def test_nothing_passes_or_fails_while_an_arm_has_no_counts(counts: list[ServiceCounts], silent: str) -> None:
    """One arm alone proves nothing, however much it says."""
    state = begin(ALL)
    for number, count in enumerate(counts):
        state = absorb(state, Block(number, 30.0, {SERVICE: replace(count, **{silent: ArmCounts()})}))
    judgement = verdicts(state)
    assert judgement.verdict.kind == "undecided"
    assert {report.verdict.kind for report in judgement.reports} == {"undecided"}
    assert judgement.log_e == 0.0


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 50), st.integers(0, 50), st.integers(1, 50), st.integers(0, 50)), min_size=1),
    st.data(),
)
def test_more_bad_answers_of_the_candidate_never_lower_the_evidence(
    tables: list[tuple[int, int, int, int]], data: st.DataObject
) -> None:
    """Turning good answers into bad ones in one block raises the evidence of harm after all blocks."""
    where = data.draw(st.integers(0, len(tables) - 1))
    evidence = []
    for extra in (0, 1):
        state = begin(GateSet((ERRORS,), alpha=1e-190))
        for number, (n_c, k_c, n_b, k_b) in enumerate(tables):
            bad = min(k_c, n_c - 1) + (extra if number == where else 0)
            both = ServiceCounts(ArmCounts(n_c, bad), ArmCounts(n_b, min(k_b, n_b)))
            state = absorb(state, Block(number, 1.0, {SERVICE: both}))
        evidence.append((state.e_value, state.e_value_uncapped))
    (few, few_uncapped), (more, more_uncapped) = evidence
    assert more >= few * (1 - 1e-12)
    assert more_uncapped >= few_uncapped * (1 - 1e-12)


@settings(max_examples=60, deadline=None)
@given(st.lists(counts_of_both, max_size=8))
def test_upper_limits_only_ever_fall(counts: list[ServiceCounts]) -> None:
    """Within a step a limit once reached is kept."""
    state, limits = begin(ALL), [float("inf")] * len(ALL.gates)
    for number, count in enumerate(counts):
        state = absorb(state, Block(number, 1.0, {SERVICE: count}))
        reached = [report.upper_limit for report in verdicts(state).reports]
        assert all(now <= before for now, before in zip(reached, limits, strict=True))
        limits = reached


def test_good_candidates_are_hardly_ever_rolled_back_under_peeking() -> None:
    """200 rollouts without a difference, judged after each block: at most 6 may fail at a bound of 1 %
    (a fair judge at that bound would exceed it with probability 0.4 %)."""
    failed = 0
    for seed in range(OFTEN):
        state = begin(ALL)
        for block in blocks(seed, count=20, rate=60, weight=0.3):
            state = absorb(state, block)
            failed += isinstance(verdicts(state).verdict, Fail)
    assert failed <= 6


def test_bad_candidates_hardly_ever_pass_under_peeking() -> None:
    """200 rollouts whose errors exceed the baseline by exactly the margin: at most 20 pass at a bound of 5 %
    (a fair judge at that bound would exceed it with probability 0.1 %)."""
    passed = 0
    gates = GateSet((ERRORS,), alpha=1e-190)
    for seed in range(OFTEN):
        state, chance = begin(gates), random.Random(seed)
        for number in range(60):
            both = ServiceCounts(_hits(chance, 20, 0.025), _hits(chance, 40, 0.005))
            state = absorb(state, Block(number, 1.0, {SERVICE: both}))
        passed += isinstance(verdicts(state).reports[0].verdict, Pass)
    assert passed <= 20


def _hits(chance: random.Random, requests: int, rate: float) -> ArmCounts:
    return ArmCounts(requests, sum(chance.random() < rate for _ in range(requests)))
