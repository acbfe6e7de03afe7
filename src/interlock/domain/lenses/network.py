"""The lenses of a workspace together: steps that have two, versions that none reaches, ways that differ."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby

from interlock.domain.lenses.apply import Rejected, compile_program
from interlock.domain.lenses.instances import instances
from interlock.domain.lenses.lens import Lens
from interlock.domain.lenses.ops import Program
from interlock.domain.lenses.path import LensMissing, lens_path
from interlock.domain.lenses.returned import changed_paths
from interlock.domain.schemas.contract import Contract
from interlock.kernel.finding import Finding, Severity

_RECORDS = 100
Contracts = Mapping[tuple[str, str], Contract]


def network_findings(lenses: Iterable[Lens], contracts: Contracts) -> Iterator[Finding]:
    """What is to say of the lenses of each contract as a whole."""
    ordered = sorted(lenses, key=lambda one: (one.contract, one.older, one.newer))
    for name, group in groupby(ordered, key=lambda one: one.contract):
        found = list(group)
        yield from _twice(found)
        yield from _unreachable(name, found, contracts)
        yield from _several_ways(found, contracts)


def _twice(lenses: Sequence[Lens]) -> Iterator[Finding]:
    """Two lenses between the same versions, in whichever direction they are written."""
    first: dict[frozenset[str], Lens] = {}
    for one in lenses:
        other = first.setdefault(frozenset((one.older, one.newer)), one)
        if other is not one:
            says = (
                f"{one.where} and {other.where} both join {one.contract}@{one.older} and {one.contract}@{one.newer}"
            )
            remedy = "Keep one of them: each is read in both directions."
            yield Finding("lens.step_twice", Severity.ERROR, one.subject, says, remedy, one.where)


def _unreachable(name: str, lenses: Sequence[Lens], contracts: Contracts) -> Iterator[Finding]:
    """Versions that are declared, where others are joined and these are not."""
    parts = _parts(lenses)
    alone = [version for contract, version in contracts if contract == name and version not in parts]
    largest = max(set(parts.values()), key=lambda root: (sum(r == root for r in parts.values()), root))
    apart = [version for version, root in parts.items() if root != largest]
    there = ", ".join(sorted(version for version, root in parts.items() if root == largest))
    for version in sorted({*alone, *apart}):
        one = contracts.get((name, version))
        says = f"no lens leads from {name}@{version} to its versions {there}"
        remedy = f"Draft one with `interlock lens suggest {name}@{version} {name}@...`, if records are to be read."
        where = one.where if one else lenses[0].where
        yield Finding("lens.unreachable", Severity.WARNING, f"contract:{name}@{version}", says, remedy, where)


def _parts(lenses: Iterable[Lens]) -> dict[str, str]:
    """Each version that has a lens, with the least version that it is joined to."""
    parts: dict[str, str] = {}
    for one in lenses:
        ends = [parts.setdefault(version, version) for version in (one.older, one.newer)]
        least = min(ends)
        parts = {version: least if root in ends else root for version, root in parts.items()}
    return parts


def _several_ways(lenses: Sequence[Lens], contracts: Contracts) -> Iterator[Finding]:
    """A lens beside another way between the same versions: whether both say the same of generated records."""
    for place, one in enumerate(lenses):
        others = [o for p, o in enumerate(lenses) if p != place and {o.older, o.newer} != {one.older, one.newer}]
        try:
            way = lens_path(others, one.contract, one.older, one.newer)
        except LensMissing:
            continue
        older = contracts.get((one.contract, one.older))
        if older is None:
            continue
        differ, tried, example = _differ(one.ops, way, older)
        says = f"{one.contract}@{one.older} to {one.newer} has another way, through other lenses"
        if differ:
            told = f"{says}, and {differ} of {tried} generated records become something else there{example}"
            remedy = "Remove one of the ways, or correct the lens that is wrong: plans take the way of least loss."
            yield Finding("lens.ways_differ", Severity.WARNING, one.subject, told, remedy, one.where)
        else:
            told = f"{says}; all {tried} generated records become the same"
            yield Finding("lens.several_ways", Severity.INFO, one.subject, told, "", one.where)


def _differ(one: Program, other: Program, older: Contract) -> tuple[int, int, str]:
    """How many records become something else, of how many, and in which field the first of them."""
    ways, differ, tried, example = (compile_program(one), compile_program(other)), 0, 0, ""
    for record in instances(older.fields, _RECORDS):
        tried += 1
        made = []
        for way in ways:
            try:
                made.append(way(record))
            except Rejected:
                made.append({"": "rejected"})
        if paths := changed_paths(made[0], made[1]):
            differ += 1
            example = example or f", in `{paths[0]}`" if paths[0] else example or ", where one is rejected"
    return differ, tried, example
