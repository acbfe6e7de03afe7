"""Use cases of lenses as files: what is to say of each lens, and how several workspaces differ in theirs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from interlock.domain.changes.coherence import check_lens
from interlock.domain.changes.workspace import Workspace
from interlock.domain.lenses.inline import lua_lacks
from interlock.domain.lenses.laws import Law, law_findings, tried
from interlock.domain.lenses.lens import Lens
from interlock.domain.lenses.loss import FieldLoss, LossCounts, counted, loss
from interlock.domain.lenses.network import network_findings
from interlock.domain.lenses.ops import Program
from interlock.domain.lenses.reverse import reversed_ops
from interlock.domain.schemas.contract import Contract
from interlock.domain.schemas.field import Field
from interlock.domain.schemas.representation import contract_digest
from interlock.kernel.digest import digest
from interlock.kernel.finding import Finding

Lacks = Callable[[Program, tuple[Field, ...]], tuple[str, ...]]
"""What an engine lacks for a program on records of the fields."""


@dataclass(frozen=True, slots=True)
class EngineAnswer:
    """What an engine lacks for the way there, and for the way back; nothing when it can."""

    engine: str
    there: tuple[str, ...]
    back: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LensReport:
    """Everything that is to say of a lens. laws, lines and engines are empty when it does not fit its contracts."""

    lens: Lens
    digest: str
    findings: tuple[Finding, ...]
    lines: tuple[FieldLoss, ...] = ()
    laws: tuple[Law, ...] = ()
    engines: tuple[EngineAnswer, ...] = ()

    @property
    def is_sound(self) -> bool:
        """Whether it is confirmed, fits its contracts, and tells everything that it loses."""
        return not self.lens.is_draft and not any(one.is_blocking for one in self.findings)


def report(workspace: Workspace, lens: Lens, engines: Mapping[str, Lacks]) -> LensReport:
    """The lens held against its contracts, the laws, and the engines. engines: by name."""
    found = check_lens(workspace, lens)
    ends = [workspace.contracts.get((lens.contract, version)) for version in (lens.older, lens.newer)]
    older, newer = ends
    if older is None or newer is None or any(one.is_blocking for one in found):
        return LensReport(lens, digest(lens.ops), tuple(found))
    told = loss(lens, older, newer)
    laws = tried(lens, told, older, newer)
    findings = (*found, *law_findings(lens, laws))
    back = reversed_ops(lens.ops)
    answers = [
        EngineAnswer(name, lacks(lens.ops, older.fields), lacks(back, newer.fields))
        for name, lacks in (("record", _nothing), ("hop", _nothing), ("lua", _lua), *engines.items())
    ]
    return LensReport(lens, digest(lens.ops), findings, told.lines, laws, tuple(answers))


def _nothing(program: Program, fields: tuple[Field, ...]) -> tuple[str, ...]:
    """The reference and what is generated from it run every op."""
    return ()


def _lua(program: Program, fields: tuple[Field, ...]) -> tuple[str, ...]:
    return lua_lacks(program)


def together(workspace: Workspace, findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """What is to say of all lenses together, and of documents that are no lens for their errors."""
    lenses = (*workspace.lenses, *workspace.drafts)
    known = {one.subject for one in lenses}
    read = [one for one in findings if one.subject.startswith("lens") and one.subject not in known]
    return (*read, *network_findings(workspace.lenses, workspace.contracts))


Rows = Iterable[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Environment:
    """A workspace by the name of its directory. rows: records of older versions by contract, if there are any."""

    name: str
    workspace: Workspace
    rows: Mapping[str, Sequence[Mapping[str, Any]]]


@dataclass(frozen=True, slots=True)
class Row:
    """One thing in every environment, in their order: empty text where it is not there."""

    what: str
    values: tuple[str, ...]

    @property
    def differs(self) -> bool:
        return len(set(self.values)) > 1


def environments_compared(found: Sequence[Environment]) -> tuple[Row, ...]:
    """Contracts and lenses with their digests, whether lenses are sound, and what they lose of the data of each."""
    rows = [_row(f"contract {title}", [_contract(one, title) for one in found]) for title in _contracts(found)]
    for title in sorted({lens.title for one in found for lens in _lenses(one)}):
        lenses = [next((lens for lens in _lenses(one) if lens.title == title), None) for one in found]
        pairs = list(zip(found, lenses, strict=True))
        rows.append(_row(f"lens {title}", [digest(lens.ops) if lens else "" for lens in lenses]))
        rows.append(_row(f"lens {title} status", [_status(one, lens) for one, lens in pairs]))
        counts = [_counts(one, lens) for one, lens in pairs]
        if any(counts):
            rows.append(_row(f"lens {title} on data", counts))
    return tuple(rows)


def _row(what: str, values: list[str]) -> Row:
    return Row(what, tuple(values))


def _contracts(found: Iterable[Environment]) -> list[str]:
    return sorted({f"{name}@{version}" for one in found for name, version in one.workspace.contracts})


def _contract(one: Environment, title: str) -> str:
    name, _, version = title.rpartition("@")
    held: Contract | None = one.workspace.contracts.get((name, version))
    return contract_digest(held) if held else ""


def _lenses(one: Environment) -> Iterator[Lens]:
    yield from one.workspace.lenses
    yield from one.workspace.drafts


def _status(one: Environment, lens: Lens | None) -> str:
    if lens is None:
        return ""
    found = report(one.workspace, lens, {})
    errors = sum(finding.is_blocking for finding in found.findings)
    return "draft" if lens.is_draft else f"{errors} errors" if errors else "sound"


def _counts(one: Environment, lens: Lens | None) -> str:
    if lens is None or lens.contract not in one.rows:
        return ""
    found = counted(lens, one.rows[lens.contract])
    return f"{found.survived} of {found.rows} come back{_worst(found)}"


def _worst(found: LossCounts) -> str:
    worst = sorted((*found.changed, *found.rejected), key=lambda one: (-one.rows, one.field))
    return f"; {worst[0].field}: {worst[0].rows}" if worst else ""
