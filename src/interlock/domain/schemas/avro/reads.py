"""Whether an Avro reader resolves what a writer writes (Avro 1.12, "Schema Resolution"), with every reason why not.

Apache's checker (avro.compatibility) gives the same verdicts, and a law holds the two together; but it merges
reasons, messages and places into three separate sets, so that nobody can tell which belongs to which. Names of
reasons are its own, which are Confluent Schema Registry's too.

What resolution lets pass although the value read may be another one is told as well: a long read as a double, an
unknown symbol read as the default, a decimal of another scale. The last of these blocks under the strict policy:
the specification says that such schemas do not match.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from interlock.domain.schemas.avro.parse import LOGICAL
from interlock.domain.schemas.reason import Reason

_PROMOTIONS = {
    "long": {"int"},
    "float": {"int", "long"},
    "double": {"int", "long", "float"},
    "bytes": {"string"},
    "string": {"bytes"},
}
_LOSSY = {("float", "int"), ("float", "long"), ("double", "long"), ("string", "bytes")}
_NAMED = ("record", "error", "enum", "fixed")
_UNIONS = ("union", "error_union")


def reads(reader: Any, writer: Any, *, is_lenient: bool = False) -> tuple[Reason, ...]:
    """Every difference that bears on `reader` resolving `writer` (schemas of Apache's library); it does when none
    is blocking.
    """
    found = _Resolution(is_lenient).compare(reader, writer, "")
    return tuple(dict.fromkeys(found))


@dataclass(slots=True)
class _Resolution:
    """One question under way. `known`: what was found for a pair; nothing yet while it is being compared."""

    is_lenient: bool
    known: dict[tuple[int, int], tuple[Reason, ...]] = field(default_factory=dict)

    def compare(self, reader: Any, writer: Any, path: str) -> tuple[Reason, ...]:
        pair = (id(reader), id(writer))
        if pair not in self.known:
            self.known[pair] = ()  # a type inside itself resolves if everything else does
            self.known[pair] = tuple(self._resolve(reader, writer, path))
        return self.known[pair]

    def _fails(self, reader: Any, writer: Any, path: str) -> bool:
        """Whether a branch of a union is no match. What was found under a failed attempt is forgotten."""
        mark = len(self.known)
        fails = any(reason.is_blocking for reason in self.compare(reader, writer, path))
        while fails and len(self.known) > mark:  # what was added last goes first
            self.known.popitem()
        return fails

    def _resolve(self, reader: Any, writer: Any, path: str) -> Iterator[Reason]:
        if writer.type in _UNIONS:
            yield from self._written_union(reader, writer, path)
        elif reader.type in _UNIONS:
            yield from self._branches(reader, writer, path)
        elif reader.type == writer.type:
            yield from self._alike(reader, writer, path)
            yield from self._logical(reader, writer, path)
        elif writer.type in _PROMOTIONS.get(reader.type, ()):
            if (reader.type, writer.type) in _LOSSY:
                says = f"{writer.type} is read as {reader.type}, which does not hold every value"
                yield Reason("LOSSY_PROMOTION", path or "/", says, is_blocking=False, assumption="Avro promotes it")
        else:
            says = f"reader type: {_shown(reader)} not compatible with writer type: {_shown(writer)}"
            yield Reason("TYPE_MISMATCH", path or "/", says, "Add a field of the new type, with a default.")

    def _written_union(self, reader: Any, writer: Any, path: str) -> Iterator[Reason]:
        for index, branch in enumerate(writer.schemas):
            if reader.type not in _UNIONS:
                yield from self.compare(reader, branch, path)
            elif self._fails(reader, branch, path):
                says = f"reader union lacking writer type: {_shown(branch)}"
                yield Reason("MISSING_UNION_BRANCH", f"{path}/{index}", says, "Keep the branch in the union.")

    def _branches(self, reader: Any, writer: Any, path: str) -> Iterator[Reason]:
        for branch in reader.schemas:
            if not _is_another(branch, writer) and not self._fails(branch, writer, path):
                yield from self.compare(branch, writer, path)
                return
        says = f"reader union lacking writer type: {_shown(writer)}"
        yield Reason("MISSING_UNION_BRANCH", path or "/", says, "Add the type to the union.")

    def _alike(self, reader: Any, writer: Any, path: str) -> Iterator[Reason]:
        match reader.type:
            case "array":
                yield from self.compare(reader.items, writer.items, f"{path}/items")
            case "map":
                yield from self.compare(reader.values, writer.values, f"{path}/values")
            case "fixed":
                yield from _names(reader, writer, path)
                if reader.size != writer.size:
                    says = f"expected: {writer.size}, found: {reader.size}"
                    yield Reason(
                        "FIXED_SIZE_MISMATCH", f"{path}/size", says, "A fixed type never changes its size."
                    )
            case "enum":
                yield from _names(reader, writer, path)
                yield from _symbols(reader, writer, path)
            case "record" | "error":
                yield from _names(reader, writer, path)
                yield from self._fields(reader, writer, path)

    def _fields(self, reader: Any, writer: Any, path: str) -> Iterator[Reason]:
        for index, wanted in enumerate(reader.fields):
            given = _field_of(writer, wanted)
            if given is not None:
                yield from self.compare(wanted.type, given.type, f"{path}/fields/{index}/type")
            elif not wanted.has_default:
                says = f"`{wanted.name}` is not written and has no default"
                yield Reason(
                    "READER_FIELD_MISSING_DEFAULT_VALUE", f"{path}/fields/{index}", says, "Give it a default."
                )

    def _logical(self, reader: Any, writer: Any, path: str) -> Iterator[Reason]:
        mine, theirs = reader.props.get(LOGICAL), writer.props.get(LOGICAL)
        if mine == theirs:
            return
        says = f"{theirs or reader.type} is read as {mine or reader.type}: the same bytes, another value"
        remedy = "Add a field of the new type, with a default."
        blocks = bool(mine and theirs) and not self.is_lenient
        assumption = "" if blocks else "if readers ignore the logical type"
        yield Reason("LOGICAL_TYPE_CHANGED", path or "/", says, remedy, blocks, assumption)


def _is_another(reader: Any, writer: Any) -> bool:
    """Whether both are named types of two names: told at sight, because unions may have thousands of them."""
    return reader.type == writer.type and reader.type in _NAMED and not _is_named_alike(reader, writer)


def _is_named_alike(reader: Any, writer: Any) -> bool:
    aliases = reader.props.get("aliases")
    return reader.name == writer.name or (isinstance(aliases, list) and writer.fullname in aliases)


def _names(reader: Any, writer: Any, path: str) -> Iterator[Reason]:
    if not _is_named_alike(reader, writer):
        remedy = f"Keep the name, or give the reader the alias {writer.fullname!r}."
        yield Reason("NAME_MISMATCH", f"{path}/name", f"expected: {writer.fullname}", remedy)


def _symbols(reader: Any, writer: Any, path: str) -> Iterator[Reason]:
    missing = [symbol for symbol in writer.symbols if symbol not in reader.symbols]
    if not missing:
        return
    shown = ", ".join(missing[:5]) + (" ..." if len(missing) > 5 else "")
    default = reader.props.get("default")
    if default in reader.symbols:
        says = f"{shown} may be written and is read as the default `{default}`"
        assumption = "Avro reads unknown symbols so"
        yield Reason("MISSING_ENUM_SYMBOLS", f"{path}/symbols", says, is_blocking=False, assumption=assumption)
    else:
        remedy = "Keep the symbols, or give the enum a default."
        yield Reason("MISSING_ENUM_SYMBOLS", f"{path}/symbols", f"{shown} may be written and is not known", remedy)


def _field_of(writer: Any, wanted: Any) -> Any:
    given = writer.fields_dict.get(wanted.name)
    aliases = wanted.props.get("aliases")
    if given is None and isinstance(aliases, list):
        given = next((writer.fields_dict[a] for a in aliases if a in writer.fields_dict), None)
    return given


def _shown(schema: Any) -> str:
    return str(getattr(schema, "fullname", None) or schema.type).upper()
