"""From declarations to a release: pick one version of every service, and translate where callers differ."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from interlock.domain.catalog.service import ServiceSpec, ServiceVersion
from interlock.domain.changes.interfaces import Passage, passages
from interlock.domain.changes.workspace import Workspace
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
        request=_program(workspace, through.get("request")),
        response=_program(workspace, through.get("response")),
        reads=str(chosen.request or ""),
        writes=str(chosen.response or ""),
        model=str(chosen.model or ""),
    )


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
