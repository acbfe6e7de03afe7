from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from interlock.adapters.reports import MAX_BYTES, ReportInvalid, read_report
from interlock.adapters.reports.junit import results_of_junit
from interlock.domain.checks.check import Fail, Pass, Undecided

REPORT = b"""<?xml version="1.0" encoding="UTF-8"?>
<testsuites><testsuite name="s" tests="4">
  <testcase classname="tests.model" name="test_good" time="0.1"><system-out>x</system-out></testcase>
  <testcase classname="tests.model" name="test_bad"><failure message="mae is 14 &gt; 12">trace</failure></testcase>
  <testcase name="test_broken"><error message="no database"/></testcase>
  <testcase name="test_later"><skipped/></testcase>
</testsuite></testsuites>"""


def test_each_case_is_a_result() -> None:
    """Passed and failed tests are Pass and Fail; broken and skipped ones are Undecided."""
    results = results_of_junit(REPORT, "model:delay@2", "r.xml")
    assert [(r.name, r.subject, r.verdict) for r in results] == [
        ("tests.model.test_good", "model:delay@2", Pass("the test passed")),
        ("tests.model.test_bad", "model:delay@2", Fail("mae is 14 > 12 trace")),
        ("test_broken", "model:delay@2", Undecided("no database", "a test that runs to its end")),
        ("test_later", "model:delay@2", Undecided("the test was skipped", "a test that is not skipped")),
    ]


def test_a_report_of_pytest_is_read(tmp_path: Path) -> None:
    """What pytest itself writes has the verdicts of its tests."""
    (tmp_path / "test_it.py").write_text("def test_a(): pass\ndef test_b(): assert 1 > 2\n")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--junitxml=r.xml", "test_it.py"]
    subprocess.run(command, cwd=tmp_path, capture_output=True)
    results = results_of_junit((tmp_path / "r.xml").read_bytes(), "service:s", "r.xml")
    assert [(r.name, r.verdict.kind) for r in results] == [("test_it.test_a", "pass"), ("test_it.test_b", "fail")]


BOMB = b"""<!DOCTYPE b [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>
<testsuite><testcase name="&b;"/></testsuite>"""
OUTSIDE = b"""<!DOCTYPE t SYSTEM "file:///etc/passwd"><testsuite/>"""


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (BOMB, "declares a document type"),
        (OUTSIDE, "declares a document type"),
        (b"<testsuite>\n<testcase>", "r.xml:2: is no XML"),
        (b"", "is no XML"),
        (b"<html/>", "is no JUnit report"),
        (b"<testsuite>" * 60, "nested deeper"),
        (b"<testsuite>" + b"<testcase/>" * 100_001 + b"</testsuite>", "more than 100,000 test cases"),
    ],
)
def test_hostile_and_foreign_files_are_refused(content: bytes, says: str) -> None:
    """No entity is expanded, nothing outside is read, and size and depth are bounded."""
    with pytest.raises(ReportInvalid, match=says):
        results_of_junit(content, "model:m", "r.xml")


def test_a_long_reason_is_cut() -> None:
    """A megabyte of traceback does not become evidence."""
    body = b"x" * 1_000_000
    (result,) = results_of_junit(
        b"<testsuite><testcase name='t'><failure>" + body + b"</failure></testcase></testsuite>", "m", "r"
    )
    assert len(result.verdict.because) <= 500


def test_files_that_are_missing_or_too_large_are_refused(tmp_path: Path) -> None:
    """The reader stops at its bound."""
    with pytest.raises(ReportInvalid, match="No such file"):
        read_report(tmp_path / "absent.xml")
    large = tmp_path / "large.xml"
    with large.open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(ReportInvalid, match="more than"):
        read_report(large)
