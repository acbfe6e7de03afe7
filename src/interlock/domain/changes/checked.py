"""What checks found about the versions that a change moves to, as findings of its plan.

A failed check of exactly such a version blocks the plan; results are looked up anew whenever the plan is, so a
check that fails after an approval blocks the start. They are no part of the plan's digest: a check that is run
again and passes again voids nothing. The audit entry of an approval names the results that were there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from interlock.domain.changes.request import Change
from interlock.domain.checks.check import CheckResult, Fail, Pass, Undecided
from interlock.kernel.finding import Finding, Severity


@dataclass(frozen=True, slots=True)
class DeclaredCheck:
    """A check that somebody declared. subject: `kind:name` or `kind:name@version`."""

    name: str
    subject: str
    where: str = ""


def subjects(change: Change) -> tuple[str, ...]:
    """What a check may be about to concern the change: each moved thing, with its new version and without one."""
    return tuple(s for move in change.moves for s in (f"{move}@{move.to}", str(move)))


def check_findings(
    change: Change, declared: Iterable[DeclaredCheck], results: Sequence[CheckResult]
) -> Iterator[Finding]:
    """What the newest results say, and which declared checks have none."""
    about = subjects(change)
    known = {(r.subject, r.name) for r in results}
    for result in results:
        if result.subject in about:
            yield from _of_result(result)
    for check in declared:
        if check.subject in about and (check.subject, check.name) not in known:
            yield Finding(
                "check.missing",
                Severity.WARNING,
                check.subject,
                f"check {check.name} of {check.subject} is declared, and no result of it was posted",
                "Run it with `interlock check run` and post the evidence with `interlock check post`.",
                check.where,
            )


def _of_result(result: CheckResult) -> Iterator[Finding]:
    named = f"check {result.name} of {result.subject}"
    match result.measurement.verdict:
        case Pass():
            return
        case Fail(because=because) if "@" in result.subject:
            remedy = "Mend what it measures, run it again and post the new result; the newest one counts."
            yield Finding("check.failed", Severity.ERROR, result.subject, f"{named} failed: {because}", remedy)
        case Fail(because=because):
            says = f"{named} failed, of which version is not said: {because}"
            remedy = "Name the version in its subject, as kind:name@version."
            yield Finding("check.unversioned", Severity.WARNING, result.subject, says, remedy)
        case Undecided(because=because, missing=missing):
            yield Finding(
                "check.undecided",
                Severity.WARNING,
                result.subject,
                f"{named} is undecided: {because}",
                f"It lacks: {missing}." if missing else "Run it on more data.",
            )
