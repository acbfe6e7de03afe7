"""Whether a reader's Protobuf schema decodes what a writer's encodes, to the same values.

Fields are matched by number, messages by their name within the file, and the message types of fields by structure,
so that a type can be renamed. Names of differences are Confluent Schema Registry's; a difference blocks when the
reader fails or reads another value. The lenient policy lets those pass that decode without an error (a narrower
integer, the last of repeated strings), as Confluent's registry does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from interlock.domain.schemas.protobuf.model import Enum, Field, File, Message
from interlock.domain.schemas.protobuf.numbers import Fit, fit
from interlock.domain.schemas.protobuf.oneofs import oneof_reasons
from interlock.domain.schemas.reason import Reason


def reads(reader: File, writer: File, *, is_lenient: bool = False) -> tuple[Reason, ...]:
    """Every difference that bears on `reader` decoding what `writer` encodes; it does when none is blocking."""
    return tuple(_Comparison(reader, writer, is_lenient).all())


@dataclass(slots=True)
class _Comparison:
    """One question under way. told: the pairs of types that were compared, or will be. waiting: pairs of messages
    that fields led to, with their paths; they are compared in turn, so that no chain of them is too long.
    """

    reader: File
    writer: File
    is_lenient: bool
    told: set[tuple[str, str]] = field(default_factory=set)
    waiting: list[tuple[str, str, str]] = field(default_factory=list)

    def all(self) -> Iterator[Reason]:
        if self.reader.package != self.writer.package:
            says = f"the package was `{self.writer.package}` and is `{self.reader.package}`"
            yield Reason("PACKAGE_CHANGED", "#/", says, "Keep the package: type names in records carry it.")
        yield from self._declared()
        own, theirs = self.reader.local_messages(), self.writer.local_messages()
        for local in (name for name in own if name in theirs):
            self._await(own[local], theirs[local], f"#/{local.replace('.', '/')}")
            while self.waiting:
                yield from self._messages(*self.waiting.pop())
        enums, known = self.reader.local_enums(), self.writer.local_enums()
        for local in (name for name in enums if name in known):
            yield from self._enums(enums[local], known[local])

    def _declared(self) -> Iterator[Reason]:
        own, theirs = self.reader.local_messages(), self.writer.local_messages()
        for local in theirs:
            if local not in own:
                says, remedy = f"the message `{local}` is gone", "Keep it, also when no field uses it any more."
                yield Reason("MESSAGE_REMOVED", f"#/{local.replace('.', '/')}", says, remedy)
        yield from _news("MESSAGE_ADDED", "message", own, theirs)
        yield from _news("ENUM_ADDED", "enum", self.reader.local_enums(), self.writer.local_enums())
        for local in self.writer.local_enums():
            if local not in self.reader.local_enums():
                path = f"#/{local.replace('.', '/')}"
                yield Reason("ENUM_REMOVED", path, f"the enum `{local}` is gone", is_blocking=False)

    def _await(self, mine: str, theirs: str, path: str) -> None:
        if (mine, theirs) not in self.told:
            self.told.add((mine, theirs))
            self.waiting.append((mine, theirs, path))

    def _messages(self, mine: str, theirs: str, path: str) -> Iterator[Reason]:
        wanted, given = self.reader.messages[mine], self.writer.messages[theirs]
        for one in wanted.fields:
            other = given.field(one.number)
            if other is None:
                yield from self._added(one, given, f"{path}/{one.number}")
            else:
                yield from self._fields(one, other, given, f"{path}/{one.number}")
        for other in given.fields:
            if wanted.field(other.number) is None and not other.oneof:
                yield from _removed(other, f"{path}/{other.number}")
        yield from oneof_reasons(wanted, given, path)

    def _added(self, one: Field, given: Message, path: str) -> Iterator[Reason]:
        if one.label == "required":
            says = f"`{one.name}` is required and not written"
            yield Reason("REQUIRED_FIELD_ADDED", path, says, "Make it optional.")
        elif given.is_reserved(one.number):
            says = f"`{one.name}` takes the number {one.number}, which the writer reserved for a field of the past"
            yield self._lossy("FIELD_NUMBER_RESERVED", path, says, "Take a number that was never used.")
        elif not one.oneof:
            yield Reason("FIELD_ADDED", path, f"`{one.name}` is not written", is_blocking=False)

    def _fields(self, one: Field, other: Field, given: Message, path: str) -> Iterator[Reason]:
        yield from self._names(one, other, given, path)
        yield from self._labels(one, other, path)
        yield from self._types(one, other, path)
        yield from self._unset(one, other, path)

    def _unset(self, one: Field, other: Field, path: str) -> Iterator[Reason]:
        mine, theirs = self.reader.unset(one) or "zero", self.writer.unset(other) or "zero"
        if mine == theirs or "repeated" in (one.label, other.label):
            return
        if other.has_presence:
            says = f"an unset `{one.name}` is read as {mine}, the writer means {theirs}"
            yield Reason("FIELD_DEFAULT_CHANGED", path, says, "Write the field always.", is_blocking=False)
        else:
            says = f"zero in `{one.name}` is not sent, and is read as {mine}"
            yield self._lossy("FIELD_DEFAULT_CHANGED", path, says, "Let the writer's field be optional.")

    def _names(self, one: Field, other: Field, given: Message, path: str) -> Iterator[Reason]:
        if one.name == other.name:
            return
        elsewhere = given.by_name.get(one.name)
        if elsewhere is None:
            says = f"`{other.name}` is now called `{one.name}`; bytes do not care, JSON does"
            yield Reason("FIELD_NAME_CHANGED", path, says, is_blocking=False)
        else:
            says = f"values of `{other.name}` are read as `{one.name}`, which the writer has at {elsewhere.number}"
            yield self._lossy("FIELD_NAME_CHANGED", path, says, "Give each field back its number.")

    def _labels(self, one: Field, other: Field, path: str) -> Iterator[Reason]:
        if one.label == "required" != other.label:
            says = f"`{one.name}` is required and may not be written"
            yield Reason("REQUIRED_FIELD_ADDED", path, says, "Make it optional.")
        if (one.label == "repeated") == (other.label == "repeated"):
            return
        says = f"`{one.name}` was {other.label} and is {one.label}"
        remedy = "Add a field with another number instead."
        is_single = one.label != "repeated"
        if one.kind in ("message", "group"):
            if is_single:
                says += "; of several, one is read that merges all"
                yield self._lossy("FIELD_MESSAGE_LABEL_CHANGED", path, says, remedy)
        elif {one.type, other.type} <= {"string", "bytes"}:
            if is_single:
                yield self._lossy(
                    "FIELD_STRING_OR_BYTES_LABEL_CHANGED", path, f"{says}; only the last is read", remedy
                )
            else:
                yield Reason("FIELD_STRING_OR_BYTES_LABEL_CHANGED", path, says, is_blocking=False)
        else:
            yield Reason("FIELD_NUMERIC_LABEL_CHANGED", path, f"{says}; numbers are packed", remedy)

    def _types(self, one: Field, other: Field, path: str) -> Iterator[Reason]:
        is_nested = {"message", "group"}
        if one.kind in is_nested or other.kind in is_nested:
            yield from self._nested(one, other, path)
            return
        mine = "enum" if one.kind == "enum" else one.type
        theirs = "enum" if other.kind == "enum" else other.type
        if mine == theirs == "enum":
            yield from self._enums(one.type, other.type)
            return
        says = f"`{one.name}` is written as {other.type} and read as {one.type}"
        remedy = "Add a field of the new type with another number, and retire this one."
        code = "FIELD_SCALAR_KIND_CHANGED" if "enum" not in (mine, theirs) else "FIELD_KIND_CHANGED"
        match fit(mine, theirs):
            case Fit.BROKEN:
                yield Reason(code, path, f"{says}, which is coded differently", remedy)
            case Fit.LOSSY:
                yield self._lossy(code, path, f"{says}, which does not hold every value", remedy)
            case Fit.EXACT if mine == "enum" and self.reader.enums[one.type].is_closed:
                yield self._lossy(code, path, f"{says}, which drops numbers that it does not list", remedy)
            case Fit.EXACT if mine != theirs:
                yield Reason(code, path, says, is_blocking=False)

    def _nested(self, one: Field, other: Field, path: str) -> Iterator[Reason]:
        if one.kind != other.kind:
            shown = [f.type if f.kind == "scalar" else f"the {f.kind} {f.type}" for f in (other, one)]
            says = f"`{one.name}` is written as {shown[0]} and read as {shown[1]}"
            yield Reason("FIELD_KIND_CHANGED", path, says, "Add a field with another number.")
            return
        if one.is_map != other.is_map:
            says = f"`{one.name}` is {'now' if one.is_map else 'no longer'} a map"
            if one.is_map:
                yield self._lossy(
                    "FIELD_KIND_CHANGED", path, f"{says}; of equal keys one is read", "Keep the list."
                )
            else:
                yield Reason("FIELD_KIND_CHANGED", path, says, is_blocking=False)
        local, before = self.reader.messages[one.type].local, self.writer.messages[other.type].local
        if local != before and not one.is_map:
            says = f"the type of `{one.name}` was `{before}` and is `{local}`; compared field by field"
            yield Reason("FIELD_NAMED_TYPE_CHANGED", path, says, is_blocking=False)
        self._await(one.type, other.type, path if one.is_map else f"#/{local.replace('.', '/')}")

    def _enums(self, mine: str, theirs: str) -> Iterator[Reason]:
        if (mine, theirs) in self.told:
            return
        self.told.add((mine, theirs))
        wanted, given = self.reader.enums[mine], self.writer.enums[theirs]
        path = f"#/{wanted.local.replace('.', '/')}"
        for number, name in given.values.items():
            if number not in wanted.values:
                yield self._unknown_number(wanted, number, name, f"{path}/{number}")
            elif wanted.values[number] != name:
                yield self._renamed_number(given, number, wanted.values[number], f"{path}/{number}")
        if not given.is_closed and wanted.is_closed:
            says = f"`{wanted.local}` was open and is closed: it drops numbers that it does not list"
            yield self._lossy("ENUM_CLOSED", path, says, "Keep it open.")
        for number, name in wanted.values.items():
            if number not in given.values:
                says = f"`{name}` is not written"
                yield Reason("ENUM_CONST_ADDED", f"{path}/{number}", says, is_blocking=False)

    def _unknown_number(self, wanted: Enum, number: int, name: str, path: str) -> Reason:
        says = f"`{name}` = {number} may be written and is not known"
        if wanted.is_closed:
            return self._lossy("ENUM_CONST_REMOVED", path, f"{says}; it is read as unset", "Keep the constant.")
        return Reason("ENUM_CONST_REMOVED", path, f"{says}; it is kept as a number", is_blocking=False)

    def _renamed_number(self, given: Enum, number: int, name: str, path: str) -> Reason:
        says = f"`{given.values[number]}` = {number} is read as `{name}`"
        if name in given.names:
            return self._lossy("ENUM_CONST_CHANGED", path, f"{says}, which means another number", "Swap them back.")
        return Reason("ENUM_CONST_CHANGED", path, says, is_blocking=False)

    def _lossy(self, code: str, path: str, says: str, remedy: str) -> Reason:
        """A difference under which bytes decode to another value."""
        if self.is_lenient:
            return Reason(
                code, path, says, remedy, is_blocking=False, assumption="if no such value is ever written"
            )
        return Reason(code, path, says, remedy)


def _news(code: str, what: str, mine: dict[str, str], theirs: dict[str, str]) -> Iterator[Reason]:
    for local in mine:
        if local not in theirs:
            yield Reason(code, f"#/{local.replace('.', '/')}", f"the {what} `{local}` is new", is_blocking=False)


def _removed(other: Field, path: str) -> Iterator[Reason]:
    if other.label == "required":
        says = f"`{other.name}` is required by those who have it, and gone"
        yield Reason("REQUIRED_FIELD_REMOVED", path, says, "Make it optional everywhere first.")
    else:
        says = f"`{other.name}` is written and not read"
        yield Reason(
            "FIELD_REMOVED", path, says, f"Reserve its number: reserved {other.number};", is_blocking=False
        )
