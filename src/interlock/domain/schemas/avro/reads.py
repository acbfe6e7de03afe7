"""Whether an Avro reader resolves what a writer writes (Avro 1.12, "Schema Resolution"), with every reason why not.

Apache's checker (avro.compatibility) gives the same verdicts, and a law holds the two together; but it merges
reasons, messages and places into three separate sets, so that nobody can tell which belongs to which. Names of
reasons are its own, which are Confluent Schema Registry's too.

What resolution lets pass although the value read may be another one is told as well: a long read as a double, an
unknown symbol read as the default, a decimal of another scale. The last of these blocks under the strict policy:
the specification says that such schemas do not match.

Where names lead to several places, decoders differ in which one they take, so what Apache's checker lets pass can
fail when it is read. It blocks here: aliases that lead from several fields to one, or from one to several; and,
under the strict policy, a union in which another type of the same name, without its namespace, comes first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
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
    if reader is writer:
        return ()
    try:
        found = _Resolution(is_lenient).compare(reader, writer, "")
    except RecursionError:
        says = "the schemas are nested too deeply to be compared, so it is left undecided"
        return (Reason("NOT_DECIDED", "/", says, "Nest fewer records and unions within each other."),)
    return tuple(dict.fromkeys(found))


@dataclass(slots=True)
class _Resolution:
    """One question under way. known: what was found for a pair; nothing yet while it is being compared. indexes:
    of a union, its branches by kind and name (or alias) and then by place.
    """

    is_lenient: bool
    known: dict[tuple[int, int], tuple[Reason, ...]] = field(default_factory=dict)
    indexes: dict[int, dict[tuple[str, str], dict[int, Any]]] = field(default_factory=dict)

    def compare(self, reader: Any, writer: Any, path: str) -> tuple[Reason, ...]:
        pair = (id(reader), id(writer))
        if pair not in self.known:
            self.known[pair] = ()  # a type inside itself resolves if everything else does
            self.known[pair] = tuple(self._resolve(reader, writer, path))
        return self.known[pair]

    def _fails(self, reader: Any, writer: Any, path: str) -> bool:
        """Whether a branch of a union is no match. What resolved under a failed attempt is forgotten, as it may
        lean on the attempt; what failed in it is kept, as it failed although the attempt was taken to succeed.
        """
        mark = len(self.known)
        fails = _blocks(self.compare(reader, writer, path))
        if fails:
            for pair in list(islice(reversed(self.known), len(self.known) - mark)):
                if not _blocks(self.known[pair]):
                    del self.known[pair]
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
            yield from self.compare(reader, branch, f"{path}/{index}" if reader.type in _UNIONS else path)

    def _branches(self, reader: Any, writer: Any, path: str) -> Iterator[Reason]:
        if writer.type in _NAMED:
            yield from self._named_branches(reader, writer, path)
            return
        for branch in reader.schemas:
            if not self._fails(branch, writer, path):
                yield from self.compare(branch, writer, path)
                return
        yield _no_branch(writer, path)

    def _named_branches(self, reader: Any, writer: Any, path: str) -> Iterator[Reason]:
        """Some decoders take the branch of the writer's full name, others the first of its name at all."""
        alike = self._alike_in(reader, writer)
        exact = [one for one in alike if writer.fullname in (one.fullname, *_aliases(one))]
        if not alike or any(self._fails(one, writer, path) for one in exact or alike[:1]):
            yield _no_branch(writer, path)
            return
        yield from self.compare((exact or alike)[0], writer, path)
        for one in alike[: alike.index(exact[-1])] if exact else ():
            if self._fails(one, writer, path):
                says = f"{_shown(writer)} may be taken for {_shown(one)}, which comes first in the reader's union"
                remedy = f"Put {writer.fullname} before {one.fullname}, or give one of them another name."
                assumption = "if readers look for the full name first" if self.is_lenient else ""
                yield Reason("AMBIGUOUS_UNION_BRANCH", path or "/", says, remedy, not self.is_lenient, assumption)

    def _alike_in(self, union: Any, writer: Any) -> list[Any]:
        """Branches of the kind and the name of `writer`, in order; unions may have thousands of them."""
        index = self.indexes.get(id(union))
        if index is None:
            index = self.indexes[id(union)] = {}
            for place, one in enumerate(union.schemas):
                for key in _keys(one) if one.type in _NAMED else ():
                    index.setdefault((one.type, key), {})[place] = one
        found: dict[int, Any] = {}
        for key in (writer.name, f"alias {writer.fullname}"):
            found |= index.get((writer.type, key), {})
        return [one for _, one in sorted(found.items())]

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
        given = writer.fields_dict
        sources = [_sources(given, wanted) for wanted in reader.fields]
        taken = Counter(name for names in sources for name in names)
        for index, (wanted, names) in enumerate(zip(reader.fields, sources, strict=True)):
            where = f"{path}/fields/{index}"
            if len(names) > 1 or any(taken[name] > 1 for name in names):
                yield _ambiguous(reader, wanted, names, where)
            if names:
                yield from self.compare(wanted.type, given[names[0]].type, f"{where}/type")
            elif not wanted.has_default:
                says = f"`{wanted.name}` is not written and has no default"
                yield Reason("READER_FIELD_MISSING_DEFAULT_VALUE", where, says, "Give it a default.")

    def _logical(self, reader: Any, writer: Any, path: str) -> Iterator[Reason]:
        mine, theirs = reader.props.get(LOGICAL), writer.props.get(LOGICAL)
        if mine == theirs:
            return
        says = f"{theirs or reader.type} is read as {mine or reader.type}: the same bytes, another value"
        remedy = "Add a field of the new type, with a default."
        blocks = bool(mine and theirs) and not self.is_lenient
        assumption = "" if blocks else "if readers ignore the logical type"
        yield Reason("LOGICAL_TYPE_CHANGED", path or "/", says, remedy, blocks, assumption)


def _blocks(reasons: tuple[Reason, ...]) -> bool:
    return any(reason.is_blocking for reason in reasons)


def _no_branch(writer: Any, path: str) -> Reason:
    says = f"reader union lacking writer type: {_shown(writer)}"
    return Reason("MISSING_UNION_BRANCH", path or "/", says, "Keep it in the reader's union, or add it.")


def _is_named_alike(reader: Any, writer: Any) -> bool:
    return reader.name == writer.name or writer.fullname in _aliases(reader)


def _aliases(named: Any) -> Iterator[str]:
    """Full names of the aliases of a type; one without a namespace is in that of the type."""
    given = named.props.get("aliases")
    namespace = named.fullname.rpartition(".")[0]
    for alias in given if isinstance(given, list) else ():
        if isinstance(alias, str):
            yield alias if "." in alias or not namespace else f"{namespace}.{alias}"


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


def _keys(named: Any) -> Iterator[str]:
    """What a writer's type is looked for by: its name without the namespace, else its full name as an alias."""
    yield named.name
    yield from (f"alias {alias}" for alias in _aliases(named))


def _sources(given: Mapping[str, Any], wanted: Any) -> list[str]:
    """Names of the writer's fields that a reader's field is called, or was called."""
    aliases = wanted.props.get("aliases")
    names = [wanted.name, *(aliases if isinstance(aliases, list) else ())]
    return [name for name in dict.fromkeys(n for n in names if isinstance(n, str)) if name in given]


def _ambiguous(reader: Any, wanted: Any, names: list[str], path: str) -> Reason:
    written = " and ".join(f"`{name}`" for name in names)
    says = f"{written} may be read as `{wanted.name}` of {_shown(reader)}, and decoders do not agree on what is"
    return Reason("AMBIGUOUS_FIELD_ALIAS", path, says, "Let each alias lead from one field to one other.")


def _shown(schema: Any) -> str:
    return str(getattr(schema, "fullname", None) or schema.type).upper()
