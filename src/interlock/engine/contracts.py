"""Use cases of contracts as files: compare two, judge one against its history, and keep a version in a workspace.

Contracts come as `Opened`: the representation, and the document that it was read from. Two documents of the same
native language (Avro, JSON Schema, Protobuf) are judged by that language's own rules, which see what a contract
does not hold; all others by the representation. So is the policy, unless one is asked for: strict in a native
language, as the registry is, and lenient between contracts, as plans are. A question has one answer wherever it is
asked.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from interlock.domain.registry import languages
from interlock.domain.registry.schema import SchemaType
from interlock.domain.schemas.compatibility import Policy, reads
from interlock.domain.schemas.contract import Contract
from interlock.domain.schemas.diff import differences
from interlock.domain.schemas.modes import Comparison, Mode, comparisons
from interlock.domain.schemas.reason import Told
from interlock.domain.schemas.representation import contract_digest
from interlock.kernel.errors import Invalid, Missing, Refused
from interlock.kernel.finding import Finding
from interlock.kernel.ident import did_you_mean


class ContractMissing(Missing):
    """The workspace has no such contract, or not in this version."""

    code = "contract.missing"


class ContractUnusable(Invalid):
    """A schema was read, and what it says cannot be used."""

    code = "contract.unusable"


class ContractTaken(Refused):
    """The workspace has this version, and it says something else."""

    code = "contract.taken"


_LANGUAGES = {
    "avro": SchemaType.AVRO,
    "json-schema": SchemaType.JSON,
    "json-schema-7": SchemaType.JSON,
    "protobuf": SchemaType.PROTOBUF,
}


@dataclass(frozen=True, slots=True)
class Opened:
    """A contract and where it comes from. text: the document of a native language, empty for others."""

    contract: Contract
    form: str
    text: str = ""
    findings: tuple[Finding, ...] = ()

    @property
    def title(self) -> str:
        return f"{self.contract.name}@{self.contract.version}"


def usable(opened: Opened) -> Opened:
    """The same; ContractUnusable when a finding of its reading is blocking."""
    blocking = [f for f in opened.findings if f.is_blocking]
    if not blocking:
        return opened
    first, more = blocking[0], len(blocking) - 1
    says = first.says.rstrip(".") + (f" (and {more} more)" if more else "")
    raise ContractUnusable(says, remedy=first.remedy, where=first.where, findings=blocking)


def history(contracts: Sequence[Contract], name: str) -> list[Contract]:
    """Every version of the contract, oldest first; ContractMissing when there is none."""
    found = [c for c in contracts if c.name == name]
    if not found:
        remedy = did_you_mean(name, {c.name for c in contracts})
        raise ContractMissing(f"there is no contract {name!r}", remedy=remedy)
    return sorted(found, key=lambda c: _natural(c.version))


def version(contracts: Sequence[Contract], name: str, wanted: str) -> Contract:
    """The version named, or the newest one when `wanted` is empty or `latest`. ContractMissing."""
    found = history(contracts, name)
    if wanted in ("", "latest"):
        return found[-1]
    for one in found:
        if one.version == wanted:
            return one
    remedy = did_you_mean(wanted, [c.version for c in found])
    raise ContractMissing(f"contract {name!r} has no version {wanted!r}", remedy=remedy)


def _natural(text: str) -> tuple[tuple[int, int, str], ...]:
    """Versions as people count: 2 before 10, 1.9 before 1.10."""
    parts = re.findall(r"[0-9]+|[^0-9.]+", text)
    return tuple((0, int(p), "") if p.isdecimal() else (1, 0, p) for p in parts)


def compared(older: Opened, newer: Opened) -> dict[str, Any]:
    """Every difference, as a document."""
    found = differences(older.contract, newer.contract)
    return {
        "older": older.title,
        "newer": newer.title,
        "is_same": not found,
        "differences": [{"code": d.code, "path": d.path, "says": d.says} for d in found],
    }


def judged(earlier: Sequence[Opened], newer: Opened, mode: Mode, policy: Policy | None = None) -> dict[str, Any]:
    """Whether `newer` goes together with those before it (oldest first), with each reason why not. Only blocking
    reasons decide. policy: None for the usual one.
    """
    answers = list(comparisons(mode, earlier, newer, lambda r, w: _reasons(r, w, policy)))
    told = [_told(answer, earlier[answer.index], newer, policy) for answer in answers]
    return {
        "newer": newer.title,
        "mode": str(mode),
        "is_compatible": all(one["holds"] for one in told),
        "comparisons": told,
    }


def _told(answer: Comparison[Told], earlier: Opened, newer: Opened, policy: Policy | None) -> dict[str, Any]:
    reasons = [
        {"code": r.code, "path": r.path, "is_blocking": r.is_blocking, "says": r.says, "remedy": r.remedy}
        for r in answer.reasons
    ]
    holds = not any(r.is_blocking for r in answer.reasons)
    return {
        "earlier": earlier.title,
        "direction": str(answer.direction),
        "policy": policy or _usual(_language(earlier, newer)),
        "holds": holds,
        "reasons": reasons,
    }


def _usual(language: SchemaType | None) -> Policy:
    return "lenient" if language is None else "strict"


def _language(reader: Opened, writer: Opened) -> SchemaType | None:
    """The native language of both, if it is one."""
    language = _LANGUAGES.get(reader.form)
    is_shared = _LANGUAGES.get(writer.form) is language and reader.text and writer.text
    return language if is_shared else None


def _reasons(reader: Opened, writer: Opened, policy: Policy | None) -> tuple[Told, ...]:
    language = _language(reader, writer)
    asked = policy or _usual(language)
    if language is None:
        return reads(reader.contract, writer.contract, policy=asked).reasons
    read = [languages.read(language, one.text, ()) for one in (reader, writer)]
    return languages.reads(read[0], read[1], is_lenient=asked == "lenient")


def is_kept(contracts: Sequence[Contract], new: Contract) -> bool:
    """Whether the workspace has this version with the same content already. ContractTaken when it says something
    else: a version that others rely on never changes.
    """
    for one in contracts:
        if (one.name, one.version) != (new.name, new.version):
            continue
        if contract_digest(one) == contract_digest(new):
            return True
        found = differences(one, new)
        says = f"{new.name}@{new.version} is there already and says something else"
        more = f": {found[0].says}" if found else ""
        raise ContractTaken(f"{says}{more}", remedy="Give the new one another version.", where=one.where)
    return False
