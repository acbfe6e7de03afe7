"""Feature: a person writes YAML with mistakes, and reads what is wrong, where, and what would mend it."""

from __future__ import annotations

from pathlib import Path
from textwrap import fill

from interlock.adapters.workspace.loader import WorkspaceFiles
from interlock.adapters.workspace.template import write_template
from interlock.domain.catalog.asset import AssetId, Kind
from interlock.domain.catalog.graph import graph_of
from interlock.domain.catalog.impact import impact


def said(root: Path) -> str:
    """Every finding on a line of its own, wrapped as a terminal would."""
    return "\n".join(fill(str(finding), 100) for finding in WorkspaceFiles(root).load()[1])


def edit(path: Path, before: str, after: str) -> None:
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))


def test_mistakes_are_told_all_at_once(tmp_path: Path) -> None:
    """A misspelt field, a wrong version and a forgotten move are told with place and remedy."""
    write_template(tmp_path)
    edit(tmp_path / "services" / "checkout.yaml", "health:", "helth:")
    edit(tmp_path / "changes" / "first.yaml", '  - {model: risk, to: "2"}\n', "")
    edit(tmp_path / "models" / "risk.yaml", 'serving: "1"', "serving: 7")
    assert (
        said(tmp_path)
        == """\
services/checkout.yaml:9: error field.unknown: the document has an unknown field 'helth'. Did you
mean 'health'?
models/risk.yaml:5: error version.unknown: model:risk has no version '7'. There is: 1, 2.
changes/first.yaml:9: error change.incoherent: scorer@2 uses risk@2, but first does not move
model:risk. Add the move "model: risk, to: 2", or correct what serves now."""
    )


def test_two_versions_at_one_address_are_told(tmp_path: Path) -> None:
    """Versions that could not run side by side are an error before anything starts."""
    write_template(tmp_path)
    edit(tmp_path / "services" / "scorer.yaml", "127.0.0.1:9112", "127.0.0.1:9111")
    assert (
        said(tmp_path)
        == """\
services/scorer.yaml:16: error endpoint.shared: scorer@2 answers at 127.0.0.1:9111, but so does
scorer@1 (services/scorer.yaml:12). Versions run side by side: give each its own endpoint."""
    )


def test_bad_yaml_is_told_with_its_column(tmp_path: Path) -> None:
    """A tab in one file leaves all the others readable."""
    write_template(tmp_path)
    edit(tmp_path / "assets" / "payments.yaml", "owner: robin", "owner:\n\trobin")
    assert (
        said(tmp_path)
        == """\
assets/payments.yaml:6:1: error yaml.syntax: while scanning for the next token, found character that
cannot start any token. Indent with spaces; YAML forbids tabs there.
models/risk.yaml:6: error asset.unknown: no asset is named 'payments'. There is: checkout, order,
risk, scorer."""
    )


def test_the_reach_of_a_change_is_explained(tmp_path: Path) -> None:
    """From declarations alone: who is affected by a new contract version, and why."""
    write_template(tmp_path)
    workspace, _ = WorkspaceFiles(tmp_path).load()
    found = impact(graph_of(workspace.assets, workspace.links), [AssetId(Kind.CONTRACT, "order")])
    assert [one.says for one in found] == [
        "risk is affected: risk reads order",
        "scorer is affected: scorer reads order",
        "checkout is affected: checkout calls scorer, which reads order",
    ]
