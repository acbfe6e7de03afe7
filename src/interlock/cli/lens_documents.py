"""Lens documents as commands read and write them: a lens by its name or file, a draft with its guesses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from interlock.kernel.errors import Invalid, Missing
from interlock.kernel.ident import did_you_mean

if TYPE_CHECKING:
    from interlock.domain.changes.workspace import Workspace
    from interlock.domain.lenses.guess import Entry
    from interlock.domain.lenses.lens import Lens
    from interlock.domain.schemas.contract import Contract
    from interlock.kernel.finding import Finding


class LensUnknown(Missing):
    """The workspace has no such lens."""

    code = "lens.unknown"


class LensUnreadable(Invalid):
    """A lens document cannot be used."""

    code = "lens.unreadable"


@dataclass(frozen=True, slots=True)
class Found:
    """A lens and the two contract versions that it joins; None where the workspace does not have one."""

    lens: Lens
    older: Contract | None
    newer: Contract | None

    @property
    def title(self) -> str:
        return self.lens.title


def workspace_of(root: Path) -> tuple[Workspace, list[Finding]]:
    """The workspace's files. Missing when there is no such directory."""
    from interlock.adapters.workspace.loader import WorkspaceFiles

    return WorkspaceFiles(root).load()


def all_lenses(workspace: Workspace) -> list[Lens]:
    """Every lens, drafts too, by contract and versions."""
    return sorted((*workspace.lenses, *workspace.drafts), key=lambda one: (one.contract, one.older, one.newer))


def found_lens(root: Path, given: str) -> Found:
    """The lens that `given` names: a file, or CONTRACT@OLDER..NEWER, or a contract that has one lens alone.
    LensUnknown; LensUnreadable for a file that holds none that can be used.
    """
    return found_in(*workspace_of(root), given)


def found_in(workspace: Workspace, findings: list[Finding], given: str) -> Found:
    """`found_lens` in a workspace that was loaded, with its findings."""
    if Path(given).is_file():
        return _in_file(Path(given), workspace)
    known = {one.title: one for one in (*workspace.drafts, *workspace.lenses)}
    chosen = [one for title, one in known.items() if given in (title, one.contract)]
    if len(chosen) == 1:
        return joined(chosen[0], workspace)
    if chosen:
        listed = ", ".join(one.title for one in chosen)
        raise LensUnknown(f"{given} has several lenses", remedy=f"Name one of them: {listed}.")
    broken = [f for f in findings if f.is_blocking and f.subject.startswith("lens") and given in f.subject]
    if broken:
        raise LensUnreadable(broken[0].says, remedy=broken[0].remedy, where=broken[0].where, findings=broken)
    raise LensUnknown(f"there is no lens {given!r}", remedy=did_you_mean(given, known))


def joined(lens: Lens, workspace: Workspace) -> Found:
    """The lens with its contracts."""
    older, newer = (workspace.contracts.get((lens.contract, one)) for one in (lens.older, lens.newer))
    return Found(lens, older, newer)


def _in_file(path: Path, workspace: Workspace) -> Found:
    lens, findings = lens_in(path.read_bytes(), str(path), dict(workspace.contracts))
    if lens is None:
        first = findings[0]
        raise LensUnreadable(first.says, remedy=first.remedy, where=first.where, findings=findings)
    return joined(lens, workspace)


def lens_in(
    content: bytes, source: str, contracts: Mapping[tuple[str, str], Contract]
) -> tuple[Lens | None, list[Finding]]:
    """The first lens document in the text, read as the workspace reads it, or what is wrong with it."""
    from interlock.adapters.workspace.kinds import KINDS
    from interlock.adapters.workspace.located_yaml import read_documents
    from interlock.domain.lenses.parse import lens_from
    from interlock.kernel.finding import Finding, Severity

    documents, findings = read_documents(content, source)
    if blocking := [f for f in findings if f.is_blocking]:
        return None, blocking
    for one in documents:
        document = one.plain(KINDS["Lens"])
        if isinstance(document, dict) and document.get("kind") == "Lens":
            return lens_from(document, one.locate, contracts)
    says, remedy = "it holds no document of kind Lens", "Write `kind: Lens`."
    return None, [Finding("lens.absent", Severity.ERROR, source, says, remedy, source)]


def written(contract: str, older: str, newer: str, entries: Iterable[Entry], notes: Iterable[str] = ()) -> str:
    """A draft as YAML; what is guessed says so above its op, and why."""
    made = list(entries)
    lines = [f"# {note}" for note in notes]
    lines += ["kind: Lens", f"contract: {_flow(contract)}", f"from: {_quoted(older)}", f"to: {_quoted(newer)}"]
    lines += ["status: draft", "ops:" if made else "ops: []", *_entries(made, "  ")]
    return "\n".join(lines) + "\n"


def _entries(entries: Iterable[Entry], margin: str) -> Iterator[str]:
    for one in entries:
        if one.guess is not None:
            yield f"{margin}# guess {_line(str(one.guess))}"
        [(name, body)] = one.block.items()
        if name in ("in", "each"):
            yield f"{margin}- {name}:"
            yield f"{margin}    field: {_flow(body['field'])}"
            yield f"{margin}    ops:"
            yield from _entries(one.inner, f"{margin}      ")
        else:
            yield f"{margin}- {name}: {_flow(dict(body))}"


def _line(text: str) -> str:
    return " ".join(text.split())


def _flow(value: Any) -> str:
    """On one line."""
    import yaml

    text = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, sort_keys=False, width=2**20)
    return text.removesuffix("...\n").strip()


def _quoted(text: str) -> str:
    import json

    return json.dumps(text, ensure_ascii=False)
