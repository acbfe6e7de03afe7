"""The other controllers' rules do what their documents say."""

from __future__ import annotations

import math
from pathlib import Path
from xml.etree.ElementTree import fromstring

import numpy as np
import pytest
from benchmarks.gates.__main__ import PEERS, PRODUCT, replaced
from benchmarks.gates.cells import Cell, Job, measure, measured, wilson
from benchmarks.gates.goals import goals
from benchmarks.gates.kayenta import is_high
from benchmarks.gates.ours import InterlockRamp, InterlockSteps
from benchmarks.gates.platforms import ALPHA, half_width, spending_bounds
from benchmarks.gates.plot import COLOURS, SHAPES, plot
from benchmarks.gates.replays import replay_receipts
from benchmarks.gates.rule import Rule
from benchmarks.gates.shadow import ShadowTimes
from benchmarks.gates.thresholds import ARGO, FLAGGER, FLAGGER_FAST
from benchmarks.gates.trial import Run, run_trial
from benchmarks.gates.worlds import WORLDS


def one(rule: Rule, world: str) -> Run:
    """One run."""
    return run_trial(rule, WORLDS[world], 1, seed=5)[0]


def test_flagger_promotes_a_good_candidate_after_five_checks() -> None:
    """Weights 10 to 50 %, a minute each, then everything."""
    run = one(FLAGGER, "aa")
    assert not run.was_rolled_back
    assert run.to_90_s == 300


def test_flagger_needs_five_failed_checks_and_one_more_interval() -> None:
    """A total failure is served at 10 % for six minutes."""
    run = one(FLAGGER, "total")
    assert run.was_rolled_back
    assert run.ended_s == 360
    assert run.exposed == pytest.approx(0.1 * 200 * 360, rel=0.3)


def test_flagger_blames_a_dirty_baseline_on_the_candidate() -> None:
    """Both arms fail 2 %: the threshold of 99 % cannot tell."""
    assert one(FLAGGER, "dirty").was_rolled_back


def test_flagger_fast_rolls_back_after_two_intervals() -> None:
    """One failed check of 15 s, acted on at the next one."""
    assert one(FLAGGER_FAST, "total").ended_s == 30


def test_argo_aborts_at_the_third_failed_measurement() -> None:
    """Measured from the second step on, each five minutes."""
    assert one(ARGO, "total").ended_s == 1200
    assert one(ARGO, "aa").to_90_s == 2400


def test_kayenta_calls_a_sure_shift_high_and_noise_not() -> None:
    """Points that are all higher are High; the same distribution is not; neither are points that are lower."""
    chance = np.random.default_rng(2)
    base = chance.normal(100, 5, 30)
    assert is_high(chance.normal(110, 5, 30), base)
    assert not is_high(chance.normal(100, 5, 30), base)
    assert not is_high(chance.normal(90, 5, 30), base)
    assert not is_high(np.array([]), base)


def test_the_confidence_sequence_has_the_published_width() -> None:
    """Computed by hand from the formula at n = 5000, variance 1."""
    log_a = math.log(2 * ALPHA)
    rho = math.sqrt((-2 * log_a + math.log(1 - 2 * log_a)) / 5000)
    n = 5000.0
    by_hand = math.sqrt(
        2 * (n * rho**2 + 1) / (n * rho) ** 2 * math.log(1 + math.sqrt(n * rho**2 + 1) / (2 * ALPHA))
    )
    assert half_width(np.array([1.0]), np.array([n]))[0] == pytest.approx(by_hand)


def test_one_look_spends_all_and_two_looks_agree_with_the_tables() -> None:
    """With one look the bound is the normal quantile; with two, alpha t^2 spends a quarter first."""
    assert spending_bounds(0.025, 1)[0] == pytest.approx(1.95996, abs=0.01)
    first, second = spending_bounds(0.025, 2)
    assert first == pytest.approx(2.4977, abs=0.01)  # 1 - 0.025 / 4
    assert 1.95996 < second < first


def test_spending_bounds_spend_alpha() -> None:
    """Random walks cross the bounds of twenty looks as often as the level says."""
    bounds = np.array(spending_bounds(0.05, 20))
    steps = np.random.default_rng(4).standard_normal((20_000, 20))
    z = np.cumsum(steps, axis=1) / np.sqrt(np.arange(1, 21))
    assert (z > bounds).any(axis=1).mean() == pytest.approx(0.05, abs=0.006)


def test_interlock_stops_a_total_failure_within_its_budget() -> None:
    """The ramp starts where even a total failure stays cheap."""
    run = one(InterlockRamp(), "total")
    assert run.was_rolled_back
    assert run.harm <= 60


def test_fixed_steps_roll_back_a_bad_candidate() -> None:
    """The production judge with the default steps."""
    assert one(InterlockSteps(), "bad_5").was_rolled_back


def test_receipts_replay_to_the_same_bytes() -> None:
    """Also when the counts of four gateways are merged in another order."""
    found = replay_receipts(5, seed=9)
    assert (found.receipts, found.differ, found.differ_merged) == (5, 0, 0)


def test_cells_are_kept(tmp_path: Path) -> None:
    """What was measured once is read the second time, and a half-written line is measured again."""
    jobs = [Job(FLAGGER, WORLDS[name], 2, 1) for name in ("aa", "total")]
    kept_at = tmp_path / "cells.jsonl"
    first = {cell.world: cell for cell in measured(jobs, kept_at, 1)}
    before = kept_at.read_text()
    assert {cell.world: cell for cell in measured(jobs, kept_at, 1)} == first
    assert kept_at.read_text() == before
    kept_at.write_text(before[:-10])
    assert {cell.world: cell for cell in measured(jobs, kept_at, 1)} == first


def test_the_interval_of_a_share_is_wilsons() -> None:
    """None of a hundred: at most 3.7 %."""
    assert wilson(0, 100) == pytest.approx((0.0, 0.0370), abs=1e-4)
    assert wilson(50, 100)[0] == pytest.approx(0.4038, abs=1e-4)


def test_the_plot_is_well_formed_and_marks_every_rule_differently() -> None:
    """One mark for each rule in each world measured, and no two rules look alike."""
    rules = [FLAGGER, FLAGGER_FAST, ARGO]
    cells = {(rule.name, "total"): measure(rule, "total", 1, 1) for rule in rules}
    document = fromstring(plot(cells, rules))
    told = [title.text or "" for title in document.iter("{http://www.w3.org/2000/svg}title")]
    assert sorted(text.split(", total")[0] for text in told) == sorted(rule.title for rule in rules)
    assert len(SHAPES) == len(COLOURS) >= len(PRODUCT) + len(PEERS)


def test_a_goal_with_few_runs_is_open() -> None:
    """Nothing seen in ten runs proves no half of a percent; a ratio above its goal is missed."""
    seen = Cell("interlock", "aa", runs=10, rolled_back=0, harm=0.0, exposed=1.0, to_90_s=600.0)
    peer = Cell("flagger", "aa", runs=10, rolled_back=0, harm=0.0, exposed=1.0, to_90_s=300.0)
    cells = {(cell.rule, cell.world): cell for cell in (seen, peer)}
    times = ShadowTimes(runs=1, pairs_s=100.0, pairs_found=1, arms_s=1000.0, arms_found=1)
    standing = {goal.says: goal.standing for goal in goals(cells, times, decision_ms=0.5)}
    assert standing["false rollbacks, all honest worlds"] == "open"
    assert standing["A/A: seconds to 90 %, over Flagger documented"] == "**missed**"
    assert standing["milliseconds of a decision"] == "met"


def test_the_page_keeps_what_is_outside_its_markers() -> None:
    """Only the section is replaced, and a page without one is an error."""
    page = "before\n<!-- gates -->\nformer\n<!-- /gates -->\nafter\n"
    fresh = replaced(page, "figures")
    assert fresh.startswith("before\n<!-- gates -->\n")
    assert fresh.endswith("<!-- /gates -->\nafter\n")
    assert "former" not in fresh
    with pytest.raises(ValueError, match="no section for gates"):
        replaced("nothing", "figures")
