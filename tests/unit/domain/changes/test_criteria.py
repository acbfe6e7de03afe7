"""What a change is judged by: its own gates before its services', and those before the implied ones."""

from __future__ import annotations

from dataclasses import replace

import pytest

from interlock.domain.changes.criteria import criteria
from interlock.domain.changes.cut import cut
from interlock.domain.changes.request import GateSpec, ShadowStep, Steps
from interlock.domain.changes.workspace import Policy, Workspace
from interlock.domain.gates.gate import Gate
from interlock.domain.rollout.compile import compile_plan
from interlock.domain.rollout.explain import explain_gate
from support.world import change, workspace

SERVING = {name: spec.serving for name, spec in workspace().services.items()}
FIRST = replace(change("first"), gates=())
ERRORS = GateSpec("errors", "scoring", 0.01)
FAST = GateSpec("latency", "scoring", bound=80.0)
MORE = "more of the answers bad than the baseline's"
FIRSTS = "each key's first bad answer in ten minutes counts"
BLAME = "turned back only if it is worse than the baseline, too"
PAIRS = GateSpec("outcome", "scoring", 0.02, "wrong", 1.0, sample="pairs")


def declared(*gates: GateSpec) -> Workspace:
    return replace(workspace(first=FIRST), gates={"scoring": gates})


def names(found: Workspace, *own: GateSpec, shadow: ShadowStep | None = None) -> list[str]:
    return [g.name for g in criteria(found, replace(FIRST, gates=own, steps=Steps(shadow=shadow)))]


def test_a_service_that_moves_is_judged_for_errors_and_latency_in_any_case() -> None:
    """By implied margins where nobody declared any."""
    assert names(workspace(first=FIRST)) == ["scoring/errors", "scoring/latency"]


def test_a_services_own_gates_stand_for_the_implied_ones() -> None:
    """A bound of latency, and no margin of it; errors are still implied."""
    assert names(declared(FAST)) == ["scoring/errors", "scoring/latency/p99"]


def test_a_change_that_speaks_of_a_metric_says_all_about_it() -> None:
    """Its errors gate stands for the service's two; the service's gate on latency stays."""
    found = declared(ERRORS, GateSpec("errors", "scoring", bound=0.05), FAST)
    own = replace(ERRORS, margin=0.03)
    assert names(found, own) == ["scoring/errors", "scoring/latency/p99"]
    assert criteria(found, replace(FIRST, gates=(own,)))[0].margin == 0.03


def test_a_services_gate_on_pairs_is_for_changes_with_a_shadow_stage() -> None:
    """Else nothing would ever make a pair."""
    assert names(declared(PAIRS)) == ["scoring/errors", "scoring/latency"]
    with_shadow = names(declared(PAIRS), shadow=ShadowStep(1_000, 30.0))
    assert with_shadow == ["scoring/errors", "scoring/latency", "scoring/outcome/wrong/pairs"]


def test_services_that_do_not_move_are_not_judged_by_their_defaults() -> None:
    """Only what the change moves; a gate on another service is written in the change."""
    found = replace(workspace(first=FIRST), gates={"billing": (GateSpec("errors", "billing", 0.01),)})
    assert names(found) == ["scoring/errors", "scoring/latency"]


def test_the_plan_holds_what_was_declared() -> None:
    """Weights, levels and bounds reach the gates; errors look at segments where the service declares some."""
    found = declared(ERRORS, replace(FAST, weight=7.0))
    found = replace(found, policy=Policy(alpha=0.001, alpha_pass=0.02))
    plan, _ = compile_plan(found, FIRST, cut(found, SERVING))
    errors, latency = plan.gates.gates
    assert (errors.segment_share, errors.counts) == (0.0, "keyed")
    assert (latency.bound, latency.quantile, latency.weight) == (80.0, 0.99, 7.0)
    assert (plan.gates.alpha, plan.gates.alpha_pass) == (0.001, 0.02)
    services = {**found.services, "scoring": replace(found.services["scoring"], segments=("fr", "de"))}
    plan, _ = compile_plan(replace(found, services=services), FIRST, cut(found, SERVING))
    assert plan.gates.gates[0].segment_share == 0.4


@pytest.mark.parametrize(
    ("gate", "says"),
    [
        (Gate("e", "errors", "s", 0.02), f"at most 2.0% {MORE}"),
        (
            Gate("e", "errors", "s", 0.02, counts="first", segment_share=0.4),
            f"at most 2.0% {MORE}; {FIRSTS}; segments are looked at one by one, too (40% of the evidence)",
        ),
        (
            Gate("e", "errors", "s", bound=0.01),
            f"at most 1 % of the answers bad; {BLAME}",
        ),
        (
            Gate("l", "latency", "s", bound=80.0),
            f"at most 1 % of the requests slower than 80 ms (its p99); {BLAME}",
        ),
        (
            Gate("o", "outcome", "s", outcome="wrong", cap=1.0, bound=0.2),
            f"mean wrong at most 0.2 (each capped at 1); {BLAME}",
        ),
        (
            Gate("o", "outcome", "s", 0.02, outcome="wrong", cap=1.0, sample="pairs"),
            "mean wrong at most 0.02 above the baseline's on the same requests, in shadow (each capped at 1)",
        ),
    ],
)
def test_every_kind_of_gate_is_told_in_a_sentence(gate: Gate, says: str) -> None:
    """What the candidate must prove, and what a bound does not blame on it."""
    assert explain_gate(gate) == says
