"""Check results as documents: what is written as evidence, posted, and read back.

A document is `{"format": "interlock-checks/1", "results": [...]}`; each result carries the digest of its content,
so that an approval or a gate can name exactly what it rests on. Figures keep nine significant digits, because
mathematical libraries may differ in the last one. A digest shows damage; a forger can recompute it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from interlock.domain.checks.check import (
    KINDS,
    CheckResult,
    Estimate,
    Fail,
    Kind,
    Measurement,
    Part,
    Pass,
    Threshold,
    Undecided,
    Verdict,
    overall,
)
from interlock.kernel.digest import digest, plain
from interlock.kernel.errors import Invalid

FORMAT = "interlock-checks/1"


class CheckEvidenceInvalid(Invalid):
    """A document is no evidence that this version can read, or it was altered."""

    code = "check_evidence.invalid"


def as_document(results: Iterable[CheckResult]) -> dict[str, Any]:
    """All results, and their verdict together."""
    held = list(results)
    verdict = overall((result.name, result.verdict) for result in held)
    return {"format": FORMAT, "verdict": plain(verdict), "results": [as_record(result) for result in held]}


def as_record(result: CheckResult) -> dict[str, Any]:
    """JSON-ready content of one result, and its digest."""
    about = {"name": result.name, "subject": result.subject, "source": result.source}
    content = _rounded(about | plain(result.measurement))
    return {**content, "digest": digest(content)}


def results_from(document: Any) -> list[CheckResult]:
    """The results in a document. CheckEvidenceInvalid when it is none, or when a digest does not fit."""
    if not isinstance(document, Mapping) or document.get("format") != FORMAT:
        raise CheckEvidenceInvalid(f"this is no {FORMAT} document", remedy="Write it with `interlock check run`.")
    records = document.get("results")
    if not isinstance(records, list):
        raise CheckEvidenceInvalid("the document has no list of results", remedy="Write it again.")
    return [result_from(record) for record in records]


def result_from(record: Any) -> CheckResult:
    """One result; CheckEvidenceInvalid as in `results_from`."""
    try:
        content = {key: value for key, value in record.items() if key != "digest"}
        if digest(content) != record["digest"]:
            raise CheckEvidenceInvalid(f"{content.get('name')!r} has not its digest", remedy="Run the check again.")
        return _result(content)
    except (KeyError, TypeError, ValueError, AttributeError) as fault:
        raise CheckEvidenceInvalid(f"a result cannot be read: {fault!r}", remedy="Run the check again.") from fault


def _result(content: Mapping[str, Any]) -> CheckResult:
    measured = Measurement(
        kind=_kind(content["kind"]),
        statistic=_text(content["statistic"]),
        verdict=_verdict(content["verdict"]),
        estimate=_estimate(content["estimate"]),
        threshold=Threshold(**content["threshold"]) if content["threshold"] else None,
        parts=tuple(
            Part(_text(p["name"]), _verdict(p["verdict"]), _estimate(p["estimate"]), dict(p["facts"]))
            for p in content["parts"]
        ),
        facts=dict(content["facts"]),
    )
    return CheckResult(_text(content["name"]), _text(content["subject"]), measured, _text(content["source"]))


def _kind(text: str) -> Kind:
    for kind in KINDS:
        if kind == text:
            return kind
    raise ValueError(f"there is no kind of check {text!r}")


def _verdict(told: Mapping[str, Any]) -> Verdict:
    because = _text(told["because"])
    match told["kind"]:
        case "pass":
            return Pass(because)
        case "fail":
            return Fail(because)
        case "undecided":
            return Undecided(because, _text(told["missing"]))
        case other:
            raise ValueError(f"there is no verdict {other!r}")


def _estimate(told: Mapping[str, Any] | None) -> Estimate | None:
    return Estimate(**told) if told else None


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def _rounded(value: Any) -> Any:
    """Nine significant digits; what is not finite has no figure."""
    match value:
        case float():
            return float(f"{value:.9g}") if math.isfinite(value) else None
        case Mapping():
            return {key: _rounded(inner) for key, inner in value.items()}
        case list():
            return [_rounded(inner) for inner in value]
        case _:
            return value
