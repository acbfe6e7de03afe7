"""Ranges of numbers with open or closed ends, compared exactly: ints, floats and fractions mix without rounding."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

from interlock.domain.schemas.field import Date, Decimal, Duration, Field, Int, Time, Timestamp, TimeUnit, Type
from interlock.domain.schemas.scalars import double

Exact = int | float | Fraction

_SECOND_NS = 1_000_000_000
UNIT_NS: dict[TimeUnit, int] = {"s": _SECOND_NS, "ms": 1_000_000, "us": 1_000, "ns": 1}
_DAY_S = 86_400
# RFC 3339 writes years 0000 to 9999; days since 1970-01-01 of the first and the last day of them.
FIRST_DAY, LAST_DAY = -719_528, 2_932_896


@dataclass(frozen=True, slots=True)
class Range:
    """From `low` to `high`, each end included unless it is open; infinite where there is no end."""

    low: Exact = -math.inf
    high: Exact = math.inf
    is_low_open: bool = False
    is_high_open: bool = False

    def is_within(self, other: Range) -> bool:
        is_low_in = self.low > other.low or (
            self.low == other.low and (self.is_low_open or not other.is_low_open or self.low == -math.inf)
        )
        is_high_in = self.high < other.high or (
            self.high == other.high and (self.is_high_open or not other.is_high_open or self.high == math.inf)
        )
        return is_low_in and is_high_in

    def meet(self, other: Range) -> Range:
        """The numbers that are in both."""
        low, is_low_open = max((self.low, self.is_low_open), (other.low, other.is_low_open))
        high, is_high_closed = min((self.high, not self.is_high_open), (other.high, not other.is_high_open))
        return Range(low, high, is_low_open, not is_high_closed)

    def times(self, factor: int) -> Range:
        """Every number multiplied by a positive whole factor."""
        return Range(_exact(self.low) * factor, _exact(self.high) * factor, self.is_low_open, self.is_high_open)

    def whole(self) -> Range:
        """The smallest closed range that holds the same whole numbers."""
        low, high = self.low, self.high
        if not math.isinf(low):
            low = math.floor(low) + 1 if self.is_low_open else math.ceil(low)
        if not math.isinf(high):
            high = math.ceil(high) - 1 if self.is_high_open else math.floor(high)
        return Range(low, high)

    def __str__(self) -> str:
        start = "(" if self.is_low_open or self.low == -math.inf else "["
        end = ")" if self.is_high_open or self.high == math.inf else "]"
        return f"{start}{_shown(self.low)}, {_shown(self.high)}{end}"


def _exact(number: Exact) -> Exact:
    return number if isinstance(number, int) or math.isinf(number) else Fraction(number)


def _shown(number: Exact) -> str:
    return str(number) if isinstance(number, int) else f"{float(number):.15g}"


def held(one: Type) -> Range:
    """The counts and numbers that the type can hold; everything for types that count nothing."""
    match one:
        case Int(bits=0):
            return Range() if one.is_signed else Range(low=0)
        case Int(bits=bits, is_signed=True):
            return Range(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
        case Int(bits=bits):
            return Range(0, 2**bits - 1)
        case Decimal(precision=precision, scale=scale):
            most = Fraction(10**precision - 1, 10**scale)
            return Range(-most, most)
        case Date():
            return Range(FIRST_DAY, LAST_DAY)
        case Time(unit=unit):
            return Range(0, _DAY_S * (_SECOND_NS // UNIT_NS[unit]) - 1)
        case Timestamp(unit=unit) if unit != "ns":
            second = _SECOND_NS // UNIT_NS[unit]
            return Range(FIRST_DAY * _DAY_S * second, (LAST_DAY + 1) * _DAY_S * second - 1)
        case Timestamp() | Duration():
            return Range(-(2**63), 2**63 - 1)
        case _:
            return Range()


def is_counted(one: Type) -> bool:
    """Whether values are whole counts: integers, and dates and times in their unit."""
    return isinstance(one, Int | Date | Time | Timestamp | Duration)


def unit_ns(one: Type) -> int:
    """How many nanoseconds one count is; 1 for what is no time, so that it scales nothing."""
    return UNIT_NS[one.unit] if isinstance(one, Time | Timestamp | Duration) else 1


def bounds(one: Field) -> Range:
    """What the field's own bounds allow, whatever its type."""
    low, high = Range(), Range()
    if one.minimum is not None:
        low = Range(low=one.minimum)
    if one.more_than is not None:
        low = low.meet(Range(low=one.more_than, is_low_open=True))
    if one.maximum is not None:
        high = Range(high=one.maximum)
    if one.less_than is not None:
        high = high.meet(Range(high=one.less_than, is_high_open=True))
    found = low.meet(high)
    return found.whole() if is_counted(one.type) else found


def written(one: Field) -> Range:
    """Every number that the field may have: by its type, its bounds, and its enum when that is closed."""
    found = held(one.type).meet(bounds(one))
    numbers = [value for value in one.enum if double(value) is not None]
    return found.meet(_hull(numbers)) if numbers else found


def _hull(values: Iterable[object]) -> Range:
    numbers = [value for value in values if isinstance(value, int | float)]
    return Range(min(numbers), max(numbers))
