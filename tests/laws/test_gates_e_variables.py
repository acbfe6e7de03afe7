"""Every bet is worth at most 1 on average while the candidate is within its tolerances, by exact enumeration."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.domain.gates.betting import (
    FRACTIONS,
    log_e_above,
    log_e_below,
    signals_of_losses,
    signals_of_table,
)
from interlock.domain.gates.latency import LIMIT_QUANTILE, Past, exceedance, learn_past, log_es_of_latency
from interlock.domain.gates.limit import STAKES
from interlock.domain.gates.mixture import Schedule, begin_mixture, combine, grow
from interlock.domain.gates.table import BODY_ODDS, RARE_RATIOS, Table, log_e_allocation, log_e_odds

SLACK = 1 + 1e-9
SIZES = [(1, 1), (1, 9), (3, 5), (8, 2), (6, 6)]
RATES = [0.0, 0.01, 0.2, 0.5, 0.9]


def binomial(n: int, k: int, p: float) -> float:
    return math.comb(n, k) * p**k * (1 - p) ** (n - k)


def mean_over_tables(n_c: int, n_b: int, p_c: float, p_b: float, log_e) -> float:
    """The exact expectation of exp(log_e(table)) over all tables."""
    return math.fsum(
        binomial(n_c, k_c, p_c) * binomial(n_b, k_b, p_b) * math.exp(log_e(Table(n_c, k_c, n_b, k_b)))
        for k_c in range(n_c + 1)
        for k_b in range(n_b + 1)
    )


@pytest.mark.parametrize(("n_c", "n_b"), SIZES)
@pytest.mark.parametrize("rho", [1.0, 1.1, 2.0])
def test_allocation_bets_lose_on_average_within_the_tolerance(n_c: int, n_b: int, rho: float) -> None:
    """At p_c = rho p_b and below it, no ratio earns more than it stakes."""
    for p_b, within, ratio in itertools.product(RATES, (0.0, 0.6, 1.0), RARE_RATIOS):
        p_c = min(1.0, rho * p_b) * within
        assert mean_over_tables(n_c, n_b, p_c, p_b, lambda t, r=ratio: log_e_allocation(t, r, rho)) <= SLACK


@pytest.mark.parametrize(("n_c", "n_b"), SIZES)
def test_odds_bets_lose_on_average_whatever_the_guess(n_c: int, n_b: int) -> None:
    """At p_c = p_b and below it, no odds ratio and no guess of the baseline earn more than they stake."""
    for p_b, within, odds, guess in itertools.product(RATES, (0.3, 1.0), BODY_ODDS, (0.001, 0.1, 0.7)):
        mean = mean_over_tables(n_c, n_b, within * p_b, p_b, lambda t, o=odds, g=guess: log_e_odds(t, o, g))
        assert mean <= SLACK


@pytest.mark.parametrize(("n_c", "n_b"), SIZES)
def test_excess_bets_lose_on_average_when_the_excess_is_there(n_c: int, n_b: int) -> None:
    """At p_c - p_b = delta and above it, denying the excess earns no more than it stakes."""
    for p_b, delta, (fraction, _) in itertools.product(RATES, (0.001, 0.1, 0.5), STAKES):
        for p_c in (p_b + delta, (1 + p_b + delta) / 2):
            if p_c > 1:
                continue
            mean = mean_over_tables(
                n_c, n_b, p_c, p_b, lambda t, d=delta, f=fraction: log_e_below(signals_of_table(t), d, f)
            )
            assert mean <= SLACK


def test_excess_bets_equal_the_published_form() -> None:
    """With hits, the bet is k_c ln(1+Ld-L/s) + k_b ln(1+Ld+L/(1-s)) + (rest) ln(1+Ld), L = lambda s."""
    table, delta, fraction = Table(7, 2, 31, 3), 0.04, 0.5
    s = table.share
    stake = fraction * s
    told = (
        2 * math.log(1 + stake * delta - stake / s)
        + 3 * math.log(1 + stake * delta + stake / (1 - s))
        + 33 * math.log(1 + stake * delta)
    )
    assert log_e_below(signals_of_table(table), delta, fraction) == pytest.approx(told, rel=1e-12)


LOSSES = (0.0, 0.4, 1.0)
SHAPES = [(0.6, 0.3, 0.1), (0.2, 0.5, 0.3), (1.0, 0.0, 0.0), (0.1, 0.1, 0.8), (0.5, 0.0, 0.5)]


def mean_of(shape: tuple[float, ...]) -> float:
    return math.fsum(x * p for x, p in zip(LOSSES, shape, strict=True))


def arms_of(n: int, shape: tuple[float, ...]) -> list[tuple[float, list[tuple[float, int]]]]:
    """All samples of n losses, as (probability, losses with counts)."""
    samples = []
    for counts in itertools.product(range(n + 1), repeat=3):
        if sum(counts) == n:
            ways = math.factorial(n) / math.prod(math.factorial(c) for c in counts)
            probability = ways * math.prod(p**c for p, c in zip(shape, counts, strict=True))
            samples.append((probability, [*zip(LOSSES, counts, strict=True)]))
    return samples


@pytest.mark.parametrize(("n_c", "n_b"), [(1, 1), (1, 6), (4, 3), (6, 1)])
@pytest.mark.parametrize("guess", [0.01, 0.3, 0.9])
def test_loss_bets_lose_on_average_on_their_own_side(n_c: int, n_b: int, guess: float) -> None:
    """Bets on more than the true excess, and bets on less than it, earn no more than they stake."""
    for in_candidate, in_baseline in itertools.product(SHAPES, SHAPES):
        excess = mean_of(in_candidate) - mean_of(in_baseline)
        above = dict.fromkeys(FRACTIONS, 0.0)
        below = dict.fromkeys((f for f, _ in STAKES), 0.0)
        for (p, c), (q, b) in itertools.product(arms_of(n_c, in_candidate), arms_of(n_b, in_baseline)):
            signals = signals_of_losses(c, b, n_c / (n_c + n_b), guess)
            for fraction in above:
                above[fraction] += p * q * math.exp(log_e_above(signals, max(excess, 0.0), fraction))
            for fraction in below:
                below[fraction] += p * q * math.exp(log_e_below(signals, max(excess, 0.0), fraction))
        assert max(above.values()) <= SLACK
        if excess >= 0:
            assert max(below.values()) <= SLACK


def test_latency_bets_lose_on_average_when_the_candidate_is_one_bin_slower() -> None:
    """A candidate slower by the tolerated bin in all its answers is within the null, for any past."""
    shape = {50: 0.5, 51: 0.2, 55: 0.3}
    for past_bins in ({50: 60, 55: 40}, {40: 30}, {51: 25, 70: 1}):
        past = learn_past(Past(), past_bins, 1.0, 600.0)
        means = [[0.0] * len(BODY_ODDS) for _ in range(3)]
        for c, b in itertools.product(itertools.product(shape, repeat=3), itertools.product(shape, repeat=3)):
            chance = math.prod(shape[x] for x in (*c, *b))
            candidate = {x + 1: c.count(x) for x in c}
            baseline = {x: b.count(x) for x in b}
            for i, log_es in enumerate(log_es_of_latency(candidate, baseline, past, 1)):
                for j, log_e in enumerate(log_es):
                    means[i][j] += chance * math.exp(log_e)
        assert max(map(max, means)) <= SLACK


def test_latency_of_one_single_bin_still_shows_a_slowdown() -> None:
    """When all answers of the baseline share a bin, none of them counts as slow, and slower ones do."""
    past = learn_past(Past(), {40: 1_000}, 1.0, 600.0)
    table = exceedance({43: 10}, {40: 90}, past.threshold(LIMIT_QUANTILE), past.threshold(LIMIT_QUANTILE) + 1)
    assert (table.candidate_hits, table.baseline_hits) == (10, 0)


@given(
    n_c=st.integers(1, 60),
    n_b=st.integers(1, 60),
    hits=st.tuples(st.floats(0, 1), st.floats(0, 1)),
    ratio=st.sampled_from(RARE_RATIOS),
    rho=st.floats(1, 3),
)
def test_one_more_bad_answer_of_the_candidate_never_lowers_the_evidence(
    n_c: int, n_b: int, hits: tuple[float, float], ratio: float, rho: float
) -> None:
    """Turning a good answer of the candidate into a bad one raises every bet on harm."""
    k_c, k_b = int(hits[0] * (n_c - 1)), int(hits[1] * n_b)
    fewer, more = Table(n_c, k_c, n_b, k_b), Table(n_c, k_c + 1, n_b, k_b)
    assert log_e_allocation(more, ratio, rho) >= log_e_allocation(fewer, ratio, rho)


@given(
    table=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    deltas=st.tuples(st.floats(0.001, 1), st.floats(0.001, 1)),
    fraction=st.sampled_from([f for f, _ in STAKES]),
)
def test_denying_a_larger_excess_is_never_harder(
    table: tuple[int, int], deltas: tuple[float, float], fraction: float
) -> None:
    """Capital grows with the excess denied, so that rejecting a small excess rejects all larger ones."""
    signals = signals_of_table(Table(table[0], table[0] // 2, table[1], table[1] // 3))
    low, high = sorted(deltas)
    assert log_e_below(signals, low, fraction) <= log_e_below(signals, high, fraction) + 1e-12


@given(st.lists(st.floats(0.1, 500), min_size=1, max_size=60), st.floats(1, 100), st.floats(1, 10_000))
def test_mass_that_joins_over_time_never_exceeds_one(
    lengths: list[float], restart_s: float, horizon_s: float
) -> None:
    """With bets that pay nothing and cost nothing the mixture stays worth 1, whatever the blocks' lengths."""
    mixture, at_s = begin_mixture(4), 0.0
    for length in lengths:
        mixture = grow(mixture, (0.0,) * 4, at_s, Schedule(restart_s, horizon_s, 1.25))
        at_s += length
    assert mixture.e_value == pytest.approx(1.0)
    assert mixture.e_value_capped == pytest.approx(1.0)


@given(st.lists(st.floats(-1_000, 1_000), min_size=1, max_size=40))
def test_capped_evidence_is_never_above_the_plain_one_and_stays_finite(log_es: list[float]) -> None:
    """However extreme the blocks are."""
    mixture = begin_mixture(1)
    for at_s, log_e in enumerate(log_es):
        mixture = grow(mixture, (log_e,), float(at_s), Schedule(5.0, 50.0, 1.25))
    assert 0 <= mixture.e_value_capped <= mixture.e_value * SLACK
    assert math.isfinite(mixture.e_value)


def test_combined_evidence_dominates_bonferroni() -> None:
    """One of K processes at K/alpha makes the average reach 1/alpha."""
    assert combine([400.0, 0.0, 0.0, 0.0], [1.0] * 4) == 100.0
