"""Interlock ships a model or schema change that touches many services as one controlled, reversible change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from interlock.checking.declare import check as check

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """`from interlock import check` loads the decorator only when it is asked for."""
    if name == "check":
        from interlock.checking.declare import check

        return check
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
