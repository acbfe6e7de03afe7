"""Answers are compared by field, as declared."""

from __future__ import annotations

import json
from typing import Any

import pytest

from interlock.domain.checks.answer import covers, shown, steps
from interlock.domain.checks.compare import ComparisonRules, Tolerance, compare_answers, differing_fields


def body(value: Any) -> bytes:
    return json.dumps(value).encode()


def fields(a: Any, b: Any, **rules: Any) -> tuple[str, ...]:
    return differing_fields(body(a), body(b), ComparisonRules(**rules))


@pytest.mark.parametrize(
    ("pattern", "path", "is_covered"),
    [
        ("trail", "trail", True),
        ("trail", "trail[].service", True),
        ("trail", "trails", False),
        ("*.version", "model.version", True),
        ("*.version", "version", False),
        ("*.version", "a.b.version", False),
        ("**.version", "version", True),
        ("**.version", "items[].model.version", True),
        ("items[].price", "items[].price", True),
        ("items.*.price", "items[].price", True),
        ("", "anything", True),
    ],
)
def test_patterns_cover_paths(pattern: str, path: str, is_covered: bool) -> None:
    """`*` is one step, `**` any number, and what is below a named field is covered with it."""
    assert covers(steps(pattern), steps(path)) is is_covered
    assert shown(steps(path)) == path


def test_each_difference_has_its_kind() -> None:
    """Missing, added, retyped, changed and shortened fields are told apart; numbers tell by how much."""
    found = compare_answers(
        body({"gone": 1, "eta": 10.0, "kind": "a", "tags": [1, 2], "id": 7}),
        body({"come": 1, "eta": 12.5, "kind": 3, "tags": [1], "id": 7}),
    )
    assert {f.path: (f.kind, f.change) for f in found} == {
        "come": ("added", None),
        "eta": ("value", 2.5),
        "gone": ("missing", None),
        "id": ("same", 0.0),
        "kind": ("type", None),
        "tags[]": ("length", None),
    }


def test_integers_are_exact_and_fractions_are_not() -> None:
    """Neighbouring identifiers differ, the noise of float arithmetic does not, and 5 is 5.0."""
    assert fields({"id": 12_345_678_901}, {"id": 12_345_678_902}) == ("id",)
    assert fields({"x": 0.1 + 0.2, "y": 5}, {"x": 0.3, "y": 5.0}) == ()
    assert fields({"x": 10**400}, {"x": 10**400 + 1}) == ("x",)


def test_tolerances_are_absolute_or_relative() -> None:
    """A declared tolerance replaces the default; the first that covers a field holds."""
    rules = {"tolerate": (Tolerance("eta", absolute=0.5), Tolerance("**", relative=0.1))}
    assert fields({"eta": 10.0, "cost": 100.0}, {"eta": 10.4, "cost": 109.0}, **rules) == ()
    assert fields({"eta": 10.0, "cost": 100.0}, {"eta": 10.6, "cost": 120.0}, **rules) == ("cost", "eta")


def test_true_is_not_one() -> None:
    """Truth values and text are compared exactly, by type as well."""
    assert fields({"a": True, "b": "1", "c": None}, {"a": 1, "b": 1, "c": 0}) == ("a", "b", "c")


def test_ignored_fields_are_not_looked_at() -> None:
    """Neither their values nor their absence count."""
    a = {"trail": [1], "model": {"version": "1"}, "eta": 1.0}
    b = {"model": {"version": "2", "seed": 1}, "eta": 1.0}
    assert fields(a, b) == ("model.seed", "model.version", "trail")
    assert fields(a, b, ignore=("trail", "model.*")) == ()


def test_lists_may_come_in_any_order_when_declared() -> None:
    """Then elements are matched, also within a tolerance; what has no match still differs."""
    a, b = {"tags": ["x", "y", "z"]}, {"tags": ["z", "x", "y"]}
    assert fields(a, b) == ("tags[]",)
    assert fields(a, b, any_order=("tags",)) == ()
    assert fields(a, {"tags": ["z", "x", "q"]}, any_order=("tags",)) == ("tags[]",)
    near = {"tolerate": (Tolerance("p[].v", absolute=0.1),), "any_order": ("p",)}
    assert (
        fields(
            {"p": [{"k": 1, "v": 1.0}, {"k": 2, "v": 5.0}]},
            {"p": [{"k": 2, "v": 5.05}, {"k": 1, "v": 1.0}]},
            **near,
        )
        == ()
    )


def test_long_lists_in_any_order_are_still_compared() -> None:
    """Above the greedy limit, equal elements are taken out and the rest is compared in sorted order."""
    long = list(range(5_000))
    assert fields({"x": long}, {"x": long[::-1]}, any_order=("x",)) == ()
    assert fields({"x": long}, {"x": [*long[1:], -1]}, any_order=("x",)) == ("x[]",)
    shifted = [n + 0.5 for n in long]
    assert fields({"x": long}, {"x": shifted}, any_order=("x",)) == ("x[]",)


@pytest.mark.parametrize("broken", [b"", b"{", b"NaN", b"[" * 100_000, b"\xff"])
def test_what_is_not_json_differs_as_a_whole(broken: bytes) -> None:
    """Unreadable bodies agree only byte by byte."""
    assert differing_fields(broken, broken) == ()
    assert differing_fields(broken, b"{}") == ("(whole)",)


def test_depth_is_no_way_to_break_it() -> None:
    """Answers nested beyond the interpreter's stack are compared as bytes."""
    deep = b"[" * 900 + b"]" * 900
    deeper = b"[" * 900 + b"1" + b"]" * 900
    assert differing_fields(deep, deep) == ()
    assert differing_fields(deep, deeper) != ()
