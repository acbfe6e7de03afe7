"""`offset` and `limit`: a negative limit is none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, TypeVar

from fastapi import Depends

T = TypeVar("T")


def _page(offset: int = 0, limit: int = -1) -> tuple[int, int]:
    return max(offset, 0), limit


Page = Annotated[tuple[int, int], Depends(_page)]


def page(items: Sequence[T], limits: tuple[int, int]) -> list[T]:
    """The part of `items` that was asked for."""
    offset, limit = limits
    return list(items[offset:] if limit < 0 else items[offset : offset + limit])
