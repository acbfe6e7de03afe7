"""Compile a change into its plan: pure, and the same declarations always give the same bytes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from interlock.domain.catalog.asset import AssetId, Kind
from interlock.domain.catalog.graph import graph_of
from interlock.domain.catalog.impact import impact
from interlock.domain.changes.approval import requirements
from interlock.domain.changes.cut import cut, overlay, restricted
from interlock.domain.changes.request import Change, GateSpec, ShadowStep, Steps
from interlock.domain.changes.workspace import Workspace
from interlock.domain.gates.gate import Gate, GateSet
from interlock.domain.lenses.loss import loss
from interlock.domain.releases.release import Release
from interlock.domain.rollout.plan import Content, Loss, Plan, PlannedMove, Reached
from interlock.domain.rollout.stages import Canary, Climb, Prepare, Promote, Retire, Shadow, Stage, Watch
from interlock.domain.traffic.bucket import seed
from interlock.kernel.digest import digest
from interlock.kernel.finding import Finding, Severity

DEFAULT_MARGIN = {"errors": 0.02, "latency": 0.15}
WEIGHT = {"errors": 3.0, "latency": 3.0, "outcome": 4.0}


def compile_plan(workspace: Workspace, change: Change, current: Release) -> tuple[Plan, list[Finding]]:
    """The plan of `change` against what serves now, and what is wrong with it.

    Missing when a moved service, version or lens does not exist. Error findings block approval.
    """
    moved = {m.name: m.to for m in change.moves if m.kind == "service"}
    target = cut(workspace, moved)
    holds = held_services(workspace, moved)
    baseline = restricted(current, holds)
    candidate = restricted(overlay(current, target), holds)
    reached = impact(graph_of(workspace.assets, workspace.links), [_asset(m.kind, m.name) for m in change.moves])
    affected = sorted({*moved, *(a.asset.name for a in reached if a.asset.kind is Kind.SERVICE)})
    plan = Plan(
        change=change.name,
        why=change.why,
        author=change.author,
        sponsor=change.sponsor,
        moves=tuple(_moves(change, current, workspace)),
        baseline=baseline,
        candidate=candidate,
        holds=holds,
        stages=stages(change.steps),
        gates=_gates(change, sorted(moved)),
        contents=tuple(_contents(workspace, (baseline, candidate), change)),
        losses=tuple(_losses(workspace, change, current)),
        reaches=tuple(Reached(str(a.asset), a.owner, a.says) for a in reached),
        requirements=requirements(workspace, change, affected),
        window=change.window,
        self_approval=workspace.policy.self_approval,
        patience_s=change.steps.patience_s,
        on_expiry=change.steps.on_expiry,
        rollback=change.rollback,
        seed=seed(f"{change.name}/{candidate.id}"),
    )
    return plan, [*_findings(workspace, change, plan, current)]


def held_services(workspace: Workspace, moved: Iterable[str]) -> tuple[str, ...]:
    """The moved services and every service from which a request can reach them: no other rollout may run there."""
    callers: dict[str, set[str]] = {}
    for spec in workspace.services.values():
        for callee in spec.calls:
            callers.setdefault(callee, set()).add(spec.name)
    held, frontier = set(moved), list(moved)
    while frontier:
        for caller in callers.get(frontier.pop(), set()) - held:
            held.add(caller)
            frontier.append(caller)
    return tuple(sorted(held))


def stages(steps: Steps) -> tuple[Stage, ...]:
    """Prepare, shadow when asked for, growing exposure, a watch when asked for, promote, retire."""
    shadow = steps.shadow
    return (
        Prepare(),
        *([_shadow(shadow)] if shadow else []),
        *_exposure(steps),
        *([Watch(steps.holdback_bp, steps.watch_s)] if steps.watch_s else []),
        Promote(steps.bake_s),
        Retire(),
    )


def _exposure(steps: Steps) -> tuple[Stage, ...]:
    if steps.climb is not None:
        return (Climb(steps.climb.budget, steps.climb.dwell_s),)
    return tuple(Canary(weight, steps.dwell_s) for weight in steps.canary_bp)


def _shadow(step: ShadowStep) -> Shadow:
    return Shadow(step.share_bp, step.seconds, step.pairs, step.max_difference, step.ignore)


def _gates(change: Change, moved: list[str]) -> GateSet:
    """The declared gates; a moved service is judged for errors and latency in any case, by default margins."""
    declared = {(g.service, g.metric) for g in change.gates}
    implied = [
        GateSpec(metric, service, DEFAULT_MARGIN[metric])
        for service in moved
        for metric in ("errors", "latency")
        if (service, metric) not in declared
    ]
    gates = sorted((*change.gates, *implied), key=lambda g: (g.service, g.metric, g.outcome))
    return GateSet(
        gates=tuple(
            Gate(
                name="/".join(filter(None, (g.service, g.metric, g.outcome))),
                metric=g.metric,
                service=g.service,
                margin=g.margin,
                weight=WEIGHT[g.metric],
                outcome=g.outcome,
                cap=g.cap,
                tolerance_ms=g.tolerance_ms if g.metric == "latency" else 0.0,
            )
            for g in gates
        ),
        warmup_s=change.steps.warmup_s,
        errors_nats_s=3.0 / change.steps.burst_s,
        latency_nats_s=8.0 / change.steps.burst_s,
    )


def _moves(change: Change, current: Release, workspace: Workspace) -> Iterator[PlannedMove]:
    serving = {("service", d.service): d.version for d in current.deployments}
    serving |= {("model", name): spec.serving for name, spec in workspace.models.items()}
    for d in current.deployments:
        for kind, ref in (("model", d.model), ("contract", d.reads), ("contract", d.writes)):
            if ref:
                name, _, version = ref.rpartition("@")
                serving[kind, name] = version
    for move in sorted(change.moves, key=lambda m: (m.kind, m.name)):
        yield PlannedMove(move.kind, move.name, serving.get((move.kind, move.name), ""), move.to)


def _contents(workspace: Workspace, releases: Iterable[Release], change: Change) -> Iterator[Content]:
    """Digests of everything that the deployments rely on but that is kept elsewhere."""
    deployments = [d for r in releases for d in r.deployments]
    contracts = {ref for d in deployments for ref in (d.reads, d.writes) if ref}
    contracts |= {f"{m.name}@{m.to}" for m in change.moves if m.kind == "contract"}
    names = {ref.rpartition("@")[0] for ref in contracts}
    for contract in sorted(workspace.contracts.values(), key=lambda c: (c.name, c.version)):
        if f"{contract.name}@{contract.version}" in contracts:
            yield Content(
                "contract", f"{contract.name}@{contract.version}", digest([contract.fields, contract.is_open])
            )
    for lens in sorted(workspace.lenses, key=lambda x: (x.contract, x.older, x.newer)):
        if lens.contract in names:
            yield Content("lens", f"{lens.contract}@{lens.older}..{lens.newer}", digest(lens.ops))
    models = {d.model for d in deployments if d.model} | {
        f"{m.name}@{m.to}" for m in change.moves if m.kind == "model"
    }
    for ref in sorted(models):
        name, _, version = ref.rpartition("@")
        spec = workspace.models.get(name)
        if spec and version in spec.versions:
            yield Content("model", ref, digest(spec.versions[version]))


def _losses(workspace: Workspace, change: Change, current: Release) -> Iterator[Loss]:
    for move in _moves(change, current, workspace):
        if move.kind != "contract":
            continue
        for lens in workspace.lenses:
            ends = (
                workspace.contracts.get((move.name, lens.older)),
                workspace.contracts.get((move.name, lens.newer)),
            )
            if lens.contract == move.name and move.after in (lens.older, lens.newer) and all(ends):
                older, newer = ends
                assert older is not None
                assert newer is not None
                for line in loss(lens, older, newer).lines:
                    yield Loss(move.name, line.direction, line.field, line.effect, line.says)


def _findings(workspace: Workspace, change: Change, plan: Plan, current: Release) -> Iterator[Finding]:
    for move in plan.moves:
        if move.kind == "service" and move.before == move.after:
            yield Finding(
                "change.no_move",
                Severity.ERROR,
                f"service:{move.name}",
                f"{move.name} already serves version {move.after}",
                "Remove the move, or name another version.",
                change.where,
            )
    if not plan.moved_services:
        yield Finding(
            "change.no_service",
            Severity.ERROR,
            f"change:{change.name}",
            "no service moves, so no traffic would",
            "Add the service that holds the model or reads the contract.",
            change.where,
        )
    if not any(d.edge for d in plan.candidate.deployments):
        yield Finding(
            "change.no_edge",
            Severity.ERROR,
            f"change:{change.name}",
            f"none of {', '.join(plan.holds)} is reachable from outside, so no request can be assigned",
            "Set `edge: true` on the service that outside callers call, and declare its `calls`.",
            change.where,
        )
    if not workspace.people:
        yield Finding(
            "people.undeclared",
            Severity.WARNING,
            "workspace",
            "nobody is declared, so anyone may approve in any role",
            "List people and their roles in interlock.yaml.",
        )


def _asset(kind: str, name: str) -> AssetId:
    return AssetId(Kind(kind), name)
