"""A field and the types of its values: a closed union, and nothing of any one format.

The types are Arrow's (Columnar.rst, "Data types"), with what JSON documents need beside them: integers and
numbers of any size, and `Json` for whatever JSON can hold. Nullability, defaults, units and constraints belong to
fields. Presence and nullability are two things: `required` says that a field is there, `nullable` that it may be
null.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, assert_never

TimeUnit = Literal["s", "ms", "us", "ns"]


@dataclass(frozen=True, slots=True)
class Bool:
    """True or false; never a number."""

    kind: Literal["bool"] = "bool"


@dataclass(frozen=True, slots=True)
class Int:
    """Whole numbers of `bits` (8, 16, 32, 64) bits; of any size when bits is 0, as JSON has them."""

    bits: int = 0
    is_signed: bool = True
    kind: Literal["int"] = "int"


@dataclass(frozen=True, slots=True)
class Float:
    """IEEE 754 binary numbers of 16, 32 or 64 bits."""

    bits: int = 64
    kind: Literal["float"] = "float"


@dataclass(frozen=True, slots=True)
class Number:
    """Numbers of any size and precision, as JSON writes them; readers commonly hold them as doubles."""

    kind: Literal["number"] = "number"


@dataclass(frozen=True, slots=True)
class Decimal:
    """Exact numbers of `precision` (at most 38) digits, `scale` of them behind the point."""

    precision: int
    scale: int = 0
    kind: Literal["decimal"] = "decimal"


@dataclass(frozen=True, slots=True)
class String:
    """Text, as Unicode code points."""

    kind: Literal["string"] = "string"


@dataclass(frozen=True, slots=True)
class Bytes:
    """Bytes: exactly `size` of them, any number when size is 0. In JSON they are base64 text (RFC 4648)."""

    size: int = 0
    kind: Literal["bytes"] = "bytes"


@dataclass(frozen=True, slots=True)
class Date:
    """A day of the proleptic Gregorian calendar. In JSON: RFC 3339 full-date."""

    kind: Literal["date"] = "date"


@dataclass(frozen=True, slots=True)
class Time:
    """A time of day without a zone, counted in `unit`."""

    unit: TimeUnit = "us"
    kind: Literal["time"] = "time"


@dataclass(frozen=True, slots=True)
class Timestamp:
    """A point in time, counted in `unit`; `is_zoned`: an instant (UTC), else wall-clock time of no zone.
    In JSON: RFC 3339 date-time.
    """

    unit: TimeUnit = "us"
    is_zoned: bool = True
    kind: Literal["timestamp"] = "timestamp"


@dataclass(frozen=True, slots=True)
class Duration:
    """A length of time, counted in `unit`."""

    unit: TimeUnit = "us"
    kind: Literal["duration"] = "duration"


@dataclass(frozen=True, slots=True)
class List:
    """Values in order. `element`: what each is; its name is not part of the type."""

    element: Field
    kind: Literal["list"] = "list"


@dataclass(frozen=True, slots=True)
class Map:
    """Values by text key; `value`: what each is."""

    value: Field
    kind: Literal["map"] = "map"


@dataclass(frozen=True, slots=True)
class Struct:
    """Named fields. `is_open`: fields that are not listed are allowed and pass through."""

    fields: tuple[Field, ...] = ()
    is_open: bool = True
    kind: Literal["struct"] = "struct"


@dataclass(frozen=True, slots=True)
class Tensor:
    """An array of equal elements in `dims` dimensions; -1 where the length is free."""

    element: Bool | Int | Float | String | Bytes
    dims: tuple[int, ...] = (-1,)
    kind: Literal["tensor"] = "tensor"


@dataclass(frozen=True, slots=True)
class Json:
    """Anything that JSON can represent."""

    kind: Literal["json"] = "json"


Type = (
    Bool
    | Int
    | Float
    | Number
    | Decimal
    | String
    | Bytes
    | Date
    | Time
    | Timestamp
    | Duration
    | List
    | Map
    | Struct
    | Tensor
    | Json
)

Scalar = str | int | float | bool | None
Kind = Literal["string", "integer", "number", "boolean", "timestamp", "date", "object", "array"]
"""How a type looks in JSON, with dates and timestamps told apart from other text."""

STRING, INTEGER, NUMBER, BOOLEAN = String(), Int(), Number(), Bool()
TIMESTAMP, DATE, OBJECT = Timestamp(), Date(), Json()


@dataclass(frozen=True, slots=True)
class Field:
    """One field. `required`: the key must be there; `nullable`: its value may be null.

    unit: UCUM code (`min`, `s`, `m/s`); enum: the closed set of values, empty when open; `enum_labels`: what each
    of them means, in the same order, empty when nothing is said. `default` is a tuple of one value, or empty when
    there is none (null can be a default). Bounds are inclusive but for `more_than` and `less_than`; those of dates
    count days since 1970-01-01, those of times and timestamps the type's unit since midnight or the epoch. Lengths
    count code points; `pattern` is searched for anywhere in the text, as in JSON Schema. Items are unique as they
    are written, before defaults stand in for what they lack.
    id: stays when the field is renamed; `aliases`: former names. is_personal: the data is about a person.
    physical_type: the type's name in the system that holds the data, for example `VARCHAR(18)`.
    """

    name: str
    type: Type
    required: bool = True
    nullable: bool = False
    unit: str = ""
    enum: tuple[Scalar, ...] = ()
    default: tuple[Scalar, ...] = ()
    minimum: int | float | None = None
    maximum: int | float | None = None
    description: str = ""
    more_than: int | float | None = None
    less_than: int | float | None = None
    multiple_of: int | float | None = None
    min_length: int | None = None
    max_length: int | None = None
    pattern: str = ""
    format: str = ""
    min_items: int | None = None
    max_items: int | None = None
    is_unique: bool = False
    has_unique_items: bool = False
    id: str = ""
    aliases: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    is_personal: bool = False
    is_deprecated: bool = False
    enum_labels: tuple[str, ...] = ()
    physical_type: str = ""
    classification: str = ""

    @property
    def kind(self) -> Kind:
        return kind_of(self.type)


def kind_of(one: Type) -> Kind:
    """How values of the type look in JSON."""
    match one:
        case Bool():
            return "boolean"
        case Int():
            return "integer"
        case Float() | Number() | Decimal():
            return "number"
        case String() | Bytes() | Time() | Duration():
            return "string"
        case Date():
            return "date"
        case Timestamp():
            return "timestamp"
        case List() | Tensor():
            return "array"
        case Map() | Struct() | Json():
            return "object"
        case _ as unreachable:
            assert_never(unreachable)


ARRAY = List(Field("element", Json(), nullable=True))

_TYPES: dict[Kind, Type] = {
    "string": STRING,
    "integer": INTEGER,
    "number": NUMBER,
    "boolean": BOOLEAN,
    "timestamp": TIMESTAMP,
    "date": DATE,
    "object": OBJECT,
    "array": ARRAY,
}


def type_of(kind: Kind) -> Type:
    """The widest type whose values look so in JSON."""
    return _TYPES[kind]
