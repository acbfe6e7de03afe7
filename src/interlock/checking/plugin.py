"""The pytest plugin: functions marked with `interlock.check` are tests whose results become evidence.

A marked function is collected whatever its name, in every file that pytest reads (a parametrised one must have a
name that pytest collects). Pass passes; Fail and Undecided fail the test, because what is not known to be good
does not go on. `--interlock-evidence FILE` writes all results of the session as one document.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from interlock.checking.declare import Declared, declared

_RECORD = "interlock_check"
_RESULTS = "interlock-results"
_measured: pytest.StashKey[Any] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("interlock", "checks as evidence")
    group.addoption(
        "--interlock-evidence", metavar="FILE", help="Write the results of all checks into FILE (JSON)."
    )
    group.addoption(
        "--interlock-subject",
        default="",
        metavar="KIND:NAME@VERSION",
        help="What checks without a subject are about.",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(_Results(config), _RESULTS)


@pytest.hookimpl(tryfirst=True)
def pytest_pycollect_makeitem(collector: pytest.Collector, name: str, obj: object) -> pytest.Item | None:
    """Marked functions that pytest would not take for a test by their name."""
    if not callable(obj) or declared(obj) is None or not isinstance(collector, pytest.Module | pytest.Class):
        return None
    return None if collector.funcnamefilter(name) else pytest.Function.from_parent(collector, name=name)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """Run a marked function so that what it returns is kept and judged."""
    if isinstance(item, pytest.Function) and declared(item.obj):
        item.obj = _judged(item)
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[Any]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    mark = declared(getattr(item, "obj", None))
    if isinstance(item, pytest.Function) and mark and _is_telling(call):
        report.__dict__[_RECORD] = _record(item, mark, call)
    return report


def _judged(item: pytest.Function) -> Any:
    from interlock.domain.checks.check import Pass, measurement_of, symbol

    function = item.obj

    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> None:
        measurement = measurement_of(function(*args, **kwargs))
        item.stash[_measured] = measurement
        if not isinstance(measurement.verdict, Pass):
            pytest.fail(f"{symbol(measurement.verdict)}: {measurement.verdict.because}", pytrace=False)

    return run


def _is_telling(call: pytest.CallInfo[Any]) -> bool:
    """The call itself, or a set-up that kept it from happening."""
    return call.when == "call" or (call.when == "setup" and call.excinfo is not None)


def _record(item: pytest.Function, mark: Declared, call: pytest.CallInfo[Any]) -> dict[str, Any]:
    from interlock.domain.checks.check import CheckResult, Fail, Measurement, Undecided, raised
    from interlock.domain.checks.record import as_record

    fault = call.excinfo.value if call.excinfo else None
    if (measurement := item.stash.get(_measured, None)) is None:
        match fault:
            case pytest.skip.Exception():
                verdict: Fail | Undecided = Undecided(
                    f"the check was skipped: {fault}", "a check that is not skipped"
                )
                measurement = Measurement("custom", "assertions", verdict)
            case AssertionError() | pytest.fail.Exception() if call.when == "call":
                verdict = Fail(str(fault).partition("\n")[0] or "an assertion does not hold")
                measurement = Measurement("custom", "assertions", verdict)
            case _:
                measurement = raised(fault or RuntimeError("the check was never called"))
    parameters = item.name.removeprefix(item.originalname or item.name)
    subject = mark.subject or item.config.getoption("interlock_subject")
    return as_record(CheckResult(mark.name + parameters, subject, measurement, f"pytest:{item.nodeid}"))


class _Results:
    """Gathers the records of a session."""

    def __init__(self, config: pytest.Config) -> None:
        self._file: str | None = config.getoption("interlock_evidence")
        self._is_worker = hasattr(config, "workerinput")
        self._records: list[dict[str, Any]] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if record := getattr(report, _RECORD, None):
            self._records.append(record)

    def pytest_sessionfinish(self) -> None:
        if not self._file or self._is_worker:
            return
        from interlock.domain.checks.record import as_document, result_from

        document = as_document(result_from(record) for record in self._records)
        Path(self._file).write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", "utf-8")

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self._file:
            terminalreporter.write_line(f"interlock: {len(self._records)} checks as evidence in {self._file}")
