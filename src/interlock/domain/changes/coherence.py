"""Do changes and lenses, as written, fit what is declared? Does a change make one coherent cut?

Judged against the declarations alone: what runs by now may differ from `serving` in the files, and the plan,
which knows the state, judges again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace

from interlock.domain.catalog.asset import AssetId, Kind
from interlock.domain.catalog.service import Reference, ServiceSpec, ServiceVersion, all_references, references
from interlock.domain.changes.criteria import criteria
from interlock.domain.changes.interfaces import callers_uses, passage
from interlock.domain.changes.request import Change, Move
from interlock.domain.changes.workspace import Workspace
from interlock.domain.lenses.check import fit, unconfirmed
from interlock.domain.lenses.lens import Lens
from interlock.domain.lenses.path import lens_path
from interlock.kernel.errors import Missing
from interlock.kernel.finding import Finding, Severity
from interlock.kernel.ident import did_you_mean


def check_lenses(workspace: Workspace, unread: Collection[AssetId] = ()) -> list[Finding]:
    """Lenses between contract versions that do not exist, and everything that keeps a lens from fitting its two.
    A draft blocks nothing, since nothing is translated by it.
    """
    return [
        finding
        for lens in (*workspace.lenses, *workspace.drafts)
        if AssetId(Kind.CONTRACT, lens.contract) not in unread
        for finding in check_lens(workspace, lens)
    ]


def check_lens(workspace: Workspace, lens: Lens) -> list[Finding]:
    """Everything that keeps one lens from fitting its two contract versions."""
    if lens.is_draft:
        found = check_lens(workspace, replace(lens, is_draft=False))
        return [unconfirmed(lens), *(_softened(one) for one in found)]
    versions = [version for name, version in workspace.contracts if name == lens.contract]
    if not versions:
        says = f"there is no contract {lens.contract!r} to translate."
        names = {name for name, _ in workspace.contracts}
        return [_misplaced(lens, "asset.unknown", says, did_you_mean(lens.contract, names))]
    lacking = [version for version in (lens.older, lens.newer) if version not in versions]
    if not lacking:
        return fit(lens, *(workspace.contracts[lens.contract, v] for v in (lens.older, lens.newer)))
    return [
        _misplaced(
            lens,
            "version.unknown",
            f"contract:{lens.contract} has no version {version!r}.",
            did_you_mean(version, versions),
        )
        for version in lacking
    ]


def _softened(one: Finding) -> Finding:
    return replace(one, severity=Severity.WARNING) if one.is_blocking else one


def _misplaced(lens: Lens, code: str, says: str, remedy: str) -> Finding:
    return Finding(code, Severity.ERROR, lens.subject, says, remedy, lens.where)


def check_uses(workspace: Workspace, unread: Collection[AssetId] = ()) -> Iterator[Finding]:
    """Uses of contract versions or fields that there are not, and who writes such versions."""
    versions: dict[str, list[str]] = {}
    for name, version in workspace.contracts:
        versions.setdefault(name, []).append(version)
    mentions = [(use.reader, use.contract, use.where) for use in workspace.uses]
    mentions += [(one.writer, one.contract, one.where) for one in workspace.writings]
    for asset, ref, where in mentions:
        if ref.name not in versions or AssetId(Kind.CONTRACT, ref.name) in unread:
            continue  # the link to the contract is a finding already
        if ref.version not in versions[ref.name]:
            remedy = did_you_mean(ref.version, versions[ref.name])
            says = f"contract:{ref.name} has no version {ref.version!r}."
            yield Finding("version.unknown", Severity.ERROR, str(asset), says, remedy, where)
    for use in workspace.uses:
        contract = workspace.contracts.get((use.contract.name, use.contract.version))
        if contract is None or AssetId(Kind.CONTRACT, contract.name) in unread:
            continue
        known = contract.record.paths()
        for path in use.fields:
            if path not in known:
                says = f"{use.reader} reads `{path}` of {use.contract}, which has no such field."
                remedy = did_you_mean(path, known)
                yield Finding("use.unknown_field", Severity.ERROR, str(use.reader), says, remedy, use.where)


def check_changes(workspace: Workspace, unread: Collection[AssetId] = ()) -> list[Finding]:
    """Every finding about every change. `unread`: assets whose own declaration has errors already."""
    return [f for change in workspace.changes.values() for f in check_change(workspace, change, unread)]


def check_change(workspace: Workspace, change: Change, unread: Collection[AssetId] = ()) -> list[Finding]:
    return [
        *_moved_twice(change),
        *_unknown_targets(workspace, change, unread),
        *_incoherent(workspace, change),
        *_untranslatable(workspace, change, unread),
        *_unused_moves(workspace, change),
        *_unknown_gate_services(workspace, change, unread),
        *_unsupplied_outcomes(workspace, change),
        *_groundless_gates(workspace, change),
        *_unknown_people(workspace, change),
    ]


def _moved_twice(change: Change) -> Iterator[Finding]:
    seen: set[str] = set()
    for move in change.moves:
        if str(move) in seen:
            says = f"{change.name} moves {move} twice; one cut holds one version of it."
            yield _error("change.moved_twice", change, says, "Remove one of the two moves.", move.where)
        seen.add(str(move))


def _unknown_targets(workspace: Workspace, change: Change, unread: Collection[AssetId]) -> Iterator[Finding]:
    for move in change.moves:
        if AssetId(Kind(move.kind), move.name) in unread:
            continue
        versions = _declared(workspace, move.kind)
        if move.name not in versions:
            says = f"{change.name} moves {move}, but there is no such {move.kind}."
            remedy = did_you_mean(move.name, versions)
            yield _error("change.unknown_asset", change, says, remedy, move.where)
        elif move.to not in versions[move.name]:
            says = f"{change.name} moves {move} to {move.to!r}, which is not one of its versions."
            remedy = did_you_mean(move.to, versions[move.name])
            yield _error("change.unknown_version", change, says, remedy, move.where)


def _declared(workspace: Workspace, kind: str) -> Mapping[str, Collection[str]]:
    """Versions by name, of one kind of thing that can move."""
    if kind == "service":
        return {name: spec.versions.keys() for name, spec in workspace.services.items()}
    if kind == "model":
        return {name: spec.versions.keys() for name, spec in workspace.models.items()}
    versions: dict[str, list[str]] = {}
    for name, version in workspace.contracts:
        versions.setdefault(name, []).append(version)
    return versions


def _incoherent(workspace: Workspace, change: Change) -> Iterator[Finding]:
    """A version that is moved to holds a model or speaks a contract version that the change leaves behind."""
    moved = {str(move): move.to for move in change.moves}
    for move, service, version in _moved_services(workspace, change):
        for used in references(version):
            asset, wanted = f"{used.kind.value}:{used.to.name}", used.to.version
            target = moved.get(asset)
            if target is not None and target != wanted:
                says = f"{change.name} moves {asset} to {target}, but {service.name}@{move.to} uses {used.to}."
                remedy = f"Move {asset} to {wanted}, or {service.name} to a version that uses {target}."
                yield _error("change.incoherent", change, says, remedy, move.where)
            elif target is None and not _is_in_use(workspace, service, used):
                says = f"{service.name}@{move.to} uses {used.to}, but {change.name} does not move {asset}."
                remedy = (
                    f'Add the move "{used.kind.value}: {used.to.name}, to: {wanted}", or correct what serves now.'
                )
                yield _error("change.incoherent", change, says, remedy, move.where)


def _untranslatable(workspace: Workspace, change: Change, unread: Collection[AssetId]) -> Iterator[Finding]:
    """A version that is moved to speaks what callers do not, no lens leads from the one to the other, and the one
    that reads does not understand it as it is.
    """
    for move, service, version in _moved_services(workspace, change):
        for source, target in (
            (service.callers_request, version.request),
            (version.response, service.callers_response),
        ):
            if source is None or target is None or AssetId(Kind.CONTRACT, source.name) in unread:
                continue
            if source.name != target.name:
                says = f"{service.name}@{move.to} would have to turn {source} into {target}, another contract."
                remedy = "Name one contract in callers: and in the version."
                yield _error("change.untranslatable", change, says, remedy, move.where)
                continue
            uses = tuple(callers_uses(workspace, service, target)) if target is service.callers_response else ()
            found = passage(workspace, source, target, uses)
            if found.how == "unreadable":
                says = f"{service.name}@{move.to} needs a translation: {found.reasons[0].says}."
                remedy = f"{found.reasons[0].remedy} Or write a Lens document that joins {source} and {target}."
                yield _error("change.untranslatable", change, says, remedy, move.where)
            elif found.how == "unknown":
                try:
                    lens_path(workspace.lenses, source.name, source.version, target.version)
                except Missing as error:
                    says = f"{service.name}@{move.to} needs a translation: {error.message}."
                    yield _error("change.untranslatable", change, says, error.remedy, move.where)


def _is_in_use(workspace: Workspace, service: ServiceSpec, used: Reference) -> bool:
    """The baseline uses this version already, so nothing needs to move."""
    model = workspace.models.get(used.to.name) if used.kind is Kind.MODEL else None
    if model and model.serving == used.to.version:
        return True
    serving = service.versions.get(service.serving)
    return serving is None or any((r.kind, r.to) == (used.kind, used.to) for r in references(serving))


def _unused_moves(workspace: Workspace, change: Change) -> Iterator[Finding]:
    used = {
        f"{found.kind.value}:{found.to.name}"
        for _, service, _ in _moved_services(workspace, change)
        for _, found in all_references(service)
    }
    for move in change.moves:
        if move.kind != "service" and str(move) not in used:
            says = f"{change.name} moves {move}, but no service that it moves uses it."
            remedy = "Move a service that uses it as well, or leave this move out."
            yield Finding("change.unused_move", Severity.WARNING, change.name, says, remedy, move.where)


def _moved_services(workspace: Workspace, change: Change) -> Iterator[tuple[Move, ServiceSpec, ServiceVersion]]:
    """The moves of services that exist at versions that exist."""
    for move in change.moves:
        service = workspace.services.get(move.name) if move.kind == "service" else None
        version = service.versions.get(move.to) if service else None
        if service and version:
            yield move, service, version


def _unknown_gate_services(workspace: Workspace, change: Change, unread: Collection[AssetId]) -> Iterator[Finding]:
    known = {*workspace.services, *(asset.name for asset in unread if asset.kind is Kind.SERVICE)}
    for gate in change.gates:
        if gate.service not in known:
            says = f"the {gate.metric} gate of {change.name} watches {gate.service!r}, which is no service."
            remedy = did_you_mean(gate.service, known)
            yield _error("change.unknown_service", change, says, remedy, change.where)


def _groundless_gates(workspace: Workspace, change: Change) -> Iterator[Finding]:
    """Gates that would look at what there is not: segments that nobody declared, pairs without a shadow stage."""
    for gate in criteria(workspace, change):
        where, service = gate.where or change.where, workspace.services.get(gate.service)
        if gate.segments and service is not None and not service.segments:
            says = f"the {gate.metric} gate of {gate.service} looks at segments, and the service declares none."
            remedy = f"Add segments: with header and values to {service.where}, or remove segments."
            yield _error("gate.no_segments", change, says, remedy, where)
        if gate.sample == "pairs" and change.steps.shadow is None:
            says = f"the gate on {gate.outcome} judges pairs, and {change.name} has no shadow stage to make any."
            yield _error("gate.no_pairs", change, says, "Add steps: shadow:, or use sample: arms.", where)


def _unsupplied_outcomes(workspace: Workspace, change: Change) -> Iterator[Finding]:
    """Outcome gates without a cap, with several for the same losses, and those that name nearly what is declared:
    they would wait for posts.
    """
    caps: dict[tuple[str, str, str], float] = {}
    for gate in criteria(workspace, change):
        if gate.metric != "outcome" or not gate.outcome:
            continue
        declared = workspace.metrics.get(gate.outcome)
        where = gate.where or change.where
        remedy = did_you_mean(gate.outcome, workspace.metrics)
        if declared is None and remedy.startswith("Did you mean"):
            says = f"no metric {gate.outcome!r} is declared, so the gate waits for posted outcomes of that name."
            yield Finding("metric.unknown", Severity.WARNING, change.name, says, remedy, where)
        if not gate.cap and not (declared and declared.cap):
            says = f"the outcome gate of {gate.service} names no cap, the largest loss that counts."
            remedy = f"Add cap: to the gate, like cap: 120, or to a Metric {gate.outcome}."
            yield _error("gate.uncapped", change, says, remedy, where)
        cap = gate.cap or (declared.cap if declared else 0.0)
        if caps.setdefault((gate.service, gate.outcome, gate.sample), cap) != cap:
            says = f"gates on {gate.outcome} of {gate.service} have different caps, and losses are counted once."
            yield _error("gate.caps_differ", change, says, "Give them one cap.", where)


def _unknown_people(workspace: Workspace, change: Change) -> Iterator[Finding]:
    for role, name in (("author", change.author), ("sponsor", change.sponsor)):
        if workspace.people and name not in workspace.people:
            says = f"{name!r}, the {role} of {change.name}, is not among the people of the workspace."
            remedy = did_you_mean(name, workspace.people)
            yield Finding("change.unknown_person", Severity.WARNING, change.name, says, remedy, change.where)


def _error(code: str, change: Change, says: str, remedy: str, where: str) -> Finding:
    return Finding(code, Severity.ERROR, change.name, says, remedy, where)
