"""Documents of kind Metric: what they become, and each mistake in its line with what would mend it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from interlock.adapters.workspace.loader import WorkspaceFiles
from interlock.domain.checks.metric import Metric, MetricQuery
from interlock.kernel.finding import Finding, Severity

ROOT = "kind: Workspace\nname: shop\npeople: {alex: {}, sam: {}}\n"
SERVICE = """\
kind: Service
name: scorer
owner: alex
serving: 1
versions:
  1: {endpoints: [127.0.0.1:9101]}
  2: {endpoints: [127.0.0.1:9102]}
"""
PROMQL = """\
kind: Metric
name: refusals
source: https://reader:${METRICS_PASSWORD}@prometheus/api
gives: counts
query: sum by (version) (increase(answers_total{version=~"$arms"}[$window]))
bad: sum by (version) (increase(answers_total{version=~"$arms", refused="1"}[$window]))
arm_label: version
by: version
every_s: 2m
lag_s: 30s
"""
SQL = """\
kind: Metric
name: waits
source: ${WAREHOUSE}
gives: values
query: SELECT release, wait_s FROM answers
cap: 120
"""
POSTED = "kind: Metric\nname: absolute_error\nhorizon_s: 1d\nevery_s: 5m\n"


def change(gate: str) -> str:
    return (
        "kind: Change\nwhy: better\nauthor: alex\nsponsor: sam\nmoves: [{service: scorer, to: 2}]\n"
        f"gates:\n  - {gate}\n"
    )


def load(root: Path, **files: str) -> tuple[Any, list[Finding]]:
    for name, text in {"interlock": ROOT, "scorer": SERVICE, **files}.items():
        (root / f"{name}.yaml").write_text(text)
    return WorkspaceFiles(root).load()


def test_metrics_become_nouns(tmp_path: Path) -> None:
    """With units parsed and defaults filled in; the secret stays a variable."""
    workspace, findings = load(tmp_path, promql=PROMQL, sql=SQL, posted=POSTED)
    assert findings == []
    refusals = workspace.metrics["refusals"]
    assert refusals.source == "https://reader:${METRICS_PASSWORD}@prometheus/api"
    assert (refusals.by, refusals.every_s, refusals.lag_s, refusals.cap) == ("version", 120.0, 30.0, 1.0)
    assert (refusals.query.gives, refusals.query.arm_label) == ("counts", "version")
    waits = MetricQuery("waits", "values", "SELECT release, wait_s FROM answers")
    assert workspace.metrics["waits"] == Metric(
        "waits", "${WAREHOUSE}", waits, every_s=60.0, cap=120.0, where="sql.yaml:1"
    )
    posted = workspace.metrics["absolute_error"]
    assert (posted.source, posted.query, posted.horizon_s, posted.every_s) == ("", None, 86_400.0, 300.0)


@pytest.mark.parametrize(
    ("before", "after", "code", "where", "says"),
    [
        ("bad: sum", "bda: sum", "field.unknown", "m.yaml:6", "Did you mean 'bad'?"),
        ("gives: counts", "gives: count", "field.value", "m.yaml:4", "Did you mean 'counts'?"),
        ("https://reader:${METRICS_PASSWORD}@", "prometheus at ", "field.value", "m.yaml:3", "no scheme"),
        ("${METRICS_PASSWORD}", "hunter2", "field.value", "m.yaml:3", "everyone who reads the plan"),
        ("${METRICS_PASSWORD}", "${METRICS PASSWORD}", "field.value", "m.yaml:3", "begins no variable"),
        ("[$window]", "[$windows]", "field.value", "m.yaml:5", "Did you mean 'window'?"),
        ("[$window]", "[$5m]", "field.value", "m.yaml:5", "Write $$"),
        ("every_s: 2m", "every_s: 0", "field.value", "m.yaml:9", "four scrape intervals"),
        ("lag_s: 30s", "horizon_s: 30s", "field.value", "m.yaml:10", "Rename it to lag_s"),
        ("lag_s: 30s", "headers: {Authorization: Bearer abc}", "field.value", "m.yaml:10", "METRICS_TOKEN"),
        ("gives: counts\n", "", "field.missing", "m.yaml:1", "gives"),
        ("gives: counts", "gives: values", "field.value", "m.yaml:6", "bad belongs to counts"),
        ("https://reader:${METRICS_PASSWORD}@prometheus", "sqlite://", "field.value", "m.yaml:6", "Remove bad"),
        ("name: refusals\n", "", "field.missing", "m.yaml:1", "name"),
        ("source: https://reader:${METRICS_PASSWORD}@prometheus/api\n", "", "field.value", "m.yaml:3", "source"),
    ],
)
def test_mistakes_are_found_in_their_line(
    tmp_path: Path, before: str, after: str, code: str, where: str, says: str
) -> None:
    """And a metric with one is left out."""
    assert before in PROMQL
    workspace, findings = load(tmp_path, m=PROMQL.replace(before, after, 1))
    assert (findings[0].code, findings[0].where) == (code, where)
    assert any(says in str(f) for f in findings), findings
    assert all(f.is_blocking for f in findings)
    assert workspace.metrics == {}
    assert not any("hunter2" in str(f) or "Bearer abc" in str(f) for f in findings)


def test_bad_queries_of_counts_are_demanded(tmp_path: Path) -> None:
    """PromQL answers one number at a time."""
    lines = [line for line in PROMQL.splitlines() if not line.startswith("bad:")]
    _, findings = load(tmp_path, m="\n".join(lines))
    assert [(f.code, f.remedy) for f in findings] == [("field.missing", "Add bad: with PromQL.")]


def test_names_are_declared_once(tmp_path: Path) -> None:
    """The second document of a name is an error."""
    _, findings = load(tmp_path, a=SQL, b=SQL)
    assert [f.severity for f in findings] == [Severity.ERROR]
    assert "waits" in str(findings[0])


def test_a_gate_without_a_cap_takes_the_metrics_own(tmp_path: Path) -> None:
    """For counts it is 1, so that margins are shares; without any cap nothing can be counted."""
    gate = "{metric: outcome, service: scorer, outcome: refusals, margin: 0.01}"
    _, findings = load(tmp_path, m=PROMQL, first=change(gate))
    assert findings == []
    gate = "{metric: outcome, service: scorer, outcome: absolute_error, margin: 1}"
    _, findings = load(tmp_path, m=POSTED, first=change(gate))
    assert [(f.code, f.where) for f in findings] == [("gate.uncapped", "first.yaml:7")]


def test_a_gate_that_nearly_names_a_metric_is_warned(tmp_path: Path) -> None:
    """Any outcome may be posted, so it is no error."""
    gate = "{metric: outcome, service: scorer, outcome: refusal, margin: 0.01, cap: 1}"
    _, findings = load(tmp_path, m=PROMQL, first=change(gate))
    assert [(f.code, f.severity, f.where) for f in findings] == [
        ("metric.unknown", Severity.WARNING, "first.yaml:7")
    ]
    assert "Did you mean 'refusals'?" in findings[0].remedy


def test_losses_of_one_service_have_one_cap(tmp_path: Path) -> None:
    """They are counted once, for a margin and for a bound alike."""
    gate = "{metric: outcome, service: scorer, outcome: loss, margin: 1, cap: 10}"
    both = change(gate) + "  - {metric: outcome, service: scorer, outcome: loss, bound: 2, cap: 20}\n"
    _, findings = load(tmp_path, first=both)
    assert [f.code for f in findings] == ["gate.caps_differ"]
    _, findings = load(tmp_path, first=both.replace("20", "10"))
    assert findings == []
