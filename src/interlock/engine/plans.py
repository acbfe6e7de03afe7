"""Use cases of changes: compile and explain a plan, approve exactly it, tell whether approvals still cover it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from interlock.domain.audit.event import Event
from interlock.domain.changes.approval import Approval, Requirement, approve, missing
from interlock.domain.changes.checked import check_findings, subjects
from interlock.domain.changes.counted import Counted, counted_findings
from interlock.domain.changes.request import Change, Role
from interlock.domain.changes.workspace import Workspace
from interlock.domain.checks.check import CheckResult
from interlock.domain.checks.record import as_record, result_from
from interlock.domain.releases.release import Release
from interlock.domain.rollout.compile import compile_plan
from interlock.domain.rollout.plan import Plan, changed_parts
from interlock.domain.rollout.revisions import RevisionMove, revision_moves
from interlock.domain.rollout.tables import TableMove, TableState, table_moves
from interlock.engine import contents, losses, records
from interlock.engine.context import Context
from interlock.engine.ports import Transaction
from interlock.engine.tables import MigrationRenderer
from interlock.kernel.digest import short
from interlock.kernel.errors import Invalid, Missing, Refused
from interlock.kernel.finding import Finding, Severity
from interlock.kernel.ident import did_you_mean


class ChangeMissing(Missing):
    """There is no such change."""

    code = "change.missing"


class WorkspaceInvalid(Invalid):
    """The declarations contain errors; every one of them is listed."""

    code = "workspace.invalid"


class PlanBlocked(Refused):
    """The plan has findings that must be mended first."""

    code = "plan.blocked"


@dataclass(frozen=True, slots=True)
class Planned:
    """A compiled plan with what was found, who still has to agree, and what voided earlier approvals. checks: the
    newest results about what moves; counted: what its lenses lose of real rows.
    """

    plan: Plan
    findings: tuple[Finding, ...]
    approvals: tuple[Approval, ...]
    missing: tuple[Requirement, ...]
    voided: tuple[str, ...]
    checks: tuple[CheckResult, ...] = ()
    counted: tuple[Counted, ...] = ()

    @property
    def is_blocked(self) -> bool:
        return any(f.is_blocking for f in self.findings)


def plan_change(context: Context, name: str) -> Planned:
    """Compile the change as it is declared now, keep the plan under its digest, and say where approval stands."""
    workspace, findings = load_valid(context)
    change = find_change(workspace, name)
    _render_ahead(context, workspace, change)
    with context.store.transaction() as tx:
        return _planned(tx, context, workspace, change, findings)


def _render_ahead(context: Context, workspace: Workspace, change: Change) -> None:
    """Have the SQL of tables written before the transaction in which it is asked for, for writers queue there."""
    with context.store.transaction(read_only=True) as tx:
        current, states = records.read_current(tx), records.read_tables(tx)
    if current is not None:
        for move in _moves(workspace, change, current, states)[0]:
            context.renderer.render(move)


def compiled(
    renderer: MigrationRenderer,
    workspace: Workspace,
    change: Change,
    current: Release,
    states: Mapping[str, TableState] | None = None,
) -> tuple[Plan, list[Finding]]:
    """The plan with its migrations, those of revisions before those of tables, and what is wrong with any of it.
    states: of tables.
    """
    moves, findings = _moves(workspace, change, current, states)
    rendered = [renderer.render(move) for move in moves]
    migrations = tuple(migration for migration, _ in rendered if migration)
    plan, found = compile_plan(workspace, change, current, migrations)
    return plan, [*found, *findings, *(one for _, told in rendered for one in told)]


def _moves(
    workspace: Workspace, change: Change, current: Release, states: Mapping[str, TableState] | None
) -> tuple[tuple[RevisionMove | TableMove, ...], tuple[Finding, ...]]:
    """What is to be migrated, in the order in which it runs, and what keeps tables from moving."""
    tables, findings = table_moves(workspace, change, current, states)
    return (*revision_moves(workspace, change), *tables), findings


def _planned(
    tx: Transaction, context: Context, workspace: Workspace, change: Change, findings: list[Finding]
) -> Planned:
    current = records.read_current(tx)
    if current is None:
        raise Missing("no release serves yet", remedy="Start the control plane once with `interlock up`.")
    plan, found = compiled(context.renderer, workspace, change, current, records.read_tables(tx))
    records.keep_plan(tx, plan)
    contents.keep(context, tx, workspace, plan)
    approvals = records.read_approvals(tx, change.name)
    checks = _checks(tx, change)
    known = losses.crossings_of(workspace, plan)
    counts = losses.counted_of(tx, known)
    is_required = workspace.policy.losses == "counted"
    return Planned(
        plan=plan,
        findings=(
            *findings,
            *found,
            *check_findings(change, workspace.checks, checks),
            *counted_findings(known, counts, is_required),
            *_name_findings(tx, change),
        ),
        checks=checks,
        counted=counts,
        approvals=tuple(a for a in approvals if a.digest == plan.digest),
        missing=missing(plan.requirements, approvals, plan.digest),
        voided=_voided(tx, approvals, plan),
    )


def _name_findings(tx: Transaction, change: Change) -> Iterator[Finding]:
    """Orders know changes and rollouts by their names, so a name must mean one of them."""
    if tx.read("rollout", change.name) is not None:
        yield Finding(
            "change.name_taken",
            Severity.ERROR,
            f"change:{change.name}",
            "a rollout of another change has this name, so orders by it would be that one's.",
            "Give the change another name.",
            change.where,
        )


def _checks(tx: Transaction, change: Change) -> tuple[CheckResult, ...]:
    """The newest result of every check on what the change moves."""
    return tuple(result_from(d.body) for subject in subjects(change) for d in tx.scan("check", f"{subject}/"))


def _voided(tx: Transaction, approvals: list[Approval], plan: Plan) -> tuple[str, ...]:
    """What changed since the newest approval that no longer covers the plan."""
    earlier = [a for a in approvals if a.digest != plan.digest]
    if not earlier or any(a.digest == plan.digest for a in approvals):
        return ()
    return changed_parts(records.read_plan(tx, earlier[-1].digest), plan)


def approve_change(context: Context, name: str, role: Role, person: str, digest: str | None = None) -> Planned:
    """`person` approves, in `role`, the plan of change `name`.

    `digest`, when given, is the plan that the person read: Refused when the change compiles to another one now.
    """
    workspace, findings = load_valid(context)
    change = find_change(workspace, name)
    _render_ahead(context, workspace, change)
    now = context.clock.now()
    with context.store.transaction() as tx:
        planned = _planned(tx, context, workspace, change, findings)
        plan = planned.plan
        if planned.is_blocked:
            raise PlanBlocked(f"the plan of {name} has errors", remedy=f"See `interlock plan {name}`.")
        if digest is not None and not plan.digest.removeprefix("sha256:").startswith(
            digest.removeprefix("sha256:")
        ):
            raise Refused(
                f"the plan is no longer {short(digest)}: it compiles to {short(plan.digest)} now",
                remedy=f"Read it again with `interlock plan {name}`.",
                changed=list(planned.voided),
            )
        given = approve(
            plan.requirements, role, person, now, plan.digest, author=plan.author, self_approval=plan.self_approval
        )
        records.keep_approval(tx, name, given)
        subjects = ", ".join(given.subjects)
        tx.append(
            Event(
                now,
                person,
                "approval.given",
                f"change:{name}",
                f"as {role.value} for {subjects}",
                {
                    "digest": plan.digest,
                    "checks": [_seen(result) for result in planned.checks],
                    "counted": [one.audit.digest for one in planned.counted],
                },
            )
        )
        return _planned(tx, context, workspace, change, findings)


def _seen(result: CheckResult) -> dict[str, str]:
    """What an approver could read of a check."""
    record = as_record(result)
    return {
        "subject": result.subject,
        "name": result.name,
        "verdict": record["verdict"]["kind"],
        "digest": record["digest"],
    }


def load_valid(context: Context) -> tuple[Workspace, list[Finding]]:
    """The declarations and their warnings; WorkspaceInvalid with every error when there is one."""
    workspace, findings = context.workspaces.load()
    demand_valid(findings)
    return workspace, findings


def demand_valid(findings: Sequence[Finding], which: str = "the workspace") -> None:
    """WorkspaceInvalid with every error when there is one; `which` names what was declared."""
    errors = [f for f in findings if f.is_blocking]
    if errors:
        raise WorkspaceInvalid(
            f"{which} has {len(errors)} error{'s' if len(errors) > 1 else ''}: "
            + "; ".join(str(f) for f in errors[:5]),
            findings=errors,
        )


def find_change(workspace: Workspace, name: str) -> Change:
    change = workspace.changes.get(name)
    if change is None:
        raise ChangeMissing(f"there is no change {name!r}", remedy=did_you_mean(name, workspace.changes))
    return change
