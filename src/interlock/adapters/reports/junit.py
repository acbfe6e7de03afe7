"""JUnit XML, as pytest, Maven, Gradle, jest, go-junit-report and most others write it.

Read with expat's events: a document type declaration is refused, so that no entity is ever defined or expanded, and
nothing outside the file is fetched.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NoReturn
from xml.parsers import expat

from interlock.adapters.reports import MAX_CASES, ReportInvalid, reason
from interlock.domain.checks.check import CheckResult, Fail, Measurement, Pass, Undecided, Verdict

MAX_DEPTH = 50
_REASONS = ("failure", "error", "skipped")


@dataclass(slots=True)
class _Case:
    """A test case under way. told: element -> its message and text."""

    name: str
    told: dict[str, str] = field(default_factory=dict)

    def verdict(self) -> Verdict:
        if "error" in self.told:
            return Undecided(reason(self.told["error"]) or "the test broke", "a test that runs to its end")
        if "failure" in self.told:
            return Fail(reason(self.told["failure"]) or "the test failed")
        if "skipped" in self.told:
            return Undecided(reason(self.told["skipped"]) or "the test was skipped", "a test that is not skipped")
        return Pass("the test passed")


def results_of_junit(content: bytes, subject: str, source: str) -> list[CheckResult]:
    """One result per test case, about `subject`. ReportInvalid, with file and line, when `content` is no JUnit
    XML.
    """
    reader = _Reader(source)
    reader.read(content)
    if not reader.root_is_known:
        raise ReportInvalid("is no JUnit report", remedy="Its root is testsuites or testsuite.", where=source)
    return [
        CheckResult(case.name, subject, Measurement("imported", "junit", case.verdict()), source)
        for case in reader.cases
    ]


class _Reader:
    """Collects test cases from the events of one document."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.cases: list[_Case] = []
        self.root_is_known = False
        self._open: list[str] = []
        self._case: _Case | None = None
        self._parser = expat.ParserCreate()
        self._parser.StartDoctypeDeclHandler = self._refuse_doctype
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text

    def read(self, content: bytes) -> None:
        try:
            self._parser.Parse(content, True)
        except expat.ExpatError as fault:
            says = f"is no XML: {expat.ErrorString(fault.code)}"
            raise ReportInvalid(says, where=f"{self.source}:{fault.lineno}") from fault

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        if not self._open:
            self.root_is_known = tag in ("testsuites", "testsuite")
        self._open.append(tag)
        if len(self._open) > MAX_DEPTH:
            self._stop(f"is nested deeper than {MAX_DEPTH} levels")
        if tag == "testcase":
            named = [attributes.get("classname", ""), attributes.get("name", "")]
            self._case = _Case(".".join(filter(None, named)) or f"case {len(self.cases) + 1}")
            self.cases.append(self._case)
            if len(self.cases) > MAX_CASES:
                self._stop(f"has more than {MAX_CASES:,} test cases")
        elif self._case and tag in _REASONS:
            self._case.told[tag] = attributes.get("message", "") + " "

    def _end(self, tag: str) -> None:
        self._open.pop()
        if tag == "testcase":
            self._case = None

    def _text(self, text: str) -> None:
        tag = self._open[-1] if self._open else ""
        if self._case and tag in _REASONS and len(self._case.told[tag]) < 4_000:
            self._case.told[tag] += text

    def _refuse_doctype(self, *_: object) -> None:
        self._stop("declares a document type, which a report has no need of")

    def _stop(self, says: str) -> NoReturn:
        raise ReportInvalid(says, where=f"{self.source}:{self._parser.CurrentLineNumber}")
