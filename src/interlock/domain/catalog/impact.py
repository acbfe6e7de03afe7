"""What a change reaches: every asset downstream, with a shortest path that says why.

The paths together may be longer than the map (each asset spells out its own), so a chain of n assets costs
n squared; `graph.downstream` answers without paths in linear time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from interlock.domain.catalog.asset import AssetId, Link
from interlock.domain.catalog.graph import Graph, walk


@dataclass(frozen=True, slots=True)
class Affected:
    """`asset` depends on what changes. path: from the change to the asset; distance: links on it."""

    asset: AssetId
    path: tuple[Link, ...]
    owner: str
    distance: int
    says: str


def impact(graph: Graph, changed: Sequence[AssetId]) -> tuple[Affected, ...]:
    """Every asset that `changed` reaches, nearest first, itself not included. AssetMissing for an unknown one."""
    reached = walk(graph, [graph.number(c) for c in changed], graph.below, graph.lowers)
    return tuple(_affected(graph, reached, node) for node, link in reached.items() if link >= 0)


def _affected(graph: Graph, reached: Mapping[int, int], node: int) -> Affected:
    path: list[Link] = []
    at = node
    while (link := reached[at]) >= 0:
        path.append(graph.links[link])
        at = graph.uppers[link]
    asset = graph.nodes[node]
    return Affected(asset.id, tuple(reversed(path)), asset.owner, len(path), _sentence(asset.id, path))


def _sentence(asset: AssetId, backward: Sequence[Link]) -> str:
    """`rebooking is affected: rebooking calls delay-predictor, which reads flight-features`."""
    because = ", which ".join(f"{link.verb} {link.upstream.name}" for link in backward)
    return f"{asset.name} is affected: {asset.name} {because}"
