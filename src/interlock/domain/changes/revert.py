"""Going back in part: which moves take back a change's model, its contracts and lenses, or all of it.

A rollback under way sends every request to the baseline. Once a release is promoted, going back is a change of its
own, with gates and approvals; this finds its moves. Nothing is invented: a service that keeps the new model behind
the old contract, or the other way round, must be declared as a version.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal

from interlock.domain.catalog.service import ServiceSpec, ServiceVersion
from interlock.domain.changes.request import Move
from interlock.domain.changes.workspace import Workspace
from interlock.kernel.errors import Refused

Part = Literal["all", "model", "contract"]
"""What goes back: `contract` is the transformation, that is contract versions with the lenses between them."""


class NotReverted(Refused):
    """There is no declared version that takes back this part alone."""

    code = "change.not_reverted"


def reverted(
    workspace: Workspace, moved: Iterable[tuple[str, str, str, str]], part: Part = "all"
) -> tuple[Move, ...]:
    """The moves back. `moved`: what a change moved, as (kind, name, before, after); `before` is empty for what was
    new. NotReverted names the version that would have to be declared.
    """
    known = tuple(moved)
    back = tuple(_back(workspace, known, part))
    if not back:
        raise NotReverted(f"the change moved no {part}", remedy="Revert `all` of it.")
    return back


def _back(workspace: Workspace, moved: tuple[tuple[str, str, str, str], ...], part: Part) -> Iterator[Move]:
    if part != "all" and not any(kind == part for kind, *_ in moved):
        return
    for kind, name, before, after in moved:
        if kind == "service":
            yield Move("service", name, _version(workspace, name, before, after, part))
        elif part in ("all", kind):
            yield Move("model" if kind == "model" else "contract", name, _earlier(kind, name, before))


def _earlier(kind: str, name: str, before: str) -> str:
    if not before:
        raise NotReverted(
            f"{kind}:{name} is new with this change, so there is no version to go back to",
            remedy="Retire it instead.",
        )
    return before


def _version(workspace: Workspace, name: str, before: str, after: str, part: Part) -> str:
    earlier = _earlier("service", name, before)
    if part == "all":
        return earlier
    spec = workspace.services.get(name)
    if spec is None:
        raise NotReverted(f"service {name} is no longer declared", remedy="Declare it again.")
    old, new = _declared(spec, earlier), _declared(spec, after)
    of_contract, of_model = (new, old) if part == "model" else (old, new)
    wanted = (of_model.model, of_contract.request, of_contract.response)
    for version, one in spec.versions.items():
        if (one.model, one.request, one.response) == wanted:
            return version
    model, request, response = (str(ref) if ref else "nothing declared" for ref in wanted)
    raise NotReverted(
        f"no version of {name} holds {model}, reads {request} and answers {response}",
        remedy=f"Declare such a version of {name}, or revert `all`.",
        where=spec.where,
    )


def _declared(spec: ServiceSpec, version: str) -> ServiceVersion:
    found = spec.versions.get(version)
    if found is None:
        raise NotReverted(
            f"{spec.name} no longer declares version {version}",
            remedy="Declare it again: what a change moved from is needed to go back.",
            where=spec.where,
        )
    return found
