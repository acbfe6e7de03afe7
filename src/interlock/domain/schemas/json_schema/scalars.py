"""Whether numbers, texts and listed values that a writer allows are allowed by a reader's keywords."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from interlock.domain.schemas.json_schema import node as kinds
from interlock.domain.schemas.json_schema.difference import Difference, DifferenceType
from interlock.domain.schemas.json_schema.node import Facts, Node, type_names
from interlock.domain.schemas.json_schema.reasons import against, bound
from interlock.domain.schemas.json_schema.regular import includes
from interlock.domain.schemas.json_schema.shape import Shape, first_integer, last_integer
from interlock.domain.schemas.json_schema.values import listed, shown


def types(shape: Shape, node: Node) -> Iterator[Difference]:
    """Kinds of values that are written and not read."""
    wanted = node.facts.types
    extra = shape.types & ~wanted
    if not extra:
        return
    if extra == kinds.FRACTION and wanted & kinds.INTEGER:
        kind = DifferenceType.TYPE_NARROWED
    elif shape.types & wanted and shape.types != kinds.EVERY:
        kind = DifferenceType.SUM_TYPE_NARROWED
    else:
        kind = DifferenceType.TYPE_CHANGED
    says = f"{type_names(shape.types)} is written, and {type_names(wanted)} is read"
    if extra == kinds.FRACTION:
        says = "numbers with a fraction may be written, and only integers are read"
    yield against(kind, node, (), says)


def values(shape: Shape, node: Node) -> Iterator[Difference]:
    """Listed values of the reader; a writer whose values can be listed was asked about each of them before."""
    wanted = node.facts.values
    if wanted is None:
        return
    number = node.space.interner.number
    known = {number(value) for value in wanted}
    keyword = "enum" if isinstance(node.place.schema, dict) and "enum" in node.place.schema else "const"
    if shape.values is None:
        says = f"only {listed(wanted)} is read, and the writer is not limited to it"
        yield against(DifferenceType.PRODUCT_TYPE_EXTENDED, node, (keyword,), says)
        return
    missing = [value for value in shape.values if number(value) not in known]
    if missing:
        given = {number(value) for value in shape.values}
        is_narrowed = keyword == "enum" and known < given
        kind = DifferenceType.ENUM_ARRAY_NARROWED if is_narrowed else DifferenceType.ENUM_ARRAY_CHANGED
        yield against(kind, node, (keyword,), f"{listed(missing)} may be written and is not read")


def numbers(shape: Shape, node: Node) -> Iterator[Difference]:
    """Bounds and divisors."""
    written_types = shape.types & node.facts.types & kinds.NUMBER
    if not written_types:
        return
    whole = not written_types & kinds.FRACTION
    yield from _lower(shape, node, whole)
    yield from _upper(shape, node, whole)
    wanted = node.facts.multiple
    if wanted is not None and not _divides(wanted, shape.multiples, whole):
        yield _multiple(wanted, shape.multiples, node)


def _lower(shape: Shape, node: Node, whole: bool) -> Iterator[Difference]:
    for keyword, name, wanted, is_open in (
        ("minimum", "MINIMUM", node.facts.minimum, False),
        ("exclusiveMinimum", "EXCLUSIVE_MINIMUM", node.facts.above, True),
    ):
        if wanted is None:
            continue
        if shape.low is None:
            is_kept = False
        elif whole:
            is_kept = first_integer(shape.low, shape.is_low_open) >= first_integer(wanted, is_open)
        else:
            is_kept = shape.low > wanted or (shape.low == wanted and (shape.is_low_open or not is_open))
        if not is_kept:
            yield from bound(node, keyword, name, wanted, _kept(shape, keyword), is_upper=False)


def _upper(shape: Shape, node: Node, whole: bool) -> Iterator[Difference]:
    for keyword, name, wanted, is_open in (
        ("maximum", "MAXIMUM", node.facts.maximum, False),
        ("exclusiveMaximum", "EXCLUSIVE_MAXIMUM", node.facts.below, True),
    ):
        if wanted is None:
            continue
        if shape.high is None:
            is_kept = False
        elif whole:
            is_kept = last_integer(shape.high, shape.is_high_open) <= last_integer(wanted, is_open)
        else:
            is_kept = shape.high < wanted or (shape.high == wanted and (shape.is_high_open or not is_open))
        if not is_kept:
            yield from bound(node, keyword, name, wanted, _kept(shape, keyword), is_upper=True)


_FACT = {"minimum": "minimum", "maximum": "maximum", "exclusiveMinimum": "above", "exclusiveMaximum": "below"}


def _kept(shape: Shape, keyword: str) -> Fraction | None:
    """What the writer says under the same keyword."""
    given = [getattr(one.facts, _FACT[keyword]) for one in shape.nodes]
    given = [one for one in given if one is not None]
    if not given:
        return None
    found: Fraction = max(given) if "inimum" in keyword else min(given)
    return found


def _divides(wanted: Fraction, given: frozenset[Fraction], whole: bool) -> bool:
    """Whether multiples of `given` are multiples of `wanted`, for validators that divide with floating point too.

    Those round: 0.3 is no multiple of 0.1 to them. So beyond equality only divisors are compared that are exact in
    binary, or of which one is the other times a power of two.
    """
    if wanted in given or any(_is_doubled(one, wanted) for one in given):
        return True
    if not _is_exact(wanted):
        return False
    candidates = [one for one in given if _is_exact(one)] + ([Fraction(1)] if whole else [])
    return any((one / wanted).denominator == 1 for one in candidates)


def _is_exact(divisor: Fraction) -> bool:
    denominator = divisor.denominator
    return denominator & (denominator - 1) == 0 and denominator <= 1 << 20 and divisor.numerator < 1 << 53


def _is_doubled(large: Fraction, small: Fraction) -> bool:
    ratio = large / small
    is_power = ratio.denominator == 1 and ratio.numerator & (ratio.numerator - 1) == 0
    return is_power and Fraction(float(large)) == ratio * Fraction(float(small))


def _multiple(wanted: Fraction, given: frozenset[Fraction], node: Node) -> Difference:
    if not given:
        kind, says = DifferenceType.MULTIPLE_OF_ADDED, f"only multiples of {shown(wanted)} are read"
    else:
        one = min(given)
        is_expanded = (wanted / one).denominator == 1
        kind = DifferenceType.MULTIPLE_OF_EXPANDED if is_expanded else DifferenceType.MULTIPLE_OF_CHANGED
        says = f"multiples of {shown(one)} are written, and only multiples of {shown(wanted)} are read"
    return against(kind, node, ("multipleOf",), says)


def texts(shape: Shape, node: Node) -> Iterator[Difference]:
    """Lengths, patterns and formats."""
    facts = node.facts
    if not shape.types & facts.types & kinds.STRING:
        return
    if facts.min_length > shape.min_length:
        given = shape.min_length or None
        yield from bound(node, "minLength", "MIN_LENGTH", facts.min_length, given, is_upper=False)
    if facts.max_length is not None and (shape.max_length is None or shape.max_length > facts.max_length):
        yield from bound(node, "maxLength", "MAX_LENGTH", facts.max_length, shape.max_length, is_upper=True)
    wanted = facts.pattern
    if wanted is not None and not any(includes(wanted, given) for given in shape.patterns):
        kind = DifferenceType.PATTERN_CHANGED if shape.patterns else DifferenceType.PATTERN_ADDED
        says = f"texts must match {shown(wanted)}, and the writer's are not known to"
        yield against(kind, node, ("pattern",), says)
    yield from _formats(shape, node, facts)


def _formats(shape: Shape, node: Node, facts: Facts) -> Iterator[Difference]:
    for keyword, wanted in facts.formats:
        if (keyword, wanted) not in shape.formats:
            given = [value for key, value in shape.formats if key == keyword]
            kind = DifferenceType.FORMAT_CHANGED if given else DifferenceType.FORMAT_ADDED
            says = f"{keyword} {shown(wanted)} is read, and the writer keeps to {listed(given) or 'none'}"
            yield against(kind, node, (keyword,), says, "Leave the format out, or let the writer state it first.")
