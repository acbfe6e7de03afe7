"""A lens goes from one environment to the next as the same bytes; what is there already is never replaced."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from interlock.adapters.workspace.loader import DeclarationExists, WorkspaceFiles
from interlock.adapters.workspace.sources import document_at
from interlock.adapters.workspace.template import write_template
from interlock.engine.context import Context
from interlock.engine.plans import WorkspaceInvalid
from interlock.engine.ports import Source
from interlock.engine.promotions import Offer, PromotionConflict, PromotionInvalid, offer, promotions, take_in
from interlock.kernel.errors import Missing
from support.driven import World

LENS = "lenses/order-1-2.yaml"


@pytest.fixture
def dev(tmp_path: Path) -> WorkspaceFiles:
    write_template(tmp_path / "dev")
    return WorkspaceFiles(tmp_path / "dev")


@pytest.fixture
def production(tmp_path: Path) -> Iterator[Context]:
    """An environment that knows version 1 alone."""
    root = tmp_path / "production"
    root.mkdir()
    (root / "interlock.yaml").write_text("kind: Workspace\nname: production\n")
    (root / "contracts").mkdir()
    (root / "contracts" / "first.yaml").write_text(
        (tmp_path / "dev" / "contracts" / "order-1.odcs.yaml").read_text() if (tmp_path / "dev").exists() else ""
    )
    (tmp_path / "state").mkdir()
    world = World(tmp_path / "state")
    yield replace(world.context, workspaces=WorkspaceFiles(root))
    world.context.store.close()


def root(context: Context) -> Path:
    assert isinstance(context.workspaces, WorkspaceFiles)
    return context.workspaces.root


def test_a_lens_arrives_with_the_contracts_that_lack(dev: WorkspaceFiles, production: Context) -> None:
    """The text is the same, the digest too; it is recorded by whom and from where, once."""
    offered = offer(dev, "order", "1", "2")
    told = take_in(production, offered, "ana")
    assert told["written"] == ["contracts/order-2.yaml", LENS]
    assert (root(production) / LENS).read_text() == (dev.root / LENS).read_text()
    assert offer(production.workspaces, "order", "1", "2").lens == offered.lens
    assert take_in(production, offered, "ben")["written"] == []
    [kept] = promotions(production)
    assert (kept["by"], kept["from"], kept["lens"]) == ("ana", offered.origin, "order@1..2")
    with production.store.transaction(read_only=True) as tx:
        kinds = [e.event.kind for e in tx.trail()]
    assert kinds.count("lens.promoted") == 1


def test_a_dry_run_writes_and_records_nothing(dev: WorkspaceFiles, production: Context) -> None:
    """It says what would be written."""
    told = take_in(production, offer(dev, "order", "1", "2"), "ana", dry_run=True)
    assert LENS in told["written"]
    assert not (root(production) / LENS).exists()
    assert promotions(production) == []


def test_another_contract_under_the_same_version_is_refused(dev: WorkspaceFiles, production: Context) -> None:
    """A version means one thing in every environment."""
    offered = offer(dev, "order", "1", "2")
    first = root(production) / "contracts" / "first.yaml"
    first.write_text(first.read_text().replace("basket", "trolley"))
    with pytest.raises(PromotionConflict, match="another contract here"):
        take_in(production, offered, "ana")
    assert not (root(production) / LENS).exists()


def test_another_lens_between_the_same_versions_is_refused(dev: WorkspaceFiles, production: Context) -> None:
    """What serves in an environment is not replaced from outside."""
    take_in(production, offer(dev, "order", "1", "2"), "ana")
    (dev.root / LENS).write_text((dev.root / LENS).read_text().replace("web", "shop"))
    with pytest.raises(PromotionConflict, match="does something else here"):
        take_in(production, offer(dev, "order", "1", "2"), "ana")
    assert "web" in (root(production) / LENS).read_text()


def test_texts_that_are_not_what_their_digests_say_are_refused(dev: WorkspaceFiles, production: Context) -> None:
    """Nor texts that would make the workspace invalid; nothing is written."""
    offered = offer(dev, "order", "1", "2")
    forged = replace(offered, texts=(*offered.texts[:2], offered.texts[2].replace("web", "shop")))
    with pytest.raises(PromotionInvalid):
        take_in(production, forged, "ana")
    broken = replace(offered, texts=(*offered.texts[:2], "kind: Lens\ncontract: order\n"))
    with pytest.raises(WorkspaceInvalid):
        take_in(production, broken, "ana")
    assert not (root(production) / LENS).exists()


def test_only_a_lens_that_is_there_is_offered(dev: WorkspaceFiles) -> None:
    """From a workspace that is valid."""
    with pytest.raises(Missing, match=r"has no lens order@1\.\.3"):
        offer(dev, "order", "1", "3")
    (dev.root / LENS).write_text("kind: Lens\n")
    with pytest.raises(WorkspaceInvalid):
        offer(dev, "order", "1", "2")


def test_an_offer_survives_its_journey() -> None:
    """As the command line sends it and the control plane reads it."""
    from interlock.engine.codec import dump, load

    offered = Offer("dev", "order", "1", "2", "sha256:a", ("sha256:b", "sha256:c"), ("x", "y", "z"))
    assert load(Offer, dump(offered)) == offered


def test_files_are_made_all_or_none(tmp_path: Path) -> None:
    """A file of somebody else is left alone, and the others are taken back."""
    (tmp_path / "b.yaml").write_text("mine\n")
    with pytest.raises(DeclarationExists):
        WorkspaceFiles(tmp_path).write_sources([Source("a.yaml", "a\n"), Source("b.yaml", "b\n")])
    assert sorted(p.name for p in tmp_path.iterdir()) == ["b.yaml"]


@pytest.mark.parametrize(
    ("line", "found"), [(1, "a: 1\n"), (2, "b: 2\n# two\n"), (3, "b: 2\n# two\n"), (6, "c: 3\n")]
)
def test_a_document_is_cut_out_of_its_file(line: int, found: str) -> None:
    """With its comments, without the marks around it."""
    assert document_at("a: 1\n---\nb: 2\n# two\n--- # three\nc: 3\n", line) == found


def test_a_document_may_begin_beside_its_mark() -> None:
    """What stands there is no comment, and is not lost."""
    text = "a: 1\n--- {b: 2,\n  c: 3}\n---\nd: 4\n"
    assert {document_at(text, line) for line in (2, 3)} == {"{b: 2,\n  c: 3}\n"}


def test_a_line_that_is_not_there_has_no_document() -> None:
    """The file became shorter since it was read."""
    with pytest.raises(ValueError, match="no line 9"):
        document_at("a: 1\n", 9)
