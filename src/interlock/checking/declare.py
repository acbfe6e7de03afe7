"""The `check` decorator: marks a function as a check, and leaves it what it is. Light: it imports nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar, overload

Function = TypeVar("Function", bound=Callable[..., Any])

_MARK = "__interlock_check__"


@dataclass(frozen=True, slots=True)
class Declared:
    """name: of the check; subject: what it is about, like `model:delay@2`, empty for whatever is being checked."""

    name: str
    subject: str = ""


@overload
def check(function: Function, /) -> Function: ...


@overload
def check(*, subject: str = "", name: str = "") -> Callable[[Function], Function]: ...


def check(function: Function | None = None, /, *, subject: str = "", name: str = "") -> Any:
    """Mark a function as a check, with or without brackets. It asserts, or returns a Measurement, True or False.

    name: by default the function's, without `test_` or `check_`, words joined by dashes.
    """

    def mark(marked: Function) -> Function:
        setattr(marked, _MARK, Declared(name or _name_of(marked), subject))
        return marked

    return mark if function is None else mark(function)


def declared(candidate: Any) -> Declared | None:
    """What `candidate` was marked as, or None."""
    found = getattr(candidate, _MARK, None)
    return found if isinstance(found, Declared) else None


def _name_of(function: Callable[..., Any]) -> str:
    name = getattr(function, "__name__", "check")
    return name.removeprefix("test_").removeprefix("check_").replace("_", "-")
