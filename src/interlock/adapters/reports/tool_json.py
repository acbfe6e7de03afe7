"""JSON reports: Interlock's own evidence, or a list of results with a name and a word for how each ended.

The list stands at the top, or under `results`, `tests` or `checks`. So dbt's run_results.json, Great
Expectations' validation results, pytest-json-report and Evidently's test suites are read; other tools as far as
they use these words.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from interlock.adapters.reports import MAX_CASES, ReportInvalid, reason
from interlock.domain.checks.check import CheckResult, Fail, Measurement, Pass, Undecided, Verdict
from interlock.domain.checks.record import FORMAT, results_from

_LISTS: Final = ("results", "tests", "checks")
_NAMES: Final = ("name", "test", "check", "unique_id", "nodeid", "id", "type", "expectation_type")
_ENDS: Final = ("status", "outcome", "success", "passed", "result")
_SAYS: Final = ("message", "description", "reason", "detail")
_PASSED: Final = frozenset({"pass", "passed", "success", "succeeded", "ok", "true"})
_FAILED: Final = frozenset({"fail", "failed", "failure", "false"})


def results_of_json(content: bytes, subject: str, source: str) -> list[CheckResult]:
    """One result per entry, about `subject`; Interlock's own evidence keeps its subjects. ReportInvalid
    otherwise.
    """
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as fault:
        raise ReportInvalid(f"is no JSON: {fault}", where=source) from fault
    if isinstance(document, Mapping) and document.get("format") == FORMAT:
        return results_from(document)
    entries = _entries(document, source)
    return [_result(entry, place, subject, source) for place, entry in enumerate(entries)]


def _entries(document: Any, source: str) -> list[Any]:
    entries = document
    if isinstance(document, Mapping):
        entries = next((document[key] for key in _LISTS if isinstance(document.get(key), list)), None)
    if not isinstance(entries, list):
        remedy = f"Give a list, or an object with one under {', '.join(_LISTS)}."
        raise ReportInvalid("has no list of results", remedy=remedy, where=source)
    if len(entries) > MAX_CASES:
        raise ReportInvalid(f"has more than {MAX_CASES:,} results", remedy="Split the report.", where=source)
    return entries


def _result(entry: Any, place: int, subject: str, source: str) -> CheckResult:
    fields = entry if isinstance(entry, Mapping) else {}
    name = _name(fields) or f"result {place + 1}"
    return CheckResult(name, subject, Measurement("imported", "json", _verdict(fields)), source)


def _name(fields: Mapping[str, Any]) -> str:
    """Great Expectations keeps the name one level down, with the column beside it."""
    inner = fields.get("expectation_config")
    if isinstance(inner, Mapping):
        column = inner["kwargs"].get("column") if isinstance(inner.get("kwargs"), Mapping) else None
        return " ".join(str(part) for part in (_name(inner), column) if part)
    return next((str(fields[key]) for key in _NAMES if isinstance(fields.get(key), str | int)), "")


def _verdict(fields: Mapping[str, Any]) -> Verdict:
    raised = fields.get("exception_info")
    if isinstance(raised, Mapping) and raised.get("raised_exception"):
        says = reason(str(raised.get("exception_message") or "the check raised"))
        return Undecided(says, "a check that runs to its end")
    end = next((fields[key] for key in _ENDS if isinstance(fields.get(key), str | bool)), None)
    says = next((reason(fields[key]) for key in _SAYS if isinstance(fields.get(key), str)), "")
    word = str(end).lower()
    if word in _PASSED:
        return Pass(says or f"the report says {end}")
    if word in _FAILED:
        return Fail(says or f"the report says {end}")
    told = "the report does not say how it ended" if end is None else f"the report says {end!r}"
    return Undecided(f"{told}{f': {says}' if says else ''}", "a result that says pass or fail")
