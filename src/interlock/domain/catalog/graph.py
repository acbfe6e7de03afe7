"""The dependency map as an adjacency list, walked in linear time and always in the same order.

Nodes are numbered in the order of their ids, links in the order of their ends, so equal declarations give
equal answers whatever order they were read in. Walks are iterative: depth is bounded by memory alone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from interlock.domain.catalog.asset import Asset, AssetId, Link
from interlock.kernel.errors import Missing
from interlock.kernel.ident import did_you_mean


class AssetMissing(Missing):
    """The map has no such asset."""

    code = "asset.missing"


@dataclass(frozen=True, slots=True)
class Graph:
    """Build it with `graph_of`.

    nodes: assets by number. links: sorted; `uppers[k]` and `lowers[k]` number the ends of `links[k]`.
    below[n] and above[n]: the links that leave node n downstream and upstream.
    """

    nodes: tuple[Asset, ...]
    numbers: Mapping[AssetId, int]
    links: tuple[Link, ...]
    uppers: list[int]
    lowers: list[int]
    below: list[list[int]]
    above: list[list[int]]

    def number(self, asset: AssetId) -> int:
        """The number of `asset`, or AssetMissing."""
        if (found := self.numbers.get(asset)) is None:
            known = [str(node.id) for node in self.nodes]
            raise AssetMissing(f"there is no asset {asset}", remedy=did_you_mean(str(asset), known))
        return found


def graph_of(assets: Iterable[Asset], links: Iterable[Link]) -> Graph:
    """The map of `assets` and `links`. An end that no asset declares becomes a node without an owner."""
    named = {asset.id: asset for asset in assets}
    edges = list(links)
    for link in edges:
        for end in (link.upstream, link.downstream):
            if end not in named:
                named[end] = Asset(end)
    nodes = tuple(sorted(named.values(), key=lambda a: (a.id.kind.value, a.id.name)))
    numbers = {asset.id: number for number, asset in enumerate(nodes)}
    ends = [(numbers[e.upstream], numbers[e.downstream], e.verb, e.where, k) for k, e in enumerate(edges)]
    ends.sort()
    below: list[list[int]] = [[] for _ in nodes]
    above: list[list[int]] = [[] for _ in nodes]
    for position, (upper, lower, *_) in enumerate(ends):
        below[upper].append(position)
        above[lower].append(position)
    ordered = tuple(edges[k] for *_, k in ends)
    return Graph(nodes, numbers, ordered, [e[0] for e in ends], [e[1] for e in ends], below, above)


def downstream(graph: Graph, starts: Iterable[AssetId]) -> tuple[AssetId, ...]:
    """Every asset that a change of `starts` reaches, nearest first, without `starts`."""
    return _named(graph, walk(graph, [graph.number(s) for s in starts], graph.below, graph.lowers))


def upstream(graph: Graph, starts: Iterable[AssetId]) -> tuple[AssetId, ...]:
    """Every asset that `starts` depend on, nearest first, without `starts`."""
    return _named(graph, walk(graph, [graph.number(s) for s in starts], graph.above, graph.uppers))


def walk(graph: Graph, starts: Iterable[int], out: list[list[int]], ends: list[int]) -> dict[int, int]:
    """Breadth first: node -> the link by which a shortest way reaches it, nearest first, starts at -1."""
    reached = dict.fromkeys(sorted(starts), -1)
    queue = deque(reached)
    while queue:
        for link in out[queue.popleft()]:
            if (end := ends[link]) not in reached:
                reached[end] = link
                queue.append(end)
    return reached


def cycles(graph: Graph) -> tuple[tuple[Link, ...], ...]:
    """One cycle for each strongly connected component that has any: a shortest one through its first node that
    is not a service, else through its first node. Links follow the direction of impact.
    """
    found = (_cycle(graph, component) for component in _components(graph))
    return tuple(sorted((c for c in found if c), key=lambda c: graph.number(c[0].upstream)))


def _named(graph: Graph, reached: Mapping[int, int]) -> tuple[AssetId, ...]:
    return tuple(graph.nodes[n].id for n, link in reached.items() if link >= 0)


def _cycle(graph: Graph, component: list[int]) -> tuple[Link, ...]:
    """A shortest cycle within `component`, empty when it has none (one node without a link to itself)."""
    start = min(component, key=lambda n: (graph.nodes[n].id.kind.value == "service", n))
    inside = set(component)
    reached: dict[int, int] = {}
    queue = deque([start])
    while queue and start not in reached:
        for link in graph.below[queue.popleft()]:
            end = graph.lowers[link]
            if end in inside and end not in reached:
                reached[end] = link
                queue.append(end)
    return _way_back(graph, reached, start) if start in reached else ()


def _way_back(graph: Graph, reached: Mapping[int, int], start: int) -> tuple[Link, ...]:
    steps: list[Link] = []
    node = start
    while not steps or node != start:
        link = reached[node]
        steps.append(graph.links[link])
        node = graph.uppers[link]
    return tuple(reversed(steps))


def _components(graph: Graph) -> Iterator[list[int]]:
    """Strongly connected components (Tarjan 1972), with an explicit stack instead of recursion."""
    order: dict[int, int] = {}
    lowest: dict[int, int] = {}
    waiting: list[int] = []
    is_waiting = [False] * len(graph.nodes)
    for root in range(len(graph.nodes)):
        if root in order:
            continue
        trail = [(root, iter(graph.below[root]))]
        order[root] = lowest[root] = len(order)
        waiting.append(root)
        is_waiting[root] = True
        while trail:
            node, rest = trail[-1]
            for link in rest:
                end = graph.lowers[link]
                if end not in order:
                    order[end] = lowest[end] = len(order)
                    waiting.append(end)
                    is_waiting[end] = True
                    trail.append((end, iter(graph.below[end])))
                    break
                if is_waiting[end]:
                    lowest[node] = min(lowest[node], order[end])
            else:
                trail.pop()
                if trail:
                    above = trail[-1][0]
                    lowest[above] = min(lowest[above], lowest[node])
                if lowest[node] == order[node]:
                    yield _take_until(waiting, is_waiting, node)


def _take_until(waiting: list[int], is_waiting: list[bool], node: int) -> list[int]:
    """Take from the stack down to `node`, which is the root of a finished component."""
    component: list[int] = []
    while not component or component[-1] != node:
        component.append(waiting.pop())
        is_waiting[component[-1]] = False
    return component
