"""Whether outputs are what they claim to be: present, finite, of their type, in range, and not all the same.

A fact about the given rows, without inference: one broken output fails.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any, Literal

from interlock.domain.checks.check import CheckInvalid, Fail, Measurement, Pass, at_most, counted, no_rows
from interlock.domain.checks.measures.columns import Column, is_missing, plain_values

OutputType = Literal["number", "integer", "string", "boolean"]

_IS_TYPE: dict[OutputType, Callable[[Any], bool]] = {
    "number": lambda v: isinstance(v, int | float) and not isinstance(v, bool),
    "integer": lambda v: isinstance(v, int) and not isinstance(v, bool),
    "string": lambda v: isinstance(v, str),
    "boolean": lambda v: isinstance(v, bool),
}


def integrity(
    outputs: Column,
    *,
    type: OutputType = "number",
    minimum: float | None = None,
    maximum: float | None = None,
    choices: Iterable[Any] = (),
    may_be_constant: bool = False,
) -> Measurement:
    """Every output against its type, range and closed set of choices. More than one row with one value throughout
    is a model that says nothing, unless it `may_be_constant`.
    """
    if type not in _IS_TYPE:
        raise CheckInvalid(f"there is no output type {type!r}", remedy=f"Use one of {', '.join(_IS_TYPE)}.")
    values, statistic, threshold = plain_values(outputs), "broken outputs", at_most(0)
    if not values:
        return no_rows("integrity", statistic, threshold, "outputs")
    allowed = list(choices)
    wrong = [(place, why) for place, v in enumerate(values) if (why := _flaw(v, type, minimum, maximum, allowed))]
    facts: dict[str, Any] = {"flaws": _counts(wrong)}
    found = counted(len(wrong), len(values), "outputs")
    if wrong:
        place, why = wrong[0]
        verdict: Pass | Fail = Fail(
            f"{len(wrong)} of {len(values)} outputs are broken; the first in row {place}: {why}"
        )
    elif len(values) > 1 and not may_be_constant and all(v == values[0] for v in values):
        verdict = Fail(f"all {len(values)} outputs are {values[0]!r}")
    else:
        verdict = Pass(f"all {len(values)} outputs are sound")
    return Measurement("integrity", statistic, verdict, found, threshold, facts=facts)


def _flaw(value: Any, type: OutputType, minimum: float | None, maximum: float | None, allowed: list[Any]) -> str:
    """What is wrong with one output, empty when nothing is."""
    if is_missing(value):
        return "missing or NaN"
    if not _IS_TYPE[type](value):
        return f"not a {type}"
    if isinstance(value, float) and math.isinf(value):
        return "infinite"
    if minimum is not None and value < minimum:
        return f"below {minimum:g}"
    if maximum is not None and value > maximum:
        return f"above {maximum:g}"
    return "" if not allowed or value in allowed else "none of the choices"


def _counts(wrong: list[tuple[int, str]]) -> dict[str, int]:
    whys = [why for _, why in wrong]
    return {why: whys.count(why) for why in sorted(set(whys))}
