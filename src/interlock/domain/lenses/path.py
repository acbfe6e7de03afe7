"""The lens path: how records of one contract version become another, by way of adjacent lenses.

Each lens may be walked both ways. The path with the fewest lossy ops is taken; among equals the shortest, then the
one whose versions sort first, so that the answer never depends on the order of files.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence

from interlock.domain.lenses.lens import Lens
from interlock.domain.lenses.loss import lossy_ops
from interlock.domain.lenses.ops import Program
from interlock.domain.lenses.reverse import reversed_ops
from interlock.kernel.errors import Missing


class LensMissing(Missing):
    """No chain of lenses leads from one version to the other."""

    code = "lens.missing"


def lens_path(lenses: Iterable[Lens], contract: str, source_version: str, target_version: str) -> Program:
    """The program from `source_version` to `target_version` of `contract`; empty when they are the same.

    LensMissing when no path exists; the message lists the contract's lenses.
    """
    known = [lens for lens in lenses if lens.contract == contract]
    edges = [(x.older, x.newer, x.ops) for x in known] + [(x.newer, x.older, reversed_ops(x.ops)) for x in known]
    waiting: list[tuple[int, int, tuple[str, ...], int, Program]] = [(0, 0, (source_version,), 0, ())]
    settled: set[str] = set()
    pushed = 0
    while waiting:
        lossy, steps, versions, _, program = heapq.heappop(waiting)
        here = versions[-1]
        if here == target_version:
            return program
        if here in settled:
            continue
        settled.add(here)
        for start, end, ops in edges:
            if start == here and end not in settled:
                pushed += 1
                entry = (lossy + lossy_ops(ops), steps + 1, (*versions, end), pushed, program + ops)
                heapq.heappush(waiting, entry)
    raise _missing(known, contract, source_version, target_version)


def _missing(known: Sequence[Lens], contract: str, source: str, target: str) -> LensMissing:
    there = ", ".join(sorted(f"{lens.older} to {lens.newer}" for lens in known))
    listed = f"Its lenses are: {there}." if there else "It has no lenses yet."
    return LensMissing(
        f"no lens leads from {contract}@{source} to {contract}@{target}",
        remedy=f"{listed} Write a Lens document that joins the two.",
        contract=contract,
        source=source,
        target=target,
    )
