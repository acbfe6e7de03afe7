from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from interlock.adapters.workspace.loader import (
    Addresses,
    DeclarationExists,
    DeclarationInvalid,
    WorkspaceFiles,
    WorkspaceMissing,
    WorkspaceUnwritable,
    write_once,
)
from interlock.domain.catalog.service import VersionRef
from interlock.domain.changes.request import Role, ShadowStep, Steps
from interlock.kernel.finding import Finding, Severity

ROOT = "kind: Workspace\nname: shop\npeople: {alex: {roles: [service-owner]}, sam: {}}\n"
SERVICE = """\
kind: Service
name: scorer
owner: alex
serving: 1
timeout_s: 250ms
replay: [/score]
versions:
  1: {endpoints: [127.0.0.1:9101]}
  2.0: {endpoints: [127.0.0.1:9102]}
"""
CHANGE = """\
kind: Change
why: better
author: alex
sponsor: sam
moves: [{service: scorer, to: 2.0}]
"""


def load(root: Path, **files: str) -> tuple[Any, list[Finding]]:
    """`a__b="text"` is the file a/b.yaml."""
    for name, text in {"interlock": ROOT, **files}.items():
        path = root / (name.replace("__", "/") + ".yaml")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return WorkspaceFiles(root).load()


def codes(findings: list[Finding]) -> list[tuple[str, str]]:
    return [(f.code, f.where) for f in findings]


def test_declarations_become_nouns(tmp_path: Path) -> None:
    """Files anywhere below the root are read; versions keep their text, units are parsed, defaults hold."""
    workspace, findings = load(tmp_path, services__scorer=SERVICE, changes__first=CHANGE)
    assert findings == []
    scorer = workspace.services["scorer"]
    assert (scorer.serving, list(scorer.versions), scorer.timeout_s) == ("1", ["1", "2.0"], 0.25)
    assert (scorer.replay, scorer.unkeyed, scorer.where) == (("/score",), "baseline", "services/scorer.yaml:1")
    change = workspace.changes["first"]
    assert [(str(m), m.to, m.where) for m in change.moves] == [("service:scorer", "2.0", "changes/first.yaml:5")]
    assert change.steps == Steps()
    assert workspace.people["alex"].roles == {Role.OWNER}


def test_shares_and_durations_are_units_that_people_write(tmp_path: Path) -> None:
    """Percent or basis points, seconds or 5m: each becomes its number."""
    more = """\
steps:
  shadow: {share: 0.5%, seconds: 5m, pairs: 7}
  canary: [1%, 500, 50%]
  dwell_s: 1.5
  patience_s: 2h
gates:
  - {metric: errors, service: scorer, margin: 0.5%}
  - {metric: outcome, service: scorer, margin: 2, outcome: loss, cap: 120}
"""
    workspace, findings = load(tmp_path, scorer=SERVICE, first=CHANGE + more)
    assert findings == []
    change = workspace.changes["first"]
    shadow = ShadowStep(50, 300.0, 7)
    assert change.steps == Steps(shadow, (100, 500, 5_000), dwell_s=1.5, patience_s=7_200.0)
    assert [(g.metric, g.margin, g.outcome, g.cap) for g in change.gates] == [
        ("errors", 0.005, "", 0.0),
        ("outcome", 2.0, "loss", 120.0),
    ]


@pytest.mark.parametrize(
    ("line", "where"),
    [
        ("steps: {canary: [5%, 1%]}", "first.yaml:6"),
        ("steps: {canary: [100%]}", "first.yaml:6"),
        ("steps:\n  canary:\n    - 1%\n    - 0.001%", "first.yaml:9"),
        ("steps: {patience_s: 0}", "first.yaml:6"),
        ("gates: [{metric: errors, service: scorer, margin: 200%}]", "first.yaml:6"),
        ("gates: [{metric: outcome, service: scorer, margin: 2}]", "first.yaml:6"),
        ("gates: [{metric: errors, service: scorer, margin: 0, cap: 2}]", "first.yaml:6"),
        ("window: {opens: 2026-05-01}", "first.yaml:6"),
        ("window: {opens: 2026-05-02T00:00:00Z, closes: 2026-05-01T00:00:00Z}", "first.yaml:6"),
    ],
)
def test_values_that_no_schema_can_forbid_are_found(tmp_path: Path, line: str, where: str) -> None:
    """Shares, margins and windows that make no sense are errors in their line, and the change is left out."""
    workspace, findings = load(tmp_path, scorer=SERVICE, first=f"{CHANGE}{line}\n")
    assert codes(findings)[0] == ("field.value", where)
    assert workspace.changes == {}


def test_links_come_from_every_declaration(tmp_path: Path) -> None:
    """Services read contracts, use models and call services; models read; assets depend."""
    service = (
        "kind: Service\nname: a\nowner: x\nserving: 1\ncalls: [b]\ncallers: {request: order@1, response: score@1}\n"
        "versions: {1: {endpoints: ['h:1'], request: order@1, model: risk@1}}\n"
    )
    other = "kind: Service\nname: b\nowner: x\nserving: 1\nversions: {1: {endpoints: ['h:2']}}\n"
    model = "kind: Model\nname: risk\nowner: x\nserving: 1\nreads: [order, 'dataset:pay']\nversions: {1: {}}\n"
    asset = "kind: Asset\ntype: dataset\nname: pay\nowner: x\ndepends_on: [board]\n"
    board = "kind: Asset\ntype: dashboard\nname: board\nowner: x\n"
    contract = (
        "kind: DataContract\napiVersion: v3.1.0\nid: {0}\nname: {0}\nversion: 1\nstatus: active\n"
        "team: {{name: x}}\nschema: [{{name: {0}, properties: [{{name: f, logicalType: string}}]}}]\n"
    )
    files = {"a": service, "b": other, "m": model, "p": asset, "d": board}
    workspace, findings = load(tmp_path, **files, c=contract.format("order"), s=contract.format("score"))
    assert findings == []
    assert sorted(f"{link.downstream} {link.verb} {link.upstream}" for link in workspace.links) == [
        "dataset:pay depends on dashboard:board",
        "model:risk reads contract:order",
        "model:risk reads dataset:pay",
        "service:a answers with contract:score",
        "service:a calls service:b",
        "service:a reads contract:order",
        "service:a uses model:risk",
    ]
    assert workspace.services["a"].versions["1"].model == VersionRef("risk", "1")
    assert len(workspace.assets) == 7


def test_local_model_bytes_are_digested(tmp_path: Path) -> None:
    """A path beside the declaration yields its SHA-256, a URI none; a missing file is a warning."""
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "one.bin").write_bytes(b"bytes")
    versions = "versions: {1: {uri: one.bin}, 2: {uri: 's3://bucket/two'}, 3: {uri: gone.bin}}"
    model = f"kind: Model\nname: risk\nowner: x\nserving: 1\n{versions}\n"
    workspace, findings = load(tmp_path, models__risk=model)
    digests = [version.digest for version in workspace.models["risk"].versions.values()]
    assert digests == [f"sha256:{hashlib.sha256(b'bytes').hexdigest()}", "", ""]
    assert [(f.code, f.severity) for f in findings] == [("model.file_missing", Severity.WARNING)]


def test_every_finding_is_collected(tmp_path: Path) -> None:
    """A bad file hides nothing of the others, and one pass shows everything."""
    _, findings = load(
        tmp_path,
        bad="a: [",
        dup=SERVICE,
        scorer=SERVICE,
        near="kind: Servce\n",
        foreign="apiVersion: v1\nkind: Deployment\n",
        none="a: 1\n",
        first=CHANGE.replace("scorer", "scorre"),
    )
    assert [(f.code, f.severity.value, f.where) for f in findings] == [
        ("yaml.syntax", "error", "bad.yaml:2:1"),
        ("kind.unknown", "warning", "foreign.yaml:2"),
        ("kind.unknown", "error", "near.yaml:1"),
        ("kind.absent", "info", "none.yaml:1"),
        ("name.duplicate", "error", "scorer.yaml:1"),
        ("change.unknown_asset", "error", "first.yaml:5"),
    ]


def test_a_broken_declaration_is_blamed_once(tmp_path: Path) -> None:
    """What mentions a service, model or contract with errors of its own gets no finding for that."""
    broken = SERVICE.replace("serving: 1\n", "")
    model = "kind: Model\nname: risk\nowner: x\nserving: 1\nreads: [scorer]\nversions: {1: {}}\n"
    _, findings = load(tmp_path, scorer=broken, first=CHANGE, risk=model)
    assert codes(findings) == [("field.missing", "scorer.yaml:1")]


def test_hidden_directories_are_not_read(tmp_path: Path) -> None:
    """Virtual environments, state and installed packages hold no declarations."""
    load(tmp_path, **dict.fromkeys((".venv__x", "a__.interlock__x", "node_modules__x", ".x"), "kind: Servce\n"))
    assert WorkspaceFiles(tmp_path).load()[1] == []


def test_a_workspace_needs_a_root(tmp_path: Path) -> None:
    """Without interlock.yaml there is an error; with one that cannot be parsed, only that error."""
    assert codes(WorkspaceFiles(tmp_path).load()[1]) == [("workspace.rootless", "interlock.yaml")]
    assert codes(load(tmp_path, interlock="a: [")[1]) == [("yaml.syntax", "interlock.yaml:2:1")]
    assert codes(load(tmp_path, interlock="# nothing", elsewhere=ROOT)[1]) == [("field.value", "elsewhere.yaml:1")]


def test_a_missing_directory_is_an_error(tmp_path: Path) -> None:
    """There is nothing to find in a directory that does not exist."""
    with pytest.raises(WorkspaceMissing, match="interlock init"):
        WorkspaceFiles(tmp_path / "nope").load()


def test_unreadable_files_and_pipes_do_no_harm(tmp_path: Path) -> None:
    """A dangling link and a pipe named like declarations are passed over."""
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "dangling.yaml").symlink_to(tmp_path / "nowhere")
    assert load(tmp_path)[1] == []


def test_addresses_have_defaults(tmp_path: Path) -> None:
    """What interlock.yaml leaves out is the default; a bad root is Invalid, with its line."""
    files = WorkspaceFiles(tmp_path)
    with pytest.raises(WorkspaceMissing):
        files.addresses()
    (tmp_path / "interlock.yaml").write_text(ROOT + "addresses: {edge: 0.0.0.0:8080}\n")
    assert files.addresses() == Addresses(edge="0.0.0.0:8080")
    (tmp_path / "interlock.yaml").write_text(ROOT + "addresses: {egde: x}\n")
    with pytest.raises(DeclarationInvalid, match=r"interlock.yaml:4: .*egde.*edge"):
        files.addresses()


def test_a_written_change_is_read_back(tmp_path: Path) -> None:
    """What write_change writes loads as the same change, readable, with its schema for editors."""
    document = {**yaml.safe_load(CHANGE), "name": "first", "moves": [{"service": "scorer", "to": "2.0"}]}
    load(tmp_path, scorer=SERVICE)
    path = WorkspaceFiles(tmp_path).write_change(document)
    workspace, findings = WorkspaceFiles(tmp_path).load()
    assert findings == []
    assert workspace.changes["first"].moves[0].to == "2.0"
    assert path.read_text().startswith("# yaml-language-server: $schema=../schemas/change.json\nkind: Change\n")
    assert [p.name for p in path.parent.iterdir()] == ["first.yaml"]


def test_a_change_is_never_overwritten(tmp_path: Path) -> None:
    """A second change of the same name is refused and the first stays as it is."""
    document = {**yaml.safe_load(CHANGE), "name": "first"}
    path = WorkspaceFiles(tmp_path).write_change(document)
    before = path.read_text()
    with pytest.raises(DeclarationExists):
        WorkspaceFiles(tmp_path).write_change(document | {"why": "other"})
    assert path.read_text() == before
    assert [p.name for p in path.parent.iterdir()] == ["first.yaml"]


@pytest.mark.parametrize("change", [{"name": "../evil"}, {"name": None}, {"moves": []}, {"whi": "x"}])
def test_a_bad_change_is_not_written(tmp_path: Path, change: dict[str, Any]) -> None:
    """What would not load is Invalid, and no file is made."""
    with pytest.raises(DeclarationInvalid):
        WorkspaceFiles(tmp_path).write_change({**yaml.safe_load(CHANGE), "name": "first", **change})
    assert list(tmp_path.iterdir()) == []


def test_a_file_where_a_directory_should_be_is_told(tmp_path: Path) -> None:
    """Not as if the new file were there already, which no other name would mend."""
    (tmp_path / "changes").touch()
    with pytest.raises(WorkspaceUnwritable):
        write_once(tmp_path / "changes" / "first.yaml", "kind: Change\n")
