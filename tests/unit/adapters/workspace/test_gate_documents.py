"""Gates as people write them: in a change, as defaults of a service, with every misfit in its line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from interlock.adapters.workspace.loader import WorkspaceFiles
from interlock.domain.changes.request import GateSpec
from interlock.kernel.finding import Finding

ROOT = "kind: Workspace\nname: shop\npeople: {alex: {roles: [service-owner]}, sam: {}}\n"
SERVICE = """\
kind: Service
name: scorer
owner: alex
serving: 1
versions: {1: {endpoints: ['127.0.0.1:9101']}, 2: {endpoints: ['127.0.0.1:9102']}}
"""
CHANGE = "kind: Change\nwhy: better\nauthor: alex\nsponsor: sam\nmoves: [{service: scorer, to: 2}]\n"


def load(root: Path, service: str = SERVICE, change: str = CHANGE, top: str = ROOT) -> tuple[Any, list[Finding]]:
    for name, text in (("interlock", top), ("scorer", service), ("first", change)):
        (root / f"{name}.yaml").write_text(text)
    return WorkspaceFiles(root).load()


def test_every_kind_of_gate_can_be_written(tmp_path: Path) -> None:
    """Margins and bounds in the units of the field; what is left out is left open."""
    gates = """\
gates:
  - {metric: errors, service: scorer, margin: 0.5%, weight: 5, counts: every, segments: 30%}
  - {metric: errors, service: scorer, bound: 1%}
  - {metric: latency, service: scorer, bound: 80ms}
  - {metric: latency, service: scorer, bound: 1.5s, quantile: p99.9}
  - {metric: outcome, service: scorer, outcome: wrong, cap: 1, bound: 0.2}
  - {metric: outcome, service: scorer, outcome: wrong, cap: 1, margin: 0.02, sample: pairs}
steps: {shadow: {share: 20%, seconds: 30}}
"""
    service = f"{SERVICE}segments: {{header: X-Country, values: [fr, de]}}\n"
    workspace, findings = load(tmp_path, service, CHANGE + gates)
    assert findings == []
    scorer = workspace.services["scorer"]
    assert (scorer.segment_header, scorer.segments) == ("x-country", ("fr", "de"))
    errors, capped, fast, tail, wrong, pairs = workspace.changes["first"].gates
    assert (errors.margin, errors.weight, errors.counts, errors.segments) == (0.005, 5.0, "every", 0.3)
    assert (capped.bound, capped.margin, capped.name) == (0.01, 0.0, "scorer/errors/bound")
    assert (fast.bound, fast.quantile, fast.name) == (80.0, 0.99, "scorer/latency/p99")
    assert (tail.bound, tail.quantile, tail.name) == (1_500.0, 0.999, "scorer/latency/p99.9")
    assert (wrong.bound, wrong.sample, wrong.name) == (0.2, "arms", "scorer/outcome/wrong/bound")
    assert (pairs.margin, pairs.sample, pairs.name) == (0.02, "pairs", "scorer/outcome/wrong/pairs")
    assert errors.where == "first.yaml:7"


@pytest.mark.parametrize(
    ("gate", "says"),
    [
        ("{metric: errors, service: scorer}", "neither how much worse"),
        ("{metric: errors, service: scorer, margin: 1%, bound: 1%}", "a margin and a bound"),
        ("{metric: errors, service: scorer, margin: 0%}", "nothing could ever pass"),
        ("{metric: errors, service: scorer, bound: 80ms}", "no duration"),
        ("{metric: latency, service: scorer, bound: 80}", "has no unit"),
        ("{metric: latency, service: scorer, margin: 80ms}", "does not fit"),
        ("{metric: latency, service: scorer, margin: 1%, quantile: p99}", "belongs to a bound"),
        ("{metric: latency, service: scorer, bound: 80ms, quantile: p0}", "no quantile"),
        ("{metric: latency, service: scorer, margin: 1%, counts: first}", "counts belongs to errors"),
        ("{metric: latency, service: scorer, margin: 1%, segments: true}", "segments belongs to errors"),
        ("{metric: errors, service: scorer, bound: 1%, counts: first}", "counts is not"),
        ("{metric: errors, service: scorer, margin: 1%, segments: 100%}", "must leave a part"),
        ("{metric: errors, service: scorer, margin: 1%, sample: pairs}", "sample belongs to outcome"),
        ("{metric: errors, service: scorer, margin: 1%, counts: all}", "not one of: first, every"),
        ("{metric: outcome, service: scorer, outcome: wrong, cap: 1, margin: 1}", "no loss counts as more"),
        ("{metric: outcome, service: scorer, outcome: wrong, cap: 1, margin: 0.1, sample: pairs}", "no shadow"),
        ("{metric: errors, service: scorer, margin: 1%, segments: true}", "the service declares none"),
    ],
)
def test_what_a_gate_cannot_say_is_an_error_in_its_line(tmp_path: Path, gate: str, says: str) -> None:
    """One finding, in the gate's line, that says what is wrong and what would help."""
    _, (finding,) = load(tmp_path, change=f"{CHANGE}gates:\n  - {gate}\n")
    assert says in finding.says
    assert finding.is_blocking
    assert finding.remedy
    assert finding.where == "first.yaml:7"


def test_two_gates_of_one_name_are_an_error(tmp_path: Path) -> None:
    """A margin and a bound may stand side by side, two margins may not."""
    gate = "  - {metric: errors, service: scorer, margin: 1%}\n"
    _, (finding,) = load(tmp_path, change=f"{CHANGE}gates:\n{gate}{gate}")
    assert ("two gates scorer/errors" in finding.says, finding.where) == (True, "first.yaml:8")


def test_a_service_declares_its_gates_once(tmp_path: Path) -> None:
    """Without naming itself; a misfit is told in the service's file."""
    gates = "gates:\n  - {metric: errors, margin: 1%}\n  - {metric: latency, bound: 80ms}\n"
    workspace, findings = load(tmp_path, SERVICE + gates)
    assert findings == []
    assert workspace.gates["scorer"] == (
        GateSpec("errors", "scorer", 0.01, where="scorer.yaml:7"),
        GateSpec("latency", "scorer", bound=80.0, where="scorer.yaml:8"),
    )
    _, (finding,) = load(tmp_path, f"{SERVICE}gates: [{{metric: errors, service: other, margin: 1%}}]\n")
    assert ("unknown field 'service'" in finding.says, finding.where) == (True, "scorer.yaml:6")
    _, (finding,) = load(tmp_path, f"{SERVICE}gates: [{{metric: latency, bound: 80}}]\n")
    assert ("has no unit" in finding.says, finding.where) == (True, "scorer.yaml:6")


@pytest.mark.parametrize(
    "segments",
    [
        "{header: x-country}",
        "{header: x country, values: [fr]}",
        "{header: a, values: ['f,r']}",
        "{header: a, values: []}",
    ],
)
def test_segments_that_cannot_be_told_apart_are_errors(tmp_path: Path, segments: str) -> None:
    """A header name, and values that travel in baggage as they are."""
    _, findings = load(tmp_path, f"{SERVICE}segments: {segments}\n")
    assert [f.where for f in findings if f.is_blocking][:1] == ["scorer.yaml:6"]


def test_the_house_sets_how_often_gates_may_err(tmp_path: Path) -> None:
    """Alpha for turning back, and for a step that passes."""
    workspace, findings = load(tmp_path, top=f"{ROOT}policy: {{alpha: 0.1%, alpha_pass: 10%}}\n")
    assert (findings, workspace.policy.alpha, workspace.policy.alpha_pass) == ([], 0.001, 0.1)
    _, (finding,) = load(tmp_path, top=f"{ROOT}policy: {{alpha: 50%}}\n")
    assert ("less than 50%" in finding.says, finding.where) == (True, "interlock.yaml:4")
