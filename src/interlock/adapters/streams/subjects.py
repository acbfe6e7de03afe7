"""NATS subjects and patterns of them: `*` is one token, a last `>` one or more."""

from __future__ import annotations

from itertools import zip_longest


def matches(pattern: str, subject: str) -> bool:
    """Whether the subject is of the pattern."""
    return _captured(pattern, subject) is not None


def mapped(pattern: str, target: str, subject: str) -> str:
    """The target's subject for one of the source's: each wildcard of `target` takes what the wildcard of the same
    number captured. ValueError when `target` has wildcards of another kind or number.
    """
    if not is_mappable(pattern, target):
        raise ValueError(f"{target} has not the wildcards of {pattern}")
    captured = iter(_captured(pattern, subject) or ())
    return ".".join(next(captured) if part in ("*", ">") else part for part in target.split("."))


def is_mappable(pattern: str, target: str) -> bool:
    """Whether each wildcard of `target` has one of `pattern` to take from; a target without any always has."""
    wild = [part for part in target.split(".") if part in ("*", ">")]
    return not wild or wild == [part for part in pattern.split(".") if part in ("*", ">")]


def overlap(one: str, other: str) -> bool:
    """Whether some subject is of both patterns."""
    for left, right in zip_longest(one.split("."), other.split(".")):
        if left == ">" or right == ">":
            return left is not None and right is not None
        if left is None or right is None or (left != right and "*" not in (left, right)):
            return False
    return True


def covers(wide: str, narrow: str) -> bool:
    """Whether every subject of `narrow` is one of `wide`."""
    for left, right in zip_longest(wide.split("."), narrow.split(".")):
        if left == ">":
            return right is not None
        if left is None or right is None or right == ">" or (left != "*" and left != right):
            return False
    return True


def _captured(pattern: str, subject: str) -> list[str] | None:
    captured: list[str] = []
    tokens = subject.split(".")
    for index, part in enumerate(pattern.split(".")):
        if index >= len(tokens):
            return None
        if part == ">":
            return [*captured, ".".join(tokens[index:])]
        if part == "*":
            captured.append(tokens[index])
        elif part != tokens[index]:
            return None
    return captured if len(tokens) == len(pattern.split(".")) else None
