"""Types of Ibis columns as ours, and how text becomes a typed column."""

from __future__ import annotations

from typing import Any, assert_never

from interlock.adapters.schemas.row_values import DataUnreadable
from interlock.domain.schemas.field import (
    Bool,
    Bytes,
    Date,
    Decimal,
    Duration,
    Field,
    Float,
    Int,
    Json,
    List,
    Map,
    Number,
    String,
    Struct,
    Tensor,
    Time,
    Timestamp,
    TimeUnit,
    Type,
)

_UNITS: dict[int, TimeUnit] = {0: "s", 3: "ms", 6: "us", 9: "ns"}
_DIGITS = {unit: digits for digits, unit in _UNITS.items()}
_WHOLE = r"^[+-]?[0-9]{1,38}$"
_NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"
_DATE = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
_CLOCK = r"([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9]{fraction})?"
_OFFSET = r"(Z|[+-](0[0-9]|1[0-4]):?[0-5][0-9])"
_NO_OFFSET = r"(Z|[+-]00:?00)"
_WORDS = ("true", "false", "t", "f", "yes", "no", "1", "0")


def type_of_column(found: Any) -> Type:
    """Our type of an Ibis data type; Json for what has no type of ours."""
    for ask, make in _BY_ASKING:
        if getattr(found, ask)():
            made: Type = make(found)
            return made
    return Json()


def field_of_column(name: str, found: Any) -> Field:
    """A column as a field: there in each row, null where the database allows it."""
    return Field(name, type_of_column(found), nullable=bool(found.nullable))


def field_of_arrow(found: Any, where: str) -> Field:
    """A field of the Arrow schema of the file `where`. DataUnreadable for types that Ibis does not know."""
    import ibis
    import pyarrow as pa

    try:
        return field_of_column(found.name, ibis.Schema.from_pyarrow(pa.schema([found]))[found.name])
    except (KeyError, ValueError, pa.ArrowException) as error:
        says = f"the column `{found.name}` is of the type {found.type}, which is not read"
        raise DataUnreadable(says, remedy="Cast the column, or leave it out.", where=where) from error


def _unit(scale: int | None) -> TimeUnit:
    return next((unit for digits, unit in _UNITS.items() if (6 if scale is None else scale) <= digits), "ns")


def _decimal(found: Any) -> Type:
    precision = 38 if found.precision is None else min(int(found.precision), 38)
    return Decimal(precision, 0 if found.scale is None else int(found.scale))


_BY_ASKING: tuple[tuple[str, Any], ...] = (
    ("is_boolean", lambda _: Bool()),
    ("is_integer", lambda t: Int(t.nbytes * 8, t.is_signed_integer())),
    ("is_floating", lambda t: Float(t.nbytes * 8)),
    ("is_decimal", _decimal),
    ("is_string", lambda _: String()),
    ("is_uuid", lambda _: String()),
    ("is_binary", lambda _: Bytes()),
    ("is_date", lambda _: Date()),
    ("is_time", lambda _: Time()),
    ("is_timestamp", lambda t: Timestamp(_unit(t.scale), t.timezone is not None)),
    ("is_interval", lambda _: Duration()),
    ("is_array", lambda t: List(field_of_column("element", t.value_type))),
    ("is_map", lambda t: Map(field_of_column("value", t.value_type))),
    ("is_struct", lambda t: Struct(tuple(field_of_column(n, f) for n, f in t.fields.items()), is_open=False)),
)


def is_day(text: Any) -> Any:
    """Whether text that begins with the form YYYY-MM-DD (or is null) names a day: a cast of one that does not would
    raise on some engines.
    """
    import ibis

    year, month, day = (text.substr(start, n).cast("int64") for start, n in ((0, 4), (5, 2), (8, 2)))
    is_leap = ((year % 4 == 0) & (year % 100 != 0)) | (year % 400 == 0)
    february = is_leap.ifelse(ibis.literal(29, "int64"), ibis.literal(28, "int64"))
    short = month.isin([4, 6, 9, 11]).ifelse(ibis.literal(30, "int64"), ibis.literal(31, "int64"))
    last = (month == 2).ifelse(february, short)
    return (year >= 1) & month.between(1, 12) & (day >= 1) & (day <= last)


def from_text(column: Any, wanted: Type, does_cast_raise: bool = False) -> tuple[Any, Any]:
    """A text column as the type, null where it is none; and whether a value is none. None, None for types that
    text is not read as. Text is checked before it is cast: engines differ in what they let pass, and round what is
    finer than the type. An instant that names no offset is in UTC.

    does_cast_raise: the engine has no cast that gives null; days of dates and timestamps are then checked as well.
    """
    match wanted:
        case Bool():
            is_one = column.lower().isin(_WORDS)
            typed = column.lower().isin(("true", "t", "yes", "1"))
        case Int(bits=bits):
            is_one = column.re_search(_WHOLE)
            typed = _cast(column, "int64" if bits else "decimal(38, 0)", is_one)
        case Float() | Number():
            number = _cast(column, "float64", column.re_search(_NUMBER))
            is_one, typed = ~number.isinf(), only(~number.isinf(), number)
        case Decimal():
            is_one, typed = _decimals(column, wanted)
        case Date():
            is_one, typed = _moments(column, "date", _DATE, does_cast_raise)
        case Timestamp():
            is_one, typed = _instants(column, wanted, does_cast_raise)
        case Time(unit=unit):
            is_one = column.re_search(f"^{_clock(unit)}$")
            typed = _cast(column, "time", is_one)
        case String() | Json():
            return column, column.isnull() & ~column.isnull()
        case Bytes() | Duration() | List() | Map() | Struct() | Tensor():
            return None, None
        case _ as unreachable:
            assert_never(unreachable)
    return typed, column.notnull() & ~(is_one & typed.notnull()).fill_null(False)


def _decimals(column: Any, wanted: Decimal) -> tuple[Any, Any]:
    """Numbers that the decimal holds with all their digits. With an exponent, the next finer decimal tells."""
    typed = _cast(column, f"decimal({wanted.precision}, {wanted.scale})", column.re_search(_NUMBER))
    is_one = column.re_search(rf"^[^.eE]*(\.[0-9]{{0,{wanted.scale}}}0*)?$")
    finer = 38 - wanted.precision + wanted.scale
    if finer > wanted.scale:
        whole = _cast(column, f"decimal(38, {finer})", column.re_search(_NUMBER))
        is_one = is_one | (column.re_search("[eE]") & (whole == typed).fill_null(False))
    return is_one, only(is_one, typed)


def _clock(unit: TimeUnit) -> str:
    """The form of a time of the day that is no finer than the unit."""
    return _CLOCK.format(fraction=rf"(\.[0-9]{{0,{_DIGITS[unit]}}}0*)?")


def _instants(column: Any, wanted: Timestamp, does_cast_raise: bool) -> tuple[Any, Any]:
    """Engines drop the offset where a timestamp without a zone is asked for."""
    form = rf"^[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}[T ]{_clock(wanted.unit)}"
    if not wanted.is_zoned:
        return _moments(column, "timestamp", f"{form}{_NO_OFFSET}?$", does_cast_raise)
    placed = column.re_search(f"{_OFFSET}$").ifelse(column, column.concat("Z"))
    placed = placed.re_replace(f"^(.{{16}}){_OFFSET}$", r"\1:00\2")  # DuckDB knows no offset behind minutes
    return _moments(placed, "timestamp('UTC', 6)", f"{form}{_OFFSET}$", does_cast_raise)


def _moments(column: Any, to: str, form: str, does_cast_raise: bool) -> tuple[Any, Any]:
    is_one = column.re_search(form)
    if does_cast_raise:
        is_one = is_day(only(is_one, column)).fill_null(False)
    return is_one, _cast(column, to, is_one)


def _cast(column: Any, to: str, is_one: Any) -> Any:
    """The cast where the text has the form, null elsewhere."""
    return only(is_one, column).try_cast(to)


def only(is_one: Any, value: Any) -> Any:
    """The value where the condition holds, else null."""
    import ibis

    return ibis.ifelse(is_one, value, ibis.null(value.type()(nullable=True)))
