"""Which scalar types read which: the same wire type, the same coding, and a range that holds every value.

https://protobuf.dev/programming-guides/encoding/ and .../proto3/#updating. Types of one coding can be exchanged
without an error; when the reader's range is smaller, the bytes decode to another number.
"""

from __future__ import annotations

from enum import StrEnum


class Fit(StrEnum):
    """How a reader's type takes a writer's values.

    EXACT: every value is read as it was written. LOSSY: the bytes decode, some of them to another value. BROKEN:
    the coding is another; the field is lost, or every value is another one.
    """

    EXACT = "exact"
    LOSSY = "lossy"
    BROKEN = "broken"


_CODING: dict[str, tuple[str, int, int]] = {
    "int32": ("varint", -(2**31), 2**31 - 1),
    "int64": ("varint", -(2**63), 2**63 - 1),
    "uint32": ("varint", 0, 2**32 - 1),
    "uint64": ("varint", 0, 2**64 - 1),
    "bool": ("varint", 0, 1),
    "enum": ("varint", -(2**31), 2**31 - 1),
    "sint32": ("zigzag", -(2**31), 2**31 - 1),
    "sint64": ("zigzag", -(2**63), 2**63 - 1),
    "fixed32": ("32 bits", 0, 2**32 - 1),
    "sfixed32": ("32 bits", -(2**31), 2**31 - 1),
    "fixed64": ("64 bits", 0, 2**64 - 1),
    "sfixed64": ("64 bits", -(2**63), 2**63 - 1),
    "float": ("float", 0, 0),
    "double": ("double", 0, 0),
    "string": ("length", 0, 0),  # the texts among the byte strings
    "bytes": ("length", 0, 1),
}


def fit(reader: str, writer: str) -> Fit:
    """How a field of the type `reader` takes values of `writer`; `enum` stands for an open enum of any name."""
    coding, low, high = _CODING[reader]
    written, lowest, highest = _CODING[writer]
    if coding != written:
        return Fit.BROKEN
    return Fit.EXACT if low <= lowest and highest <= high else Fit.LOSSY
