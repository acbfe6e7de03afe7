from __future__ import annotations

from dataclasses import replace

import pytest

from interlock.domain.catalog.asset import AssetId, Kind
from interlock.domain.catalog.service import ModelSpec, ModelVersion, ServiceSpec, ServiceVersion, VersionRef
from interlock.domain.changes.coherence import check_change, check_lenses
from interlock.domain.changes.request import Change, GateSpec, Move
from interlock.domain.changes.workspace import Person, Workspace
from interlock.domain.lenses.lens import Lens
from interlock.domain.lenses.ops import Rename
from interlock.domain.schemas.contract import record
from interlock.domain.schemas.field import STRING, Field


def version(port: int, number: str) -> ServiceVersion:
    return ServiceVersion((f"h:{port}",), request=VersionRef("order", number), model=VersionRef("risk", number))


LENS = Lens("order", "1", "2", (Rename("a", "b"),), "l.yaml:1")
WORKSPACE = Workspace(
    name="shop",
    services={
        "scorer": ServiceSpec(
            "scorer", "1", {"1": version(1, "1"), "2": version(2, "2")}, callers_request=VersionRef("order", "1")
        )
    },
    models={
        "risk": ModelSpec("risk", "1", {n: ModelVersion() for n in "123"}),
        "idle": ModelSpec("idle", "1", {"1": ModelVersion()}),
    },
    contracts={
        ("order", "1"): record("order", "1", (Field("a", STRING),)),
        ("order", "2"): record("order", "2", (Field("b", STRING),)),
    },
    lenses=(LENS,),
    people={"alex": Person("alex"), "sam": Person("sam")},
)
SERVICE, MODEL, CONTRACT = (
    Move("service", "scorer", "2", "c.yaml:5"),
    Move("model", "risk", "2", "c.yaml:6"),
    Move("contract", "order", "2", "c.yaml:7"),
)
CHANGE = Change("first", "why", "alex", "sam", (SERVICE, MODEL, CONTRACT), where="c.yaml:1")


def codes(change: Change, workspace: Workspace = WORKSPACE) -> list[tuple[str, str]]:
    return [(f.code, f.where) for f in check_change(workspace, change)]


def test_a_coherent_change_has_no_findings() -> None:
    """Everything that the moved version uses is moved with it, and a lens reaches it."""
    assert codes(CHANGE) == []


@pytest.mark.parametrize(
    ("moves", "wanted"),
    [
        ((SERVICE, MODEL, CONTRACT, SERVICE), ("change.moved_twice", "c.yaml:5")),
        (
            (SERVICE, MODEL, CONTRACT, Move("service", "scorre", "2", "c.yaml:8")),
            ("change.unknown_asset", "c.yaml:8"),
        ),
        (
            (SERVICE, MODEL, CONTRACT, Move("model", "idle", "7", "c.yaml:8")),
            ("change.unknown_version", "c.yaml:8"),
        ),
        ((SERVICE, MODEL, CONTRACT, Move("model", "idle", "1", "c.yaml:8")), ("change.unused_move", "c.yaml:8")),
        ((SERVICE, CONTRACT), ("change.incoherent", "c.yaml:5")),
        ((SERVICE, MODEL), ("change.incoherent", "c.yaml:5")),
        ((SERVICE, replace(MODEL, to="3"), CONTRACT), ("change.incoherent", "c.yaml:5")),
    ],
)
def test_moves_that_do_not_fit_are_found(moves: tuple[Move, ...], wanted: tuple[str, str]) -> None:
    """Each way in which moves contradict the declarations, or one another, is a finding at the move."""
    assert wanted in codes(replace(CHANGE, moves=moves))


def test_an_incoherent_cut_says_which_version_clashes() -> None:
    """The finding names both versions and how to mend it."""
    (found,) = check_change(WORKSPACE, replace(CHANGE, moves=(SERVICE, replace(MODEL, to="3"), CONTRACT)))
    assert found.says == "first moves model:risk to 3, but scorer@2 uses risk@2."
    assert found.remedy == "Move model:risk to 2, or scorer to a version that uses 3."


def test_what_serves_already_needs_no_move() -> None:
    """A model version in use before the change is not missed among the moves."""
    models = {"risk": replace(WORKSPACE.models["risk"], serving="2")}
    assert codes(replace(CHANGE, moves=(SERVICE, CONTRACT)), replace(WORKSPACE, models=models)) == []


def test_a_moved_version_must_be_reachable_by_lenses() -> None:
    """Without a lens from what callers speak, the change is an error before any plan is made."""
    assert codes(CHANGE, replace(WORKSPACE, lenses=())) == [("change.untranslatable", "c.yaml:5")]


def test_gates_and_people_must_exist() -> None:
    """A gate on no service is an error; unknown people are a warning, unless no people are declared."""
    change = replace(CHANGE, gates=(GateSpec("errors", "scorre", 0.01),), sponsor="lea")
    assert [code for code, _ in codes(change)] == ["change.unknown_service", "change.unknown_person"]
    assert [code for code, _ in codes(change, replace(WORKSPACE, people={}))] == ["change.unknown_service"]


def test_unread_assets_are_not_blamed() -> None:
    """A move of something whose declaration has errors is no second error."""
    unread = {AssetId(Kind.SERVICE, "scorer")}
    change = replace(CHANGE, moves=(SERVICE,), gates=(GateSpec("errors", "scorer", 0.01),))
    assert check_change(replace(WORKSPACE, services={}), change, unread) == []


def test_lenses_join_declared_versions() -> None:
    """A lens of an unknown contract or version, or one that does not fit the two, is an error at the lens."""
    for lens, code in (
        (replace(LENS, contract="ordr"), "asset.unknown"),
        (replace(LENS, newer="3"), "version.unknown"),
        (replace(LENS, ops=()), "lens.field_lacking"),
    ):
        found = check_lenses(replace(WORKSPACE, lenses=(lens,)))
        assert code in [f.code for f in found]
        assert {f.where for f in found} == {"l.yaml:1"}
    assert check_lenses(WORKSPACE) == []
