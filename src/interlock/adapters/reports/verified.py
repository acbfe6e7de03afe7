"""The answers to CI's questions as JUnit XML, which every CI shows, and as Markdown for a pull request."""

from __future__ import annotations

import re
from collections.abc import Sequence
from xml.etree import ElementTree

from interlock.engine.verify import Case

_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_MOST_LINES = 50


def as_junit(cases: Sequence[Case]) -> str:
    """One suite per kind of question; a failure holds each of its findings on a line."""
    root = ElementTree.Element("testsuites", _counts(cases))
    for suite in dict.fromkeys(case.suite for case in cases):
        mine = [case for case in cases if case.suite == suite]
        element = ElementTree.SubElement(root, "testsuite", {"name": suite, **_counts(mine)})
        for case in mine:
            told = ElementTree.SubElement(
                element, "testcase", {"name": _clean(case.name), "classname": f"interlock.{suite}"}
            )
            lines = _clean("\n".join(map(str, case.findings)))
            if not case.holds:
                first = next(f for f in case.findings if f.is_blocking)
                reason = ElementTree.SubElement(
                    told, "failure", {"message": _clean(first.says), "type": first.code}
                )
                reason.text = lines
            elif lines or case.note:
                ElementTree.SubElement(told, "system-out").text = "\n".join(
                    filter(None, (_clean(case.note), lines))
                )
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def as_markdown(cases: Sequence[Case]) -> str:
    """A verdict, a table of the questions, and what is wrong, short enough for a comment."""
    wrong = [case for case in cases if not case.holds]
    verdict = f"{len(wrong)} of {len(cases)} checks fail" if wrong else f"all {len(cases)} checks pass"
    lines = [f"## Interlock: {verdict}", "", "| | check | |", "|---|---|---|"]
    for case in cases:
        mark = "pass" if case.holds else "**FAIL**"
        lines.append(f"| {mark} | {case.suite}: {_cell(case.name)} | {_cell(_summary(case))} |")
    told = [str(f) for case in cases for f in case.findings if f.is_blocking]
    if told:
        lines += ["", "### What is wrong", "", *(f"- {_cell(line)}" for line in told[:_MOST_LINES])]
    if len(told) > _MOST_LINES:
        lines.append(f"- and {len(told) - _MOST_LINES} more")
    return "\n".join(lines) + "\n"


def _summary(case: Case) -> str:
    errors = sum(f.is_blocking for f in case.findings)
    others = len(case.findings) - errors
    counts = [f"{errors} errors" * bool(errors), f"{others} notes" * bool(others)]
    return ", ".join(filter(None, (*counts, case.note)))


def _counts(cases: Sequence[Case]) -> dict[str, str]:
    return {"tests": str(len(cases)), "failures": str(sum(not case.holds for case in cases))}


def _clean(text: str) -> str:
    """Without characters that XML 1.0 cannot hold."""
    return _NO_XML.sub("\N{REPLACEMENT CHARACTER}", text)


def _cell(text: str) -> str:
    """Text that stays within its cell and is no markup."""
    flat = " ".join(text.split())
    return re.sub(r"([|<>\[\]*_`\\])", r"\\\1", flat)
