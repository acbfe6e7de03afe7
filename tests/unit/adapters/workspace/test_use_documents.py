"""Who reads which fields, and what a version promises, as people write them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from interlock.adapters.workspace.loader import WorkspaceFiles
from interlock.domain.catalog.asset import AssetId, Kind
from interlock.domain.catalog.behaviour import Behaviour, ErrorAnswer
from interlock.domain.catalog.consumer import Keeping, Writing
from interlock.domain.catalog.service import VersionRef
from interlock.kernel.finding import Finding

ROOT = "kind: Workspace\nname: shop\npeople: {alex: {roles: [service-owner]}, sam: {}}\n"
CONTRACT = """\
kind: DataContract
apiVersion: v3.2.0
id: score
name: score
version: "1"
status: active
team: {name: alex}
schema:
  - name: score
    properties:
      - {name: risk, logicalType: number, required: true}
      - name: lines
        logicalType: array
        items: {logicalType: object, properties: [{name: price, logicalType: number}]}
"""
SERVICE = """\
kind: Service
name: scorer
owner: alex
serving: 1
callers: {response: score@1, expects: {latency_p99: 250ms, availability: 99.9%}}
versions:
  1:
    endpoints: ['127.0.0.1:9101']
    response: score@1
    promises:
      latency_p99: 0.2
      errors: [{status: 409, means: scored already, retry: true}]
"""
SHOP = """\
kind: Service
name: shop
owner: alex
serving: 1
calls: [scorer]
reads: [{contract: score@1, fields: [risk, lines.price]}]
versions: {1: {endpoints: ['127.0.0.1:9103']}}
"""
REPORT = """\
kind: Asset
type: job
name: report
owner: alex
depends_on: [service:scorer, {contract: score@1}]
writes: [score@1]
---
kind: Asset
type: stream
name: scores
owner: alex
keeps: {contract: score, drained: true}
"""


def load(root: Path, shop: str = SHOP, scorer: str = SERVICE, report: str = REPORT) -> tuple[Any, list[Finding]]:
    texts = {"interlock": ROOT, "score": CONTRACT, "scorer": scorer, "shop": shop, "report": report}
    for name, text in texts.items():
        (root / f"{name}.yaml").write_text(text)
    return WorkspaceFiles(root).load()


def test_uses_and_promises_are_read(tmp_path: Path) -> None:
    """Fields by consumer, nested ones too, and levels in their units; a use is a link of the map as well."""
    workspace, findings = load(tmp_path)
    assert findings == []
    score, shop, report = VersionRef("score", "1"), AssetId(Kind.SERVICE, "shop"), AssetId(Kind.JOB, "report")
    assert {(use.reader, use.contract, use.fields) for use in workspace.uses} == {
        (shop, score, ("risk", "lines.price")),
        (report, score, ()),
    }
    links = [(link.downstream, link.verb) for link in workspace.links if link.upstream.name == "score"]
    assert {(shop, "reads"), (report, "depends on")} <= set(links)
    scorer = workspace.services["scorer"]
    assert scorer.callers_expect == Behaviour(0.25, 0.999)
    assert scorer.versions["1"].promises == Behaviour(0.2, None, (ErrorAnswer(409, "scored already", True),))


def test_who_writes_and_who_keeps_is_read(tmp_path: Path) -> None:
    """Both depend on what the contract says; a job that reads and writes one stands in no circle."""
    workspace, findings = load(tmp_path)
    assert findings == []
    report, scores = AssetId(Kind.JOB, "report"), AssetId(Kind.STREAM, "scores")
    assert workspace.writings == (Writing(report, VersionRef("score", "1"), "report.yaml:6"),)
    assert workspace.keepings == (Keeping(scores, "score", True, "report.yaml:12"),)
    links = {(link.downstream, link.verb) for link in workspace.links if link.upstream.name == "score"}
    assert {(report, "writes"), (scores, "keeps")} <= links


@pytest.mark.parametrize(
    ("was", "now", "code", "where"),
    [
        ("writes: [score@1]", "writes: [score@2]", "version.unknown", "report.yaml:6"),
        ("writes: [score@1]", "writes: [scores@1]", "asset.unknown", "report.yaml:6"),
        ("writes: [score@1]", "writes: [score]", "field.value", "report.yaml:6"),
        ("contract: score, drained", "contract: scores, drained", "asset.unknown", "report.yaml:12"),
        ("drained: true", "drained: maybe", "field.type", "report.yaml:12"),
        ("type: stream", "type: dashboard", "field.value", "report.yaml:12"),
    ],
)
def test_a_writer_of_what_is_not_there_is_found(tmp_path: Path, was: str, now: str, code: str, where: str) -> None:
    """Versions and contracts that do not exist, and what keeps no records."""
    _, findings = load(tmp_path, report=REPORT.replace(was, now))
    assert (code, where) in [(f.code, f.where) for f in findings], findings


@pytest.mark.parametrize(
    ("was", "now", "code", "where"),
    [
        ("lines.price", "lines.prize", "use.unknown_field", "shop.yaml:6"),
        ("score@1", "score@2", "version.unknown", "shop.yaml:6"),
        ("score@1", "scores@1", "asset.unknown", "shop.yaml:6"),
        ("contract: score@1", "contract: score", "field.value", "shop.yaml:6"),
    ],
)
def test_a_use_of_what_is_not_there_is_found(tmp_path: Path, was: str, now: str, code: str, where: str) -> None:
    """Fields, versions and contracts that do not exist are errors at the line of the use."""
    _, findings = load(tmp_path, SHOP.replace(was, now))
    assert (code, where) in [(f.code, f.where) for f in findings]


def test_a_promise_of_another_shape_is_found(tmp_path: Path) -> None:
    """A share above 100% and a status that is no error are refused in their lines."""
    scorer = SERVICE.replace("99.9%", "101%").replace("409", "200")
    _, findings = load(tmp_path, SHOP, scorer)
    assert [(f.code, f.where) for f in findings][:2] == [
        ("field.value", "scorer.yaml:5"),
        ("field.value", "scorer.yaml:12"),
    ]
