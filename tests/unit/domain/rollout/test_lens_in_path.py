"""A plan says which translations cannot run where requests pass."""

from __future__ import annotations

from interlock.domain.catalog.asset import Asset, AssetId, Kind
from interlock.domain.catalog.service import ServiceSpec, ServiceVersion, VersionRef
from interlock.domain.changes.cut import cut
from interlock.domain.changes.request import Change, Move
from interlock.domain.changes.workspace import Workspace
from interlock.domain.lenses.expressions.nodes import FLOAT, Column
from interlock.domain.lenses.lens import Lens
from interlock.domain.lenses.ops import Add, Nest, Program
from interlock.domain.rollout.compile import compile_plan
from interlock.domain.schemas.contract import record
from interlock.domain.schemas.field import NUMBER, Field

A, B = Field("a", NUMBER), Field("b", NUMBER, nullable=True)


def found(ops: Program, newer: tuple[Field, ...]) -> list[str]:
    """What is said of the plan of a change whose requests pass through a lens of `ops`."""
    versions = {n: ServiceVersion((f"h:{n}",), request=VersionRef("order", n)) for n in "12"}
    workspace = Workspace(
        name="shop",
        services={
            "scorer": ServiceSpec("scorer", "1", versions, callers_request=VersionRef("order", "1"), edge=True)
        },
        contracts={("order", "1"): record("order", "1", (A,)), ("order", "2"): record("order", "2", newer)},
        lenses=(Lens("order", "1", "2", ops),),
        assets=(Asset(AssetId(Kind.SERVICE, "scorer")), Asset(AssetId(Kind.CONTRACT, "order"))),
    )
    moves = (Move("service", "scorer", "2"), Move("contract", "order", "2"))
    _, findings = compile_plan(workspace, Change("first", "why", "a", "b", moves), cut(workspace, {"scorer": "1"}))
    return [f.says for f in findings if f.code == "lens.not_in_path"]


def test_a_lens_that_computes_is_refused_in_the_path_of_requests() -> None:
    """Nothing is approximated: the op is named, and the plan is blocked."""
    assert found((Add("b", value=Column("a", FLOAT)),), (A, B)) == [
        "the request lens of scorer@2 needs the hop engine for add of `b` with a value"
    ]


def test_a_lens_of_shapes_runs_in_the_path_of_requests() -> None:
    """What needs no expression stays possible."""
    assert found((Nest(("a",), "o"), Add("b")), (B,)) == []
