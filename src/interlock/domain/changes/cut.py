"""From declarations to a release: pick one version of every service, and translate where callers differ."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from interlock.domain.catalog.service import ServiceSpec, ServiceVersion, VersionRef
from interlock.domain.changes.interfaces import Passage, passages
from interlock.domain.changes.workspace import Workspace
from interlock.domain.lenses.bodies import datatypes
from interlock.domain.lenses.inline import lens_engine
from interlock.domain.lenses.ops import Program
from interlock.domain.lenses.path import lens_path
from interlock.domain.releases.release import Deployment, Release, Replay
from interlock.kernel.errors import Missing
from interlock.kernel.ident import did_you_mean


class VersionMissing(Missing):
    """A service has no such version."""

    code = "version.missing"


def cut(workspace: Workspace, versions: Mapping[str, str]) -> Release:
    """The release with each named service at its version. Missing when a version or a lens does not exist."""
    return Release(
        tuple(
            deployment(workspace, workspace.services[name], version) for name, version in sorted(versions.items())
        )
    )


def overlay(current: Release, part: Release) -> Release:
    """`current` with the deployments of `part` in place of its own; everything else stays as it is."""
    replaced = {d.service for d in part.deployments}
    kept = [d for d in current.deployments if d.service not in replaced]
    return Release(tuple(sorted((*kept, *part.deployments), key=lambda d: d.service)))


def restricted(release: Release, services: Iterable[str]) -> Release:
    """The part of `release` that concerns `services` alone."""
    wanted = set(services)
    return Release(tuple(d for d in release.deployments if d.service in wanted))


def deployment(workspace: Workspace, spec: ServiceSpec, version: str) -> Deployment:
    """`spec` at `version`, with the lens programs between what callers speak and what this version speaks."""
    chosen = spec.versions.get(version)
    if chosen is None:
        raise VersionMissing(
            f"service {spec.name!r} has no version {version!r}",
            remedy=did_you_mean(version, spec.versions),
            where=spec.where,
        )
    through = dict(passages(workspace, spec, chosen))
    request, response = (_program(workspace, through.get(role)) for role in ("request", "response"))
    return Deployment(
        service=spec.name,
        version=version,
        endpoints=chosen.endpoints,
        edge=spec.edge,
        entity_header=spec.entity_header,
        unkeyed=spec.unkeyed,
        replay=_replay(spec, chosen),
        segment_header=spec.segment_header,
        segments=spec.segments,
        timeout_s=spec.timeout_s,
        body_limit_bytes=spec.body_limit_bytes,
        health_path=spec.health_path,
        request=request,
        response=response,
        reads=str(chosen.request or ""),
        writes=str(chosen.response or ""),
        model=str(chosen.model or ""),
        lens_engine=lens_engine(request, response, spec.body),
        **_shape(workspace, spec, chosen, has_request=bool(request), has_response=bool(response)),
    )


def _shape(
    workspace: Workspace, spec: ServiceSpec, chosen: ServiceVersion, *, has_request: bool, has_response: bool
) -> dict[str, Any]:
    """How bodies are opened; it matters where something is translated."""
    if spec.body == "object" or not (has_request or has_response):
        return {}
    told: dict[str, Any] = {"body": spec.body}
    if spec.body == "oip":
        told["request_types"] = _datatypes(workspace, chosen.request, "inputs") if has_request else ()
        told["response_types"] = _datatypes(workspace, spec.callers_response, "outputs") if has_response else ()
    return told


def _datatypes(workspace: Workspace, reader: VersionRef | None, part: str) -> tuple[tuple[str, str], ...]:
    """What the reader declares of the tensors that it gets; a model's metadata has inputs and outputs apart."""
    contract = workspace.contracts.get((reader.name, reader.version)) if reader else None
    if contract is None or not contract.objects:
        return ()
    found = next((one for one in contract.objects if one.name == part), contract.objects[0])
    return datatypes(found.fields)


def _program(workspace: Workspace, found: Passage | None) -> Program:
    """The lens on the way; none where the reader understands the writer as it is. LensMissing where it does not."""
    if found is None or found.is_open:
        return found.program if found else ()
    return lens_path(workspace.lenses, found.source.name, found.source.version, found.target.version)


def _replay(spec: ServiceSpec, chosen: ServiceVersion) -> Replay:
    match spec.replay:
        case "all":
            return Replay(posts=True)
        case "none":
            return Replay()
        case None:
            return Replay(posts=chosen.model is not None)
        case prefixes:
            return Replay(prefixes=prefixes)
