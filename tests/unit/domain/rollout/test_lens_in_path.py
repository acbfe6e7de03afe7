"""A plan says what translates where requests pass, and what cannot."""

from __future__ import annotations

from dataclasses import replace

import pytest

from interlock.domain.catalog.asset import Asset, AssetId, Kind
from interlock.domain.catalog.service import ServiceSpec, ServiceVersion, VersionRef
from interlock.domain.changes.cut import cut
from interlock.domain.changes.request import Change, Move
from interlock.domain.changes.workspace import Workspace
from interlock.domain.lenses.bodies import BodyShape
from interlock.domain.lenses.expressions.nodes import FLOAT, Column
from interlock.domain.lenses.lens import Lens
from interlock.domain.lenses.ops import Add, Blank, Each, Inside, Nest, Op, Program, Rename, Unnest
from interlock.domain.releases.release import Deployment, Release
from interlock.domain.rollout.compile import compile_plan
from interlock.domain.rollout.explain import explain_lenses
from interlock.domain.rollout.plan import Plan
from interlock.domain.schemas.contract import record
from interlock.domain.schemas.field import NUMBER, Field
from interlock.engine.codec import load
from interlock.kernel.digest import plain

A, B = Field("a", NUMBER), Field("b", NUMBER, nullable=True)


def planned(ops: Program, newer: tuple[Field, ...], body: BodyShape = "object") -> tuple[Plan, list[str]]:
    """The plan of a change whose requests pass through a lens of `ops`, and why it cannot be."""
    versions = {n: ServiceVersion((f"h:{n}",), request=VersionRef("order", n)) for n in "12"}
    workspace = Workspace(
        name="shop",
        services={
            "scorer": ServiceSpec(
                "scorer", "1", versions, callers_request=VersionRef("order", "1"), edge=True, body=body
            )
        },
        contracts={("order", "1"): record("order", "1", (A,)), ("order", "2"): record("order", "2", newer)},
        lenses=(Lens("order", "1", "2", ops),),
        assets=(Asset(AssetId(Kind.SERVICE, "scorer")), Asset(AssetId(Kind.CONTRACT, "order"))),
    )
    moves = (Move("service", "scorer", "2"), Move("contract", "order", "2"))
    plan, findings = compile_plan(
        workspace, Change("first", "why", "a", "b", moves), cut(workspace, {"scorer": "1"})
    )
    return plan, [f.says for f in findings if f.code == "lens.not_in_path"]


def test_a_lens_of_shapes_runs_in_the_proxy() -> None:
    """What needs no expression stays in Lua, and the plan says so."""
    plan, refused = planned((Nest(("a",), "o"), Add("b")), (B,))
    assert refused == []
    assert plan.candidate.deployments[0].lens_engine == "lua"
    assert explain_lenses(plan) == (("scorer@2", "requests are translated by Lua in the proxy"),)


def test_a_lens_that_computes_runs_in_the_hop() -> None:
    """The engine that can is chosen, the op that decided it is named, and it is part of what is approved."""
    plan, refused = planned((Add("b", value=Column("a", FLOAT)),), (A, B))
    assert refused == []
    why = "because the request lens has add of `b` with a value"
    says = f"requests are translated by the lens hop beside the proxy, {why}"
    assert explain_lenses(plan) == (("scorer@2", says),)
    [deployment] = plan.candidate.deployments
    assert deployment.lens_engine == "hop"
    assert Release((replace(deployment, lens_engine="lua"),)).id != plan.candidate.id


def test_a_shape_of_bodies_that_lua_does_not_open_needs_the_hop() -> None:
    """Tensors get the datatypes that the reader declares."""
    plan, refused = planned((Rename("a", "b"),), (replace(B, nullable=False),), "oip")
    assert refused == []
    [deployment] = plan.candidate.deployments
    assert (deployment.lens_engine, deployment.body) == ("hop", "oip")
    assert deployment.request_types == (("b", "FP64"),)


@pytest.mark.parametrize(
    "op", [Nest(("a",), "b"), Unnest(("b",), "a"), Inside("a", ()), Each("a", ()), Blank("a", 1)]
)
def test_what_no_engine_can_do_to_tensors_is_refused(op: Op) -> None:
    """A tensor holds neither objects nor nulls; the plan says so before any request does."""
    _, refused = planned((op,), (A, B), "oip")
    assert len(refused) == 1
    assert refused[0].startswith(f"tensors cannot hold what the request lens of scorer@2 does: {op.op} of `")


def test_without_a_lens_nothing_of_engines_is_in_a_digest() -> None:
    """Releases that use none keep their names."""
    one = Deployment("scorer", "1", ("h:1",))
    told = plain(one)
    assert not {"lens_engine", "body", "request_types", "response_types"} & told.keys()
    assert load(Deployment, told) == one
