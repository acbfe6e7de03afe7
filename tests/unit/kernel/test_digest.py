"""Equal content has an equal name."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from interlock.kernel.digest import canonical, digest, plain, short


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"b": 1, "a": (None, True)}, '{"a":[null,true],"b":1}'),
        (
            {"n": [5.0, -0.0, 0.5, 1e22, 2.0**53, 10**30]},
            '{"n":[5,0,0.5,1e+22,9007199254740992,' + str(10**30) + "]}",
        ),
        (frozenset({"b", "a"}), '["a","b"]'),
        ({1: "ü"}, '{"1":"ü"}'),
        (datetime(2026, 5, 1, 10, tzinfo=timezone(timedelta(hours=2))), '"2026-05-01T08:00:00Z"'),
    ],
)
def test_the_canonical_form_is_one_text(value: Any, text: str) -> None:
    """Sorted keys, no space, one form for equal numbers and instants."""
    assert canonical(value).decode() == text


def test_a_whole_number_has_one_digest_whether_written_as_integer_or_float() -> None:
    """Python says that 5 equals 5.0, and YAML authors write both."""
    assert digest({"timeout_s": [5]}) == digest({"timeout_s": [5.0]})
    assert digest({"timeout_s": [5]}) != digest({"timeout_s": [5.5]})


def test_plain_keeps_the_type_of_a_number() -> None:
    """Only the canonical form unites 5 and 5.0; stored data stays as it was."""
    assert isinstance(plain({"x": 5.0})["x"], float)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), datetime(2026, 5, 1), "\ud800"])
def test_what_has_no_canonical_form_is_refused(value: Any) -> None:
    """No number, no zone, no Unicode."""
    with pytest.raises(ValueError, match=r"JSON|zone|surrogates"):
        canonical({"x": value})


def test_the_short_form_is_the_beginning() -> None:
    """For people and header values."""
    full = digest({"at": datetime(2026, 5, 1, tzinfo=UTC)})
    assert full.startswith("sha256:" + short(full))
    assert (len(short(full)), len(short(full, 4))) == (12, 4)
