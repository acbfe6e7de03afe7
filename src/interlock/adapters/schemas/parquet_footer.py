"""Row groups that were written one file at a time, made one Parquet file without reading them again.

A row group is a stretch of bytes, and the footer at the end of the file says where each one is. So a file may grow
row group by row group, survive an end at any point, and get its footer last. The footer is one Thrift struct in the
compact protocol; what is not known here is carried as it is.

Sources: Apache Parquet Format, "File format" and parquet.thrift (FileMetaData, RowGroup, ColumnChunk,
ColumnMetaData); Apache Thrift, "Thrift Compact protocol encoding".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any, Final

MAGIC: Final = b"PAR1"
_TAIL: Final = 8  # the footer's length and the magic


class _Kind(IntEnum):
    """Types of the compact protocol; the two booleans hold their value."""

    TRUE = 1
    FALSE = 2
    BYTE = 3
    I16 = 4
    I32 = 5
    I64 = 6
    DOUBLE = 7
    BINARY = 8
    LIST = 9
    SET = 10
    STRUCT = 12


_BOOLEANS: Final = (_Kind.TRUE, _Kind.FALSE)
_ROWS, _GROUPS = 3, 4  # of FileMetaData
_COLUMNS, _GROUP_START, _ORDINAL = 1, 5, 7  # of RowGroup
_CHUNK_PLACES: Final = (2, 4, 6)  # of ColumnChunk: file_offset, offset_index_offset, column_index_offset
_METADATA: Final = 3
_DATA_PLACES: Final = (9, 10, 11, 14)  # of ColumnMetaData: the pages of data, index and dictionary; the filter


@dataclass(frozen=True, slots=True)
class _Listed:
    kind: int
    items: tuple[Any, ...]


Struct = Mapping[int, tuple[int, Any]]
"""Field number -> type in the compact protocol, value."""


def split(whole: bytes) -> tuple[bytes, bytes]:
    """The row groups of a Parquet file, without the magic before them, and its footer."""
    length = int.from_bytes(whole[-_TAIL:-4], "little")
    end = len(whole) - _TAIL - length
    return whole[len(MAGIC) : end], whole[end:-_TAIL]


def joined(footers: Iterable[tuple[bytes, int]]) -> bytes:
    """What ends a file that begins with the magic and holds the row groups of `footers`, each of which say where
    its own are when they follow a magic; and how many bytes were put between that magic and them.
    """
    first: Struct | None = None
    groups: list[Any] = []
    for footer, shift in footers:
        read = _Reader(footer).struct()
        first = read if first is None else first
        groups += (_moved(one, shift, len(groups) + at) for at, one in enumerate(read[_GROUPS][1].items))
    assert first is not None, "a file has at least one footer"
    rows = sum(one[_ROWS][1] for one in groups)
    whole = {**first, _ROWS: (_Kind.I64, rows), _GROUPS: (_Kind.LIST, _Listed(_Kind.STRUCT, tuple(groups)))}
    written = bytes(_struct(dict(sorted(whole.items()))))
    return written + len(written).to_bytes(4, "little") + MAGIC


def _moved(group: Struct, shift: int, ordinal: int) -> Struct:
    chunks = group[_COLUMNS][1]
    columns = replace(chunks, items=tuple(_moved_chunk(one, shift) for one in chunks.items))
    moved = {**_shifted(group, (_GROUP_START,), shift), _COLUMNS: (_Kind.LIST, columns)}
    if _ORDINAL in group and ordinal < 2**15:
        return {**moved, _ORDINAL: (_Kind.I16, ordinal)}
    return {number: one for number, one in moved.items() if number != _ORDINAL}


def _moved_chunk(chunk: Struct, shift: int) -> Struct:
    moved = dict(_shifted(chunk, _CHUNK_PLACES, shift))
    if _METADATA in moved:
        kind, metadata = moved[_METADATA]
        moved[_METADATA] = (kind, _shifted(metadata, _DATA_PLACES, shift))
    return moved


def _shifted(one: Struct, places: tuple[int, ...], shift: int) -> Struct:
    """Places move; 0 is no place."""
    return {
        number: (kind, value + shift if number in places and value else value)
        for number, (kind, value) in one.items()
    }


@dataclass(slots=True)
class _Reader:
    data: bytes
    at: int = 0

    def byte(self) -> int:
        self.at += 1
        return self.data[self.at - 1]

    def varint(self) -> int:
        value = shift = 0
        while (byte := self.byte()) & 0x80:
            value |= (byte & 0x7F) << shift
            shift += 7
        return value | byte << shift

    def zigzag(self) -> int:
        value = self.varint()
        return (value >> 1) ^ -(value & 1)

    def taken(self, length: int) -> bytes:
        self.at += length
        return self.data[self.at - length : self.at]

    def struct(self) -> Struct:
        fields: dict[int, tuple[int, Any]] = {}
        number = 0
        while head := self.byte():
            kind = head & 0x0F
            number = number + (head >> 4) if head >> 4 else self.zigzag()
            fields[number] = (kind, kind == _Kind.TRUE if kind in _BOOLEANS else self.value(kind))
        return fields

    def value(self, kind: int) -> Any:
        match kind:
            case _Kind.TRUE | _Kind.FALSE | _Kind.BYTE:
                return self.byte()
            case _Kind.I16 | _Kind.I32 | _Kind.I64:
                return self.zigzag()
            case _Kind.DOUBLE:
                return self.taken(8)
            case _Kind.BINARY:
                return self.taken(self.varint())
            case _Kind.LIST | _Kind.SET:
                head = self.byte()
                size = head >> 4 if head >> 4 < 15 else self.varint()
                return _Listed(head & 0x0F, tuple(self.value(head & 0x0F) for _ in range(size)))
            case _Kind.STRUCT:
                return self.struct()
            case _:
                raise ValueError(f"a footer of Parquet holds nothing of type {kind}")


def _struct(fields: Struct) -> Iterator[int]:
    last = 0
    for number, (kind, value) in fields.items():
        kind = (_Kind.TRUE if value else _Kind.FALSE) if kind in _BOOLEANS else kind
        if 0 < number - last < 16:
            yield (number - last) << 4 | kind
        else:
            yield kind
            yield from _zigzag(number)
        last = number
        if kind not in _BOOLEANS:
            yield from _value(kind, value)
    yield 0


def _value(kind: int, value: Any) -> Iterable[int]:
    match kind:
        case _Kind.TRUE | _Kind.FALSE | _Kind.BYTE:
            return (value,)
        case _Kind.I16 | _Kind.I32 | _Kind.I64:
            return _zigzag(value)
        case _Kind.DOUBLE:
            return bytes(value)
        case _Kind.BINARY:
            return (*_varint(len(value)), *value)
        case _Kind.LIST | _Kind.SET:
            return _listed(value)
        case _:
            return _struct(value)


def _listed(one: _Listed) -> Iterator[int]:
    size = len(one.items)
    if size < 15:
        yield size << 4 | one.kind
    else:
        yield 0xF0 | one.kind
        yield from _varint(size)
    for item in one.items:
        yield from _value(one.kind, item)


def _varint(value: int) -> Iterator[int]:
    while value > 0x7F:
        yield value & 0x7F | 0x80
        value >>= 7
    yield value


def _zigzag(value: int) -> Iterator[int]:
    return _varint(value << 1 if value >= 0 else (-value << 1) - 1)
