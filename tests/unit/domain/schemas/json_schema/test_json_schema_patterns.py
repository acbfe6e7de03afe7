"""Patterns are compared without running them."""

from __future__ import annotations

import pytest

from interlock.domain.schemas.json_schema.regular import disjoint, includes, matches


@pytest.mark.parametrize(
    ("pattern", "text", "answer"),
    [
        ("b", "abc", True),
        ("^b", "abc", False),
        ("^a|c$", "xc", True),
        ("^(ab){2,3}$", "ababab", True),
        ("^(ab){2}$", "ababab", False),
        ("^a{0}$", "", True),
        ("^[^a-c]$", "d", True),
        ("^\\d+$", "12", True),
        ("^\\d$", "\u0661", None),
        ("^a$", "a\n", None),
        ("^.$", "é", True),
        ("^\\w$", "é", None),
        ("(?!a)", "a", None),
        ("(a)\\1", "aa", None),
        ("é", "é", None),
        ("a**", "a", None),
        ("[", "a", None),
        ("^" + "(" * 60 + "a" + ")" * 60, "a", None),
        ("a{1001}", "a", None),
        ("((a{99}){99}){99}", "a", None),
    ],
)
def test_a_text_is_matched(pattern: str, text: str, answer: bool | None) -> None:
    """As ECMA-262 and Python agree; None where they do not, or beyond the subset."""
    assert matches(pattern, text) is answer


@pytest.mark.parametrize(
    ("outer", "inner", "answer"),
    [
        ("^[a-z]*$", "^[a-z]+$", True),
        ("^[a-z]+$", "^[a-z]*$", False),
        ("a", "^xa", True),
        ("^\\d+$", "^[0-9]{3}$", True),
        ("^[0-9]+$", "^\\d$", None),
        ("^(a|b)*$", "^(ab)*$", True),
        ("(?=a)", "(?=a)", True),
        ("(?=a)", "a", None),
        ("^(a|b)*a(a|b){14}$", "^(a|b)*$", None),
    ],
)
def test_inclusion_is_decided(outer: str, inner: str, answer: bool | None) -> None:
    """Over all texts, within a bound; None beyond it."""
    assert includes(outer, inner) in ({answer} if answer is not None else {None, False})


def test_patterns_without_a_common_text_are_told() -> None:
    """Prefixes that differ exclude one another, an open end does not."""
    assert disjoint("^S_", "^I_") is True
    assert disjoint("^S", "x$") is False
