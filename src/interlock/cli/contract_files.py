"""Opens what commands name (NAME@VERSION of the workspace, or a file of any format), and writes contracts out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from interlock.engine.contracts import Opened, history, usable, version

if TYPE_CHECKING:
    from interlock.domain.schemas.contract import Contract
    from interlock.domain.schemas.formats.form import Format
    from interlock.kernel.finding import Finding

_BY_SUFFIX = {
    ".avsc": "avro",
    ".proto": "protobuf",
    ".sql": "ddl",
    ".ddl": "ddl",
    ".arrow": "arrow",
    ".parquet": "arrow",
    ".yaml": "odcs",
    ".yml": "odcs",
}
_NATIVE = ("avro", "json-schema", "json-schema-7", "protobuf")


def contracts_of(workspace: Path) -> list[Contract]:
    """Every contract version of the workspace; none when there is no such directory."""
    from interlock.adapters.workspace.loader import WorkspaceFiles

    return list(WorkspaceFiles(workspace).load()[0].contracts.values())


def opened(workspace: Path, given: str, form: str = "", name: str = "", version_: str = "") -> Opened:
    """The contract that `given` names: a file when there is one, else NAME@VERSION (the newest without a version).
    Missing; Invalid when it cannot be used. name, version_: instead of what a document says.
    """
    if Path(given).is_file():
        return usable(read_file(Path(given), form, name, version_))
    bare, _, wanted = given.partition("@")
    return Opened(version(contracts_of(workspace), bare, wanted), "odcs")


def earlier(workspace: Path, given: str, newer: Contract) -> list[Opened]:
    """What came before: the one that `given` names, or the whole history but `newer` itself, oldest first."""
    if Path(given).is_file() or "@" in given:
        return [opened(workspace, given)]
    found = history(contracts_of(workspace), given)
    return [Opened(one, "odcs") for one in found if (one.name, one.version) != (newer.name, newer.version)]


def read_file(path: Path, form: str = "", name: str = "", version_: str = "") -> Opened:
    """The contract of a file, and what could not be read."""
    from interlock.domain.lenses.rows import row_findings
    from interlock.domain.schemas.formats.form import import_as
    from interlock.domain.schemas.formats.notes import name_of

    try:
        content = path.read_bytes()
    except OSError as error:
        raise click.BadParameter(f"{path} cannot be read: {error.strerror}") from error
    form = form or guessed(path, content)
    if form == "odcs":
        return _odcs(path, content)
    otherwise = name_of(path.name.split(".")[0]) or "schema"
    read = import_as(format_named(form), content, str(path), name, version_, otherwise)
    text = content.decode("utf-8-sig") if form in _NATIVE else ""
    return Opened(read.contract, form, text, (*read.findings, *row_findings(read.contract)))


def format_named(form: str, dialect: str = "") -> Format:
    """The format of that name; dialect: of those that have several."""
    from interlock.domain.schemas.formats.catalog import FORMATS

    if form == "arrow":
        from interlock.adapters.schemas import arrow

        return arrow.FORMAT
    if form == "ddl":
        from interlock.adapters.schemas.ddl import ddl

        try:
            return ddl(dialect)
        except ValueError as unknown:
            raise click.BadParameter(str(unknown), param_hint="--dialect") from unknown
    return FORMATS[form]


def guessed(path: Path, content: bytes) -> str:
    """The format of a file, by its name, and by what it holds where several have that name."""
    suffix = path.suffix.lower()
    if path.name == "MLmodel":
        return "mlflow"
    if suffix == ".json":
        try:
            return _of_json(json.loads(content))
        except (ValueError, RecursionError):
            return "json-schema"  # whose reader says what is wrong, and where
    if known := _BY_SUFFIX.get(suffix):
        return known
    raise click.BadParameter(f"what {path} holds is not told by its name; say --format", param_hint="--format")


def _of_json(document: Any) -> str:
    match document:
        case {"kind": "DataContract"}:
            return "odcs"
        case {"type": "record", "fields": _}:
            return "avro"
        case {"inputs": [{"datatype": _}, *_]} | {"outputs": [{"datatype": _}, *_]}:
            return "oip"
        case {"inputs": str()} | {"outputs": str()} | {"signature": _} | {"params": str()}:
            return "mlflow"
        case {"schema_type": _, "columns": _}:
            return "pandera"
        case _:
            return "json-schema"


def _odcs(path: Path, content: bytes) -> Opened:
    from interlock.adapters.workspace.kinds import KINDS
    from interlock.adapters.workspace.located_yaml import read_documents
    from interlock.domain.lenses.rows import row_findings
    from interlock.domain.schemas.fault import SchemaUnreadable
    from interlock.domain.schemas.odcs import from_odcs

    documents, findings = read_documents(content, str(path))
    blocking = [f for f in findings if f.is_blocking]
    if blocking or not documents:
        says = blocking[0].says.rstrip(".") if blocking else "the file holds no document"
        where = blocking[0].where if blocking else str(path)
        raise SchemaUnreadable(says, remedy=blocking[0].remedy if blocking else "", where=where)
    document = documents[0].plain(KINDS["DataContract"])
    if not isinstance(document, dict):
        raise SchemaUnreadable("the document is no mapping", remedy="Write `kind: DataContract`.", where=str(path))
    contract, found = from_odcs(document, documents[0].locate)
    return Opened(contract, "odcs", "", (*findings, *found, *row_findings(contract, documents[0].locate)))


def rendered(
    contract: Contract, form: str, source: str = "", dialect: str = ""
) -> tuple[bytes, tuple[Finding, ...]]:
    """The contract as a document of the format, and what that does not hold."""
    from interlock.domain.schemas.formats.form import export_as

    if form == "odcs":
        return _as_yaml(contract), ()
    source = source or f"{contract.name}@{contract.version}"
    if form == "pandera" and dialect != "json":
        from interlock.domain.schemas.formats.pandera import export_source

        if dialect not in ("", "polars", "ibis"):
            raise click.BadParameter(f"{dialect!r} is none of polars, ibis, json", param_hint="--dialect")
        made = export_source(contract, dialect or "polars", source)
    else:
        made = export_as(format_named(form, dialect), contract, source)
    return made.content, made.findings


def _as_yaml(contract: Contract) -> bytes:
    import yaml

    from interlock.domain.schemas.odcs import to_odcs

    return yaml.safe_dump(to_odcs(contract), sort_keys=False, allow_unicode=True, width=100).encode()


def write_contract(workspace: Path, contract: Contract) -> Path:
    """Write the contract into the workspace, as a new file, whole or not at all. DeclarationExists; TooLarge for
    what the workspace would not read again.
    """
    from interlock.adapters.workspace.loader import write_once
    from interlock.adapters.workspace.located_yaml import MAX_BYTES
    from interlock.domain.schemas.nesting import TooLarge

    path = workspace / "contracts" / f"{contract.name}-{contract.version}.odcs.yaml"
    content = _as_yaml(contract)
    if len(content) > MAX_BYTES:
        says = (
            f"{contract.name}@{contract.version} takes {len(content):,} bytes; declarations may have {MAX_BYTES:,}"
        )
        raise TooLarge(says, remedy="Split it into several contracts.")
    write_once(path, content.decode())
    return path
