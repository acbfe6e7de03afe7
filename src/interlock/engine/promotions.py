"""Promotion of a lens from one environment to the next: the same bytes, the same checks, recorded where it arrives.

Environments are workspaces (dev, staging, production), each with its own control plane. What is promoted is a lens
with the contract versions at its ends, as they are written in the environment that it comes from.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from interlock.domain.audit.event import Event
from interlock.domain.changes.workspace import Workspace
from interlock.domain.lenses.lens import Lens
from interlock.domain.lenses.loss import loss
from interlock.domain.schemas.contract import Contract
from interlock.domain.schemas.representation import contract_digest
from interlock.engine.context import Context
from interlock.engine.plans import demand_valid, load_valid
from interlock.engine.ports import Source, Workspaces
from interlock.kernel.digest import digest, plain
from interlock.kernel.errors import Invalid, Missing, Refused
from interlock.kernel.ident import did_you_mean


class PromotionConflict(Refused):
    """The environment has something else under the same name and version."""

    code = "promotion.conflict"


class PromotionInvalid(Invalid):
    """What is offered holds no such lens, or other bytes than it says."""

    code = "promotion.invalid"


@dataclass(frozen=True, slots=True)
class Offer:
    """A lens with its contracts, as texts. origin: the name of the workspace that it comes from; lens and
    contracts: the digests there.
    """

    origin: str
    contract: str
    older: str
    newer: str
    lens: str
    contracts: tuple[str, str]
    texts: tuple[str, ...]

    @property
    def title(self) -> str:
        return f"{self.contract}@{self.older}..{self.newer}"


def offer(workspaces: Workspaces, contract: str, older: str, newer: str) -> Offer:
    """The lens as it stands in a workspace. WorkspaceInvalid unless that is valid; Missing without the lens."""
    workspace, findings = workspaces.load()
    demand_valid(findings, "the workspace that it comes from")
    lens, ends = _found(workspace, contract, older, newer)
    sources = (workspaces.source(one.where) for one in (*ends, lens))
    digests = (contract_digest(ends[0]), contract_digest(ends[1]))
    return Offer(
        workspace.name, contract, older, newer, digest(lens.ops), digests, tuple(one.text for one in sources)
    )


def take_in(context: Context, offered: Offer, person: str, dry_run: bool = False) -> dict[str, Any]:
    """Put what is offered into this workspace, if it stays valid with it, and record it. What is there already is
    left as it is; PromotionConflict when it is another. The losses are those that the lens has here.
    """
    here, _ = load_valid(context)
    _refuse_conflicts(here, offered)
    new = tuple(_new_sources(here, offered))
    there, findings = context.workspaces.load(new)
    demand_valid(findings, "the workspace with what is promoted")
    lens, ends = _found(there, offered.contract, offered.older, offered.newer)
    if (digest(lens.ops), tuple(map(contract_digest, ends))) != (offered.lens, offered.contracts):
        raise PromotionInvalid("the texts are not what the digests say", remedy="Offer it again.")
    lossy = [line for line in loss(lens, *ends).lines if line.effect != "exact"]
    told = {
        "lens": offered.title,
        "from": offered.origin,
        "digest": offered.lens,
        "contracts": list(offered.contracts),
        "written": [one.file for one in new],
        "losses": plain(lossy),
        "findings": plain(findings),
    }
    if dry_run:
        return told
    context.workspaces.write_sources(new)
    with context.store.transaction() as tx:
        key = f"{offered.title}/{offered.lens}/{offered.origin}"
        if tx.read("promotion", key) is None:
            now = context.clock.now()
            tx.write("promotion", key, {**told, "at": plain(now), "by": person})
            facts = {name: told[name] for name in ("digest", "contracts", "written")}
            tx.append(Event(now, person, "lens.promoted", f"lens:{offered.title}", f"from {offered.origin}", facts))
    return told


def promotions(context: Context) -> list[dict[str, Any]]:
    """What was promoted into this environment, in order of time."""
    with context.store.transaction(read_only=True) as tx:
        found = [dict(kept.body) for kept in tx.scan("promotion")]
    return sorted(found, key=lambda one: str(one["at"]))


def _found(workspace: Workspace, contract: str, older: str, newer: str) -> tuple[Lens, tuple[Contract, Contract]]:
    named = {(x.contract, x.older, x.newer): x for x in workspace.lenses}
    lens = named.get((contract, older, newer))
    ends = workspace.contracts.get((contract, older)), workspace.contracts.get((contract, newer))
    if lens is None or ends[0] is None or ends[1] is None:
        known = [f"{c}@{a}..{b}" for c, a, b in named]
        title = f"{contract}@{older}..{newer}"
        raise Missing(f"{workspace.name} has no lens {title}", remedy=did_you_mean(title, known))
    return lens, (ends[0], ends[1])


def _refuse_conflicts(here: Workspace, offered: Offer) -> None:
    for version, wanted in zip((offered.older, offered.newer), offered.contracts, strict=True):
        one = here.contracts.get((offered.contract, version))
        if one is not None and contract_digest(one) != wanted:
            raise PromotionConflict(
                f"{offered.contract}@{version} is another contract here than in {offered.origin}",
                remedy="A version means one thing everywhere: give the newer one another version.",
                where=one.where,
            )
    for lens in here.lenses:
        is_it = (lens.contract, lens.older, lens.newer) == (offered.contract, offered.older, offered.newer)
        if is_it and digest(lens.ops) != offered.lens:
            raise PromotionConflict(
                f"lens {offered.title} does something else here than in {offered.origin}",
                remedy="Remove this one if the promoted one is to take its place.",
                where=lens.where,
            )


def _new_sources(here: Workspace, offered: Offer) -> Iterator[Source]:
    """Files for what is not there yet, named by what they declare."""
    older, newer, lens = offered.texts
    for version, text in ((offered.older, older), (offered.newer, newer)):
        if (offered.contract, version) not in here.contracts:
            yield Source(f"contracts/{offered.contract}-{version}.yaml", text)
    if not any(
        (x.contract, x.older, x.newer) == (offered.contract, offered.older, offered.newer) for x in here.lenses
    ):
        yield Source(f"lenses/{offered.contract}-{offered.older}-{offered.newer}.yaml", lens)
