"""What a change is judged by: its own gates, the default ones of the services that move, and the implied ones."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Literal

from interlock.domain.changes.request import Change, GateSpec
from interlock.domain.changes.workspace import Workspace

DEFAULT_MARGIN: Mapping[Literal["errors", "latency", "outcome"], float] = {"errors": 0.02, "latency": 0.15}
SEGMENT_SHARE = 0.4
"""The part of the evidence of an errors gate that looks at segments one by one, where nothing else is declared."""


def criteria(workspace: Workspace, change: Change) -> tuple[GateSpec, ...]:
    """All gates of `change`, by service, metric and outcome.

    A change that says anything about a metric (of a service, for outcomes: about one outcome) says all about it:
    the service's own gates on it are left out. A service that moves is judged for errors and latency in any case,
    by implied margins where nobody declared any. Gates on pairs need a shadow stage, and a service's own ones are
    left out where a change has none.
    """
    moved = sorted({m.name for m in change.moves if m.kind == "service"})
    declared = list(change.gates)
    declared += [
        spec
        for service in moved
        for spec in _without(workspace.gates.get(service, ()), {_about(g) for g in change.gates})
        if spec.sample == "arms" or change.steps.shadow
    ]
    known = {_about(g) for g in declared}
    implied = [
        GateSpec(metric, service, margin)
        for service in moved
        for metric, margin in DEFAULT_MARGIN.items()
        if (service, metric, "") not in known
    ]
    return tuple(sorted((*declared, *implied), key=lambda g: (g.service, g.metric, g.outcome, g.name)))


def _about(spec: GateSpec) -> tuple[str, str, str]:
    return spec.service, spec.metric, spec.outcome


def _without(specs: Collection[GateSpec], known: Collection[tuple[str, str, str]]) -> Iterator[GateSpec]:
    return (spec for spec in specs if _about(spec) not in known)
