"""Gates and their sets refuse what could not judge."""

from __future__ import annotations

from typing import Any

import pytest

from interlock.domain.gates.gate import Gate, GateSet, InvalidGate

GOOD: dict[str, Any] = {"name": "errors", "metric": "errors", "service": "scorer", "margin": 0.02}
OUTCOME = GOOD | {"metric": "outcome", "margin": 6.0, "outcome": "absolute_error", "cap": 120.0}


def test_defaults_are_those_of_the_design() -> None:
    """One per cent false failures, five per cent for a wrong pass, a minute of warm-up."""
    gates = GateSet((Gate(**GOOD),))
    assert (gates.alpha, gates.alpha_pass, gates.warmup_s, gates.rho, gates.cap_nats) == (
        0.01,
        0.05,
        60.0,
        1.1,
        1.25,
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"service": ""},
        {"service": "Not A Name"},
        {"metric": "cost"},
        {"margin": 0.0},
        {"margin": 1.0},
        {"margin": float("nan")},
        {"weight": 0.0},
        {"weight": float("inf")},
    ],
)
def test_a_gate_that_could_not_judge_is_invalid(wrong: dict[str, Any]) -> None:
    """The error names the gate and is the caller's to correct."""
    with pytest.raises(InvalidGate) as caught:
        Gate(**GOOD | wrong)
    assert caught.value.code == "gate.invalid"
    assert caught.value.remedy


@pytest.mark.parametrize("wrong", [{"outcome": ""}, {"cap": 0.0}, {"margin": 120.0}])
def test_an_outcome_gate_needs_a_metric_a_cap_and_a_margin_below_it(wrong: dict[str, Any]) -> None:
    """Margins of outcomes are in loss units, at most the cap."""
    assert Gate(**OUTCOME).unit == 120.0
    with pytest.raises(InvalidGate):
        Gate(**OUTCOME | wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        {"alpha": 0.0},
        {"alpha": 1.0},
        {"alpha_pass": 1.5},
        {"rho": 0.9},
        {"latency_bins": -1},
        {"cap_nats": 0.0},
        {"hesitate": 1.0},
        {"warmup_s": -1.0},
        {"half_life_s": 0.0},
    ],
)
def test_a_set_with_a_constant_out_of_range_is_invalid(wrong: dict[str, float]) -> None:
    """The error names the constant."""
    with pytest.raises(InvalidGate, match=next(iter(wrong))):
        GateSet((Gate(**GOOD),), **wrong)  # type: ignore[arg-type]  # the point is wrong values by name


def test_a_set_needs_gates_with_different_names() -> None:
    """What nothing judges cannot pass, and reports go by name."""
    with pytest.raises(InvalidGate, match="needs a gate"):
        GateSet(())
    with pytest.raises(InvalidGate, match="repeat"):
        GateSet((Gate(**GOOD), Gate(**GOOD)))
