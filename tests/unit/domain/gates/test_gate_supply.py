"""What the absence of numbers does to a verdict: never a Pass, never less than a Fail."""

from __future__ import annotations

from dataclasses import replace

from interlock.domain.checks.evidence import LOSS_BINS, ArmCounts, Block, ServiceCounts
from interlock.domain.gates.gate import Gate, GateSet
from interlock.domain.gates.judge import absorb, begin, verdicts
from interlock.domain.gates.supply import Supply, heeding
from interlock.domain.gates.verdict import Fail, Judgement, Pass, Undecided

NAME = "s/outcome/wrong"
GATES = GateSet((Gate("s/errors", "errors", "s", 0.1), Gate(NAME, "outcome", "s", 0.3, outcome="wrong", cap=1.0)))
GONE = Supply(NAME, "source", lack="the source of wrong gave no numbers (empty)", remedy="Check its name.")
COMING = Supply(NAME, "source", waits="wrong is read again in 5 s")


def judged(blocks: int, wrong: float = 0.0, labels: int = 100) -> Judgement:
    """After so many blocks with labels in each arm; `wrong`: the candidate's share of bad labels."""
    state = begin(GATES)
    bad = round(labels * wrong)
    for number in range(blocks):
        arms = (
            ArmCounts(100, 0, losses={"wrong": {0: labels - bad, LOSS_BINS: bad}}),
            ArmCounts(100, 0, losses={"wrong": {0: labels}}),
        )
        state = absorb(state, Block(number, 1.0, {"s": ServiceCounts(*arms)}))
    return verdicts(state)


def test_a_pass_without_numbers_of_now_is_undecided() -> None:
    """With the reason, what would help, and what was known before; and nothing is exposed further."""
    before = judged(40)
    assert isinstance(before.verdict, Pass)
    after = heeding(before, [GONE])
    assert isinstance(after.verdict, Undecided)
    assert (after.worst, after.verdict.reason, after.is_frozen) == (NAME, "no-data", True)
    assert after.verdict.because.startswith(f"{NAME}: {GONE.lack}. Check its name; before that: ")
    assert isinstance(after.reports[0].verdict, Pass)


def test_a_fail_stays() -> None:
    """It is proven; silence proves nothing against it."""
    before = judged(40, wrong=0.9)
    assert isinstance(before.verdict, Fail)
    after = heeding(before, [GONE])
    assert after.verdict == before.verdict
    assert after.reports == before.reports


def test_what_is_on_its_way_is_told_and_changes_nothing_else() -> None:
    """A gate that collects says what it waits for; one that passed still passes."""
    collecting = judged(1, labels=2)
    after = heeding(collecting, [COMING])
    assert after.worst == collecting.worst
    told = next(r.verdict for r in after.reports if r.gate.name == NAME)
    assert told.because.endswith("; wrong is read again in 5 s")
    assert not after.is_frozen
    passed = judged(40)
    assert heeding(passed, [COMING]) == passed
    assert heeding(passed, [replace(COMING, waits="")]) is passed


def test_the_gate_that_lacks_numbers_explains_a_rollout_that_never_had_any() -> None:
    """The reason of the source instead of a bare absence of labels."""
    after = heeding(verdicts(begin(GATES)), [GONE])
    report = next(r for r in after.reports if r.gate.name == NAME)
    assert isinstance(report.verdict, Undecided)
    assert report.verdict.because == f"{NAME}: {GONE.lack}. Check its name"
