"""Use cases of identity: who a token speaks for. Only a token's SHA-256 is kept.

The first token is the operator's: it may name any person. A personal token speaks for its person alone, so
that author and approver are different people in fact and not only in name.
"""

from __future__ import annotations

import hashlib
from typing import Protocol

from interlock.domain.audit.event import Event
from interlock.engine.context import Context
from interlock.engine.ports import Clock, Store
from interlock.kernel.errors import InterlockError, Invalid, Refused

OPERATOR = ""
"""The person of the operator's token: whoever it names."""


class Surroundings(Protocol):
    """What is needed to keep and to know tokens; every use case's surroundings have it."""

    @property
    def store(self) -> Store: ...
    @property
    def clock(self) -> Clock: ...


class Unauthenticated(InterlockError):
    """No token, or one that is not known."""

    family = "refused"
    code = "token.unknown"
    status = 401
    exit_code = 3


class SpeaksForAnother(Refused):
    """A personal token speaks for its own person alone."""

    code = "token.other_person"
    status = 403


def keep_token(context: Surroundings, token: str, person: str, by: str) -> None:
    """Make `token` speak for `person` (OPERATOR: for whom it names). Keeping it again changes nothing."""
    key = _key(token)
    with context.store.transaction() as tx:
        if tx.read("token", key) is None:
            tx.write("token", key, {"person": person})
            subject = f"person:{person}" if person else "operator"
            tx.append(Event(context.clock.now(), by, "token.issued", subject))


def person_of(context: Surroundings, token: str, named: str | None) -> str:
    """The person who speaks: the token's own, or for the operator's token the one that is `named`."""
    with context.store.transaction(read_only=True) as tx:
        found = tx.read("token", _key(token))
    if found is None:
        raise Unauthenticated("this token is not known", remedy="Use the token that `interlock up` stored.")
    own = found.body["person"]
    if own == OPERATOR:
        return named or "operator"
    if named and named != own:
        raise SpeaksForAnother(f"this token speaks for {own}, not for {named}")
    return str(own)


def is_operator(context: Surroundings, token: str) -> bool:
    with context.store.transaction(read_only=True) as tx:
        found = tx.read("token", _key(token))
    return found is not None and found.body["person"] == OPERATOR


def require_person(context: Context, person: str) -> None:
    """Invalid when the workspace declares people and `person` is not among them."""
    workspace, _ = context.workspaces.load()
    if workspace.people and person not in workspace.people:
        known = ", ".join(sorted(workspace.people))
        raise Invalid(f"{person!r} is not declared in the workspace", remedy=f"Declared are: {known}.")


def _key(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
