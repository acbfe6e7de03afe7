from __future__ import annotations

from itertools import pairwise

import pytest

from interlock.domain.catalog.asset import Asset, AssetId, Kind, Link
from interlock.domain.catalog.graph import AssetMissing, Graph, cycles, downstream, graph_of, upstream


def node(name: str) -> AssetId:
    return AssetId(Kind.DATASET, name)


def chain(*edges: str) -> Graph:
    """`a<b`: b depends on a."""
    ends = [edge.split("<") for edge in edges]
    return graph_of((), [Link(node(up), node(down), "reads") for up, down in ends])


def names(assets: tuple[AssetId, ...]) -> str:
    return " ".join(asset.name for asset in assets)


def test_downstream_and_upstream_are_nearest_first() -> None:
    """A walk reaches everything once, in the order of distance and then of names."""
    graph = chain("a<c", "a<b", "b<d", "c<d", "d<e")
    assert names(downstream(graph, [node("a")])) == "b c d e"
    assert names(upstream(graph, [node("e")])) == "d b c a"
    assert names(downstream(graph, [node("b"), node("c")])) == "d e"


def test_order_of_declaration_does_not_matter() -> None:
    """Equal declarations in another order make an equal graph."""
    assert chain("a<b", "b<c", "a<c") == chain("a<c", "b<c", "a<b")


def test_an_unknown_start_says_what_was_meant() -> None:
    """AssetMissing names a near asset."""
    with pytest.raises(AssetMissing, match="dataset:alpha"):
        downstream(chain("alpha<b"), [node("alpa")])


def test_declared_assets_keep_their_owner() -> None:
    """The graph holds the declared asset, not a bare node, where there is one."""
    graph = graph_of([Asset(node("a"), "alex")], [Link(node("a"), node("b"), "reads")])
    assert [asset.owner for asset in graph.nodes] == ["alex", ""]


def test_cycles_are_spelled_out_once_each() -> None:
    """Each knot yields one shortest cycle, links in the direction of impact; a link to itself counts."""
    graph = chain("a<b", "b<c", "c<a", "c<d", "d<e", "e<d", "b<a", "x<x", "y<z")
    found = [" ".join(f"{link.upstream.name}<{link.downstream.name}" for link in cycle) for cycle in cycles(graph)]
    assert found == ["a<b b<a", "d<e e<d", "x<x"]


def test_a_graph_without_cycles_has_none() -> None:
    """Diamonds are no cycles."""
    assert cycles(chain("a<b", "a<c", "b<d", "c<d")) == ()


def test_deep_chains_need_no_recursion() -> None:
    """A chain and a ring of 20,000 assets are walked without a recursion limit."""
    ends = [f"n{i:05}" for i in range(20_000)]
    links = [Link(node(up), node(down), "reads") for up, down in pairwise(ends)]
    assert len(downstream(graph_of((), links), [node("n00000")])) == 19_999
    ring = graph_of((), [*links, Link(node(ends[-1]), node(ends[0]), "reads")])
    assert [len(cycle) for cycle in cycles(ring)] == [20_000]
