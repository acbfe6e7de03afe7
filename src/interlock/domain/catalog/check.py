"""Do the declarations fit together? Each check looks at the whole catalog and returns all that is wrong.

The checks see what is declared, not what runs; what changes ask for is checked in `changes/coherence.py`.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from interlock.domain.catalog.asset import Asset, AssetId, Kind, Link
from interlock.domain.catalog.graph import cycles, graph_of
from interlock.domain.catalog.service import ModelSpec, ServiceSpec, all_references
from interlock.kernel.finding import Finding, Severity
from interlock.kernel.ident import did_you_mean

Locate = Callable[[AssetId, tuple[str | int, ...]], str]
"""(asset, path inside its declaration) -> `file:line`."""

_ENDPOINT: Final = re.compile(
    r"(?P<host>\[[0-9a-fA-F:.]+\]|[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?):(?P<port>[0-9]{1,5})"
)


@dataclass(frozen=True, slots=True)
class Catalog:
    """Everything declared except changes.

    contracts: versions by name. unread: assets whose declaration has errors of its own, so nothing can be said
    of them and a mention of them is no second error.
    """

    services: Mapping[str, ServiceSpec] = field(default_factory=dict)
    models: Mapping[str, ModelSpec] = field(default_factory=dict)
    contracts: Mapping[str, frozenset[str]] = field(default_factory=dict)
    assets: tuple[Asset, ...] = ()
    links: tuple[Link, ...] = ()
    unread: frozenset[AssetId] = frozenset()


def check_catalog(catalog: Catalog, locate: Locate) -> list[Finding]:
    """Every finding, in a fixed order: links, versions, endpoints, cycles, owners."""
    return [
        *_unknown_assets(catalog),
        *_unknown_versions(catalog, locate),
        *_endpoint_findings(catalog, locate),
        *_cycle_findings(catalog),
        *_unowned(catalog),
    ]


def check_duplicates(named: Iterable[tuple[str, str]]) -> list[Finding]:
    """`named`: (subject, `file:line`) of each declaration. A second one of a subject is an error."""
    first: dict[str, str] = {}
    findings = []
    for subject, where in named:
        if subject in first:
            says = f"{subject} is declared already, at {first[subject]}."
            findings.append(_error("name.duplicate", subject, says, "Rename or remove one of the two.", where))
        first.setdefault(subject, where)
    return findings


def is_endpoint(text: str) -> bool:
    """`host:port`, an IPv6 host in brackets, the port between 1 and 65535."""
    match = _ENDPOINT.fullmatch(text)
    return match is not None and 1 <= int(match["port"]) <= 65_535


def _unknown_assets(catalog: Catalog) -> Iterator[Finding]:
    known = {asset.id for asset in catalog.assets} | catalog.unread
    names = {asset.name for asset in known}
    for link in catalog.links:
        if link.upstream in known:
            continue
        wanted = link.upstream
        says = f"{link.downstream.name} {link.verb} {wanted.name}, but there is no {wanted}."
        remedy = _kinds_of(wanted.name, known) or did_you_mean(wanted.name, names)
        yield _error("asset.unknown", str(link.downstream), says, remedy, link.where)


def _kinds_of(name: str, known: Iterable[AssetId]) -> str:
    found = sorted(str(asset) for asset in known if asset.name == name)
    return f"There is {', '.join(found)}: name the kind." if found else ""


def _unknown_versions(catalog: Catalog, locate: Locate) -> Iterator[Finding]:
    for name, model in catalog.models.items():
        asset = AssetId(Kind.MODEL, name)
        if model.serving not in model.versions:
            yield _no_version(asset, asset, model.serving, model.versions, locate(asset, ("serving",)))
    for name, service in catalog.services.items():
        asset = AssetId(Kind.SERVICE, name)
        if service.serving not in service.versions:
            yield _no_version(asset, asset, service.serving, service.versions, locate(asset, ("serving",)))
        for path, found in all_references(service):
            target = AssetId(found.kind, found.to.name)
            versions = _versions_of(catalog, target)
            if versions is not None and found.to.version not in versions:
                yield _no_version(asset, target, found.to.version, versions, locate(asset, path))


def _versions_of(catalog: Catalog, asset: AssetId) -> Iterable[str] | None:
    """None when nothing can be said: the asset is unknown, which is a finding of its own, or unread."""
    if asset in catalog.unread:
        return None
    if asset.kind is Kind.CONTRACT:
        return catalog.contracts.get(asset.name)
    model = catalog.models.get(asset.name)
    return None if model is None else model.versions


def _no_version(asset: AssetId, target: AssetId, version: str, versions: Iterable[str], where: str) -> Finding:
    says = f"{target} has no version {version!r}."
    return _error("version.unknown", str(asset), says, did_you_mean(version, versions), where)


def _endpoint_findings(catalog: Catalog, locate: Locate) -> Iterator[Finding]:
    holders: dict[str, list[tuple[str, str, str]]] = defaultdict(list)
    for name, service in catalog.services.items():
        asset = AssetId(Kind.SERVICE, name)
        for version, spec in service.versions.items():
            for number, endpoint in enumerate(spec.endpoints):
                where = locate(asset, ("versions", version, "endpoints", number))
                if not is_endpoint(endpoint):
                    says = f"{endpoint!r} is not host:port with a port from 1 to 65535."
                    yield _error("endpoint.malformed", str(asset), says, "Write it like 127.0.0.1:9101.", where)
                holders[endpoint.lower()].append((f"{name}@{version}", str(asset), where))
    for endpoint, sharing in holders.items():
        first = sharing[0]
        for holder, subject, where in sharing[1:]:
            says = f"{holder} answers at {endpoint}, but so does {first[0]} ({first[2]})."
            remedy = "Versions run side by side: give each its own endpoint."
            yield _error("endpoint.shared", subject, says, remedy, where)


def _cycle_findings(catalog: Catalog) -> Iterator[Finding]:
    for cycle in cycles(graph_of(catalog.assets, catalog.links)):
        last = cycle[-1]
        spelled = ", which ".join(f"{link.verb} {link.upstream.name}" for link in reversed(cycle))
        says = f"{last.downstream.name} depends on itself: {last.downstream.name} {spelled}."
        subject = str(last.downstream)
        if all(link.upstream.kind is Kind.SERVICE for link in cycle):
            remedy = "Calls in a circle can work, but a change of one then reaches all of them."
            yield Finding("cycle.calls", Severity.WARNING, subject, says, remedy, last.where)
        else:
            remedy = "Break the circle, for example by a dataset for the results that only later runs read."
            yield _error("cycle.data", subject, says, remedy, last.where)


def _unowned(catalog: Catalog) -> Iterator[Finding]:
    for asset in catalog.assets:
        if not asset.owner and asset.id not in catalog.unread:
            says = f"{asset.id} has no owner, so nobody is asked when a change reaches it."
            remedy = "Add owner: with a person or team."
            yield Finding("asset.unowned", Severity.WARNING, str(asset.id), says, remedy, asset.where)


def _error(code: str, subject: str, says: str, remedy: str, where: str) -> Finding:
    return Finding(code, Severity.ERROR, subject, says, remedy, where)
