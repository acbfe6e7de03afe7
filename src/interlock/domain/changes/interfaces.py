"""Whether what moves still understands those around it: each side in its role, and told by consumer.

A version's request contract is a reader of what callers send, its response contract a writer for what they read.
So a new version may be called when its input reads old requests and old callers read its output; where it does
not, a lens bridges. Readers of data at rest have no lens in between.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from interlock.domain.catalog.asset import AssetId, Kind
from interlock.domain.catalog.behaviour import weakened
from interlock.domain.catalog.consumer import Use
from interlock.domain.catalog.service import ServiceSpec, ServiceVersion, VersionRef
from interlock.domain.changes.request import Change
from interlock.domain.changes.workspace import Workspace
from interlock.domain.lenses.ops import Program
from interlock.domain.lenses.path import lens_path
from interlock.domain.schemas.compatibility import Reading, Reason, compatibility, reads
from interlock.domain.schemas.order import Effective, Flow, Order, effective
from interlock.kernel.errors import Missing
from interlock.kernel.finding import Finding, Severity

How = Literal["same", "lens", "compatible", "unused", "unreadable", "unknown"]


@dataclass(frozen=True, slots=True)
class Passage:
    """How data written in one contract version reaches a reader of another. unused: it is not understood, but
    nobody looks at what is not; unknown: a contract is not declared, so nothing can be said.
    """

    source: VersionRef
    target: VersionRef
    how: How
    program: Program = ()
    reasons: tuple[Reason, ...] = ()

    @property
    def is_open(self) -> bool:
        return self.how not in ("unreadable", "unknown")


def passage(workspace: Workspace, source: VersionRef, target: VersionRef, uses: tuple[Use, ...] = ()) -> Passage:
    """A lens where there is one; else the readers' own understanding. uses: who reads on the other side, when
    known.
    """
    if source == target:
        return Passage(source, target, "same")
    if source.name == target.name:
        try:
            program = lens_path(workspace.lenses, source.name, source.version, target.version)
        except Missing:
            pass
        else:
            return Passage(source, target, "lens", program)
    judged = _judged(workspace, reader=target, writer=source)
    if judged is None:
        return Passage(source, target, "unknown")
    reasons = tuple(one for one in judged.reasons if one.is_blocking)
    if not reasons:
        return Passage(source, target, "compatible")
    if uses and not any(use.touches(one.path) for use in uses for one in reasons):
        return Passage(source, target, "unused", reasons=reasons)
    return Passage(source, target, "unreadable", reasons=reasons)


def _judged(workspace: Workspace, reader: VersionRef, writer: VersionRef) -> Reading | None:
    found = [workspace.contracts.get((ref.name, ref.version)) for ref in (reader, writer)]
    if found[0] is None or found[1] is None or reader.name != writer.name:
        return None
    return reads(found[0], found[1])


def passages(
    workspace: Workspace, service: ServiceSpec, version: ServiceVersion
) -> Iterator[tuple[Literal["request", "response"], Passage]]:
    """How requests of today's callers reach the version, and how its responses reach them."""
    if service.callers_request and version.request:
        yield "request", passage(workspace, service.callers_request, version.request)
    if version.response and service.callers_response:
        uses = tuple(callers_uses(workspace, service, service.callers_response))
        yield "response", passage(workspace, version.response, service.callers_response, uses)


def callers_uses(workspace: Workspace, service: ServiceSpec, speaks: VersionRef) -> Iterator[Use]:
    """What each caller looks at; all fields for one that does not say, and for callers from outside."""
    declared = {use.reader: use for use in workspace.uses if use.contract == speaks}
    for caller in workspace.services.values():
        if service.name in caller.calls:
            me = AssetId(Kind.SERVICE, caller.name)
            yield declared.get(me, Use(me, speaks))
    if service.edge:
        yield Use(AssetId(Kind.SERVICE, "callers-from-outside"), speaks)


def interface_findings(workspace: Workspace, change: Change, served: Mapping[str, str]) -> Iterator[Finding]:
    """Everything that those around the moved services will notice. served: the version of each service before."""
    for move in change.moves:
        service = workspace.services.get(move.name) if move.kind == "service" else None
        version = service.versions.get(move.to) if service else None
        if service is None or version is None:
            continue
        subject = f"service:{service.name}"
        for role, found in passages(workspace, service, version):
            if found.how == "unused":
                says = (
                    f"{service.name}@{move.to} answers {found.source}, which callers do not fully read "
                    f"({found.reasons[0].says}), but none of them looks at that."
                )
                yield Finding("interface.unused", Severity.INFO, subject, says, "", move.where)
            elif found.how == "compatible":
                says = f"the {role} passes from {found.source} to {found.target} without a lens: it is understood."
                yield Finding("interface.compatible", Severity.INFO, subject, says, "", move.where)
        was = service.versions.get(served.get(service.name, service.serving))
        if was is not None:
            for code, severity, says, remedy in weakened(was.promises, version.promises, service.callers_expect):
                yield Finding(code, severity, subject, f"{service.name}@{move.to} {says}.", remedy, move.where)
    yield from _readers_findings(workspace, change, served)


def _writes(
    workspace: Workspace, change: Change, served: Mapping[str, str]
) -> Iterator[tuple[str, VersionRef, VersionRef]]:
    """(service, contract version that it wrote, contract version that it will write) where the two differ."""
    for move in change.moves:
        service = workspace.services.get(move.name) if move.kind == "service" else None
        before = service.versions.get(served.get(service.name, service.serving)) if service else None
        after = service.versions.get(move.to) if service else None
        if before and after and before.response and after.response and before.response != after.response:
            yield move.name, before.response, after.response


def _kept_readers(workspace: Workspace, contract: str) -> Iterator[Use]:
    """Who reads the contract from where it is kept, not as a caller."""
    for use in workspace.uses:
        if use.contract.name == contract and use.reader.kind is not Kind.SERVICE:
            yield use


def _readers_findings(workspace: Workspace, change: Change, served: Mapping[str, str]) -> Iterator[Finding]:
    for service, _, after in _writes(workspace, change, served):
        for use in _kept_readers(workspace, after.name):
            judged = _judged(workspace, reader=use.contract, writer=after)
            if judged is None or use.contract == after:
                continue
            blocking = [one for one in judged.reasons if one.is_blocking]
            hit = [one for one in blocking if use.touches(one.path)]
            subject = str(use.reader)
            if hit:
                says = f"{use.reader} reads {use.contract} and will find {after} of {service}: {hit[0].says}."
                remedy = f"{hit[0].remedy} Or move {use.reader} to {after} first."
                yield Finding("interface.breaks_reader", Severity.ERROR, subject, says, remedy, use.where)
            elif blocking:
                says = (
                    f"{use.reader} does not understand all of {after} ({blocking[0].says}), but it reads only "
                    f"{', '.join(use.fields)}."
                )
                yield Finding("interface.unused", Severity.INFO, subject, says, "", use.where)


def flows(workspace: Workspace, change: Change, served: Mapping[str, str]) -> tuple[Flow, ...]:
    """What moves of what this rollout writes to tables and streams: its services and everybody else who still
    writes another version, and those who read it there. Callers do not matter: they are in the release, or a lens
    stands between.
    """
    found: list[Flow] = []
    for after, producers in sorted(_producers(workspace, change, served).items(), key=lambda item: str(item[0])):
        for use in _kept_readers(workspace, after.name):
            if use.contract == after:
                continue
            for before in sorted(set(producers.values()), key=str):
                units = tuple(sorted(unit for unit, wrote in producers.items() if wrote == before))
                if (holds := _between(workspace, before, after, use)) is not None:
                    has_drain = _is_drained(workspace, after.name)
                    found.append(Flow(after.name, units, (str(use.reader),), holds, has_drain=has_drain))
    return tuple(found)


def _producers(
    workspace: Workspace, change: Change, served: Mapping[str, str]
) -> dict[VersionRef, dict[str, VersionRef]]:
    """By contract version that will be written: each unit that has to move, with the version that it writes now."""
    found: dict[VersionRef, dict[str, VersionRef]] = {}
    for service, before, after in _writes(workspace, change, served):
        found.setdefault(after, {})[f"service:{service}"] = before
    for move in change.moves:
        if move.kind == "contract":
            found.setdefault(VersionRef(move.name, move.to), {})
    for after, units in found.items():
        for one in workspace.writings:
            if one.contract.name == after.name and one.contract != after:
                units[str(one.writer)] = one.contract
    return found


def _between(workspace: Workspace, before: VersionRef, after: VersionRef, use: Use) -> Effective | None:
    older, newer = (workspace.contracts.get((ref.name, ref.version)) for ref in (before, after))
    if older is None or newer is None:
        return None
    both = compatibility(older, newer)
    return effective(backward=_holds(both.backward, use), forward=_holds(both.forward, use))


def _is_drained(workspace: Workspace, contract: str) -> bool:
    """Whether that is said of every place that keeps the contract, and there is one."""
    kept = [one.is_drained for one in workspace.keepings if one.contract == contract]
    return bool(kept) and all(kept)


def _holds(reading: Reading, use: Use) -> bool:
    return not any(one.is_blocking and use.touches(one.path) for one in reading.reasons)


def spelled(found: Order) -> tuple[tuple[str, ...], ...]:
    """The waves as sentences, where there is more than one."""
    return tuple(tuple(map(found.describe, wave)) for wave in found.waves) if len(found.waves) > 1 else ()


def order_findings(change: Change, there: Order, back: Order) -> Iterator[Finding]:
    """What is to be known of the order of moving, and of going back."""
    subject = f"change:{change.name}"
    for says in there.contradictions:
        remedy = "Expand (write both versions), switch every reader, then contract."
        yield Finding("order.none", Severity.WARNING, subject, says, remedy, change.where)
    for says in back.contradictions if there.is_possible else ():
        says = f"once the new version is written there is no way back that reads everything: {says}"
        remedy = "Go back before that, drain what was written (keeps.drained), or let a lens translate it back."
        yield Finding("order.no_way_back", Severity.WARNING, subject, says, remedy, change.where)
    for unit in there.split:
        says = f"{unit} both writes and reads what changes, so it moves in two steps: it can read, then it writes."
        remedy = "Deploy it with writing of the new version turned off by a flag."
        yield Finding("order.split", Severity.INFO, subject, says, remedy, change.where)
