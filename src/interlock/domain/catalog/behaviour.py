"""What a version of a service promises beside the shape of its data: how fast, how reliably, and which errors mean
what.

Requests and responses have their contracts; this is the rest of an interface. A new version may promise more than
an older one, never less than its callers expect.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from interlock.kernel.finding import Severity

Said = tuple[str, Severity, str, str]
"""Code, severity, sentence, remedy."""


@dataclass(frozen=True, slots=True)
class ErrorAnswer:
    """An answer that is no success. may_retry: the same request may be sent again, because nothing was done."""

    status: int
    means: str = ""
    may_retry: bool = False


@dataclass(frozen=True, slots=True)
class Behaviour:
    """latency_p99_s: 99 of 100 answers come within so many seconds; availability: the share of requests that are
    answered. None where nothing is promised. errors: every error that callers may see.
    """

    latency_p99_s: float | None = None
    availability: float | None = None
    errors: tuple[ErrorAnswer, ...] = ()


NOTHING = Behaviour()
"""Where nothing is promised or expected."""


def weakened(older: Behaviour, newer: Behaviour, expected: Behaviour) -> Iterator[Said]:
    """What the newer version promises less of. Less than callers expect is an error, less than before a warning."""
    yield from _latency(older, newer, expected)
    yield from _availability(older, newer, expected)
    yield from _errors(older, newer)


def _latency(older: Behaviour, newer: Behaviour, expected: Behaviour) -> Iterator[Said]:
    now, remedy = newer.latency_p99_s, "Agree on it with the callers, or make it faster."
    said = "no latency" if now is None else f"a p99 latency of {now:g} s"
    if (wanted := expected.latency_p99_s) is not None and (now is None or now > wanted):
        yield "behaviour.latency", Severity.ERROR, f"promises {said}, and callers expect {wanted:g} s", remedy
    elif (was := older.latency_p99_s) is not None and (now is None or now > was):
        yield "behaviour.latency", Severity.WARNING, f"promises {said}, and promised {was:g} s before", remedy


def _availability(older: Behaviour, newer: Behaviour, expected: Behaviour) -> Iterator[Said]:
    now, remedy = newer.availability, "Agree on it with the callers, or make it more reliable."
    said = "no availability" if now is None else f"an availability of {now:.6g}"
    if (wanted := expected.availability) is not None and (now is None or now < wanted):
        yield "behaviour.availability", Severity.ERROR, f"promises {said}, and callers expect {wanted:.6g}", remedy
    elif (was := older.availability) is not None and (now is None or now < was):
        yield "behaviour.availability", Severity.WARNING, f"promises {said}, and promised {was:.6g} before", remedy


def _errors(older: Behaviour, newer: Behaviour) -> Iterator[Said]:
    """A status that callers do not know is treated as the first of its class (RFC 9110, section 15), so one that is
    declared covers it.
    """
    known = {one.status: one for one in older.errors}
    for one in newer.errors:
        was = known.get(one.status)
        if was is None and known and one.status // 100 * 100 not in known:
            says = f"may answer {one.status} ({one.means or 'no meaning given'}), which callers do not know"
            yield (
                "behaviour.error_added",
                Severity.ERROR,
                says,
                "Answer an error that they know, or teach them first.",
            )
        elif was and was.may_retry and not one.may_retry:
            says = f"no longer lets callers retry after {one.status}, and they do"
            yield "behaviour.error_retry", Severity.ERROR, says, "Answer another status where retrying is not safe."
        elif was and was.means != one.means:
            says = f"answers {one.status} for {one.means!r}, which meant {was.means!r}"
            yield "behaviour.error_meaning", Severity.ERROR, says, "Answer another status for the new meaning."
