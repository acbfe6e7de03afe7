"""Late labels in the engine: which group they join, when they are judged, and that each counts once."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from interlock.domain.checks.evidence import LOSS_BINS, ArmCounts, ServiceCounts
from interlock.domain.gates.gate import Gate
from interlock.engine.codec import dump, load
from interlock.engine.labels import GROUPS, Label, Labels
from support.world import START

GATE = Gate("front/outcome/wrong", "outcome", "front", 0.05, outcome="wrong", cap=1.0)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def both(candidate: int, baseline: int) -> ServiceCounts:
    return ServiceCounts(ArmCounts(requests=candidate), ArmCounts(requests=baseline))


def served(seconds: int, weight_bp: int = 1_000, labels: Labels | None = None, begin: int = 0) -> Labels:
    """Blocks of a second with 10 answers of the candidate and 90 of the baseline."""
    known = labels or Labels()
    for second in range(begin, begin + seconds):
        known = known.answered(at(second), at(second + 1), weight_bp, both(10, 90))
    return known


def total(counts: ServiceCounts) -> tuple[int, int]:
    return tuple(sum(arm.losses.get("wrong", {}).values()) for arm in (counts.candidate, counts.baseline))


def given(known: Labels, answered_s: float, now_s: float, n: int = 1, loss: float = 1.0) -> Labels:
    """`n` labels of each arm."""
    labels = [Label(arm, loss, at(answered_s)) for arm in ("candidate", "baseline") for _ in range(n)]
    return known.taken(labels, GATE, at(now_s))[0]


def test_a_young_group_is_not_judged() -> None:
    """While nobody knows how late labels come, none is; with a horizon, each group when it is that old."""
    known = given(served(30), answered_s=5, now_s=30)
    assert total(known.ripe(at(30), GATE, None).counts) == (0, 0)
    assert total(known.ripe(at(30), GATE, 25.0).counts) == (0, 0)
    assert total(known.ripe(at(36), GATE, 25.0).counts) == (1, 1)


def test_a_label_is_judged_once_and_a_late_one_follows() -> None:
    """What was judged is not there any more; what comes after it is, also out of order."""
    known = given(served(30), answered_s=5, now_s=30)
    ripe = known.ripe(at(60), GATE, 25.0)
    assert total(ripe.counts) == (1, 1)
    assert total(ripe.labels.ripe(at(61), GATE, 25.0).counts) == (0, 0)
    later = given(given(ripe.labels, 15, 61, n=2), answered_s=4, now_s=62)
    assert total(later.ripe(at(62), GATE, 25.0).counts) == (3, 3)


def test_both_arms_of_a_group_go_in_together() -> None:
    """A label of one arm alone waits for one of the other."""
    known, _ = served(30).taken([Label("candidate", 1.0, at(5))], GATE, at(30))
    lone = known.ripe(at(60), GATE, 25.0)
    assert total(lone.counts) == (0, 0)
    known, _ = lone.labels.taken([Label("baseline", 0.0, at(5))], GATE, at(61))
    assert total(known.ripe(at(61), GATE, 25.0).counts) == (1, 1)


def test_groups_of_different_weights_never_share_a_block() -> None:
    """At 10 % and at 50 % the arms are made of different parts of the time, so they are judged apart."""
    known = served(20, 5_000, served(20), begin=20)
    known = given(given(known, answered_s=5, now_s=40), answered_s=25, now_s=40, n=2)
    first = known.ripe(at(90), GATE, 25.0)
    second = first.labels.ripe(at(91), GATE, 25.0)
    assert sorted([total(first.counts), total(second.counts)]) == [(1, 1), (2, 2)]


def test_the_delay_is_learned() -> None:
    """Labels that take ten seconds: after a while groups are judged by what was seen, and young ones wait."""
    known, judged = Labels(), 0
    for second in range(120):
        known = served(1, labels=known, begin=second)
        if second >= 10:
            known = given(known, answered_s=second - 10 + 0.5, now_s=second + 1, n=8, loss=0.5)
        ripe = known.ripe(at(second + 1), GATE, None)
        known, judged = ripe.labels, judged + total(ripe.counts)[0]
    supply = known.supply(GATE, ripe.known, 0.0, at(120))
    assert supply.wait_s is not None
    assert 10 <= supply.wait_s <= 30
    assert judged + supply.pending // 2 == 110 * 8
    assert 0 < supply.pending // 2 <= 8 * (supply.wait_s + 10)
    assert "are judged when it is about" in supply.waits


def test_labels_of_no_answer_are_told_and_not_judged() -> None:
    """A time before the rollout, an arm that gave no answers, a release that is not in it."""
    known = Labels().answered(at(0), at(10), 1_000, both(0, 90))
    known, at_once = known.taken(
        [
            Label("baseline", 1.0, at(-60)),
            Label("candidate", 1.0, at(5)),
            Label(None, 1.0, None),
            Label(None, 1.0, at(5)),
        ],
        GATE,
        at(10),
    )
    assert total(at_once) == (0, 0)
    assert (known.unseen, known.unknown) == (2, 2)
    says = known.supply(GATE, None, 0.0, at(10)).says
    assert "2 labels for answers that this rollout did not give are not judged" in says
    assert "2 labels of releases that are not in this rollout are not judged" in says


def test_an_undated_label_counts_at_once() -> None:
    """As it always did: in the block in which it arrives; a loss above the cap counts as the cap."""
    _, counts = served(3).taken([Label("candidate", 7.0, None), Label("baseline", 0.5, None)], GATE, at(3))
    assert counts.candidate.losses == {"wrong": {LOSS_BINS: 1}}
    assert counts.baseline.losses == {"wrong": {LOSS_BINS // 2: 1}}


def test_clocks_may_differ() -> None:
    """A label from the future of an answer joins the newest group, one from a neighbour's time the neighbour."""
    known = Labels().answered(at(0), at(10), 1_000, both(10, 90)).answered(at(10), at(20), 1_000, both(0, 90))
    known, _ = known.taken([Label("baseline", 1.0, at(25)), Label("candidate", 1.0, at(11))], GATE, at(20))
    assert known.unseen == 0
    assert known.groups[-1].baseline.arrived == {0: 1}
    assert sum(known.groups[0].candidate.arrived.values()) == 1


def test_a_clock_that_goes_back_makes_no_answer_twice() -> None:
    """Time that was there already is no new group, and no group has a negative length."""
    known = served(30)
    again = known.answered(at(10), at(20), 1_000, both(10, 90)).answered(at(25), at(35), 1_000, both(10, 90))
    assert all(g.seconds > 0 for g in again.groups)
    assert all(a.end <= b.start for a, b in zip(again.groups, again.groups[1:], strict=False))
    assert again.groups[-1].start >= at(30)


def test_groups_stay_few_and_keep_every_answer() -> None:
    """Neighbours are joined, old ones first, so that a long rollout stays small."""
    known = Labels()
    for i in range(3 * GROUPS):
        known = known.answered(at(60 * i), at(60 * i + 60), 1_000, both(1, 2))
    assert len(known.groups) == GROUPS
    assert sum(g.candidate.answers for g in known.groups) == 3 * GROUPS
    assert known.groups[0].seconds > known.groups[-1].seconds


def test_silence_is_told_when_it_is_declared_how_often_labels_come() -> None:
    """Nothing for much longer than that: the numbers have stopped, with what would help."""
    known = given(served(30), answered_s=5, now_s=30)
    assert known.supply(GATE, None, 10.0, at(60)).lack == ""
    supply = known.supply(GATE, None, 10.0, at(120))
    assert "no outcome wrong has been posted for 90 s" in supply.says
    assert "job" in supply.remedy


def test_what_is_known_is_stored_and_read_back() -> None:
    """Equal after the store's JSON, bins included."""
    known = given(served(30), answered_s=5, now_s=30)
    assert load(Labels, dump(known)) == known


@pytest.mark.parametrize("early", [True, False])
def test_a_bad_block_is_not_read_as_good_while_young(early: bool) -> None:
    """Good labels come at once, bad ones after 20 s: with a horizon of 30 s both are judged together."""
    known = served(40)
    known = given(known, answered_s=2, now_s=5, n=9, loss=0.0)
    if not early:
        known = given(known, answered_s=2, now_s=22, n=9, loss=1.0)
    counts = known.ripe(at(12) if early else at(45), GATE, 30.0).counts
    assert total(counts) == ((0, 0) if early else (18, 18))
