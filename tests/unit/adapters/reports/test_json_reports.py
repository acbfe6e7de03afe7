from __future__ import annotations

import json
from typing import Any

import pytest

from interlock.adapters.reports import ReportInvalid
from interlock.adapters.reports.tool_json import results_of_json
from interlock.domain.checks.check import CheckResult, Measurement, Pass
from interlock.domain.checks.record import as_document


def read(document: Any) -> list[tuple[str, str, str]]:
    results = results_of_json(json.dumps(document).encode(), "model:m@2", "r.json")
    return [(r.name, r.verdict.kind, r.verdict.because) for r in results]


def test_run_results_of_dbt_are_read() -> None:
    """dbt's tests pass, fail, warn and break."""
    results = [
        {"unique_id": "test.not_null", "status": "pass", "message": None},
        {"unique_id": "test.range", "status": "fail", "message": "Got 3 results"},
        {"unique_id": "test.fresh", "status": "warn", "message": "late"},
        {"unique_id": "test.sql", "status": "error", "message": "syntax"},
    ]
    assert read({"metadata": {"dbt_version": "1"}, "results": results}) == [
        ("test.not_null", "pass", "the report says pass"),
        ("test.range", "fail", "Got 3 results"),
        ("test.fresh", "undecided", "the report says 'warn': late"),
        ("test.sql", "undecided", "the report says 'error': syntax"),
    ]


def test_validation_results_of_great_expectations_are_read() -> None:
    """The name is one level down, and an expectation that raised is Undecided although it says false."""
    config = {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "distance"}}
    results = [
        {"success": True, "expectation_config": config, "exception_info": {"raised_exception": False}},
        {
            "success": False,
            "expectation_config": config | {"kwargs": {}},
            "exception_info": {"raised_exception": True, "exception_message": "no such column"},
        },
    ]
    assert read({"success": False, "results": results}) == [
        ("expect_column_values_to_not_be_null distance", "pass", "the report says True"),
        ("expect_column_values_to_not_be_null", "undecided", "no such column"),
    ]


def test_lists_of_other_tools_are_read() -> None:
    """pytest-json-report, Evidently and plain lists use the same few words."""
    assert read(
        {"tests": [{"nodeid": "t.py::a", "outcome": "passed"}, {"nodeid": "t.py::b", "outcome": "skipped"}]}
    ) == [
        ("t.py::a", "pass", "the report says passed"),
        ("t.py::b", "undecided", "the report says 'skipped'"),
    ]
    assert read({"tests": [{"name": "drift", "status": "FAIL", "description": "0.4 > 0.1"}]}) == [
        ("drift", "fail", "0.4 > 0.1")
    ]
    assert read([{"passed": True}, {"name": "x"}, 7]) == [
        ("result 1", "pass", "the report says True"),
        ("x", "undecided", "the report does not say how it ended"),
        ("result 3", "undecided", "the report does not say how it ended"),
    ]


def test_own_evidence_keeps_its_subjects() -> None:
    """A document written by Interlock comes back as it was."""
    result = CheckResult("c", "model:other@1", Measurement("custom", "assertions", Pass("fine")), "here")
    content = json.dumps(as_document([result])).encode()
    assert results_of_json(content, "model:m@2", "r.json") == [result]


@pytest.mark.parametrize("content", [b"{", b"\xff", b"7", b'{"results": {}}', b"[" * 100_000])
def test_what_is_no_report_is_refused(content: bytes) -> None:
    """Damage and other documents are told as such."""
    with pytest.raises(ReportInvalid):
        results_of_json(content, "model:m", "r.json")
