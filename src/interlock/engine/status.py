"""Use case: what serves, what is under way, who holds what."""

from __future__ import annotations

from typing import Any

from interlock.engine import records
from interlock.engine.context import Context
from interlock.engine.views import rollout_view
from interlock.kernel.errors import Unavailable


def status_view(context: Context) -> dict[str, Any]:
    """The whole state at one look. `traffic` is None while the data plane does not tell its counters."""
    with context.store.transaction(read_only=True) as tx:
        current = records.read_current(tx)
        rollouts = records.read_rollouts(tx)
        shown = [r for r in rollouts if r.is_live] or rollouts[-1:]
        view = {
            "release": current.id if current else None,
            "versions": {d.service: d.version for d in current.deployments} if current else {},
            "rollouts": [rollout_view(context, tx, r) for r in shown],
            "holds": {d.key: d.body["rollout"] for d in tx.scan("hold")},
        }
    proxy = {part.name: {"well": part.is_well, "says": part.says} for part in context.plane.health()}
    return view | {"routes": context.plane.published(), "proxy": proxy, "traffic": _traffic(context)}


def _traffic(context: Context) -> dict[str, Any] | None:
    """Requests since the proxy started, by service and release; and the ones that carried no pin or no key."""
    try:
        counters = context.plane.counters()
    except Unavailable:
        return None
    served: dict[str, dict[str, dict[str, int]]] = {}
    for (service, release), counts in sorted(counters.arms.items()):
        served.setdefault(service, {})[release] = {"requests": counts.requests, "bad": counts.bad}
    return {"served": served, "unpinned": dict(counters.unpinned), "unkeyed": dict(counters.unkeyed)}
