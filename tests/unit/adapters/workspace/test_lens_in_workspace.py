"""Lenses are typed by contracts that may be declared after them."""

from __future__ import annotations

from pathlib import Path

from interlock.adapters.workspace.loader import WorkspaceFiles
from interlock.domain.changes.cut import cut
from interlock.domain.changes.workspace import Workspace
from interlock.domain.lenses.expressions.nodes import FLOAT, Column, Constant
from interlock.domain.lenses.expressions.typing import call
from interlock.domain.lenses.ops import Add, Inside, Unit
from interlock.kernel.finding import Finding

CONTRACT = """\
kind: DataContract
apiVersion: v3.1.0
id: trip
name: trip
version: {version}
status: active
schema:
  - name: trip
    properties:
      - {{name: miles, logicalType: number, required: true}}
{more}"""
KM = "      - {name: km, logicalType: number}\n"
SERVICE = """\
kind: Service
name: scorer
owner: alex
serving: 1
body: oip
callers: {request: trip@1}
versions:
  1: {endpoints: ["h:1"], request: trip@1}
  2: {endpoints: ["h:2"], request: trip@2}
"""
LENS = """\
kind: Lens
contract: trip
from: 1
to: {to}
ops:
  - add:
      field: km
      value: {value}
"""


def load(root: Path, value: str = "miles * 1.5", to: int = 2, more: str = KM) -> tuple[Workspace, list[Finding]]:
    (root / "interlock.yaml").write_text("kind: Workspace\nname: w\n")
    (root / "a-lens.yaml").write_text(LENS.format(to=to, value=value))
    (root / "trip-1.yaml").write_text(CONTRACT.format(version=1, more=""))
    (root / "trip-2.yaml").write_text(CONTRACT.format(version=2, more=more))
    return WorkspaceFiles(root).load()


def of_lens(findings: list[Finding]) -> list[tuple[str, str]]:
    return [(f.code, f.where) for f in findings if f.subject.startswith("lens:")]


def test_a_lens_is_typed_whatever_the_order_of_files(tmp_path: Path) -> None:
    """The file of the lens sorts before those of its contracts."""
    workspace, findings = load(tmp_path)
    assert of_lens(findings) == []
    value = call("mul", Column("miles", FLOAT, False), Constant(1.5, FLOAT))
    assert workspace.lenses[0].ops == (Add("km", value=value),)


def test_an_expression_is_blamed_in_its_line(tmp_path: Path) -> None:
    """File and line of the expression, not of the lens."""
    workspace, findings = load(tmp_path, value="mils * 1.5")
    assert of_lens(findings) == [("lens.expression_invalid", "a-lens.yaml:8")]
    assert workspace.lenses == ()


def test_a_version_that_is_not_declared_is_named(tmp_path: Path) -> None:
    """The remedy lists the versions that there are."""
    _, findings = load(tmp_path, to=3)
    [found] = [f for f in findings if f.code == "lens.untyped"]
    assert "trip@3" in found.says
    assert "1, 2" in found.remedy


def test_a_lens_is_not_blamed_for_a_broken_contract(tmp_path: Path) -> None:
    """The contract's own finding is enough."""
    _, findings = load(tmp_path, more="      - {name: km, logicalType: nmber}\n")
    assert any(f.is_blocking for f in findings)
    assert of_lens(findings) == []


def test_names_and_factors_are_text_as_typed_inside_objects_too(tmp_path: Path) -> None:
    """A field called 2020 needs no quotes, and a factor keeps all its digits, at any depth."""
    unit = "{unit: {field: 2020, factor: 0.0000001}}"
    lens = f"kind: Lens\ncontract: trip\nfrom: 1\nto: 2\nops: [{unit}, {{in: {{field: o, ops: [{unit}]}}}}]\n"
    load(tmp_path)
    (tmp_path / "a-lens.yaml").write_text(lens)
    workspace, _ = WorkspaceFiles(tmp_path).load()
    op = Unit("2020", 1, 10_000_000)
    assert workspace.lenses[0].ops == (op, Inside("o", (op,)))


def test_a_draft_stands_beside_the_lens(tmp_path: Path) -> None:
    """Its file sorts first, and it takes nothing from the lens for the same step."""
    load(tmp_path)
    text = (tmp_path / "a-lens.yaml").read_text()
    (tmp_path / "a-draft.yaml").write_text(text.replace("ops:", "status: draft\nops:"))
    workspace, findings = WorkspaceFiles(tmp_path).load()
    assert [one.where for one in workspace.lenses] == ["a-lens.yaml:1"]
    assert [one.where for one in workspace.drafts] == ["a-draft.yaml:1"]
    assert of_lens(findings) == [("lens.unconfirmed", "a-draft.yaml:1")]


def test_the_status_of_a_lens_is_one_of_two(tmp_path: Path) -> None:
    """Another word is an error, and no lens."""
    load(tmp_path)
    text = (tmp_path / "a-lens.yaml").read_text()
    (tmp_path / "a-lens.yaml").write_text(text.replace("ops:", "status: ready\nops:"))
    workspace, findings = WorkspaceFiles(tmp_path).load()
    assert (workspace.lenses, of_lens(findings)) == ((), [("lens.status_unknown", "a-lens.yaml:5")])


def test_the_declared_shape_of_bodies_chooses_engine_and_datatypes(tmp_path: Path) -> None:
    """A service that speaks tensors is reached through the hop, with the datatypes of what it reads."""
    (tmp_path / "scorer.yaml").write_text(SERVICE)
    workspace, findings = load(tmp_path)
    assert [f for f in findings if f.subject == "service:scorer"] == []
    [deployment] = cut(workspace, {"scorer": "2"}).deployments
    assert (deployment.lens_engine, deployment.body) == ("hop", "oip")
    assert deployment.request_types == (("miles", "FP64"), ("km", "FP64"))
    assert cut(workspace, {"scorer": "1"}).deployments[0].body == "object", "without a lens nothing is opened"
