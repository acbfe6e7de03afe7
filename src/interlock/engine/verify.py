"""What CI asks of a workspace: it is valid, versions of contracts go together, and the plans of changes compile.

Two versions go together when the newer one reads what the older one wrote (or whatever mode is asked for), or when
a lens translates between them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from interlock.domain.changes.cut import cut
from interlock.domain.changes.workspace import Workspace
from interlock.domain.schemas.compatibility import reads
from interlock.domain.schemas.contract import Contract
from interlock.domain.schemas.modes import Mode, comparisons
from interlock.engine.contracts import history
from interlock.engine.plans import compiled
from interlock.engine.tables import MigrationRenderer, NoRenderer
from interlock.kernel.errors import InterlockError, Invariant
from interlock.kernel.finding import Finding, Severity

Suite = Literal["workspace", "contracts", "plans"]


@dataclass(frozen=True, slots=True)
class Case:
    """One question and its findings; it fails when one of them is blocking. note: how it was answered."""

    suite: Suite
    name: str
    findings: tuple[Finding, ...] = ()
    note: str = ""

    @property
    def holds(self) -> bool:
        return not any(f.is_blocking for f in self.findings)


def cases(
    workspace: Workspace, findings: Sequence[Finding], mode: Mode, renderer: MigrationRenderer | None = None
) -> list[Case]:
    """Every question. Plans are compiled only for a valid workspace, because they would repeat what is wrong.
    renderer: writes the migrations of tables; without one, plans that move a table do not hold.
    """
    whole = Case("workspace", workspace.name, tuple(findings))
    found = [whole, *_contracts(workspace, mode)]
    return [*found, *_plans(workspace, renderer or NoRenderer())] if whole.holds else found


def _contracts(workspace: Workspace, mode: Mode) -> Iterator[Case]:
    declared = list(workspace.contracts.values())
    for name in sorted({one.name for one in declared}):
        versions = history(declared, name)
        for place, newer in enumerate(versions[1:], start=1):
            yield _contract(workspace, versions[:place], newer, mode)


def _contract(workspace: Workspace, earlier: Sequence[Contract], newer: Contract, mode: Mode) -> Case:
    title = f"{newer.name} {earlier[-1].version} to {newer.version} ({mode})"
    lenses = {(one.older, one.newer) for one in workspace.lenses if one.contract == newer.name}
    told: list[Finding] = []
    notes = []
    for answer in comparisons(mode, earlier, newer, lambda r, w: reads(r, w).findings()):
        before = earlier[answer.index].version
        if {(before, newer.version), (newer.version, before)} & lenses:
            notes.append(f"a lens translates between {before} and {newer.version}")
        else:
            told += answer.reasons
    return Case("contracts", title, tuple(told), "; ".join(dict.fromkeys(notes)))


def _plans(workspace: Workspace, renderer: MigrationRenderer) -> Iterator[Case]:
    serving = cut(workspace, {name: spec.serving for name, spec in workspace.services.items()})
    for name, change in sorted(workspace.changes.items()):
        try:
            plan, found = compiled(renderer, workspace, change, serving)
        except Invariant:
            raise
        except InterlockError as fault:
            where = fault.where or change.where
            problem = Finding(fault.code, Severity.ERROR, f"change:{name}", fault.message, fault.remedy, where)
            yield Case("plans", name, (problem,))
        else:
            yield Case("plans", name, tuple(found), plan.digest)
