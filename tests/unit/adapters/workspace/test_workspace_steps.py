"""How steps.shadow and steps.answers are written, and what is wrong in them."""

from __future__ import annotations

from pathlib import Path

import pytest

from interlock.adapters.workspace.loader import WorkspaceFiles
from interlock.domain.changes.request import AnswersStep, ShadowStep, Steps
from interlock.domain.checks.compare import Tolerance
from interlock.kernel.finding import Finding

SERVICE = "kind: Service\nname: scorer\nserving: 1\nversions: {1: {endpoints: ['h:1']}, 2: {endpoints: ['h:2']}}\n"
CHANGE = "kind: Change\nwhy: x\nauthor: a\nsponsor: b\nmoves: [{service: scorer, to: 2}]\n"


def steps_of(path: Path, steps: str) -> tuple[Steps | None, list[Finding]]:
    (path / "interlock.yaml").write_text("kind: Workspace\nname: small\n")
    (path / "scorer.yaml").write_text(SERVICE)
    (path / "first.yaml").write_text(f"{CHANGE}steps: {steps}\n")
    space, findings = WorkspaceFiles(path).load()
    change = space.changes.get("first")
    return change.steps if change else None, [f for f in findings if f.is_blocking]


def test_rules_of_comparison_are_declared(tmp_path: Path) -> None:
    """Ignored paths, tolerances and lists without order, and how many twins tell the noise."""
    text = (
        "{shadow: {share: 20%, seconds: 5, twins: 5%, max_difference: 0.02, ignore: [id], any_order: [offers],"
        " tolerate: [{field: score, absolute: 0.5}, {field: '**.rate', relative: 0.01}]}, on_expiry: ask}"
    )
    steps, findings = steps_of(tmp_path, text)
    assert findings == []
    assert steps is not None
    tolerate = (Tolerance("score", 0.5, 0.0), Tolerance("**.rate", 0.0, 0.01))
    assert steps.shadow == ShadowStep(2_000, 5.0, 50, 0.02, ("id",), 500, tolerate, ("offers",))
    assert steps.on_expiry == "ask"


def test_what_holds_although_no_gate_fails_is_declared(tmp_path: Path) -> None:
    """Shares as people write them; what is left out has its default."""
    steps, findings = steps_of(tmp_path, "{answers: {tolerate: 25%, allow: [score]}}")
    assert findings == []
    assert steps is not None
    assert steps.answers == AnswersStep(0.25, ("score",), AnswersStep().sample_bp)


@pytest.mark.parametrize(
    ("steps", "says"),
    [
        ("{shadow: {share: 80%, seconds: 5, twins: 30%}}", "110%"),
        ("{shadow: {share: 8%, seconds: 5, max_difference: 0}}", "does not fit"),
        ("{shadow: {share: 8%, seconds: 5, tolerate: [{field: score}]}}", "does not fit"),
        ("{shadow: {share: 8%, seconds: 5, tolerate: [{field: score, absolute: -1}]}}", "does not fit"),
        ("{answers: {sample: 200%}}", "no share"),
        ("{on_expiry: wait}", "not one of"),
    ],
)
def test_what_makes_no_sense_is_found_in_its_line(tmp_path: Path, steps: str, says: str) -> None:
    """Errors name file and line, and the change is left out."""
    read, findings = steps_of(tmp_path, steps)
    assert read is None
    assert len(findings) == 1
    assert says in findings[0].says
    assert findings[0].where.startswith("first.yaml:6")
