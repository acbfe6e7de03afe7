"""One-to-one assignment of the greatest total weight, by the Hungarian method (Kuhn 1955; Munkres 1957).

The pairs fall into groups that share neither side; each is solved on its own with the shortest augmenting paths of
Jonker and Volgenant (1987), in O(n^3) of the group. Ties fall to what sorts first, so that the answer is always
the same.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any, TypeVar

Left = TypeVar("Left", bound=Hashable)
Right = TypeVar("Right", bound=Hashable)


def assigned(weights: Mapping[tuple[Left, Right], float]) -> list[tuple[Left, Right]]:
    """The pairs, each side at most once, whose weights sum to the most; pairs not in `weights` are never taken.
    Only positive weights count. Sides of one kind must be sortable.
    """
    positive = {pair: weight for pair, weight in sorted(weights.items(), key=lambda item: item[0]) if weight > 0}
    found: list[tuple[Left, Right]] = []
    for group in _groups(positive):
        found += _solved(group)
    return sorted(found, key=lambda pair: (pair[0], pair[1]))


def _groups(weights: dict[tuple[Left, Right], float]) -> list[dict[tuple[Left, Right], float]]:
    """The connected parts of the graph."""
    parent: dict[Any, Any] = {}

    def root(node: Any) -> Any:
        while parent.setdefault(node, node) != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    for left, right in weights:
        parent[root((0, left))] = root((1, right))
    groups: dict[Any, dict[tuple[Left, Right], float]] = {}
    for pair, weight in weights.items():
        groups.setdefault(root((0, pair[0])), {})[pair] = weight
    return list(groups.values())


def _solved(weights: dict[tuple[Left, Right], float]) -> list[tuple[Left, Right]]:
    """One part, as a square matrix of costs in which a pair that is not there costs nothing."""
    if len(weights) == 1:
        return list(weights)
    lefts = list(dict.fromkeys(left for left, _ in weights))
    rights = list(dict.fromkeys(right for _, right in weights))
    size = max(len(lefts), len(rights))
    cost = [[0.0] * size for _ in range(size)]
    for i, left in enumerate(lefts):
        for j, right in enumerate(rights):
            cost[i][j] = -weights.get((left, right), 0.0)
    taken = _columns(cost)
    return [
        (lefts[i], rights[j])
        for i, j in enumerate(taken)
        if i < len(lefts) and j < len(rights) and (lefts[i], rights[j]) in weights
    ]


def _columns(cost: list[list[float]]) -> list[int]:
    """The column of each row in the cheapest perfect assignment. u, v: potentials; row[j]: the row at column j,
    counted from 1, with 0 for none.
    """
    size = len(cost)
    u, v = [0.0] * (size + 1), [0.0] * (size + 1)
    row = [0] * (size + 1)
    for number in range(1, size + 1):
        row[0] = number
        _augmented(cost, u, v, row)
    columns = [0] * size
    for j in range(1, size + 1):
        columns[row[j] - 1] = j - 1
    return columns


def _augmented(cost: list[list[float]], u: list[float], v: list[float], row: list[int]) -> None:
    """Finds a column for the row in row[0] along the shortest augmenting path."""
    size = len(cost)
    least, way, used = [float("inf")] * (size + 1), [0] * (size + 1), [False] * (size + 1)
    here = 0
    while row[here]:
        used[here] = True
        step, following = float("inf"), 0
        for j in range(1, size + 1):
            if used[j]:
                continue
            reduced = cost[row[here] - 1][j - 1] - u[row[here]] - v[j]
            if reduced < least[j]:
                least[j], way[j] = reduced, here
            if least[j] < step:
                step, following = least[j], j
        for j in range(size + 1):
            if used[j]:
                u[row[j]] += step
                v[j] -= step
            else:
                least[j] -= step
        here = following
    while here:
        row[here] = row[way[here]]
        here = way[here]
