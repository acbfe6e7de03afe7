"""Blocks of answers are judged when their labels are complete."""

from __future__ import annotations

import math
import random
from collections import Counter

import pytest

from interlock.domain.checks.delay import AGES_S, Block, Cohort, Maturity, curve_of, delay_bin, maturity, pace_of
from interlock.engine.codec import dump, load

NOW_S = 3_600.0


def cohort(chance: random.Random, answers: int, age_s: float, mean_s: float, labelled: float = 0.8) -> Cohort:
    """Answers of which a share ever gets a label, after an exponential delay; only what came by now is known."""
    delays = [chance.expovariate(1 / mean_s) for _ in range(answers) if chance.random() < labelled]
    return Cohort(answers, dict(sorted(Counter(delay_bin(d) for d in delays if d <= age_s).items())))


def world(
    seed: int, candidate_mean_s: float = 60.0, until_s: float = NOW_S, candidate_share: float = 0.8
) -> list[Block]:
    chance = random.Random(seed)
    blocks = []
    for number, ended_s in enumerate(range(60, int(until_s) + 1, 60)):
        age_s = until_s - ended_s
        blocks.append(
            Block(
                number,
                float(ended_s),
                cohort(chance, 60, age_s, candidate_mean_s, candidate_share),
                cohort(chance, 200, age_s, 60.0),
            )
        )
    return blocks


def test_delays_fall_into_rising_bins() -> None:
    """Each age is the first delay of the next bin; clocks that differ count as no delay."""
    assert [delay_bin(s) for s in (-5, 0, 0.9, 1, 59, 60, math.inf)] == [0, 0, 0, 1, 6, 7, len(AGES_S)]


def test_completeness_follows_the_delays() -> None:
    """The curve meets the exponential law that made the labels, and levels at the share that ever comes."""
    curve = curve_of((b.baseline, NOW_S - b.ended_s) for b in world(1))
    assert curve.is_at_rest
    assert curve.plateau == pytest.approx(0.8, abs=0.02)
    for age_s in (60, 120, 300):
        assert curve.completeness(age_s) == pytest.approx(1 - math.exp(-age_s / 60), abs=0.03)


def test_young_blocks_wait_and_old_ones_are_judged() -> None:
    """With a mean delay of a minute, 95 % have come after three; the last blocks are left out."""
    found = maturity(world(2), NOW_S, "delay_min")
    assert found.wait_s == 180 or found.wait_s == 300
    assert {0, 30, 50} <= found.mature
    assert not {58, 59} & found.mature
    assert found.completeness[59] == 0.0
    assert found.findings == ()


def test_nothing_is_mature_while_labels_still_come() -> None:
    """After ten minutes of labels that take fifteen, there are many, but how complete they are cannot be told."""
    blocks = world(3, candidate_mean_s=900.0, until_s=600.0)
    assert sum(sum(b.candidate.arrived.values()) for b in blocks) > 100
    found = maturity(blocks, 600.0, "delay_min")
    assert found.mature == frozenset()
    assert found.wait_s is None
    assert set(found.completeness.values()) == {None}


def test_a_declared_horizon_ends_the_waiting() -> None:
    """Blocks older than the declared horizon are complete by declaration."""
    blocks = world(3, candidate_mean_s=3_600.0, until_s=300.0)
    found = maturity(blocks, 300.0, "delay_min", horizon_s=200.0)
    assert found.mature == {0}
    assert found.wait_s == 200.0


def test_a_block_without_one_arms_curve_is_not_judged() -> None:
    """The baseline's labels do not vouch for the candidate's."""
    blocks = [Block(b.number, b.ended_s, Cohort(60), b.baseline) for b in world(4)]
    assert maturity(blocks, NOW_S, "delay_min").mature == frozenset()


def test_slower_labels_of_one_arm_are_told() -> None:
    """Twice the delay is found at about half the pace, and the slower arm decides how long to wait."""
    blocks = world(5, candidate_mean_s=120.0)
    found = maturity(blocks, NOW_S, "delay_min")
    assert [f.code for f in found.findings] == ["delay.arm-dependent"]
    pace = pace_of(blocks)
    assert pace is not None
    assert 0.4 < pace.low < pace.high < 0.7
    assert found.wait_s in (300, 600)
    by_baseline = maturity([Block(b.number, b.ended_s, b.baseline, b.baseline) for b in blocks], NOW_S, "delay_min")
    assert found.mature < by_baseline.mature


def test_batches_of_labels_are_no_difference_of_arms() -> None:
    """Labels delivered all at once say nothing of pace, however many there are."""
    batch = [Block(i, 60.0 * i, Cohort(50, {8: 50}), Cohort(500, {8: 500})) for i in range(20)]
    assert pace_of(batch) is None


def test_labels_that_describe_other_answers_are_told() -> None:
    """When far fewer of one arm's answers ever get a label, a person hears of it."""
    found = maturity(world(6, candidate_share=0.3), NOW_S, "delay_min")
    assert [f.code for f in found.findings] == ["delay.coverage-differs"]


def test_no_blocks_at_all() -> None:
    """Nothing is known, nothing is mature, nothing breaks."""
    found = maturity([], NOW_S, "delay_min")
    assert (found.mature, found.wait_s) == (frozenset(), None)
    assert pace_of([]) is None


def test_cohorts_add_and_survive_the_store() -> None:
    """Labels that arrive later are added to their block's cohort."""
    assert Cohort(10, {1: 2}) + Cohort(0, {1: 1, 4: 1}) == Cohort(10, {1: 3, 4: 1})
    block = world(7)[3]
    assert load(Block, dump(block)) == block
    assert isinstance(maturity([block], NOW_S, "x"), Maturity)


def test_a_curve_goes_on_when_every_answer_has_its_label() -> None:
    """All labels came after a minute: an hour later nothing can come any more, and that is known."""
    curve = curve_of([(Cohort(50, {delay_bin(60): 50}), 3_600.0)])
    assert curve.is_at_rest
    assert (curve.completeness(60), curve.completeness(3_600)) == (0.0, 1.0)


def test_a_second_wave_is_waited_for_where_a_horizon_is_declared() -> None:
    """Half of the labels come at once, half after a minute: at half a minute all looks at rest, and is not."""
    first, both = {0: 50}, {0: 50, delay_bin(60.0): 50}
    seen = [Block(n, 5.0 * n, Cohort(100, first), Cohort(100, first)) for n in range(8)]
    assert maturity(seen, 40.0, "m").mature
    assert maturity(seen, 40.0, "m", horizon_s=120.0).mature == frozenset()
    later = [Block(n, 5.0 * n, Cohort(100, both), Cohort(100, both)) for n in range(8)]
    told = maturity([*later, Block(9, 150.0, Cohort(100, first), Cohort(100, first))], 160.0, "m", horizon_s=120.0)
    assert (told.mature, told.wait_s) == (frozenset(range(8)), 120.0)
