"""A directory of YAML files as a Workspace. Reading never fails for what is written there: it yields findings.

Every `*.yaml` and `*.yml` under the root counts, hidden directories (`.venv`, `.interlock`) and node_modules
apart. `interlock.yaml` in the root holds the one document of kind Workspace.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import yaml

from interlock.adapters.workspace.assemble import ROOT_FILE, Declaration, assemble, declaration_of
from interlock.adapters.workspace.located_yaml import MAX_BYTES, read_documents
from interlock.adapters.workspace.sources import document_at
from interlock.domain.catalog.service import ModelSpec
from interlock.domain.changes.workspace import Workspace
from interlock.engine.ports import Source
from interlock.kernel.errors import InterlockError, Invalid, Missing, Refused, Unavailable
from interlock.kernel.finding import Finding, Severity
from interlock.kernel.ident import is_name

_SKIPPED: Final = frozenset({"node_modules", "__pycache__"})


class WorkspaceMissing(Missing):
    """There is no such directory, or it holds no workspace."""

    code = "workspace.missing"


class DeclarationInvalid(Invalid):
    """What was to be written or used does not fit its kind."""

    code = "declaration.invalid"


class DeclarationMissing(Missing):
    """What was declared is no longer where it stood."""

    code = "declaration.missing"


class DeclarationExists(Refused):
    """A file of this name is there already."""

    code = "declaration.exists"


class WorkspaceUnwritable(Unavailable):
    """The directory cannot be written."""

    code = "workspace.unwritable"


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where Interlock listens, each as `host:port`."""

    edge: str = "127.0.0.1:10000"
    inner: str = "127.0.0.1:10001"
    api: str = "127.0.0.1:8400"


@dataclass(frozen=True, slots=True)
class WorkspaceFiles:
    """The workspace in the directory `root`; each call reads the files again."""

    root: Path

    def load(self, besides: Sequence[Source] = ()) -> tuple[Workspace, list[Finding]]:
        """Everything declared, as if `besides` stood there too, and everything wrong with it. WorkspaceMissing when
        `root` is no directory.
        """
        if not self.root.is_dir():
            raise WorkspaceMissing(f"{self.root} is no directory", remedy="Make one with `interlock init`.")
        findings: list[Finding] = []
        declarations = list(self._declarations(findings))
        for one in besides:
            declarations += _declarations_of(one.text.encode(), one.file, findings)
        is_rooted = any(d.kind == "Workspace" for d in declarations)
        if not is_rooted and not any(f.where.startswith(f"{ROOT_FILE}:") for f in findings):
            findings.append(_rootless())
        name = self.root.resolve().name
        workspace, cross = assemble(declarations, name if is_name(name) else "workspace")
        models = {name: self._digested(model, cross) for name, model in workspace.models.items()}
        return replace(workspace, models=models), findings + cross

    def addresses(self) -> Addresses:
        """The addresses of `interlock.yaml`, with defaults. WorkspaceMissing, or DeclarationInvalid."""
        if not (self.root / ROOT_FILE).is_file():
            raise WorkspaceMissing(f"there is no {ROOT_FILE} in {self.root}", remedy="Run `interlock init`.")
        findings: list[Finding] = []
        for declaration in self._declarations_in(self.root / ROOT_FILE, findings):
            if declaration.kind == "Workspace" and not findings:
                return Addresses(**declaration.body.get("addresses", {}))
        raise _invalid(findings or [_rootless()])

    def write_change(self, change_document: Mapping[str, Any]) -> Path:
        """Write a change to `changes/<name>.yaml` and return its path.

        `name` is required here. DeclarationInvalid when it does not fit the kind, DeclarationExists when the
        file is there; whoever reads meanwhile sees the whole file or none.
        """
        document = {"kind": "Change", **change_document}
        name = document.get("name")
        if not isinstance(name, str) or not is_name(name):
            raise DeclarationInvalid(
                f"{name!r} is no name for a change", remedy="Use a word such as better-scores."
            )
        path = self.root / "changes" / f"{name}.yaml"
        text = "# yaml-language-server: $schema=../schemas/change.json\n" + yaml.safe_dump(
            document, sort_keys=False, allow_unicode=True, width=100
        )
        findings: list[Finding] = []
        list(_declarations_of(text.encode(), self._shown(path), findings))
        if findings:
            raise _invalid(findings)
        write_once(path, text)
        return path

    def source(self, where: str) -> Source:
        """The document that stands at `where` (file:line). DeclarationMissing when it is no longer there."""
        file, _, line = where.rpartition(":")
        try:
            text = document_at((self.root / file).read_text("utf-8"), int(line))
        except (OSError, ValueError) as error:
            raise DeclarationMissing(
                f"nothing is declared at {where or 'an unknown place'} any more", remedy="Try again.", where=where
            ) from error
        return Source(file, text)

    def write_sources(self, sources: Sequence[Source]) -> None:
        """Make new files, all or none. DeclarationExists when one of them is there."""
        written: list[Path] = []
        try:
            for one in sources:
                write_once(self.root / one.file, one.text)
                written.append(self.root / one.file)
        except InterlockError:
            for path in written:
                path.unlink()
            raise

    def _declarations(self, findings: list[Finding]) -> Iterator[Declaration]:
        for path in _yaml_files(self.root):
            yield from self._declarations_in(path, findings)

    def _declarations_in(self, path: Path, findings: list[Finding]) -> Iterator[Declaration]:
        shown = self._shown(path)
        try:
            with path.open("rb") as file:
                content = file.read(MAX_BYTES + 1)
        except OSError as error:
            says = f"{shown} cannot be read: {error.strerror}."
            remedy = "Check that the file is there and may be read."
            findings.append(Finding("file.unreadable", Severity.ERROR, shown, says, remedy, f"{shown}:1"))
            return
        yield from _declarations_of(content, shown, findings)

    def _shown(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()

    def _digested(self, model: ModelSpec, findings: list[Finding]) -> ModelSpec:
        """With the digest of each version whose bytes are in a file; relative to the declaration's own file."""
        folder = (self.root / model.where.rpartition(":")[0]).parent
        versions = {}
        for version, one in model.versions.items():
            versions[version] = replace(one, digest=_digest_of(folder / one.uri)) if one.uri else one
            if not versions[version].digest and one.uri and ":" not in one.uri:
                says = f"{model.name}@{version} is at {one.uri!r}, but there is no such file to digest."
                remedy = "Correct the path, which is relative to this file, or write a URI."
                subject = f"model:{model.name}"
                finding = Finding("model.file_missing", Severity.WARNING, subject, says, remedy, model.where)
                findings.append(finding)
        return replace(model, versions=versions)


def write_once(path: Path, text: str) -> None:
    """Make the file `path` with `text`, whole or not at all. DeclarationExists when it is there already."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, scratch = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
                file.write(text)
            os.chmod(scratch, 0o644)
            os.link(scratch, path)
        finally:
            os.unlink(scratch)
    except OSError as error:
        if isinstance(error, FileExistsError) and os.path.lexists(path):  # not a file where its directory should be
            raise DeclarationExists(
                f"{path} is there already", remedy="Choose another name, or edit that file."
            ) from error
        raise WorkspaceUnwritable(f"{path} cannot be written: {error.strerror}") from error


def _yaml_files(root: Path) -> Iterator[Path]:
    """Regular YAML files in the order of their paths; links to directories are not followed."""
    for folder, names, files in os.walk(root):
        names[:] = sorted(n for n in names if not n.startswith(".") and n not in _SKIPPED)
        for name in sorted(files):
            path = Path(folder, name)
            if path.suffix in (".yaml", ".yml") and not name.startswith(".") and path.is_file():
                yield path


def _declarations_of(content: bytes, shown: str, findings: list[Finding]) -> Iterator[Declaration]:
    documents, found = read_documents(content, shown)
    findings += found
    for document in documents:
        declaration, found = declaration_of(document)
        findings += found
        if declaration:
            yield declaration


def _digest_of(path: Path) -> str:
    """`sha256:` and the digest of the bytes of a regular file, empty when there is none that can be read."""
    try:
        if not path.is_file():
            return ""
        with path.open("rb") as file:
            return "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, ValueError):
        return ""


def _rootless() -> Finding:
    says = "no document of kind Workspace says who may act, and by which rules."
    remedy = f"Add {ROOT_FILE} with kind: Workspace and name:, or run `interlock init`."
    return Finding("workspace.rootless", Severity.ERROR, ROOT_FILE, says, remedy, ROOT_FILE)


def _invalid(findings: list[Finding]) -> DeclarationInvalid:
    first, more = findings[0], len(findings) - 1
    says = first.says.rstrip(".") + (f" (and {more} more)" if more else "")
    return DeclarationInvalid(says, remedy=first.remedy, where=first.where, findings=findings)
