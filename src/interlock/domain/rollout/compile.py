"""Compile a change into its plan: pure, and the same declarations always give the same bytes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Literal

from interlock.domain.catalog.asset import AssetId, Kind
from interlock.domain.catalog.graph import graph_of
from interlock.domain.catalog.impact import impact
from interlock.domain.changes.approval import requirements
from interlock.domain.changes.criteria import SEGMENT_SHARE, criteria
from interlock.domain.changes.cut import cut, overlay, restricted
from interlock.domain.changes.interfaces import flows, interface_findings, order_findings, spelled
from interlock.domain.changes.request import Change, GateSpec, ShadowStep, Steps
from interlock.domain.changes.workspace import Workspace
from interlock.domain.checks.metric import Metric
from interlock.domain.checks.pairs import FAILURE
from interlock.domain.checks.violations import CONTRACT
from interlock.domain.gates.gate import Gate, GateSet
from interlock.domain.lenses.inline import path_lacks
from interlock.domain.lenses.loss import loss
from interlock.domain.migrations.migration import Migration
from interlock.domain.releases.release import Release, Replay
from interlock.domain.releases.route_table import WHOLE_BP
from interlock.domain.rollout.plan import Answers, Content, Loss, Plan, PlannedMove, Promise, Reached
from interlock.domain.rollout.stages import Canary, Climb, Prepare, Promote, Retire, Shadow, Stage, Watch
from interlock.domain.schemas.order import order
from interlock.domain.schemas.representation import contract_digest
from interlock.domain.traffic.bucket import seed
from interlock.kernel.digest import digest
from interlock.kernel.finding import Finding, Severity

WEIGHT = {"errors": 3.0, "latency": 3.0, "outcome": 4.0}
CONTRACT_MARGIN = 0.02
CONTRACT_WEIGHT = 1.0
"""What every model service is judged for takes little from what was declared."""


def compile_plan(
    workspace: Workspace, change: Change, current: Release, migrations: tuple[Migration, ...] = ()
) -> tuple[Plan, list[Finding]]:
    """The plan of `change` against what serves now, and what is wrong with it. migrations: of the tables that move
    with it, rendered before, so that the plan's digest covers their SQL.

    Missing when a moved service, version or lens does not exist. Error findings block approval.
    """
    moved = {m.name: m.to for m in change.moves if m.kind == "service"}
    target = cut(workspace, moved)
    holds = held_services(workspace, moved)
    baseline = restricted(current, holds)
    candidate = restricted(overlay(current, target), holds)
    reached = impact(graph_of(workspace.assets, workspace.links), [_asset(m.kind, m.name) for m in change.moves])
    affected = sorted({*moved, *(a.asset.name for a in reached if a.asset.kind is Kind.SERVICE)})
    served = {d.service: d.version for d in current.deployments}
    moving = flows(workspace, change, served)
    there, back = order(moving), order(moving, is_back=True)
    plan = Plan(
        change=change.name,
        why=change.why,
        author=change.author,
        sponsor=change.sponsor,
        moves=tuple(planned_moves(change, current, workspace)),
        baseline=baseline,
        candidate=candidate,
        holds=holds,
        stages=stages(change.steps),
        gates=_gates(change, workspace, sorted(moved)),
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
        metrics=tuple(_metrics(workspace, change)),
        answers=Answers(
            promises=tuple(_promises(workspace, sorted(moved))),
            tolerated=change.steps.answers.tolerated,
            allow=change.steps.answers.allow,
            sample_bp=change.steps.answers.sample_bp,
        ),
        waves=spelled(there),
        waves_back=spelled(back),
        migrations=migrations,
    )
    around = (*interface_findings(workspace, change, served), *order_findings(change, there, back))
    return plan, [*_findings(workspace, change, plan, current), *around]


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
    """Half as many twins as copies, unless declared: then noise is known about as well as what exceeds it."""
    room_bp = WHOLE_BP - step.share_bp
    return Shadow(
        share_bp=step.share_bp,
        seconds=step.seconds,
        pairs=step.pairs,
        max_difference=step.max_difference,
        ignore=step.ignore,
        twin_bp=min(max(step.share_bp // 2, 1) if step.twin_bp is None else step.twin_bp, room_bp),
        tolerate=step.tolerate,
        any_order=step.any_order,
    )


def _metrics(workspace: Workspace, change: Change) -> Iterator[Metric]:
    """The declarations that the outcome gates rely on. Where they are written is no part of them."""
    known = workspace.metrics
    for name in sorted({g.outcome for g in criteria(workspace, change) if g.outcome in known}):
        yield replace(known[name], where="")


def _promises(workspace: Workspace, moved: Iterable[str]) -> Iterator[Promise]:
    """The contract of each moved service's answers, as callers read them: the declared one, or the one that every
    version answers with. Answers are captured at the edge alone, so none of an inner service can keep a promise.
    """
    for name in moved:
        spec = workspace.services[name]
        if not spec.edge:
            continue
        own = {v.response for v in spec.versions.values()}
        ref = spec.callers_response or (own.pop() if len(own) == 1 else None)
        contract = workspace.contracts.get((ref.name, ref.version)) if ref else None
        if contract is not None:
            yield Promise(name, replace(contract, where=""))


def _gates(change: Change, workspace: Workspace, moved: list[str]) -> GateSet:
    """The criteria of the change; a moved service on the edge whose answers have a contract is judged in any case
    for answers that break it.
    """
    specs = list(criteria(workspace, change))
    judged = {g.service for g in specs if g.outcome == CONTRACT}
    specs += [
        GateSpec("outcome", p.service, CONTRACT_MARGIN, CONTRACT, 1.0)
        for p in _promises(workspace, moved)
        if p.service not in judged
    ]
    gates = sorted(specs, key=lambda g: (g.service, g.metric, g.outcome, g.name))
    edges = [workspace.services[name] for name in held_services(workspace, moved)]
    is_keyed = not any(spec.edge and spec.unkeyed == "split" for spec in edges)
    return GateSet(
        gates=tuple(_gate(g, workspace, is_keyed) for g in gates),
        alpha=workspace.policy.alpha,
        alpha_pass=workspace.policy.alpha_pass,
        warmup_s=change.steps.warmup_s,
        errors_nats_s=3.0 / change.steps.burst_s,
        latency_nats_s=8.0 / change.steps.burst_s,
    )


def _gate(spec: GateSpec, workspace: Workspace, is_keyed: bool) -> Gate:
    """The gate that `spec` declares. Where it leaves it open, errors count the first bad answer of each key if the
    evidence has keys (unless requests without one are split too, whose errors would then not be seen), and look at
    segments if the service declares some.
    """
    is_relative = spec.metric == "errors" and spec.bound is None
    metric, service = workspace.metrics.get(spec.outcome), workspace.services.get(spec.service)
    has_segments = service is not None and bool(service.segments)
    segments = (SEGMENT_SHARE if has_segments else 0.0) if spec.segments is None else spec.segments
    usual_counts: Literal["every", "keyed"] = "keyed" if is_keyed else "every"
    usual = CONTRACT_WEIGHT if spec.outcome == CONTRACT else WEIGHT[spec.metric]
    return Gate(
        name=spec.name,
        metric=spec.metric,
        service=spec.service,
        margin=spec.margin,
        weight=usual if spec.weight is None else spec.weight,
        outcome=spec.outcome,
        cap=spec.cap or (metric.cap if metric else 0.0),
        tolerance_ms=spec.tolerance_ms if spec.metric == "latency" else 0.0,
        bound=spec.bound,
        quantile=spec.quantile,
        counts=(spec.counts or usual_counts) if is_relative else "every",
        segment_share=segments if is_relative else 0.0,
        sample=spec.sample,
    )


def planned_moves(change: Change, current: Release, workspace: Workspace) -> Iterator[PlannedMove]:
    """What moves, from the versions that serve now."""
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
            yield Content("contract", f"{contract.name}@{contract.version}", contract_digest(contract))
    for lens in sorted(workspace.lenses, key=lambda x: (x.contract, x.older, x.newer)):
        if lens.contract in names:
            yield Content("lens", lens.title, digest(lens.ops))
    models = {d.model for d in deployments if d.model} | {
        f"{m.name}@{m.to}" for m in change.moves if m.kind == "model"
    }
    for ref in sorted(models):
        name, _, version = ref.rpartition("@")
        spec = workspace.models.get(name)
        if spec and version in spec.versions:
            yield Content("model", ref, digest(spec.versions[version]))


def _losses(workspace: Workspace, change: Change, current: Release) -> Iterator[Loss]:
    for move in planned_moves(change, current, workspace):
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
        is_same = plan.baseline.deployment(move.name) == plan.candidate.deployment(move.name)
        if move.kind == "service" and is_same:
            yield Finding(
                "change.no_move",
                Severity.ERROR,
                f"service:{move.name}",
                f"{move.name} already serves version {move.after}, with the same lenses",
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
    yield from _not_in_path(plan, change)
    yield from _indistinct_arms(plan, workspace)
    yield from _unscored_pairs(plan, change)
    yield from _uncaptured_answers(plan, change)
    yield from _unproven_difference(plan, change)
    yield from _uncopied_posts(plan, change)
    if not workspace.people:
        yield Finding(
            "people.undeclared",
            Severity.WARNING,
            "workspace",
            "nobody is declared, so anyone may approve in any role",
            "List people and their roles in interlock.yaml.",
        )


def _not_in_path(plan: Plan, change: Change) -> Iterator[Finding]:
    """Translations that no engine can run where requests pass."""
    for one in plan.candidate.deployments:
        for role, program in (("request", one.request), ("response", one.response)):
            if lacks := path_lacks(program, one.body):
                lens = f"the {role} lens of {one.service}@{one.version}"
                says = f"tensors cannot hold what {lens} does: {', '.join(lacks)}"
                remedy = "Keep to plain fields in it, or let callers speak the contract version of the service."
                yield Finding(
                    "lens.not_in_path", Severity.ERROR, f"service:{one.service}", says, remedy, change.where
                )


def _unscored_pairs(plan: Plan, change: Change) -> Iterator[Finding]:
    """Gates on pairs whose loss nothing tells: both answers to one request are scored when they are given, so a
    label that comes later cannot be it.
    """
    promised = {p.service for p in plan.answers.promises}
    has_shadow = any(isinstance(stage, Shadow) for stage in plan.stages)
    for gate in plan.gates.gates:
        scored = (FAILURE, CONTRACT) if gate.service in promised else (FAILURE,)
        if gate.sample == "pairs" and not (has_shadow and gate.outcome in scored):
            lacks = "no loss is known of both answers to a request" if has_shadow else "there is no shadow stage"
            remedy = f"Add steps.shadow, and name one of these outcomes: {', '.join(scored)}."
            says = f"{gate.name}: {lacks}"
            yield Finding("gate.no_pairs", Severity.ERROR, f"gate:{gate.name}", says, remedy, change.where)


def _uncaptured_answers(plan: Plan, change: Change) -> Iterator[Finding]:
    """Gates on broken contracts of services whose answers nobody captures."""
    promised = {p.service for p in plan.answers.promises}
    for gate in plan.gates.gates:
        if gate.outcome == CONTRACT and gate.sample != "pairs" and gate.service not in promised:
            says = f"{gate.name}: answers of {gate.service} are not captured, so only posted ones judge it"
            remedy = "Gate a service on the edge that declares its response contract, or post outcomes."
            yield Finding("gate.answers_unseen", Severity.WARNING, f"gate:{gate.name}", says, remedy, change.where)


def _uncopied_posts(plan: Plan, change: Change) -> Iterator[Finding]:
    """Services on the edge whose POSTs nobody allowed to be sent twice, while shadow waits for copies."""
    if not any(isinstance(stage, Shadow) for stage in plan.stages):
        return
    for one in plan.candidate.deployments:
        if one.edge and one.service in plan.holds and one.replay == Replay():
            says = f"POST requests to {one.service} are not copied, because nobody said that they may be sent twice"
            remedy = f"Add `replay: all`, or path prefixes, to {one.service} where that does no harm."
            yield Finding(
                "shadow.posts_not_copied", Severity.WARNING, f"service:{one.service}", says, remedy, change.where
            )


def _unproven_difference(plan: Plan, change: Change) -> Iterator[Finding]:
    """A shadow stage that would turn back for a difference that it cannot tell from noise."""
    for stage in plan.stages:
        if isinstance(stage, Shadow) and stage.max_difference is not None and not stage.twin_bp:
            yield Finding(
                "shadow.no_twins",
                Severity.WARNING,
                f"change:{change.name}",
                "every request is copied to the candidate, so none is left to tell the baseline's own noise, "
                "and no difference turns the rollout back",
                "Lower steps.shadow.share, or declare `twins`.",
                change.where,
            )


def _indistinct_arms(plan: Plan, workspace: Workspace) -> Iterator[Finding]:
    """Metrics whose source cannot tell the releases apart, because the gate's service is at one version in both."""
    by_version = {m.name for m in plan.metrics if m.source and m.by == "version"}
    for gate in plan.gates.gates:
        candidate, baseline = (r.version(gate.service) for r in (plan.candidate, plan.baseline))
        if gate.outcome in by_version and (candidate == baseline or not (candidate and baseline)):
            held = f"both releases have {gate.service} at {baseline or 'no version'}"
            yield Finding(
                "metric.indistinct",
                Severity.ERROR,
                f"metric:{gate.outcome}",
                f"{gate.outcome} knows arms by version, and {held}",
                "Declare `by: release`, or gate a service that moves.",
                workspace.metrics[gate.outcome].where,
            )


def _asset(kind: str, name: str) -> AssetId:
    return AssetId(Kind(kind), name)
