"""Exceptions, in families named by who must move next; expected outcomes are values, not exceptions.

A family fixes the HTTP status and the exit code; a subclass fixes the stable `code` (`noun.problem`).
The message says what happened and why; `remedy` says what would help.
"""

from __future__ import annotations

from typing import Any, ClassVar

from interlock.kernel.finding import sentences


class InterlockError(Exception):
    """An operation could not be done. Raise a subclass of one of the families below."""

    family: ClassVar[str] = "invariant"
    code: ClassVar[str] = "internal.error"
    status: ClassVar[int] = 500
    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, remedy: str = "", where: str = "", **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.where = where
        self.details = details

    def __str__(self) -> str:
        located = f"{self.where}: {self.message}" if self.where else self.message
        return sentences(located, self.remedy)


class Invalid(InterlockError):
    """The caller corrects the input."""

    family = "invalid"
    code = "input.invalid"
    status = 422
    exit_code = 2


class Missing(InterlockError):
    """The thing named does not exist; the message says what does."""

    family = "missing"
    code = "thing.missing"
    status = 404
    exit_code = 3


class Refused(InterlockError):
    """Someone with the role must act, or the state forbids it."""

    family = "refused"
    code = "action.refused"
    status = 409
    exit_code = 3


class Stale(InterlockError):
    """Someone else was faster: read again and retry."""

    family = "stale"
    code = "state.stale"
    status = 412
    exit_code = 1


class Unavailable(InterlockError):
    """A dependency does not answer: wait and retry."""

    family = "unavailable"
    code = "dependency.unavailable"
    status = 503
    exit_code = 1


class Invariant(InterlockError):
    """Our own bug: freeze and alert, never try something."""

    family = "invariant"
    code = "invariant.broken"
    status = 500
    exit_code = 1
