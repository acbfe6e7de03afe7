"""The laws of lenses, tried on records made from the contracts (Foster et al., TOPLAS 2007, section 3).

GetPut: a record of the older version that goes there and back is the same. PutGet: so is one of the newer version
that goes back and there. A lens need not keep them, but it has to tell where it does not: what `loss` calls exact
and still does not come back is an error of the lens's description, not of the data.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

from interlock.domain.lenses.instances import instances, without_values
from interlock.domain.lenses.lens import Lens
from interlock.domain.lenses.loss import FieldCount, FieldLoss, LensLoss, LossCounts, counted
from interlock.domain.lenses.reverse import reversed_ops
from interlock.domain.schemas.contract import Contract
from interlock.kernel.finding import Finding, Severity

ENOUGH = 200
"""So many records each law is tried on, if there are so many."""

Name = Literal["GetPut", "PutGet"]


@dataclass(frozen=True, slots=True)
class Law:
    """counts: of records that went there and back. untold: fields that changed or were rejected although every
    line of the loss calls them exact. unmade: fields without a value that could be made up, so nothing was tried.
    """

    name: Name
    counts: LossCounts
    untold: tuple[FieldCount, ...]
    unmade: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        return 0 < self.counts.rows == self.counts.survived


def tried(lens: Lens, told: LensLoss, older: Contract, newer: Contract, number: int = ENOUGH) -> tuple[Law, Law]:
    """Both laws on generated records. told: the loss of the lens by its ops."""
    back = replace(lens, older=lens.newer, newer=lens.older, ops=reversed_ops(lens.ops))
    return (
        _law("GetPut", counted(lens, instances(older.fields, number)), told, older),
        _law("PutGet", counted(back, instances(newer.fields, number)), told, newer),
    )


def _law(name: Name, counts: LossCounts, told: LensLoss, source: Contract) -> Law:
    lines = told.of("forward" if name == "GetPut" else "backward")
    return Law(name, counts, _untold(counts, told, lines), without_values(source.fields))


def _untold(counts: LossCounts, told: LensLoss, lines: tuple[FieldLoss, ...]) -> tuple[FieldCount, ...]:
    """What happened to fields of which nothing but exactness was told. A rejection may name a field as it is called
    on the way, so it counts only when nothing at all was told to be rejected or settled on data.
    """
    lossy = {line.field for line in lines if line.effect != "exact"}
    exact = {line.field for line in lines} - lossy
    changed = tuple(one for one in counts.changed if one.field in exact and not _is_around(one.field, lossy))
    may_reject = any(line.effect in ("rejected", "check", "lost", "recomputed") for line in told.lines)
    return changed if may_reject else (*changed, *counts.rejected)


def _is_around(path: str, fields: set[str]) -> bool:
    return any(one.startswith(f"{path}.") for one in fields)


def law_findings(lens: Lens, laws: tuple[Law, ...]) -> Iterator[Finding]:
    """What the laws say against the lens: only what it does not tell itself."""
    for law in laws:
        for one in law.untold:
            says = f"{law.name} fails for `{one.field}`, which is told to be exact: {one.example}"
            remedy = "This is a fault of Interlock; please report it with the lens."
            yield Finding("lens.law_untold", Severity.ERROR, lens.subject, says, remedy, lens.where)
        if law.counts.rows == 0:
            listed = ", ".join(f"`{name}`" for name in law.unmade) or "the fields"
            says = f"{law.name} was not tried: no value could be made up for {listed}"
            remedy = "Give such a field a default, or count on data with `lens audit`."
            yield Finding("lens.law_untried", Severity.INFO, lens.subject, says, remedy, lens.where)


def first_record(contract: Contract) -> dict[str, Any]:
    """The most ordinary record of the contract; empty when none could be made."""
    return next(instances(contract.fields, 1), {})
