"""A small table of UCUM units and how one converts into another, in exact fractions.

Source: the UCUM tables (ucum.org); international mile, foot, knot and pound are exact by definition.
"""

from __future__ import annotations

from fractions import Fraction

_SECOND, _METRE, _SPEED, _KELVIN, _KILOGRAM, _ONE = "time", "length", "speed", "temperature", "mass", "ratio"

_UNITS: dict[str, tuple[str, Fraction, Fraction]] = {
    code: (dimension, Fraction(factor), Fraction(offset))
    for code, dimension, factor, offset in (
        ("us", _SECOND, "1/1000000", 0),
        ("ms", _SECOND, "1/1000", 0),
        ("s", _SECOND, 1, 0),
        ("min", _SECOND, 60, 0),
        ("h", _SECOND, 3600, 0),
        ("d", _SECOND, 86400, 0),
        ("wk", _SECOND, 604800, 0),
        ("mm", _METRE, "1/1000", 0),
        ("cm", _METRE, "1/100", 0),
        ("m", _METRE, 1, 0),
        ("km", _METRE, 1000, 0),
        ("[in_i]", _METRE, "127/5000", 0),
        ("[ft_i]", _METRE, "381/1250", 0),
        ("[mi_i]", _METRE, "201168/125", 0),
        ("[nmi_i]", _METRE, 1852, 0),
        ("m/s", _SPEED, 1, 0),
        ("km/h", _SPEED, "5/18", 0),
        ("[mi_i]/h", _SPEED, "1397/3125", 0),
        ("[kn_i]", _SPEED, "463/900", 0),
        ("K", _KELVIN, 1, 0),
        ("Cel", _KELVIN, 1, "273.15"),
        ("[degF]", _KELVIN, "5/9", "45967/180"),
        ("g", _KILOGRAM, "1/1000", 0),
        ("kg", _KILOGRAM, 1, 0),
        ("t", _KILOGRAM, 1000, 0),
        ("[lb_av]", _KILOGRAM, "0.45359237", 0),
        ("1", _ONE, 1, 0),
        ("%", _ONE, "1/100", 0),
        ("[ppm]", _ONE, "1/1000000", 0),
        ("[ppth]", _ONE, "1/1000", 0),
    )
}
KNOWN_UNITS = tuple(_UNITS)


def conversion(source: str, target: str) -> tuple[Fraction, Fraction] | None:
    """(factor, offset) with target = source * factor + offset; None when the table cannot tell."""
    if source == target:
        return Fraction(1), Fraction(0)
    if source not in _UNITS or target not in _UNITS:
        return None
    dimension, factor, offset = _UNITS[source]
    wanted, target_factor, target_offset = _UNITS[target]
    if dimension != wanted:
        return None
    return factor / target_factor, (offset - target_offset) / target_factor
