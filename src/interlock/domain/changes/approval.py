"""Who must agree to a plan, who did, and whether that still covers the same bytes.

An approval names a role, a person, a time and a plan digest. It covers that digest and nothing else: any
change to any part of the plan makes another digest, which nobody has approved yet.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from interlock.domain.changes.request import Change, Role
from interlock.domain.changes.workspace import Workspace
from interlock.kernel.errors import Refused
from interlock.kernel.instant import Instant


class ApprovalRefused(Refused):
    """This person may not approve this plan in this role."""

    code = "approval.refused"


@dataclass(frozen=True, slots=True, order=True)
class Requirement:
    """`role` must agree for `subject` (a service for Service Owner, else the change); `holders` may do so.

    No holders means that the workspace declares nobody: then anyone may.
    """

    role: Role
    subject: str
    holders: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Approval:
    """`person` agreed, in `role`, for `subjects`, to exactly the plan with `digest`."""

    role: Role
    person: str
    at: Instant
    digest: str
    subjects: tuple[str, ...]


def requirements(workspace: Workspace, change: Change, affected: Iterable[str]) -> tuple[Requirement, ...]:
    """The approvals that `change` needs. `affected`: every service it moves or reaches.

    Change Sponsor always; Data Steward when a contract or a database moves; Model Validator when a model moves;
    Service Owner for each affected service.
    """
    kinds = {move.kind for move in change.moves}
    needed = [Requirement(Role.SPONSOR, change.name, (change.sponsor,) if change.sponsor else ())]
    if "contract" in kinds or change.revisions:
        needed.append(Requirement(Role.STEWARD, change.name, _holders(workspace, Role.STEWARD)))
    if "model" in kinds:
        needed.append(Requirement(Role.VALIDATOR, change.name, _holders(workspace, Role.VALIDATOR)))
    needed += [Requirement(Role.OWNER, s, _owners(workspace, s)) for s in sorted(set(affected))]
    return tuple(needed)


def _holders(workspace: Workspace, role: Role) -> tuple[str, ...]:
    return tuple(sorted(p.name for p in workspace.people.values() if role in p.roles))


def _owners(workspace: Workspace, service: str) -> tuple[str, ...]:
    owner = workspace.services[service].owner
    return (owner,) if owner in workspace.people else _holders(workspace, Role.OWNER)


def missing(needed: Sequence[Requirement], approvals: Iterable[Approval], digest: str) -> tuple[Requirement, ...]:
    """The requirements that no approval of exactly `digest` satisfies."""
    given = {(a.role, subject) for a in approvals if a.digest == digest for subject in a.subjects}
    return tuple(r for r in needed if (r.role, r.subject) not in given)


def approve(
    needed: Sequence[Requirement],
    role: Role,
    person: str,
    at: Instant,
    digest: str,
    *,
    author: str,
    self_approval: bool,
) -> Approval:
    """The approval of `person` in `role` for all that they may answer for in it, or ApprovalRefused."""
    in_role = [r for r in needed if r.role is role]
    if not in_role:
        wanted = ", ".join(sorted({r.role.value for r in needed}))
        raise ApprovalRefused(f"this plan needs no {role.value}", remedy=f"It needs: {wanted}.")
    if person == author and not self_approval:
        raise ApprovalRefused(
            f"{person} wrote this change, and an author does not approve their own change",
            remedy="Ask another person, or set policy.self_approval: true in interlock.yaml.",
        )
    mine = tuple(r.subject for r in in_role if not r.holders or person in r.holders)
    if not mine:
        holders = sorted({h for r in in_role for h in r.holders})
        raise ApprovalRefused(
            f"{person} is not {role.value} here", remedy=f"Who may approve: {', '.join(holders)}."
        )
    return Approval(role, person, at, digest, mine)
