"""What a format of schemas is, and how a document of one becomes a contract and back, with everything lost told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from interlock.domain.schemas.contract import Contract
from interlock.domain.schemas.field import Field
from interlock.domain.schemas.formats.gaps import aside_of, gaps, restore, told
from interlock.domain.schemas.formats.notes import Notes, Path
from interlock.domain.schemas.nesting import inner
from interlock.kernel.finding import Finding


@dataclass(frozen=True, slots=True)
class Format:
    """A format of schemas. A document is what `parse` makes of bytes and `render` turns into bytes.

    read: the contract of a document, as any tool of the format understands it; what it does not hold goes into
    the notes. aside: the key under which documents carry what the format has no place for; empty when there is
    no room. suffixes: of files; the first is the one that is written.
    """

    name: str
    title: str
    suffixes: tuple[str, ...]
    parse: Callable[[bytes, str], Any]
    read: Callable[[Any, Notes], Contract]
    write: Callable[[Contract], Any]
    render: Callable[[Any], bytes]
    aside: str = ""


@dataclass(frozen=True, slots=True)
class Imported:
    """What a document says, and what could not be read. Unusable when a finding is blocking."""

    contract: Contract
    findings: tuple[Finding, ...]

    @property
    def is_usable(self) -> bool:
        return not any(f.is_blocking for f in self.findings)


@dataclass(frozen=True, slots=True)
class Exported:
    """A document, and every attribute that it does not hold as the format's other tools read it."""

    content: bytes
    findings: tuple[Finding, ...]


def import_as(
    form: Format, content: bytes, source: str, name: str = "", version: str = "", otherwise: str = "schema"
) -> Imported:
    """The contract of a document. name, version: instead of what the document says; otherwise: the name when it
    says none (the version is then 1).

    SchemaUnreadable, SchemaTooLarge when there is nothing to read.
    """
    document = form.parse(content, source)
    notes = Notes(source)
    contract = form.read(document, notes)
    if form.aside and isinstance(document, Mapping):
        contract = restore(contract, document.get(form.aside), notes)
    title = name or contract.name or otherwise
    objects = tuple(replace(o, name=title if o.name in ("", contract.name) else o.name) for o in contract.objects)
    number = version or contract.version or "1"
    contract = replace(contract, name=title, version=number, objects=objects, where=source)
    _refuse_nameless(contract, notes)
    return Imported(contract, tuple(notes.findings))


def _refuse_nameless(contract: Contract, notes: Notes) -> None:
    """What a contract cannot hold: fields without a name, and two objects of one."""
    for name, times in Counter(one.name for one in contract.objects).items():
        if times > 1:
            notes.refuse("object_twice", (), f"`{name}` is declared {times} times", "Keep one of them.")
    waiting: list[tuple[Path, tuple[Field, ...]]] = [((one.name,), one.fields) for one in contract.objects]
    while waiting:
        path, fields = waiting.pop()
        if not all(field.name for field in fields):
            notes.refuse("field_unnamed", path, "has a field without a name", "Name it, or leave it out.")
        waiting += [((*path, field.name), inner(field.type)) for field in fields]


def export_as(form: Format, contract: Contract, source: str = "") -> Exported:
    """The contract as a document. Each attribute that reads back differently has a finding: carried aside where
    the format has room, else lost.
    """
    document = form.write(contract)
    missing = gaps(contract, form.read(form.parse(form.render(document), source), Notes(source)))
    if form.aside and missing:
        document = {**document, form.aside: aside_of(missing)}
    return Exported(form.render(document), tuple(told(missing, form.title, source, bool(form.aside))))
