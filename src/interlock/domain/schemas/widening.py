"""The read-widening lattice: whether every value of one type is exactly a value of another.

It answers for readers. Whether a table's column can be altered in place is another, smaller relation (`promotion`).

- Whole numbers widen to what holds their range: to wider integers, to decimals with enough digits before the point,
  to binary floats as far as these are exact (2**11, 2**24, 2**53 for 16, 32 and 64 bits). A narrower range, proven
  by bounds or an enum, counts; so `int64` within [0, 100] is an `int8`.
- `Int(0)`, the whole number of any size, is above every integer; `Number` above every number; `Json` above all.
  None of them is below anything bounded, unless bounds prove it. (NaN is no number here: at the boundary it is
  null.)
- Decimals widen to decimals with at least their scale and their digits before the point, never to floats.
- Text and bytes, and text and dates, are not comparable, nor are instants and wall-clock times, nor dates and
  timestamps: each needs a lens. Coarser time units widen to finer ones where the counts fit into 64 bits.

The profile `avro` adds what Avro promotes although digits may be lost (integers to floats) or meaning is assumed
(text and bytes); such a step is `lossy`, never `exact`. (Avro 1.12 specification, "Schema Resolution".)
"""

from __future__ import annotations

from typing import Literal

from interlock.domain.schemas.field import (
    Bytes,
    Decimal,
    Duration,
    Float,
    Int,
    Json,
    Number,
    String,
    Tensor,
    Time,
    Timestamp,
    Type,
)
from interlock.domain.schemas.ranges import Range, held, unit_ns

Profile = Literal["exact", "avro"]
Step = Literal["exact", "lossy", "none"]

_EXACT_INTEGERS = {16: 2**11, 32: 2**24, 64: 2**53}


def step(writer: Type, reader: Type, values: Range | None = None, profile: Profile = "exact") -> Step:
    """How values of a type without fields inside go over into another. values: the numbers that are written, when
    fewer than the type holds.
    """
    if _is_exact(writer, reader, held(writer) if values is None else values):
        return "exact"
    match (writer, reader):
        case (Int(), Float()) | (String(), Bytes(size=0)) | (Bytes(), String()) if profile == "avro":
            return "lossy"
        case _:
            return "none"


def _is_exact(writer: Type, reader: Type, values: Range) -> bool:
    if writer == reader or isinstance(reader, Json):
        return True
    match (writer, reader):
        case (Int() | Float() | Decimal(), Number()):
            return True
        case (Int(), Int()):
            return values.is_within(held(reader))
        case (Int(), Decimal(precision=precision, scale=scale)):
            most = 10 ** (precision - scale) - 1
            return values.is_within(Range(-most, most))
        case (Int(), Float(bits=bits)):
            return values.is_within(Range(-_EXACT_INTEGERS[bits], _EXACT_INTEGERS[bits]))
        case (Float(bits=bits), Float(bits=wider)):
            return bits <= wider
        case (Decimal(scale=scale), Decimal(scale=finer)):
            return scale <= finer and values.is_within(held(reader))
        case (Bytes(), Bytes(size=0)):
            return True
        case (Time(), Time()) | (Timestamp(), Timestamp()) | (Duration(), Duration()):
            return _is_finer(writer, reader, values)
        case (Tensor(), Tensor()):
            return _is_tensor(writer, reader)
        case _:
            return False


def _is_finer(writer: Type, reader: Type, values: Range) -> bool:
    if isinstance(writer, Timestamp) and isinstance(reader, Timestamp) and writer.is_zoned != reader.is_zoned:
        return False
    factor, rest = divmod(unit_ns(writer), unit_ns(reader))
    return rest == 0 and values.times(factor).is_within(held(reader))


def _is_tensor(writer: Tensor, reader: Tensor) -> bool:
    return (
        len(writer.dims) == len(reader.dims)
        and all(wanted in (-1, given) for given, wanted in zip(writer.dims, reader.dims, strict=True))
        and _is_exact(writer.element, reader.element, held(writer.element))
    )
