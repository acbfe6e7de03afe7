"""The seven modes ask the right questions of a history."""

from __future__ import annotations

import pytest

from interlock.domain.schemas.modes import Mode, comparisons

BACK, FORTH = "backward", "forward"


@pytest.mark.parametrize(
    ("mode", "asked"),
    [
        ("NONE", []),
        ("BACKWARD", [(1, BACK, 9, 2)]),
        ("FORWARD", [(1, FORTH, 2, 9)]),
        ("FULL", [(1, BACK, 9, 2), (1, FORTH, 2, 9)]),
        ("BACKWARD_TRANSITIVE", [(1, BACK, 9, 2), (0, BACK, 9, 1)]),
        ("FORWARD_TRANSITIVE", [(1, FORTH, 2, 9), (0, FORTH, 1, 9)]),
        ("FULL_TRANSITIVE", [(1, BACK, 9, 2), (1, FORTH, 2, 9), (0, BACK, 9, 1), (0, FORTH, 1, 9)]),
    ],
)
def test_each_mode_asks_its_questions(mode: str, asked: list[tuple[int, str, int, int]]) -> None:
    """History is oldest first; only transitive modes look further back than the last version."""

    def reads(reader: int, writer: int) -> tuple[tuple[int, int], ...]:
        return ((reader, writer),)

    found = list(comparisons(Mode(mode), [1, 2], 9, reads))
    assert [(one.index, one.direction.value, *one.reasons[0]) for one in found] == asked


@pytest.mark.parametrize("mode", list(Mode))
def test_a_first_version_is_asked_nothing(mode: Mode) -> None:
    """There is nothing before it."""
    assert list(comparisons(mode, [], 9, lambda reader, writer: (reader, writer))) == []
